//! `vouchsafe baseline learn` and `predict` through the binary: no broker is needed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use vouchsafe_attestation::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::presets::{UBUNTU_KERNEL, content_digest};
use vouchsafe_attestation::test_util::launch::FakeTcbSigner;
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel, TdxQuoteBuilder};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm, shared_google};
use vouchsafe_attestation::test_util::vtpm::QuoteSpec;
use vouchsafe_policy::Baseline;
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Digest48, Evidence, GuestKey, Nonce, ReleasePaths, Suite, TdxEvidence,
    UnixTime,
};
use vouchsafe_reference_values::test_util::ImageBuilder;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("written");
        path
    }

    /// `vouchsafe baseline …` in the folder.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.arg("baseline").args(arguments).current_dir(self.0.path()).output().expect("runs")
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
    }

    /// Evidence of a simulated VM, and the root that it chains to.
    fn with_evidence() -> Self {
        let folder = Self::new();
        let key = GuestKey::generate(Suite::XWing);
        let paths = ReleasePaths::sort(vec!["prod/a/x".parse().expect("a path")]).expect("paths");
        let bound =
            BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths);
        let evidence = SimulatedVm::new().evidence(Kinds::VTPM, &bound);
        folder.file("evidence.json", &serde_json::to_vec(&evidence).expect("JSON"));
        folder.file("google.der", shared_google().root_der());
        folder
    }
}

const LEARN: [&str; 5] = ["learn", "--evidence", "evidence.json", "--anchor", "google.der"];

fn stub() -> ImageBuilder {
    ImageBuilder::stub_of(252, &[".linux", ".osrel", ".cmdline", ".initrd", ".pcrsig"])
}

/// Fleets of one image: what differs on each machine is not in the baseline, and both the file and the output
/// say so.
#[test]
fn a_learned_baseline_says_how_the_composed_initrd_is_compared() {
    let key = GuestKey::generate(Suite::XWing);
    let paths = ReleasePaths::sort(vec!["prod/a/x".parse().expect("a path")]).expect("paths");
    let bound = BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths);
    for (images, member, said) in [
        (&["shim", "uki"][..], Some("\"composed_initrd\": \"by-sections\""), "its digest is left"),
        (&["systemd-boot", "uki"], None, "pinned in loaded_initrd: boot_manager is listed"),
    ] {
        let folder = Folder::with_evidence();
        let log = EventLogBuilder::unified(Technology::Sev, images).with_composed_initrd("composed");
        let vm = SimulatedVm::booted(&AkCertificateSpec::default(), &log);
        let evidence = serde_json::to_vec(&vm.evidence(Kinds::VTPM, &bound)).expect("JSON");
        folder.file("evidence.json", &evidence);
        let output = folder.run(&LEARN);
        let (text, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(said) && told.contains(said), "{images:?}: {text}{told}");
        assert_eq!(text.contains("by-sections\""), member.is_some(), "{text}");
        assert!(member.is_none_or(|member| text.contains(member)), "{text}");
        Baseline::parse(&text).expect("a baseline");
    }
}

#[test]
fn a_baseline_that_has_ended_is_not_written() {
    let folder = Folder::with_evidence();
    let learned = |ends_at: &str| [&LEARN[..], &["--ends-at", ends_at]].concat().join(" ");
    let said = folder.refused(&learned("2020-01-01").split(' ').collect::<Vec<_>>(), 2);
    assert!(said.contains("has passed"), "{said}");
    let text = folder.ok(&learned("2033-05-18T03:33:20Z").split(' ').collect::<Vec<_>>());
    assert_eq!(Baseline::parse(&text).expect("a baseline").ends_at.0, 2_000_000_000);
}

