mod tee;

use std::fs;
use std::time::Duration;

use tempfile::TempDir;
use vouchsafe_protocol::challenge::ChallengeKey;
use vouchsafe_protocol::messages::ChallengeAnswer;
use vouchsafe_protocol::{BrokerIdentity, Nonce, UnixTime};

use super::*;
use crate::config::{GuestConfig, VtpmConfig};
use crate::transport::{Response, Transport, TransportError};
use crate::vtpm::{AkChoice, Step, TpmAddress};

fn examine(root: &Path) -> Diagnosis {
    examine_with(root, &CollectConfig::default(), |_| Ok(AkAlgorithm::Ecc))
}

/// The machine below `root`, whose TPM says this of its key.
fn examine_with(root: &Path, config: &CollectConfig, read_key: KeyReader) -> Diagnosis {
    checks::examine(&Machine { root: root.to_owned(), tdx: false, read_key }, config)
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

/// A device and a log alone prove nothing: the certificate of the key has to be there, and is read.
#[test]
fn a_vtpm_proves_something_once_its_certificate_was_read() {
    let root = healthy();
    let diagnosis = examine(root.path());
    let key = diagnosis.finding("attestation-key").unwrap();
    assert_eq!((key.status, key.what.as_str()), (Status::Ok, ALONE));
    // What is sent along is said, or why it cannot be.
    let key = root.path().join("ca.pem");
    let config = |issuers: Vec<PathBuf>| CollectConfig {
        vtpm: VtpmConfig { issuers, ..VtpmConfig::default() },
        ..CollectConfig::default()
    };
    let told = |issuers| {
        let diagnosis = examine_with(root.path(), &config(issuers), |_| Ok(AkAlgorithm::Ecc));
        let found = diagnosis.finding("attestation-key").unwrap();
        (found.status, found.what.clone())
    };
    fs::write(&key, "no certificate").unwrap();
    let (unreadable, what) = told(vec![key.clone()]);
    assert!(unreadable == Status::Missing && what.contains("ca.pem"), "{what}");
    let pem = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    fs::write(&key, pem.repeat(2)).unwrap();
    let sent = "ECC, with its certificate: it is sent with 2 CAs of `issuers`".to_owned();
    assert_eq!(told(vec![key]), (Status::Ok, sent));
    let address = || TpmAddress::Device("/dev/tpm0".into());
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
        (
            |_| {
                Err(VtpmError::NoRoom {
                    step: Step::ListBanks,
                    address: TpmAddress::Device("/dev/tpm0".into()),
                })
            },
            "attestation-key",
            "/dev/tpmrm0",
        ),
        (|_| Err(VtpmError::KeyMismatch { algorithm: AkAlgorithm::Ecc }), "attestation-key", "certified key"),
    ];
    for (read_key, id, fix) in faults {
        let diagnosis = examine_with(root.path(), &CollectConfig::default(), read_key);
        let finding = diagnosis.finding(id).unwrap();
        assert!(finding.status == Status::Missing && finding.fix.unwrap().contains(fix), "{finding:?}");
        assert_eq!(diagnosis.provable, [Provable::SevSnp]);
    }
    let missing = VtpmError::NoTcti { tcti: address().tcti() }.to_string();
    assert!(
        missing.contains("libtss2-tcti-device0t64 (Debian, Ubuntu), or tpm2-tss (RHEL, Fedora)"),
        "{missing}"
    );
    // Of another machine than this one nothing is read.
    assert_eq!(super::examine(root.path(), &CollectConfig::default()).provable, [Provable::SevSnp]);
    remove(&root, "dev/tpmrm0");
    assert_eq!(status(&root, "attestation-key"), None);
}

/// A broker at `https://broker.test` that answers this, for a configuration that pins `identity`.
fn ask_broker(answer: Result<Response, TransportError>) -> Diagnosis {
    struct Once(Option<Result<Response, TransportError>>);
    impl Transport for Once {
        fn post(&mut self, url: &str, body: &[u8], _: Duration) -> Result<Response, TransportError> {
            assert_eq!((url, body), ("https://broker.test/v1/challenge", &b""[..]));
            self.0.take().unwrap()
        }
    }
    let text = include_str!("../../guest.sample.toml").replace("vouchsafe.example.com:8443", "broker.test");
    let config = GuestConfig::parse(&text).unwrap();
    let mut diagnosis = examine(healthy().path());
    diagnosis.ask_through(&mut Once(Some(answer)), &config.client, || UnixTime(5000));
    diagnosis
}

