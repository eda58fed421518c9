//! The tools for policies through the binary, none of which asks a broker: `policy new`, `check`, `test`, `schema`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use vouchsafe_attestation::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel};
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedTd, SimulatedVm, shared_roots};
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Evidence, GuestKey, Nonce, ReleasePaths, Suite, UnixTime,
};

/// A folder with evidence of VMs, and the roots that they come from.
struct Folder(TempDir);

impl Folder {
    fn new(vm: &SimulatedVm, kinds: Kinds) -> Self {
        let folder = Self(TempDir::new().expect("a folder"));
        folder.write("vm.json", &serde_json::to_vec(&evidence(vm, kinds)).expect("JSON"));
        for (root, file) in shared_roots().into_iter().zip(ROOTS) {
            folder.write(file, root);
        }
        folder
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("read")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(arguments).current_dir(self.0.path()).output().expect("runs")
    }

    /// Standard output of a command with this exit code; only `new` writes to standard error.
    fn said(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        if code == 2 { text(&output.stderr) } else { text(&output.stdout) }
    }

    fn new_policy(&self, purpose: &str, more: &[&str]) -> String {
        let roots: Vec<&str> = ROOTS.iter().flat_map(|root| ["--anchor", root]).collect();
        let new = ["policy", "new", "--for", purpose, "--evidence", "vm.json", "--out", "db.cedar"];
        self.said(0, &[&new[..], &roots, more].concat())
    }

