//! The TPM, its key and the firmware's log.

use super::*;
use crate::config::VtpmConfig;
use crate::vtpm::{AkChoice, Step, TpmAddress};

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

/// A device and a log alone prove nothing: the key's certificate must exist, and is read.
#[test]
fn a_vtpm_proves_something_once_its_certificate_was_read() {
    let root = healthy();
    let diagnosis = examine(root.path());
    let key = diagnosis.finding("attestation-key").unwrap();
    assert_eq!((key.status, key.what.as_str()), (Status::Ok, ALONE));
    // The TPM of this machine is not read for another machine.
    assert_eq!(super::super::examine(root.path(), &CollectConfig::default()).provable, [Provable::SevSnp]);
    remove(&root, "dev/tpmrm0");
    assert_eq!(status(&root, "attestation-key"), None);
}

#[test]
fn doctor_reports_which_certificates_are_sent() {
    let root = healthy();
    let file = root.path().join("ca.pem");
    let found = |pem: &str| {
        fs::write(&file, pem).unwrap();
        let vtpm = VtpmConfig { issuers: vec![file.clone()], ..VtpmConfig::default() };
        let config = CollectConfig { vtpm, ..CollectConfig::default() };
        let diagnosis = examine_with(root.path(), &config, |_| Ok(AkAlgorithm::Ecc));
        let found = diagnosis.finding("attestation-key").unwrap();
        (found.status, found.what.clone())
    };
    let (unreadable, what) = found("no certificate");
    assert!(unreadable == Status::Missing && what.contains("ca.pem"), "{what}");
    let sent = "ECC, certified; the AK certificate is sent with 2 CAs of `issuers`".to_owned();
    let pem = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert_eq!(found(&pem.repeat(2)), (Status::Ok, sent));
}

#[test]
fn each_fault_of_the_key_has_its_remedy() {
    let no_room: KeyReader =
        |_| Err(VtpmError::NoRoom { step: Step::ListBanks, address: TpmAddress::Device("/dev/tpm0".into()) });
    let faults: [(KeyReader, &str, &str); 5] = [
        (
            |_| Err(VtpmError::NotCertified { algorithm: AkAlgorithm::Rsa }),
            "attestation-key",
            "--confidential-compute-type",
        ),
        (
            |_| Err(VtpmError::NoAttestationKey { wanted: AkChoice::Auto }),
            "attestation-key",
            "`key` under [vtpm]",
        ),
        (|_| Err(VtpmError::NoTcti { tcti: "device" }), "tpm-library", "tpm2-tss"),
        (no_room, "attestation-key", "/dev/tpmrm0"),
        (|_| Err(VtpmError::KeyMismatch { algorithm: AkAlgorithm::Ecc }), "attestation-key", "certified key"),
    ];
    let root = healthy();
    for (read_key, id, fix) in faults {
        let diagnosis = examine_with(root.path(), &CollectConfig::default(), read_key);
        let finding = diagnosis.finding(id).unwrap();
        assert!(finding.status == Status::Missing && finding.fix.unwrap().contains(fix), "{finding:?}");
        assert_eq!(diagnosis.provable, [Provable::SevSnp]);
    }
}

#[test]
fn a_missing_library_names_its_packages() {
    let missing = VtpmError::NoTcti { tcti: TpmAddress::Device("/dev/tpm0".into()).tcti() }.to_string();
    assert!(
        missing.contains("libtss2-tcti-device0t64 (Debian, Ubuntu), or tpm2-tss (RHEL, Fedora)"),
        "{missing}"
    );
}

const ALONE: &str =
    "ECC, certified; the AK certificate is sent without its issuing CA, which brokers know or fetch";