#[test]
fn a_learned_baseline_is_complete_and_names_its_components() {
    let folder = Folder::with_evidence();
    let text = folder.ok(&[&LEARN[..], &["--version", "7", "--ends-at", "2000000000"]].concat());
    let baseline = Baseline::parse(&text).expect("a baseline");
    assert_eq!((baseline.version, baseline.ends_at.0), (7, 2_000_000_000));
    assert_eq!(baseline.kernel, [content_digest("kernel").into()]);
    for words in ["// Learned from evidence.json", UBUNTU_KERNEL, "// PCR 4: Authenticode digests of shim."] {
        assert!(text.contains(words), "{words}: {text}");
    }
    folder.ok(&[&LEARN[..], &["--out", "new.json"]].concat());
    let again = folder.refused(&[&LEARN[..], &["--out", "new.json"]].concat(), 2);
    assert!(again.contains("new.json"), "{again}");
}

#[test]
fn a_baseline_is_learned_from_a_trust_domain() {
    let folder = Folder::with_evidence();
    let mut vm = SimulatedVm::new();
    vm.boot(&EventLogBuilder::gce_ubuntu(Technology::Tdx));
    let intel = FakeIntel::shared();
    let quote = TdxQuoteBuilder::new().sign(intel).into();
    let tdx = Some(TdxEvidence { quote, event_log: None });
    let vtpm = Some(vm.vtpm_with(&QuoteSpec::new(&[7; 32])));
    let evidence = Evidence { vtpm, tdx, ..Evidence::default() };
    folder.file("evidence.json", &serde_json::to_vec(&evidence).expect("JSON"));
    folder.file("intel.der", intel.root_der());
    let spec = CollateralSpec::current(UnixTime(1_771_400_000), UnixTime(1_771_600_000));
    folder.file("intel.json", &serde_json::to_vec(&intel.collateral(&spec)).expect("JSON"));
    let given = [&LEARN[..], &["--anchor", "intel.der", "--collateral", "intel.json", "--at"]].concat();
    let text = folder.ok(&[&given[..], &["1771500000"]].concat());
    let baseline = Baseline::parse(&text).expect("a baseline");
    assert_eq!(baseline.technology, "tdx");
    assert_eq!(baseline.firmware.tdx_measurements, [Digest48([0x3d; 48])]);
    // The output says what is known about the firmware.
    assert!(text.contains("has no endorsement here that counts"), "{text}");
    let signer = FakeTcbSigner::shared();
    folder.file("tcb.der", signer.root_der());
    folder.file("endorsement", &signer.endorse_tdx(&Digest48([0x3d; 48])));
    let endorsed = ["1771500000", "--anchor", "tcb.der", "--endorsement", "endorsement"];
    let text = folder.ok(&[&given[..], &endorsed].concat());
    assert!(text.contains("is endorsed under root extra, security version 3"), "{text}");
    assert_eq!(Baseline::parse(&text).expect("a baseline").firmware, baseline.firmware);
    let refused = folder.refused(&[&given[..], &["1771500000", "--endorsement", "tcb.der"]].concat(), 2);
    assert!(refused.contains("tcb.der"), "{refused}");
    // After Intel's collateral has expired, the quote is refused as in a release.
    let refused = folder.refused(&[&given[..], &["1771600001"]].concat(), 1);
    assert!(refused.contains("tdx-collateral-expired"), "{refused}");
}

#[test]
fn evidence_without_a_trusted_root_teaches_nothing() {
    let folder = Folder::with_evidence();
    let refused = folder.refused(&LEARN[..3], 1);
    let refused: Value = serde_json::from_str(&refused).expect("JSON");
    assert!(refused.get("refused").is_some_and(Value::is_string), "{refused}");
    folder.file("evidence.json", b"{}");
    assert!(folder.refused(&LEARN, 1).contains("refused"));
}

