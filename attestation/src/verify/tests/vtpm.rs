//! Evidence of a vTPM: its claims, its log, and evidence that was changed.

mod key;
mod quote;
mod userspace;

use aws_lc_rs::rsa::KeySize;
use vouchsafe_protocol::Digest32;

use super::*;
use crate::anchors::Root;
use crate::claims::Phase;
use crate::event_log::EventLogError;
use crate::test_util::event_log::BuiltEvent;
use crate::vtpm::Hash;

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

/// How a part of evidence is read and replaced.
type Part = (fn(&Evidence) -> &[u8], fn(&mut Evidence, Vec<u8>));

#[test]
fn t30_mutated_evidence_does_not_panic() {
    let verifier = Verifier::new();
    let good = SimulatedVm::new().evidence(Kinds::BOTH, &bound(1));
    // Parts of a log that no digest covers, such as file names, may change.
    let parts: [(bool, Part); 5] = [
        (true, (|e| &vtpm(e).quote, |e, part| vtpm_mut(e).quote = part.into())),
        (true, (|e| &vtpm(e).signature, |e, part| vtpm_mut(e).signature = part.into())),
        (true, (|e| &vtpm(e).ak_certificate, |e, part| vtpm_mut(e).ak_certificate = part.into())),
        (false, (|e| &vtpm(e).event_log, |e, part| vtpm_mut(e).event_log = part.into())),
        (
            true,
            (
                |e| &e.sev_snp.as_ref().unwrap().report,
                |e, part| {
                    e.sev_snp.as_mut().unwrap().report = part.into();
                },
            ),
        ),
    ];
    for (covered, (read, replace)) in parts {
        let whole = read(&good).to_vec();
        let verify = |part: &[u8]| {
            let mut evidence = good.clone();
            replace(&mut evidence, part.to_vec());
            verifier.verify(&evidence, &bound(1))
        };
        let length = whole.len();
        for position in (0..length).step_by(length / 60 + 1) {
            let mut part = whole.clone();
            part[position] ^= 0x41;
            assert!(!covered || verify(&part).is_err(), "byte {position} of {length}");
        }
        verify(&[]).unwrap_err();
        verify(&whole).unwrap();
    }
}

fn vtpm(evidence: &Evidence) -> &VtpmEvidence {
    evidence.vtpm.as_ref().unwrap()
}

fn vtpm_mut(evidence: &mut Evidence) -> &mut VtpmEvidence {
    evidence.vtpm.as_mut().unwrap()
}
