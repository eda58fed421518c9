//! The broker's side of the boots: a real broker, a CA in the place of Google's, baseline, policy and key.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Map, Value, json};
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec, FakeGoogle};
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_protocol::{Digest32, UnixTime};
use vouchsafe_tests::broker::Broker;
use vouchsafe_tests::swtpm::Swtpm;
use vouchsafe_tests::{clock, pem};

use super::installed::DATA_UUID;
use super::kind::Kind;
use super::{Start, UUID};
use crate::suite::Initrd;

/// What the certificate in a TPM certifies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Certified {
    /// The TPM's key, for the instance of the policy.
    Genuinely,
    /// The TPM's key, for another instance.
    OtherInstance,
    /// Another key.
    OtherKey,
    /// The TPM's key, by a CA of the same name that the broker does not trust.
    ByOthers,
}

/// A broker that VMs reach through QEMU.
pub(super) struct Site {
    folder: PathBuf,
    google: FakeGoogle,
    instance: AkCertificateSpec,
    /// Project number and instance id of the instance.
    names: [String; 2],
    pub(super) broker: Broker,
}

impl Site {
    /// Starts a broker in a new folder.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let google = FakeGoogle::new();
        let broker = Broker::start_for(folder, &[HOST], &[google.root_der()], "")?;
        let now = clock::now();
        let crl = google.root_crl(&CrlSpec::current(UnixTime(now.0 - 60), now.plus(86_400)));
        fs::write(folder.join("crl.pem"), pem::crl(&crl))?;
        let instance = AkCertificateSpec::default();
        let names = [instance.project_number.to_string(), instance.instance_id.to_string()];
        let site = Self { folder: folder.to_owned(), google, instance, names, broker };
        site.broker.operate(&["collateral", "import", &site.path("crl.pem")], b"")?;
        Ok(site)
    }

    /// The folder /etc/vouchsafe of the VMs: the one that `vouchsafe init` made, with the volume's name and the
    /// issuer of the AKs, which the broker cannot fetch.
    pub(super) fn configuration(&self, kind: Kind) -> anyhow::Result<PathBuf> {
        let folder = self.broker.data().join("guest");
        let file = folder.join("guest.toml");
        let text = fs::read_to_string(&file)?;
        let device = format!("device = \"/dev/disk/by-uuid/{UUID}\"\n");
        let volume = match kind {
            // Clevis opens a volume with the header on its disk.
            Kind::Clevis => String::new(),
            // In initrds of dracut nothing registers headers.
            Kind::Dracut | Kind::Sid => device,
            Kind::Grub | Kind::Unified => device + "register = true\n",
        };
        let more = format!(
            "\n[vtpm]\nissuers = [\"/etc/vouchsafe/issuers.pem\"]\n\n\
             [volumes.root]\nsecret = {SECRET:?}\n{volume}\n\
             [volumes.data]\nsecret = {DATA:?}\ndevice = \"/dev/disk/by-uuid/{DATA_UUID}\"\nstage = \"system\"\n\n\
             [services.\"app.service\"]\ndb-password = {CREDENTIAL:?}\n\n[updates]\nbaseline = {BASELINE:?}\n"
        );
        fs::write(&file, text + &more)?;
        fs::write(folder.join("issuers.pem"), pem::certificate(self.google.intermediate_der()))?;
        Ok(folder)
    }

    /// Puts template and certificate of an AK into a TPM, as Google does.
    pub(super) fn provision(&self, state: &Path, certified: Certified) -> anyhow::Result<()> {
        let tpm = Swtpm::start(state).context("start swtpm")?;
        let mut instance = self.instance.clone();
        if certified == Certified::OtherInstance {
            instance.instance_id += 1;
        }
        let other_key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let other_key: PublicKeyX509Der<'_> = other_key.public_key().as_der()?;
        let issue = |spki: &[u8]| match certified {
            Certified::OtherKey => self.google.issue_ak(other_key.as_ref(), &instance),
            Certified::ByOthers => FakeGoogle::new().issue_ak(spki, &instance),
            Certified::Genuinely | Certified::OtherInstance => self.google.issue_ak(spki, &instance),
        };
        tpm.provision(AkAlgorithm::Ecc, issue).context("provision the TPM as GCE does")?;
        Ok(())
    }

    /// Stores what is for the time after the initrd, under a policy that demands the phase `latched`, too.
    pub(super) fn register_system(&self, kind: Kind, data: &[u8], credential: &[u8]) -> anyhow::Result<()> {
        let policy = self.broker.operate(&self.policy("app", kind), b"")?;
        let (start, end) = policy.split_once("\n};").context("the end of the conditions")?;
        let phase = "principal.vtpm.phase == Phase::\"latched\"";
        let file = self.path("app.cedar");
        fs::write(&file, format!("{start} &&\n  {phase}\n}};{end}"))?;
        self.broker.operate(&["policy", "put", SYSTEM_POLICY, &file], b"")?;
        for (path, secret) in [(DATA, data), (CREDENTIAL, credential)] {
            let put = ["secret", "put", path, "--for", "app", "--policy", SYSTEM_POLICY, "--from", "-"];
            self.broker.operate(&put, secret)?;
        }
        Ok(())
    }

    /// Registers a baseline, and stores the key under a policy that demands it. A unified kernel image is not signed for
    /// Secure Boot, and its log has no text of the command line, which the baseline determines.
    pub(super) fn register(&self, baseline: &Value, kind: Kind, key: &[u8]) -> anyhow::Result<()> {
        self.put_baseline(baseline)?;
        let mut new = self.policy("disk", kind);
        if kind.is_unified() {
            new.extend(["--accept", "failure-shell"]);
        }
        let mut policy = self.broker.operate(&new, b"")?;
        if kind.is_unified() {
            let (start, rest) = policy.split_once(ARGUMENTS).context("conditions for the arguments")?;
            let (_, end) = rest.split_once("\n};").context("the end of the conditions")?;
            policy = format!("{}\n}};{end}", start.trim_end().trim_end_matches("&&"));
        }
        let file = self.path("disk.cedar");
        fs::write(&file, policy)?;
        self.broker.operate(&["policy", "put", POLICY, &file], b"")?;
        let put = ["secret", "put", SECRET, "--for", "disk", "--policy", POLICY, "--from", "-"];
        self.broker.operate(&put, key)?;
        Ok(())
    }

    /// Registers a baseline in the place of the one before.
    pub(super) fn put_baseline(&self, baseline: &Value) -> anyhow::Result<()> {
        fs::write(self.folder.join("boot.json"), baseline.to_string())?;
        self.broker.operate(&["baseline", "put", BASELINE, &self.path("boot.json")], b"")?;
        Ok(())
    }

    /// Forgets the header of the volume, if one is registered.
    pub(super) fn forget_volume(&self) -> anyhow::Result<()> {
        let [project, instance] = &self.names;
        if self.volumes()?.contains(SECRET) {
            self.broker.operate(&["volume", "forget", &format!("{SECRET}@{project}/{instance}")], b"")?;
        }
        Ok(())
    }

    /// Adds the initrd that a refused boot loaded to the baseline, as an operator does who has read why it was refused.
    pub(super) fn allow_initrd(&self, explained: &str) -> anyhow::Result<()> {
        let (_, digest) = explained.split_once(UNLISTED).context("no event of PCR 9 that is not listed")?;
        let digest = digest.get(..64).context("a digest")?;
        let file = self.folder.join("boot.json");
        let mut baseline: Value = serde_json::from_slice(&fs::read(&file)?)?;
        let members = baseline.as_object_mut().context("a baseline")?;
        members.insert("loaded_initrd".to_owned(), json!([digest]));
        fs::write(&file, baseline.to_string())?;
        self.broker.operate(&["baseline", "put", BASELINE, &self.path("boot.json")], b"")?;
        Ok(())
    }

    /// Revokes the baseline of the boot, which is permanent.
    pub(super) fn revoke(&self) -> anyhow::Result<()> {
        self.broker.operate(&["baseline", "revoke", BASELINE], b"")?;
        Ok(())
    }

    /// Stops releasing the key.
    pub(super) fn retire(&self) -> anyhow::Result<()> {
        self.broker.operate(&["secret", "retire", SECRET], b"")?;
        Ok(())
    }

    /// Releases it again.
    pub(super) fn restore(&self) -> anyhow::Result<()> {
        self.broker.operate(&["secret", "restore", SECRET], b"")?;
        Ok(())
    }

    /// The ids of all decisions, in the log and in the broker's memory.
    pub(super) fn decisions(&self) -> anyhow::Result<BTreeSet<String>> {
        let list = ["decisions", "list", "--limit", "1000"];
        let logged = self.broker.operate(&list, b"")?;
        let remembered = self.broker.operate(&[&list[..], &["--remembered"]].concat(), b"")?;
        let words = logged.split_whitespace().chain(remembered.split_whitespace());
        Ok(words.filter(|word| is_decision(word)).map(ToOwned::to_owned).collect())
    }

    /// What `vouchsafe volume list` says.
    pub(super) fn volumes(&self) -> anyhow::Result<String> {
        self.broker.operate(&["volume", "list"], b"")
    }

    /// What `vouchsafe explain` says about the decision that a text names.
    pub(super) fn explain(&self, text: &str) -> anyhow::Result<String> {
        let mut words = text.split(|c: char| !c.is_ascii_hexdigit());
        let decision = words.find(|word| is_decision(word)).context("the console names no decision")?;
        self.broker.operate(&["explain", decision], b"")
    }

    /// The baseline of a boot. `predict` extends one that exists: it begins as one that no boot can meet, whose
    /// digests are taken out again.
    pub(super) fn foretell(&self, start: &Start, kind: Kind, driver: Digest32) -> anyhow::Result<Value> {
        self.foretell_boot(&start.arguments(), start.has_kernel_stub(), kind, driver)
    }

    /// The same from the options of `predict`, and whether the kernel's EFI stub takes part.
    pub(super) fn foretell_boot(
        &self,
        arguments: &[String],
        stub: bool,
        kind: Kind,
        driver: Digest32,
    ) -> anyhow::Result<Value> {
        let never = |number: u8| json!([format!("{number:064x}")]);
        let unified = kind.is_unified();
        let by_grub = |list: Value| if unified { json!([]) } else { list };
        let in_image = |list: Value| if unified { list } else { json!([]) };
        let by_stub = |list: Value| if stub { list } else { json!([]) };
        let sections: &[&str] = match kind {
            Kind::Unified => &[".osrel", ".cmdline", ".linux", ".initrd"],
            // Newer stubs have a section of their own, which is measured, too.
            Kind::Sid => &[".sbat", ".osrel", ".cmdline", ".linux", ".initrd"],
            Kind::Grub | Kind::Clevis | Kind::Dracut => &[],
        };
        let sections: Map<_, _> = sections.iter().map(|name| ((*name).to_owned(), never(1))).collect();
        let nothing = json!({
            "version": 1, "ends_at": clock::now().plus(86_400).0, "technology": "sev",
            "drivers": [driver], "shim": by_grub(never(2)), "grub": by_grub(never(3)),
            "uki": in_image(never(4)), "kernel_image": never(5), "kernel": by_grub(never(6)),
            "initrd": by_grub(never(7)), "command_lines": by_grub(json!(["/never"])), "sections": sections,
            "load_options": by_stub(never(8)), "loaded_initrd": by_stub(never(9)),
        });
        fs::write(self.folder.join("nothing.json"), nothing.to_string())?;
        let nothing = self.path("nothing.json");
        let predict = ["baseline", "predict", "--into", &nothing].into_iter();
        let predict: Vec<&str> = predict.chain(arguments.iter().map(String::as_str)).collect();
        let foretold = self.broker.operate(&predict, b"")?;
        let foretold: String = foretold.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let mut foretold: Value = serde_json::from_str(&foretold)?;
        forget_nothing(&mut foretold);
        // The stub composes an initrd with a secret of the machine, which nobody can know beforehand. A baseline may only leave that to
        // the sections of the image where no driver starts before it, and here one does.
        if kind.suite().initrd() == Initrd::OfMachine
            && let Some(members) = foretold.as_object_mut()
        {
            members.insert("loaded_initrd".to_owned(), never(9));
        }
        Ok(foretold)
    }

    /// The command that writes a policy for secrets of this purpose.
    fn policy(&self, purpose: &'static str, kind: Kind) -> Vec<&str> {
        let [project, instance] = &self.names;
        let mut command = vec!["policy", "new", "--for", purpose, "--technology", "sev", "--extra-root"];
        command.extend(["--baseline", BASELINE, "--project", project, "--instance", instance]);
        command.extend(kind.is_unified().then_some("--no-secure-boot"));
        command
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

fn is_decision(word: &str) -> bool {
    word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes out what stands for nothing.
fn forget_nothing(value: &mut Value) {
    let is_nothing = |item: &Value| {
        item.as_str().is_some_and(|text| text == "/never" || text.starts_with(&"0".repeat(60)))
    };
    match value {
        Value::Array(list) => list.retain(|item| !is_nothing(item)),
        Value::Object(members) => members.values_mut().for_each(forget_nothing),
        _ => {}
    }
}

/// The broker's address in the VMs.
const HOST: &str = "10.0.2.2";
/// The path of the volume's key.
const SECRET: &str = "prod/db-01/root";
/// The policy of the volume's key.
const POLICY: &str = "prod/disk";
/// The paths of a data volume's key and of a service's credential, and their policy.
const DATA: &str = "prod/db-01/data";
const CREDENTIAL: &str = "prod/app/db-password";
const SYSTEM_POLICY: &str = "prod/system";
/// The comment above the last conditions of a policy for a disk.
const ARGUMENTS: &str = "// An initrd that fails reboots";
const BASELINE: &str = "prod/boot";
/// How an explanation names the only event that a baseline lacks.
const UNLISTED: &str = "PCR 9 has an event that is not listed: ";
