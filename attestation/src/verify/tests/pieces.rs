//! T02, T03, T26, T30: the signing key, and what it signs.

use std::collections::BTreeMap;

use aws_lc_rs::rsa::KeySize;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::LATCH_WORD;
use vouchsafe_protocol::limits::MAX_USERSPACE_LOG;

use super::*;
use crate::anchors::Root;
use crate::claims::Phase;
use crate::event_log::EventLogError;
use crate::test_util::ca::CertificateSpec;
use crate::test_util::ca::FakeGoogle;
use crate::test_util::ca::InstanceInfo;
use crate::test_util::ca::Scheme;
use crate::test_util::ca::encode;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::userspace::UserspaceBuilder;
use crate::test_util::vtpm::bitmap;
use crate::test_util::vtpm::tpm_signature;
use crate::vtpm::AttestError;
use crate::vtpm::Hash;
use crate::vtpm::InstanceInfoError;
use crate::vtpm::RELEASE_PCRS;
use crate::vtpm::TpmSignatureError;
use crate::x509::ChainError;

fn nonce() -> [u8; 32] {
    bound(1).transcript().quote_nonce(None).0
}

/// The refusal of a VM that a test changed.
fn vm_refusal(change: impl FnOnce(&mut SimulatedVm)) -> VtpmError {
    let mut vm = SimulatedVm::new();
    change(&mut vm);
    vtpm_refusal(&vm.evidence(Kinds::VTPM, &bound(1)))
}

/// The refusal of a quote that a test changed before signing.
fn quote_refusal(change: impl FnOnce(&mut QuoteSpec)) -> VtpmError {
    let mut spec = QuoteSpec::new(&nonce());
    change(&mut spec);
    vtpm_refusal(&vtpm_evidence(SimulatedVm::new().vtpm_with(&spec)))
}

/// The refusal of evidence that a test changed after signing.
fn evidence_refusal(change: impl FnOnce(&mut VtpmEvidence)) -> VtpmError {
    let mut evidence = SimulatedVm::new().evidence(Kinds::VTPM, &bound(1));
    change(evidence.vtpm.as_mut().unwrap());
    vtpm_refusal(&evidence)
}

fn certificate_refusal(change: impl FnOnce(&mut AkCertificateSpec)) -> VtpmError {
    let mut spec = AkCertificateSpec::default();
    change(&mut spec);
    vm_refusal(|vm| vm.ak_certificate = shared_google().issue_ak(vm.ak.spki(), &spec))
}