#[test]
fn t49_t28_an_update_is_predicted_and_merged_into_a_learned_baseline() {
    let folder = Folder::with_evidence();
    folder.ok(&[&LEARN[..], &["--out", "today.json"]].concat());
    let kernel = ImageBuilder::program(b"new kernel");
    for (name, content) in [
        ("shim.efi", ImageBuilder::program(b"new shim").bytes()),
        ("grub.efi", ImageBuilder::program(b"new grub").bytes()),
        ("vmlinuz", kernel.bytes()),
        ("initrd", b"new initrd".to_vec()),
    ] {
        folder.file(name, &content);
    }
    let files = [
        "predict",
        "--shim",
        "shim.efi",
        "--grub",
        "grub.efi",
        "--kernel",
        "vmlinuz",
        "--initrd",
        "initrd",
        "--cmdline",
        "/vmlinuz-new ro",
    ];
    let text = folder.ok(&[&files[..], &["--into", "today.json"]].concat());
    let today = Baseline::parse(&fs::read_to_string(folder.0.path().join("today.json")).expect("read"));
    let (today, updated) = (today.expect("a baseline"), Baseline::parse(&text).expect("a baseline"));
    assert_eq!(updated.shim, [today.shim[0], ImageBuilder::program(b"new shim").digest().into()]);
    assert_eq!(updated.kernel.len(), 2);
    assert_eq!(updated.command_lines.last().map(String::as_str), Some("/vmlinuz-new ro"));
    assert!(text.contains("// Not predicted: the commands that GRUB runs"), "{text}");
    assert!(text.contains("// The update's shim."), "{text}");
    let said = folder.ok(&files);
    assert!(said.contains("Cannot say: the commands that GRUB runs, and with them PCR 8 and 9"), "{said}");
    assert!(said.contains(&kernel.digest().to_string()), "{said}");
}

#[test]
fn a_unified_image_is_predicted_as_json() {
    let folder = Folder::new();
    let image = stub()
        .section(".cmdline", b"quiet")
        .section(".initrd", b"initrd")
        .section(".linux", &ImageBuilder::program(b"kernel").bytes());
    folder.file("uki.efi", &image.bytes());
    let values: Value =
        serde_json::from_str(&folder.ok(&["--json", "predict", "--uki", "uki.efi"])).expect("JSON");
    assert_eq!(values["events"][0]["component"], "uki");
    assert_eq!(values["events"][0]["digest"], image.digest().to_string());
    let pcrs: Vec<u64> = values["values"]
        .as_array()
        .expect("values")
        .iter()
        .filter_map(|value| value["pcr"].as_u64())
        .collect();
    assert_eq!(pcrs, [4, 9, 11]);
    // With signatures the stub composes the initrd: the event is listed, but no value of its PCR is
    // predicted.
    folder.file("signed.efi", &image.section(".pcrsig", b"{}").bytes());
    let said = folder.ok(&["--json", "predict", "--uki", "signed.efi"]);
    let values: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(values["unknown"][0]["pcr"], 9);
    assert_eq!(values["unknown"][0]["component"], "loaded-initrd");
    assert!(values["unknown"][1].get("pcr").is_none(), "{said}");
    assert!(!values["values"].as_array().expect("values").iter().any(|value| value["pcr"] == 9), "{said}");
}

#[test]
fn missing_files_are_refused_by_name() {
    let folder = Folder::new();
    folder.file("x.efi", b"no image");
    let refused = folder.refused(&["predict", "--uki", "x.efi"], 2);
    assert!(refused.contains("x.efi: not an EFI image (PE32+)"), "{refused}");
    folder.file("k.efi", &ImageBuilder::program(b"kernel").bytes());
    let refused = folder.refused(&["predict", "--uki", "k.efi"], 2);
    assert!(refused.contains("there is no section .linux"), "{refused}");
    folder.refused(&["predict"], 2);
    folder.refused(&["predict", "--uki", "k.efi", "--initrd", "k.efi"], 2);
    folder.refused(&["predict", "--kernel", "k.efi"], 2);
    let configuration = folder.file("grub.cfg", b"menuentry x {\n linux /other\n}\n");
    let refused = folder.refused(
        &[
            "predict",
            "--grub",
            "k.efi",
            "--kernel",
            "k.efi",
            "--cmdline",
            "/vmlinuz",
            "--grub-cfg",
            configuration.to_str().expect("text"),
        ],
        2,
    );
    assert!(refused.contains("command line \"/other\""), "{refused}");
}
