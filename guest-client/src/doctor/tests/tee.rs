//! SEV-SNP guests and trust domains.

use super::*;

#[test]
fn doctor_says_how_to_get_a_missing_snp_driver() {
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
fn doctor_reports_the_module_of_a_tdx_guest() {
    let root = healthy();
    assert_eq!(status(&root, "tdx"), None);
    let root = healthy_tdx();
    remove(&root, "dev/tdx_guest");
    let diagnosis = examine(root.path());
    assert!(diagnosis.finding("tdx").unwrap().fix.unwrap().contains("linux-modules-extra-gcp"));
    assert_eq!(diagnosis.provable, [Provable::Vtpm]);
}

#[test]
fn a_healthy_trust_domain_proves_both() {
    let root = healthy_tdx();
    let diagnosis = examine(root.path());
    assert_eq!(diagnosis.provable, [Provable::Vtpm, Provable::Tdx]);
    assert_healthy(&diagnosis);
    assert_eq!(diagnosis.finding("sev-snp"), None);
    assert!(diagnosis.to_string().starts_with("This VM can prove: vtpm, tdx\n"));
    // CPUID shows it where an old kernel does not.
    write(&root, "proc/cpuinfo", "flags\t\t: fpu\n");
    assert_eq!(status(&root, "tdx"), None);
    let read_key: KeyReader = |_| Ok(AkAlgorithm::Rsa);
    let machine = Machine { root: root.path().to_owned(), tdx: true, read_key };
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
fn a_directory_without_driver_proves_nothing() {
    let root = healthy();
    remove(&root, "dev/sev-guest");
    let diagnosis = examine(root.path());
    assert_eq!(diagnosis.provable, [Provable::Vtpm]);
    assert!(diagnosis.finding("sev-snp").unwrap().fix.unwrap().contains("modprobe sev-guest"));
}

/// A Compute Engine instance without a device of the processor, whose firmware logged this technology.
fn logged(technology: u8) -> TempDir {
    let root = healthy();
    remove(&root, "dev/sev-guest");
    remove(&root, "sys/bus");
    write(&root, "proc/cpuinfo", "flags\t\t: fpu\n");
    let event = [b"log GCE NonHostInfo\0".as_slice(), &[technology], &[0; 15]].concat();
    fs::write(root.path().join(LOG), event).unwrap();
    root
}

/// The finding about the hardware.
fn hardware(root: &TempDir) -> (Status, String) {
    let diagnosis = examine(root.path());
    assert_eq!(diagnosis.provable, [Provable::Vtpm]);
    let found = diagnosis.finding("hardware").unwrap();
    assert!(found.fix.is_some());
    (found.status, found.what.clone())
}

const SEV: &str = "AMD SEV: this technology has no attestation report";

#[test]
fn an_sev_guest_lacks_nothing_since_sev_has_no_report() {
    for technology in [1, 2] {
        let root = logged(technology);
        assert_eq!(hardware(&root), (Status::Ok, SEV.to_owned()));
        assert_healthy(&examine(root.path()));
    }
    let flagged = logged(1);
    write(&flagged, LOG, "a log without it");
    write(&flagged, "proc/cpuinfo", "flags\t\t: fpu sev sev_es\n");
    assert_eq!(hardware(&flagged), (Status::Ok, SEV.to_owned()));
}

#[test]
fn a_processor_with_sev_alone_makes_no_sev_guest() {
    let missing = |also: &str| (Status::Missing, format!("not an SEV-SNP guest and not a TDX guest{also}"));
    let shielded = logged(0);
    assert_eq!(hardware(&shielded), missing(""));
    write(&shielded, "proc/cpuinfo", "flags\t\t: fpu sev sev_es\n");
    assert_eq!(hardware(&shielded), missing("; the processor has SEV"));
    write(&shielded, LOG, "a log without it");
    write(&shielded, "sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    assert_eq!(hardware(&shielded), missing("; the processor has SEV"));
}

#[test]
fn the_technology_of_captured_sev_logs_is_found() {
    let Some(log) = vouchsafe_captured::read("gce/vtpm/eventlogs/ubuntu-1804-amd-sev.bin") else { return };
    let root = logged(0);
    fs::write(root.path().join(LOG), log).unwrap();
    assert_eq!(hardware(&root), (Status::Ok, SEV.to_owned()));
}

const LOG: &str = "sys/kernel/security/tpm0/binary_bios_measurements";
