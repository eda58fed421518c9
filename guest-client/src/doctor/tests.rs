use std::fs;

use tempfile::TempDir;

use super::*;

fn examine(root: &Path) -> Diagnosis {
    super::examine(root, &CollectConfig::default())
}

/// A Compute Engine instance with SNP where everything is as it should be.
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

/// Nothing is wrong, but that the small build cannot ask for tokens.
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
fn a_missing_tpm_or_log_takes_the_vtpm_away() {
    for (path, id) in [("dev/tpmrm0", "tpm"), ("sys/kernel/security/tpm0", "event-log")] {
        let root = healthy();
        remove(&root, path);
        assert_eq!(status(&root, id), Some(Status::Missing));
        assert_eq!(examine(root.path()).provable, [Provable::SevSnp]);
    }
}

#[test]
fn unmounted_securityfs_is_told_from_a_missing_log() {
    let root = healthy();
    remove(&root, "sys/kernel/security/tpm0");
    assert_eq!(examine(root.path()).finding("event-log").unwrap().what, "no firmware log");
    remove(&root, "proc/mounts");
    assert_eq!(examine(root.path()).finding("event-log").unwrap().what, "securityfs is not mounted");
}

#[test]
fn an_snp_guest_without_driver_is_told_how_to_get_it() {
    let root = healthy();
    remove(&root, "sys/kernel/config");
    assert_eq!(examine(root.path()).finding("sev-snp").unwrap().what, "/dev/sev-guest");
    remove(&root, "dev/sev-guest");
    let diagnosis = examine(root.path());
    let finding = diagnosis.finding("sev-snp").unwrap();
    assert!(finding.fix.unwrap().contains("linux-modules-extra-gcp"));
    assert_eq!(diagnosis.provable, [Provable::Vtpm]);
    write(&root, "sys/module/tsm/x", "");
    assert_eq!(examine(root.path()).finding("sev-snp").unwrap().what, "configfs is not mounted");
}

#[test]
fn kernels_with_a_poor_snp_driver_are_named() {
    let root = healthy();
    assert_eq!(status(&root, "sev-snp-kernel"), None);
    for (release, word) in [("6.1.0-31-cloud-amd64", "disable"), ("6.5.0-1025-gcp", "configfs-tsm")] {
        write(&root, "proc/sys/kernel/osrelease", release);
        let diagnosis = examine(root.path());
        let finding = diagnosis.finding("sev-snp-kernel").unwrap();
        assert!(finding.status == Status::Warning && finding.what.contains(word), "{finding:?}");
    }
}

