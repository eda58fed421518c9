mod boot;
mod broker;
mod configuration;
mod system;
mod tee;
mod tpm;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::vtpm::AkAlgorithm;

fn examine(root: &Path) -> Diagnosis {
    examine_with(root, &CollectConfig::default(), |_| Ok(AkAlgorithm::Ecc))
}

/// The machine below `root`, whose TPM returns this key.
fn examine_with(root: &Path, config: &CollectConfig, read_key: KeyReader) -> Diagnosis {
    checks::examine(&Machine { root: root.to_owned(), tdx: false, read_key }, config)
}

/// A healthy Compute Engine instance with SNP.
fn healthy() -> TempDir {
    let root = TempDir::new().unwrap();
    for (path, text) in [
        ("dev/tpmrm0", ""),
        ("dev/sev-guest", ""),
        ("sys/class/dmi/id/product_name", "Google Compute Engine\n"),
        ("sys/kernel/security/tpm0/binary_bios_measurements", "log"),
        ("sys/kernel/config/tsm/report/README", ""),
        ("sys/bus/platform/devices/sev-guest/modalias", ""),
        ("proc/sys/kernel/osrelease", "6.8.0-1015-gcp\n"),
        ("proc/cpuinfo", "flags\t\t: fpu sev_snp\n"),
        ("proc/mounts", "securityfs /sys/kernel/security securityfs rw 0 0\n"),
        ("proc/self/limits", "Max locked memory         unlimited            unlimited            bytes\n"),
        ("run/systemd/system/x", ""),
        ("usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-255.so", ""),
    ] {
        write(&root, path, text);
    }
    root
}

/// The same with TDX.
fn healthy_tdx() -> TempDir {
    let root = healthy();
    remove(&root, "dev/sev-guest");
    remove(&root, "sys/bus");
    write(&root, "proc/cpuinfo", "flags\t\t: fpu tdx_guest\n");
    write(&root, "dev/tdx_guest", "");
    write(&root, "sys/firmware/acpi/tables/CCEL", "table");
    write(&root, "sys/firmware/acpi/tables/data/CCEL", "log");
    root
}

fn write(root: &TempDir, path: &str, text: &str) {
    let path = root.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn remove(root: &TempDir, path: &str) {
    let path = root.path().join(path);
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

fn status(root: &TempDir, id: &str) -> Option<Status> {
    examine(root.path()).finding(id).map(|finding| finding.status)
}

/// No faults, except that the small build cannot request tokens.
fn assert_healthy(diagnosis: &Diagnosis) {
    let accepted = |finding: &&Finding| finding.id == "google-token" && cfg!(not(feature = "google"));
    let bad = diagnosis.findings.iter().filter(|finding| finding.status != Status::Ok && !accepted(finding));
    let bad: Vec<_> = bad.collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn a_healthy_instance_proves_both() {
    let diagnosis = examine(healthy().path());
    assert_eq!(diagnosis.provable, [Provable::Vtpm, Provable::SevSnp]);
    assert_healthy(&diagnosis);
    assert!(diagnosis.to_string().starts_with("This VM can prove: vtpm, sev-snp\n"));
}

#[test]
fn an_empty_machine_proves_nothing() {
    let root = TempDir::new().unwrap();
    let diagnosis = examine(root.path());
    assert_eq!(diagnosis.provable, []);
    assert_eq!(diagnosis.finding("tpm").unwrap().status, Status::Missing);
    assert_eq!(diagnosis.finding("sev-snp"), None);
    assert!(diagnosis.findings.iter().all(|finding| finding.status == Status::Ok || finding.fix.is_some()));
}

#[test]
fn doctor_reports_a_machine_without_tee_and_with_a_software_tpm() {
    let root = TempDir::new().unwrap();
    write(&root, "proc/sys/kernel/osrelease", "6.8.0\n");
    write(&root, "sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    write(&root, "log", "log");
    let mut config = CollectConfig::default();
    config.vtpm.device = Some("swtpm:host=127.0.0.1,port=2321".parse().unwrap());
    config.vtpm.event_log = "/log".into();
    let diagnosis = examine_with(root.path(), &config, |_| Ok(AkAlgorithm::Ecc));
    assert_eq!(diagnosis.provable, [Provable::Vtpm]);
    let of = |id| diagnosis.finding(id).map(|finding| (finding.status, finding.what.as_str()));
    assert_eq!(
        of("platform"),
        Some((Status::Warning, "this is \"Standard PC (Q35)\", not a Compute Engine instance"))
    );
    assert_eq!(of("tpm"), Some((Status::Warning, "swtpm:host=127.0.0.1,port=2321 is a software TPM")));
    assert_eq!(of("event-log"), Some((Status::Ok, "/log")));
    assert_eq!(of("hardware"), Some((Status::Missing, "not an SEV-SNP guest and not a TDX guest")));
    assert_eq!(of("google-token").map(|(status, _)| status), Some(Status::Warning));
    assert_eq!((of("sev-snp"), of("tdx"), of("tdx-event-log")), (None, None, None));

    config.vtpm.device = Some("/dev/tpm7".parse().unwrap());
    let diagnosis = examine_with(root.path(), &config, |_| Ok(AkAlgorithm::Ecc));
    assert_eq!(diagnosis.finding("tpm").unwrap().what, "/dev/tpm7 does not exist");
    assert!(diagnosis.to_string().starts_with("This VM can prove nothing as it is.\n"));
}

#[cfg(feature = "google")]
#[test]
fn tokens_are_offered_on_compute_engine_and_not_asked_for() {
    let diagnosis = examine(healthy().path());
    let finding = diagnosis.finding("google-token").unwrap();
    assert_eq!((finding.status, finding.what.as_str()), (Status::Ok, "built in, not asked"));
    assert!(finding.fix.unwrap().contains("doctor --google"));
    assert_eq!(diagnosis.finding("google-service"), None);
    let trust_domain = examine(healthy_tdx().path());
    assert!(trust_domain.finding("google-token").unwrap().fix.unwrap().contains("shown the vTPM then"));
}

#[cfg(not(feature = "google"))]
#[test]
fn a_build_without_tokens_says_so() {
    let diagnosis = examine(healthy().path());
    let finding = diagnosis.finding("google-token").unwrap();
    assert!(finding.status == Status::Warning && finding.fix.unwrap().contains("feature `google`"));
    assert!(diagnosis.is_ready());
    let evidence = crate::config::EvidenceChoice::Listed { vtpm: true, hardware: None, google_token: true };
    let listed = CollectConfig { evidence, ..CollectConfig::default() };
    let without = examine_with(healthy().path(), &listed, |_| Ok(AkAlgorithm::Ecc));
    assert_eq!(without.finding("google-token").unwrap().status, Status::Missing);
    assert!(!without.is_ready());
    let mut diagnosis = diagnosis;
    diagnosis.ask_google(&CollectConfig::default(), "https://a.test");
    assert_eq!(diagnosis.finding("google-service").unwrap().status, Status::Missing);
}

#[test]
fn findings_are_json_with_stable_names() {
    let json = serde_json::to_value(examine(healthy().path())).unwrap();
    assert_eq!(json["provable"], serde_json::json!(["vtpm", "sev-snp"]));
    assert_eq!(json["findings"][2], serde_json::json!({"id": "tpm", "status": "ok", "what": "/dev/tpmrm0"}));
}