    /// Whether the policy releases to the VM of a file, and why not.
    fn tried(&self, vm: &str, more: &[&str]) -> (bool, String) {
        let roots: Vec<&str> = ROOTS.iter().flat_map(|root| ["--anchor", root]).collect();
        self.write("none.cedar", b"");
        let test = ["policy", "test", "db.cedar", "--evidence", vm, "--baseline", "prod/db=db.baseline.json"];
        let output = self.run(&[&test[..], &["--guardrails", "none.cedar"], &roots, more].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn evidence(vm: &SimulatedVm, kinds: Kinds) -> Evidence {
    let key = GuestKey::generate(Suite::XWing);
    let paths = ReleasePaths::sort(vec!["prod/a/x".parse().expect("a path")]).expect("paths");
    vm.evidence(
        kinds,
        &BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), key.public().clone(), &paths),
    )
}

#[test]
fn no_file_is_written_over_nor_one_of_two_written() {
    for (taken, free) in [("db.cedar", "db.baseline.json"), ("db.baseline.json", "db.cedar")] {
        let folder = Folder::new(&SimulatedVm::new(), Kinds::BOTH);
        folder.write(taken, b"mine");
        let roots: Vec<&str> = ROOTS.iter().flat_map(|root| ["--anchor", root]).collect();
        let new = [
            "policy",
            "new",
            "--for",
            "app",
            "--evidence",
            "vm.json",
            "--out",
            "db.cedar",
            "--name",
            "prod/db",
        ];
        let said = folder.said(2, &[&new[..], &roots].concat());
        let expected = format!(
            "{taken}: exists already, and is not overwritten: name a new file, or move that one away first"
        );
        assert!(said.contains(&expected), "{said}");
        assert_eq!(folder.read(taken), "mine");
        assert!(!folder.path(free).exists());
    }
}

/// The output describes the files: policy and baseline are accepted unchanged, release to this VM, and to no
/// VM that booted anything else.
#[test]
fn t53_a_captured_vm_gets_a_policy_and_a_baseline() {
    let folder = Folder::new(&SimulatedVm::new(), Kinds::BOTH);
    let said = folder.new_policy("disk", &["--name", "prod/db"]);
    for part in [
        "instance 3560342035431930290 of project 620438545889 and no other",
        "exactly what baseline prod/db lists as boot",
        "an SEV-SNP report of genoa",
        "It leaves open",
        "vouchsafe baseline put prod/db db.baseline.json\n  vouchsafe policy put prod/db db.cedar",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!said.contains("refuse it"), "{said}");
    let text = folder.read("db.cedar");
    assert!(!text.contains("@accepts") && text.contains("Baseline::\"prod/db\""), "{text}");
    let check = ["policy", "check", "prod/db", "db.cedar", "--baseline", "prod/db=db.baseline.json"];
    assert!(folder.said(0, &check).contains("prod/db would be accepted"));
    let (released, why) = folder.tried("vm.json", &[]);
    assert!(released, "{why}");
    let other =
        EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_kernel_arguments("ro init=/bin/sh panic=-1");
    let other = SimulatedVm::booted(&AkCertificateSpec::default(), &other);
    folder.write("other.json", &serde_json::to_vec(&evidence(&other, Kinds::BOTH)).expect("JSON"));
    let (released, why) = folder.tried("other.json", &[]);
    assert!(!released && why.contains("principal in"), "{why}");
    // Files that exist are not written over.
    let again =
        ["policy", "new", "--for", "app", "--project", "7", "--technology", "sev", "--out", "db.cedar"];
    folder.said(2, &again);
}

/// Of a trust domain by its own log: the firmware that wrote it is in the baseline, so that it is known.
#[test]
fn t53_a_captured_trust_domain_gets_a_baseline_of_its_rtmrs() {
    let vm = SimulatedVm::trust_domain(&AkCertificateSpec::default());
    let folder = Folder::new(&vm, Kinds::BOTH);
    let current = CollateralSpec::current(UnixTime(NOW.0 - 100), NOW.plus(100));
    let collateral = serde_json::to_vec(&FakeIntel::shared().collateral(&current)).expect("JSON");
    folder.write("collateral.json", &collateral);
    let by = ["--collateral", "collateral.json", "--at", AT];
    let said = folder.new_policy("disk", &[&["--name", "prod/db", "--log", "ccel"][..], &by].concat());
    assert!(said.contains("by the log of the RTMRs") && said.contains("a TDX quote"), "{said}");
    assert!(!said.contains("refuse it"), "{said}");
    assert!(folder.read("db.baseline.json").contains("\"log\": \"ccel\""));
    let (released, why) = folder.tried("vm.json", &by);
    assert!(released, "{why}");
    let mut other = vm;
    other.tdx = Some(SimulatedTd::booted(&EventLogBuilder::ccel_uki()));
    folder.write("other.json", &serde_json::to_vec(&evidence(&other, Kinds::BOTH)).expect("JSON"));
    let (released, why) = folder.tried("other.json", &by);
    assert!(!released, "{why}");
}

#[test]
fn a_captured_boot_needs_a_name_for_its_baseline() {
    let folder = Folder::new(&SimulatedVm::new(), Kinds::VTPM);
    let new = ["policy", "new", "--for", "app", "--evidence", "vm.json", "--anchor", "google.der"];
    assert!(folder.said(2, &new).contains("--name NAMESPACE/NAME"));
    assert!(folder.said(2, &[&new[..], &["--name", "prod/db"]].concat()).contains("--baseline-out"));
    let given = ["--name", "prod/db", "--baseline-out", "b.json"];
    assert!(folder.said(0, &[&new[..], &given].concat()).contains("permit ("));
    assert!(folder.read("b.json").contains("\"technology\": \"sev-snp\""));
    // One that exists is named and not written.
    let named = folder.said(0, &[&new[..], &["--baseline", "shared/web"]].concat());
    assert!(named.contains("Baseline::\"shared/web\""), "{named}");
}

#[test]
fn t35_a_disk_whose_boot_may_open_a_shell_makes_no_policy() {
    let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_kernel_arguments("ro quiet");
    let folder = Folder::new(&SimulatedVm::booted(&AkCertificateSpec::default(), &log), Kinds::VTPM);
    let new = ["policy", "new", "--for", "disk", "--evidence", "vm.json", "--anchor", "google.der"];
    let said = folder.said(2, &[&new[..], &["--name", "prod/db", "--out", "db.cedar"]].concat());
    assert!(said.contains("panic=-1"), "{said}");
    assert!(!folder.path("db.cedar").exists() && !folder.path("db.baseline.json").exists());
}

/// T53: what is left open is reported and not waived, unless the operator types the waiver.
#[test]
fn t53_only_the_operator_waives() {
    let folder = Folder::new(&SimulatedVm::new(), Kinds::VTPM);
    let new = ["policy", "new", "--for", "app", "--project", "7", "--technology", "sev", "--out"];
    let said = folder.said(0, &[&new[..], &["open.cedar"]].concat());
    assert!(
        said.contains("Registration will refuse it as it stands") && said.contains("pcr7-alone"),
        "{said}"
    );
    assert!(!folder.read("open.cedar").contains("@accepts"));
    assert!(folder.said(1, &["policy", "check", "prod/db", "open.cedar"]).contains("pcr7-alone"));
    let said = folder.said(0, &[&new[..], &["waived.cedar", "--accept", "pcr7-alone"]].concat());
    assert!(!said.contains("refuse it"), "{said}");
    folder.said(0, &["policy", "check", "prod/db", "waived.cedar"]);
    let unknown = folder.said(2, &[&new[..], &["x.cedar", "--accept", "everything"]].concat());
    assert!(unknown.contains("pcr7-alone, ") || unknown.contains("one of "), "{unknown}");
}

#[test]
fn policy_check_is_a_linter() {
    let folder = Folder::new(&SimulatedVm::new(), Kinds::VTPM);
    folder.write(
        "typo.cedar",
        b"@id(\"p\") @for(\"app\")\npermit (principal is Vm, action == Action::\"release\", resource)\nwhen { principal has vptm };",
    );
    let said = folder.said(1, &["policy", "check", "prod/db", "typo.cedar"]);
    assert!(said.contains("line 3, column 22") && said.contains("did you mean `vtpm`?"), "{said}");
    assert!(said.contains("when { principal has vptm };"), "{said}");
    let json: Value =
        serde_json::from_str(&folder.said(1, &["--json", "policy", "check", "prod/db", "typo.cedar"]))
            .expect("JSON");
    assert_eq!(json.pointer("/refused").and_then(Value::as_array).map(Vec::len), Some(1), "{json}");
    let place =
        ["/refused/0/line", "/refused/0/column"].map(|member| json.pointer(member).and_then(Value::as_u64));
    assert_eq!(place, [Some(3), Some(22)], "{json}");
    // A baseline that is not given is one that is not known.
    folder.new_policy("app", &["--name", "prod/db"]);
    let said = folder.said(1, &["policy", "check", "prod/db", "db.cedar"]);
    assert!(said.contains("--baseline prod/db=FILE"), "{said}");
    folder.said(2, &["policy", "check", "prod/db", "db.cedar", "--baseline", "prod/db=nothing.json"]);
    folder.said(2, &["policy", "check", "prod/db", "nothing.cedar"]);
    let json = ["--json", "policy", "check", "prod/db", "db.cedar", "--baseline", "prod/db=db.baseline.json"];
    let json: Value = serde_json::from_str(&folder.said(0, &json)).expect("JSON");
    assert_eq!(json.get("for").and_then(Value::as_str), Some("app"));
}

#[test]
fn the_reference_of_claims_is_printed() {
    let folder = Folder::new(&SimulatedVm::new(), Kinds::VTPM);
    let said = folder.said(0, &["policy", "schema", "snp.signer"]);
    assert!(said.starts_with("principal.snp.signer: Signer (\"vcek\", \"vlek\")\n"), "{said}");
    let all: Value = serde_json::from_str(&folder.said(0, &["--json", "policy", "schema"])).expect("JSON");
    let all = all.as_array().expect("a list");
    assert!(all.len() > 150 && all.iter().all(|claim| claim.get("from").is_some()));
    assert!(folder.said(2, &["policy", "schema", "principal.nothing"]).contains("no claim is named"));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/claims.md");
    assert_eq!(folder.said(0, &["policy", "schema", "--markdown"]), fs::read_to_string(page).expect("read"));
}

/// Both accept what `verify vtpm` accepts.
#[test]
fn attestations_of_go_tpm_tools_are_evidence() {
    let Some(captured) = vouchsafe_captured::folder() else { return };
    let captured = captured.join("gce/vtpm/attestations/gce-cos-85-nonce9009.pb");
    let folder = Folder::new(&SimulatedVm::new(), Kinds::VTPM);
    let captured = captured.to_str().expect("UTF-8");
    folder.write("p.cedar", b"@id(\"p\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource) when { principal has vtpm.instance && principal.vtpm.instance.instance_name == \"cos-test\" };");
    folder.write("none.cedar", b"");
    let test =
        ["policy", "test", "p.cedar", "--guardrails", "none.cedar", "--at", "1650000000", "--evidence"];
    assert!(folder.said(0, &[&test[..], &[captured]].concat()).contains("would be released"));
    folder.write("text.txtpb", b"quotes: {\n quote: \"x\"\n}\n");
    let said = folder.said(2, &[&test[..], &["text.txtpb"]].concat());
    assert!(said.contains("binary form") && said.contains("go-tpm-tools-text-form"), "{said}");
    folder.write("other.json", b"{\"vtpm\": 1}");
    assert!(folder.said(2, &[&test[..], &["other.json"]].concat()).contains("not evidence in JSON"));
}

const NOW: UnixTime = UnixTime(1_761_955_200);
const AT: &str = "1761955200";
const ROOTS: [&str; 4] = ["google.der", "amd.der", "intel.der", "tokens.der"];