#[test]
fn a_tdx_guest_is_told_about_its_module() {
    let root = healthy();
    assert_eq!(status(&root, "tdx"), None);
    let root = healthy_tdx();
    remove(&root, "dev/tdx_guest");
    let diagnosis = examine(root.path());
    assert!(diagnosis.finding("tdx").unwrap().fix.unwrap().contains("linux-modules-extra-gcp"));
    assert_eq!(diagnosis.provable, [Provable::Vtpm]);
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

#[test]
fn a_healthy_trust_domain_proves_both() {
    let root = healthy_tdx();
    let diagnosis = examine(root.path());
    assert_eq!(diagnosis.provable, [Provable::Vtpm, Provable::Tdx]);
    assert_healthy(&diagnosis);
    assert_eq!(diagnosis.finding("sev-snp"), None);
    assert!(diagnosis.to_string().starts_with("This VM can prove: vtpm, tdx\n"));
    // CPUID says it where an old kernel does not.
    write(&root, "proc/cpuinfo", "flags\t\t: fpu\n");
    assert_eq!(status(&root, "tdx"), None);
    let machine = Machine { root: root.path().to_owned(), tdx: true };
    let diagnosis = checks::examine(&machine, &CollectConfig::default());
    assert_eq!(diagnosis.provable, [Provable::Vtpm, Provable::Tdx]);
}

#[test]
fn each_thing_that_quotes_need_is_named_when_it_is_missing() {
    let what = |change: &dyn Fn(&TempDir)| {
        let root = healthy_tdx();
        change(&root);
        let diagnosis = examine(root.path());
        assert_eq!(diagnosis.provable, [Provable::Vtpm]);
        let finding = diagnosis.finding("tdx").unwrap();
        (finding.status, finding.what.clone(), finding.fix.unwrap())
    };
    let old = what(&|root| write(root, "proc/sys/kernel/osrelease", "6.5.0-1025-gcp\n"));
    assert!(old.1.contains("/dev/tdx_guest alone gives no quote") && old.2.contains("6.7"), "{old:?}");
    let unmounted = what(&|root| remove(root, "sys/kernel/config"));
    assert!(unmounted.1 == "configfs is not mounted" && unmounted.2.starts_with("mount -t configfs"));
    let bare = what(&|root| {
        remove(root, "sys/kernel/config");
        write(root, "proc/mounts", "configfs /sys/kernel/config configfs rw 0 0\n");
    });
    assert!(bare.1 == "configfs has no tsm/report" && bare.2.contains("CONFIG_TSM_REPORTS"), "{bare:?}");
}

#[test]
fn a_missing_event_log_of_the_trust_domain_is_named() {
    let root = healthy_tdx();
    remove(&root, "sys/firmware/acpi/tables/CCEL");
    assert!(examine(root.path()).finding("tdx-event-log").unwrap().what.ends_with("tables/CCEL cannot"));
    remove(&root, "sys/firmware");
    let diagnosis = examine(root.path());
    let finding = diagnosis.finding("tdx-event-log").unwrap();
    assert_eq!(finding.status, Status::Warning);
    assert!(finding.fix.unwrap().contains("say nothing about what was booted"), "{finding:?}");
    assert_eq!(diagnosis.provable, [Provable::Vtpm, Provable::Tdx]);
}

#[test]
fn a_machine_without_tee_and_with_a_software_tpm_is_told_so() {
    let root = TempDir::new().unwrap();
    write(&root, "proc/sys/kernel/osrelease", "6.8.0\n");
    write(&root, "sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    write(&root, "log", "log");
    let mut config = CollectConfig::default();
    config.vtpm.device = Some("swtpm:host=127.0.0.1,port=2321".parse().unwrap());
    config.vtpm.event_log = "/log".into();
    let diagnosis = super::examine(root.path(), &config);
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
    let diagnosis = super::examine(root.path(), &config);
    assert_eq!(diagnosis.finding("tpm").unwrap().what, "/dev/tpm7 does not exist");
    assert!(diagnosis.to_string().starts_with("This VM can prove nothing as it is.\n"));
}

#[test]
fn sev_without_a_report_is_told_from_no_tee() {
    let root = healthy();
    remove(&root, "dev/sev-guest");
    remove(&root, "sys/bus");
    write(&root, "proc/cpuinfo", "flags\t\t: fpu sev sev_es\n");
    let diagnosis = examine(root.path());
    let finding = diagnosis.finding("hardware").unwrap();
    assert!(finding.what.ends_with("the processor has SEV") && finding.fix.unwrap().contains("Google token"));
}

#[cfg(feature = "google")]
#[test]
fn tokens_are_offered_on_compute_engine_and_not_asked_for() {
    let diagnosis = examine(healthy().path());
    let finding = diagnosis.finding("google-token").unwrap();
    assert_eq!((finding.status, finding.what.as_str()), (Status::Ok, "built in, not asked"));
    assert!(finding.fix.unwrap().contains("doctor --google"));
    assert_eq!(diagnosis.finding("google-service"), None);
}

#[cfg(not(feature = "google"))]
#[test]
fn a_build_without_tokens_says_so() {
    let diagnosis = examine(healthy().path());
    let finding = diagnosis.finding("google-token").unwrap();
    assert!(finding.status == Status::Warning && finding.fix.unwrap().contains("feature `google`"));
    let mut diagnosis = diagnosis;
    diagnosis.ask_google(&GoogleTokenConfig::default());
    assert_eq!(diagnosis.finding("google-service").unwrap().status, Status::Missing);
}

#[test]
fn t37_systemd_that_takes_credentials_from_the_host_is_named() {
    let root = healthy();
    remove(&root, "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-255.so");
    assert_eq!(status(&root, "systemd"), Some(Status::Warning));
    write(&root, "usr/lib/systemd/libsystemd-shared-252.so", "");
    assert!(examine(root.path()).finding("systemd").unwrap().what.starts_with("version 252"));
    remove(&root, "run/systemd");
    assert_eq!(status(&root, "systemd"), None);
}

#[test]
fn other_machines_are_named() {
    let root = healthy();
    write(&root, "sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    assert_eq!(status(&root, "platform"), Some(Status::Warning));
}

#[test]
fn a_directory_without_driver_proves_nothing() {
    let root = healthy();
    remove(&root, "dev/sev-guest");
    let diagnosis = examine(root.path());
    assert_eq!(diagnosis.provable, [Provable::Vtpm]);
    assert!(diagnosis.finding("sev-snp").unwrap().fix.unwrap().contains("modprobe sev-guest"));
}

#[test]
fn t34_memory_that_cannot_be_locked_is_named_also_to_root() {
    let root = healthy();
    write(
        &root,
        "proc/self/limits",
        "Max locked memory         8388608              8388608              bytes\n",
    );
    for (capabilities, expected) in
        [("000001ffffffbfff", Status::Warning), ("0000000000004000", Status::Ok), ("", Status::Warning)]
    {
        write(&root, "proc/self/status", &format!("Name:\tx\nCapEff:\t{capabilities}\n"));
        assert_eq!(status(&root, "locked-memory"), Some(expected), "{capabilities}");
    }
}

#[test]
fn findings_are_json_with_stable_names() {
    let json = serde_json::to_value(examine(healthy().path())).unwrap();
    assert_eq!(json["provable"], serde_json::json!(["vtpm", "sev-snp"]));
    assert_eq!(json["findings"][2], serde_json::json!({"id": "tpm", "status": "ok", "what": "/dev/tpmrm0"}));
}