fn vtpm_refusal(evidence: &Evidence) -> VtpmError {
    match refusal(evidence) {
        VerifyError::Vtpm(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_quote_gives_its_claims() {
    let vm = SimulatedVm::new();
    let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
    let vtpm = claims.vtpm.unwrap();
    assert_eq!(vtpm.root, Root::Extra);
    assert_eq!(vtpm.ak.algorithm, "rsa-2048");
    assert_eq!(vtpm.ak.public_digest, Digest32::of(vm.ak.spki()));
    assert_eq!(vtpm.ak.certificate_digest, Digest32::of(&vm.ak_certificate));
    let instance = vtpm.instance.unwrap();
    assert_eq!(instance.project_number, AkCertificateSpec::default().project_number);
    assert_eq!((vtpm.clock.reset_count, vtpm.phase), (3, Phase::Initrd));
    assert_eq!(vtpm.pcrs, vm.pcrs);
    assert!(vtpm.boot.secure_boot.enabled);
}

#[test]
fn ids_are_exact_to_every_reader_of_the_claims() {
    let spec = AkCertificateSpec {
        instance_id: u64::MAX,
        project_number: (1 << 53) + 1,
        ..AkCertificateSpec::default()
    };
    let vm = SimulatedVm::booted(&spec, &EventLogBuilder::gce_ubuntu(Technology::SevSnp));
    let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
    let json = serde_json::to_value(&claims).unwrap();
    assert_eq!(json["vtpm"]["instance"]["instance_id"], "18446744073709551615");
    assert_eq!(json["vtpm"]["instance"]["project_number"], "9007199254740993");
}

#[test]
fn keys_of_every_supported_kind_are_accepted() {
    let keys = [
        (FakeAk::p256(), "ecc-p256"),
        (FakeAk::p384(), "ecc-p384"),
        (FakeAk::rsa_with(KeySize::Rsa2048, Hash::Sha384), "rsa-2048"),
        (FakeAk::rsa_with(KeySize::Rsa3072, Hash::Sha256), "rsa-3072"),
    ];
    for (key, algorithm) in keys {
        let (amd, spec) = (SimulatedVm::new().amd, AkCertificateSpec::default());
        let log = EventLogBuilder::gce_ubuntu(Technology::Sev);
        let vm = SimulatedVm::built(shared_google(), amd, Box::leak(Box::new(key)), &spec, &log);
        let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
        assert_eq!(claims.vtpm.unwrap().ak.algorithm, algorithm);
    }
}

#[test]
fn t31_the_latch_is_the_phase() {
    let mut vm = SimulatedVm::new();
    vm.latch();
    let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
    assert_eq!(claims.vtpm.unwrap().phase, Phase::Latched);
}

/// A machine with systemd 262 at three times: when it requests a disk key, after the latch, and after systemd
/// has booted.
fn unified_at(moment: usize) -> SimulatedVm {
    let mut vm =
        SimulatedVm::booted(&AkCertificateSpec::default(), &EventLogBuilder::gce_uki(Technology::Tdx));
    vm.measure(&UserspaceBuilder::initrd_262_with(&["login", "verity"]));
    if moment > 0 {
        vm.measure(&UserspaceBuilder::new().word(15, LATCH_WORD));
    }
    if moment > 1 {
        vm.measure(&UserspaceBuilder::after_switch_root());
    }
    vm
}

#[test]
fn t59_claims_are_the_firmwares_whatever_user_space_extended() {
    let log = EventLogBuilder::gce_uki(Technology::Tdx);
    let mut firmware = log.pcrs();
    firmware.retain(|pcr, _| !matches!(pcr, 10 | 15));
    for (moment, phase) in [Phase::Initrd, Phase::Latched, Phase::Latched].into_iter().enumerate() {
        let vm = unified_at(moment);
        let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
        assert_eq!(claims.withheld, []);
        let vtpm = claims.vtpm.unwrap();
        assert_eq!((vtpm.phase, &vtpm.firmware_pcrs, &vtpm.pcrs), (phase, &firmware, &vm.pcrs));
        assert_eq!(vtpm.userspace[&9].len(), 4);
        assert_eq!(vtpm.userspace[&11].len(), if moment == 2 { 4 } else { 1 });
    }
}

#[test]
fn t52_an_unusable_userspace_log_counts_as_absent() {
    let bad: [(Vec<u8>, &str); 3] = [
        (b"no log".to_vec(), "userspace-log-not-a-sequence"),
        (b"\x1e{}\n".to_vec(), "userspace-log-malformed"),
        (vec![0x1e; MAX_USERSPACE_LOG + 1], "userspace-log-too-large"),
    ];
    for (log, reason) in bad {
        let with = |vm: &SimulatedVm, log: Option<&[u8]>| {
            let mut evidence = vm.evidence(Kinds::VTPM, &bound(1));
            evidence.vtpm.as_mut().unwrap().userspace_log = log.map(Into::into);
            Verifier::new().verify(&evidence, &bound(1))
        };
        // A boot that only extends constants is accepted nevertheless.
        let mut vm = SimulatedVm::new();
        vm.measure(&UserspaceBuilder::initrd_262());
        let mut claims = with(&vm, Some(&log)).unwrap();
        let withheld = std::mem::take(&mut claims.withheld);
        assert_eq!((withheld[0].claim, withheld[0].reason.as_str()), ("vtpm.userspace", reason));
        assert_eq!(claims, with(&vm, None).unwrap());
        // A boot that only the log explains is refused as without it.
        let refused = with(&unified_at(0), Some(&log)).unwrap_err();
        assert_eq!(refused, with(&unified_at(0), None).unwrap_err());
        assert_eq!(refused.name(), "event-log-userspace-log-needed");
    }
}

// T02: the signing key.

#[test]
fn t02_quote_under_foreign_ak_is_refused() {
    // An attacker's key under an attacker's CA with the name of a trusted one.
    let google = FakeGoogle::new();
    let error = vm_refusal(|vm| {
        vm.ak_certificate = google.issue_ak(vm.ak.spki(), &AkCertificateSpec::default());
        vm.ak_issuers = vec![google.intermediate_der().to_vec(), google.root_der().to_vec()];
    });
    assert_eq!(error, VtpmError::Chain(ChainError::SignatureInvalid));
    let verifier = Verifier { anchors: TrustAnchors::builtin(), ..Verifier::new() };
    let evidence = SimulatedVm::new().evidence(Kinds::VTPM, &bound(1));
    let error = verifier.verify(&evidence, &bound(1)).unwrap_err();
    assert_eq!(error, VerifyError::Vtpm(VtpmError::Chain(ChainError::UnknownIssuer)));
}

#[test]
fn t02_quote_under_another_key_than_the_certified_one_is_refused() {
    static FOREIGN: OnceLock<FakeAk> = OnceLock::new();
    let foreign = FOREIGN.get_or_init(FakeAk::rsa);
    // The piece states so itself.
    assert_eq!(vm_refusal(|vm| vm.ak = foreign), VtpmError::QualifiedSignerMismatch);
    // It pretends to be the certified one.
    let mut vm = SimulatedVm::new();
    let mut spec = QuoteSpec::new(&nonce());
    spec.qualified_signer = Some(vm.ak.qualified_name().to_vec());
    vm.ak = foreign;
    assert_eq!(vtpm_refusal(&vtpm_evidence(vm.vtpm_with(&spec))), VtpmError::SignatureInvalid);
}

#[test]
fn t02_key_in_another_hierarchy_or_of_another_template_is_refused() {
    let error = quote_refusal(|spec| spec.qualified_signer = Some(vec![0; 34]));
    assert_eq!(error, VtpmError::QualifiedSignerMismatch);
}

#[test]
fn t02_endorsement_key_is_refused() {
    for usage in [0x20, 0x08] {
        assert_eq!(certificate_refusal(|spec| spec.key_usage = Some(usage)), VtpmError::NotASigningKey);
    }
}

#[test]
fn t02_key_that_does_more_than_sign_is_refused() {
    for more in [0x20, 0x10, 0x08] {
        let error = certificate_refusal(|spec| spec.key_usage = Some(0x80 | more));
        assert_eq!(error, VtpmError::MoreThanASigningKey);
    }
}

#[test]
fn t02_key_without_usage_is_refused() {
    assert_eq!(certificate_refusal(|spec| spec.key_usage = None), VtpmError::KeyUsageMissing);
}

/// A certificate by the fake intermediate with these extensions and this key.
fn issue(spki: Vec<u8>, extensions: Vec<Vec<u8>>) -> Vec<u8> {
    shared_google().intermediate().issue(&CertificateSpec {
        serial: vec![5],
        subject: encode::name(&[("2.5.4.3", "1")]),
        not_before: UnixTime(1_704_067_200),
        not_after: UnixTime(2_650_838_400),
        spki,
        extensions,
        scheme: Scheme::Pkcs1Sha256,
    })
}

#[test]
fn t02_key_usage_that_may_be_overlooked_is_refused() {
    let usage = encode::extension("2.5.29.15", false, &[3, 2, 7, 0x80]);
    let error = vm_refusal(|vm| vm.ak_certificate = issue(vm.ak.spki().to_vec(), vec![usage]));
    assert_eq!(error, VtpmError::KeyUsageNotCritical);
}

#[test]
fn t02_key_of_another_kind_is_refused() {
    let algorithm = encode::sequence(&[encode::oid("1.3.101.112")]);
    let ed25519 = encode::sequence(&[algorithm, encode::bits(&[7; 32])]);
    let error = vm_refusal(|vm| vm.ak_certificate = issue(ed25519, vec![encode::key_usage(0x80)]));
    assert_eq!(error, VtpmError::UnsupportedKey);
}

#[test]
fn t02_ca_certificate_is_refused() {
    let error = certificate_refusal(|spec| spec.is_ca = true);
    assert_eq!(error, VtpmError::Chain(ChainError::LeafIsCa));
}

#[test]
fn certificates_of_the_older_form_are_accepted() {
    let spec = AkCertificateSpec {
        critical_san: true,
        extended_key_usage: Some("2.23.133.8.1".to_owned()),
        ..AkCertificateSpec::default()
    };
    let mut vm = SimulatedVm::new();
    vm.ak_certificate = shared_google().issue_ak(vm.ak.spki(), &spec);
    let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
    assert!(claims.instance().is_some());
}

#[test]
fn t48_a_certificate_without_a_production_instance_names_none() {
    let specs = [
        AkCertificateSpec { is_production: Some(false), ..AkCertificateSpec::default() },
        AkCertificateSpec { is_production: None, ..AkCertificateSpec::default() },
        AkCertificateSpec { instance_info: InstanceInfo::Omitted, ..AkCertificateSpec::default() },
    ];
    for spec in specs {
        let mut vm = SimulatedVm::new();
        vm.ak_certificate = shared_google().issue_ak(vm.ak.spki(), &spec);
        let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
        assert_eq!(claims.instance(), None);
    }
}

#[test]
fn malformed_instance_info_is_refused() {
    let error = certificate_refusal(|spec| spec.instance_info = InstanceInfo::Raw(vec![5, 0]));
    assert_eq!(error, VtpmError::InstanceInfo(InstanceInfoError::Malformed));
}

#[test]
fn signature_that_was_changed_is_refused() {
    let error = evidence_refusal(|vtpm| *vtpm.signature.0.last_mut().unwrap() ^= 1);
    assert_eq!(error, VtpmError::SignatureInvalid);
}

#[test]
fn signature_of_another_scheme_than_the_keys_is_refused() {
    let ecdsa = Bytes(tpm_signature(0x18, 0x0b, &[&[1; 32], &[2; 32]]));
    // The name is built from the key, whatever the signature's scheme: that is compared afterwards.
    assert_eq!(evidence_refusal(|vtpm| vtpm.signature = ecdsa), VtpmError::SchemeMismatch);
}

#[test]
fn signature_that_cannot_be_read_is_refused() {
    let error = evidence_refusal(|vtpm| vtpm.signature.0.push(0));
    assert_eq!(error, VtpmError::Signature(TpmSignatureError::TrailingBytes { count: 1 }));
}

#[test]
fn t30_quote_with_trailing_bytes_is_refused() {
    let error = quote_refusal(|spec| spec.trailing = vec![0]);
    assert_eq!(error, VtpmError::Attest(AttestError::TrailingBytes { count: 1 }));
}

// T03, T26: what is signed.

#[test]
fn t03_quote_over_no_pcrs_is_refused() {
    let error = quote_refusal(|spec| spec.selections = vec![]);
    assert_eq!(error, VtpmError::SelectionCount { count: 0 });
    let error = quote_refusal(|spec| spec.selections = vec![(11, bitmap(0))]);
    assert_eq!(error, VtpmError::SelectedPcrs { found: 0, expected: RELEASE_PCRS });
}

#[test]
fn t03_extra_and_duplicate_selections_are_refused() {
    for other in [11, 4] {
        let selections = vec![(11, bitmap(RELEASE_PCRS)), (other, bitmap(RELEASE_PCRS))];
        let error = quote_refusal(|spec| spec.selections = selections);
        assert_eq!(error, VtpmError::SelectionCount { count: 2 });
    }
}

#[test]
fn t03_other_pcrs_are_refused_one_by_one() {
    for pcr in 0..24 {
        let found = RELEASE_PCRS ^ (1 << pcr);
        let error = quote_refusal(|spec| spec.selections = vec![(11, bitmap(found))]);
        assert_eq!(error, VtpmError::SelectedPcrs { found, expected: RELEASE_PCRS });
    }
}

#[test]
fn t26_sha1_bank_is_refused() {
    let error = quote_refusal(|spec| spec.selections = vec![(4, bitmap(RELEASE_PCRS))]);
    assert_eq!(error, VtpmError::BankNotSha256 { algorithm: 4 });
}

#[test]
fn t03_bitmap_of_another_size_is_refused() {
    let error = quote_refusal(|spec| spec.selections = vec![(11, RELEASE_PCRS.to_le_bytes().to_vec())]);
    assert_eq!(error, VtpmError::SelectionSize { size: 4 });
}

#[test]
fn t03_values_of_other_pcrs_than_the_quoted_ones_are_refused() {
    let given = |change: fn(&mut BTreeMap<u8, Digest32>), found| {
        let error = evidence_refusal(|vtpm| change(&mut vtpm.pcrs));
        assert_eq!(error, VtpmError::GivenPcrs { found, quoted: RELEASE_PCRS });
    };
    given(|pcrs| _ = pcrs.remove(&7), RELEASE_PCRS & !(1 << 7));
    given(|pcrs| _ = pcrs.insert(10, Digest32([0; 32])), RELEASE_PCRS | 1 << 10);
    given(|pcrs| _ = pcrs.insert(200, Digest32([0; 32])), RELEASE_PCRS | 1 << 31);
}

#[test]
fn t03_values_that_are_not_the_quoted_ones_are_refused() {
    let error = evidence_refusal(|vtpm| _ = vtpm.pcrs.insert(7, Digest32([7; 32])));
    assert_eq!(error, VtpmError::PcrDigestMismatch);
    let error = quote_refusal(|spec| spec.pcr_digest = Some(vec![0; 32]));
    assert_eq!(error, VtpmError::PcrDigestMismatch);
    let error = quote_refusal(|spec| spec.pcr_digest = Some(vec![]));
    assert_eq!(error, VtpmError::PcrDigestMismatch);
}

#[test]
fn t26_pcr_that_was_extended_without_an_event_is_refused() {
    for pcr in [11, 12, 13] {
        let error = vm_refusal(|vm| vm.extend(pcr, &Digest32([1; 32])));
        assert_eq!(error, VtpmError::EventLog(EventLogError::PcrWithoutEvents { pcr }));
    }
}

#[test]
fn t26_pcr_at_its_reset_value_with_events_is_refused() {
    for pcr in [0, 4, 7, 8] {
        let error = vm_refusal(|vm| _ = vm.pcrs.insert(pcr, Digest32([0; 32])));
        let is_it =
            matches!(error, VtpmError::EventLog(EventLogError::PcrMismatch { pcr: p, .. }) if p == pcr);
        assert!(is_it, "{error}");
    }
}

#[test]
fn t22_log_of_another_boot_is_refused() {
    let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_kernel_arguments("ro init=/bin/sh");
    let error = vm_refusal(|vm| vm.event_log = log.bytes());
    let is_it = matches!(error, VtpmError::EventLog(EventLogError::PcrMismatch { pcr: 8, .. }));
    assert!(is_it, "{error}");
}

#[test]
fn empty_log_is_refused() {
    assert_eq!(vm_refusal(|vm| vm.event_log.clear()), VtpmError::EventLog(EventLogError::Empty));
}

#[test]
fn a_refused_log_is_not_cached() {
    let (verifier, mut vm) = (Verifier::new(), SimulatedVm::new());
    let mut log = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    log.insert_before_exit(BuiltEvent::covered(12, crate::event_log::EventType::IPL, "more"));
    vm.event_log = log.bytes();
    verifier.verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap_err();
    assert_eq!(verifier.cache.logs(), 0);
}

type Part = fn(&mut Evidence) -> &mut Vec<u8>;

#[test]
fn t30_mutated_evidence_does_not_panic() {
    let verifier = Verifier::new();
    let good = SimulatedVm::new().evidence(Kinds::BOTH, &bound(1));
    // Parts of a log that no digest covers, such as file names, may change.
    let parts: [(bool, Part); 5] = [
        (true, |e| &mut e.vtpm.as_mut().unwrap().quote.0),
        (true, |e| &mut e.vtpm.as_mut().unwrap().signature.0),
        (true, |e| &mut e.vtpm.as_mut().unwrap().ak_certificate.0),
        (false, |e| &mut e.vtpm.as_mut().unwrap().event_log.0),
        (true, |e| &mut e.sev_snp.as_mut().unwrap().report.0),
    ];
    let mut evidence = good.clone();
    for (covered, part) in parts {
        let length = part(&mut evidence).len();
        for position in (0..length).step_by(length / 60 + 1) {
            part(&mut evidence)[position] ^= 0x41;
            let changed = verifier.verify(&evidence, &bound(1));
            assert!(!covered || changed.is_err(), "byte {position} of {length}");
            part(&mut evidence)[position] ^= 0x41;
        }
        let whole = std::mem::take(part(&mut evidence));
        verifier.verify(&evidence, &bound(1)).unwrap_err();
        *part(&mut evidence) = whole;
    }
    assert_eq!(evidence, good);
}