fn challenge(identity: BrokerIdentity, issued_at: u64) -> Response {
    let challenge = ChallengeKey::new(&[9; 32]).issue(Nonce([1; 32]), UnixTime(issued_at), 60);
    let body = serde_json::to_vec(&ChallengeAnswer { challenge, identity }).unwrap();
    Response { status: 200, retry_after: None, body }
}

#[test]
fn t37_a_broker_is_asked_who_it_is_and_what_time_it_is() {
    let text = include_str!("../../guest.sample.toml");
    let pinned = GuestConfig::parse(text).unwrap().client.identities[0];
    let of = |diagnosis: &Diagnosis, id| diagnosis.finding(id).map(|one| (one.status, one.what.clone()));
    let good = ask_broker(Ok(challenge(pinned, 4990)));
    assert_eq!(of(&good, "broker"), Some((Status::Ok, "https://broker.test".to_owned())));
    assert_eq!(of(&good, "identity"), Some((Status::Ok, format!("{pinned}, pinned"))));
    assert_eq!(of(&good, "clock").unwrap().0, Status::Ok);
    assert!(good.is_ready());
    let slow = ask_broker(Ok(challenge(pinned, 9000)));
    assert_eq!(of(&slow, "clock"), Some((Status::Warning, "4000 s behind the broker's".to_owned())));
    assert!(slow.is_ready());
    let stranger = ask_broker(Ok(challenge(BrokerIdentity([7; 32]), 5000)));
    assert_eq!(of(&stranger, "identity").unwrap().0, Status::Missing);
    assert!(!stranger.is_ready());
    let wrong = ask_broker(Ok(Response { status: 404, retry_after: None, body: vec![] }));
    assert!(of(&wrong, "broker").unwrap().1.contains("not a vouchsafe broker"));
    assert!(wrong.finding("broker").unwrap().fix.unwrap().contains("listener for guests"));
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let url = "https://broker.test/v1/challenge".to_owned();
    let away = ask_broker(Err(TransportError { url, source: Box::new(ureq::Error::Io(refused)) }));
    assert_eq!((of(&away, "broker").unwrap().0, of(&away, "identity")), (Status::Missing, None));
    assert!(away.finding("broker").unwrap().fix.unwrap().contains("firewall") && !away.is_ready());
}

#[test]
fn a_configuration_that_is_wrong_or_absent_is_a_finding() {
    let mut diagnosis = examine(healthy().path());
    diagnosis.add_configuration(None);
    assert_eq!(diagnosis.finding("configuration").unwrap().status, Status::Warning);
    assert!(diagnosis.is_ready());
    let mut diagnosis = examine(healthy().path());
    diagnosis.add_configuration(Some(&ConfigError::NoBroker));
    assert_eq!(diagnosis.finding("configuration").unwrap().status, Status::Missing);
    assert!(!diagnosis.is_ready());
}

#[test]
fn a_configuration_that_others_may_change_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = healthy();
    let file = root.path().join("guest.toml");
    for (mode, expected) in [(0o644, Status::Ok), (0o664, Status::Warning), (0o646, Status::Warning)] {
        write(&root, "guest.toml", "");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let mut diagnosis = examine(root.path());
        diagnosis.check_configuration(&file);
        let finding = diagnosis.finding("configuration").unwrap();
        assert_eq!(finding.status, expected, "{finding:?}");
        assert!(diagnosis.is_ready());
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
fn a_machine_without_tee_and_with_a_software_tpm_is_told_so() {
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
    let trust_domain = examine(healthy_tdx().path());
    assert!(trust_domain.finding("google-token").unwrap().fix.unwrap().contains("shown the vTPM then"));
}

#[cfg(not(feature = "google"))]
#[test]
fn a_build_without_tokens_says_so() {
    let diagnosis = examine(healthy().path());
    let finding = diagnosis.finding("google-token").unwrap();
    assert!(finding.status == Status::Warning && finding.fix.unwrap().contains("feature `google`"));
    let mut diagnosis = diagnosis;
    diagnosis.ask_google(&CollectConfig::default(), "https://a.test");
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

const ALONE: &str =
    "ECC, with its certificate: it is sent alone, brokers know or fetch the CA that issued it";
