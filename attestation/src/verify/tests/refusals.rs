//! Refusals of the verifier itself, their codes and names, the gate, and the store of VCEKs.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::KeyPair as _;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::SharedBytes;
use vouchsafe_protocol::evidence::EvidenceSizeError;
use vouchsafe_protocol::limits::MAX_EVENT_LOG;

use super::*;
use crate::anchors::Product;
use crate::event_log::EventLogError;
use crate::go_tpm_tools::GoTpmToolsError;
use crate::snp::Tcb;
use crate::test_util::snp::FakeAmd;
use crate::test_util::snp::SnpReportBuilder;
use crate::test_util::snp::VekSpec;
use crate::test_util::snp::tcb_bytes;
use crate::vtpm::AttestError;
use crate::x509::ChainError;

#[test]
fn no_evidence_is_refused() {
    assert_eq!(refusal(&Evidence::default()), VerifyError::NoEvidence);
}

#[test]
fn t30_oversized_evidence_is_refused() {
    let mut evidence = SimulatedVm::new().evidence(Kinds::VTPM, &bound(1));
    let length = MAX_EVENT_LOG + 1;
    evidence.vtpm.as_mut().unwrap().event_log = vec![0; length].into();
    let error = EvidenceSizeError::TooLarge { part: "vtpm.event_log", length, limit: MAX_EVENT_LOG };
    assert_eq!(refusal(&evidence), VerifyError::TooLarge(error));
}

#[test]
fn report_of_another_length_is_refused() {
    let mut evidence = SimulatedVm::new().evidence(Kinds::REPORT, &bound(1));
    evidence.sev_snp.as_mut().unwrap().report.0.pop();
    assert_eq!(refusal(&evidence), VerifyError::Snp(SnpError::ReportLength { found: 1183 }));
}

#[test]
fn report_that_was_changed_is_refused() {
    let mut evidence = SimulatedVm::new().evidence(Kinds::REPORT, &bound(1));
    evidence.sev_snp.as_mut().unwrap().report.0[0x90] ^= 1;
    assert_eq!(refusal(&evidence), VerifyError::Snp(SnpError::SignatureInvalid));
}

#[test]
fn report_without_certificate_waits_for_collateral() {
    let vm = SimulatedVm { vek_certificate: None, ..SimulatedVm::new() };
    let evidence = vm.evidence(Kinds::REPORT, &bound(1));
    let mut verifier = Verifier::new();
    let missing = VerifyError::CollateralMissing {
        chip_id: "c1".repeat(64),
        reported_tcb: "0a01000000001bc8".to_owned(),
    };
    assert_eq!(verifier.verify(&evidence, &bound(1)).unwrap_err(), missing);

    // A certificate of another chip does not help, nor one for another TCB, which has another key.
    let tcb = vm.report.reported_tcb;
    let other_key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let spki = other_key.public_key().as_der().unwrap().as_ref().to_vec();
    let older = VekSpec::vcek(vm.amd.product(), Tcb { microcode: 1, ..tcb }, &vm.report.chip_id);
    let older = vm.amd.vek(&VekSpec { spki: Some(spki.clone()), ..older });
    verifier.endorsements.veks = VekStore::new(&[vm.amd.vcek(tcb, &[0xc3; 64]), older.clone()]);
    assert_eq!(verifier.verify(&evidence, &bound(1)).unwrap_err(), missing);

    let fitting = vm.amd.vcek(tcb, &vm.report.chip_id);
    verifier.endorsements.veks =
        VekStore::new(&[older.clone(), fitting.clone(), older, vm.amd.ask_der().to_vec(), vec![1, 2, 3]]);
    assert_eq!(verifier.endorsements.veks.chips(), 1);
    let claims = verifier.verify(&evidence, &bound(1)).unwrap();
    assert_eq!(claims.sev_snp.unwrap().chip_id, Some("c1".repeat(64)));

    // An invalid certificate in the store does not hide the valid one; alone, it is refused for its fault.
    let flawed = VekSpec::vcek(vm.amd.product(), tcb, &vm.report.chip_id);
    let flawed = vm.amd.vek(&VekSpec { spki: Some(spki), ..flawed });
    for order in [[fitting.clone(), flawed.clone()], [flawed.clone(), fitting]] {
        verifier.endorsements.veks = VekStore::new(&order);
        verifier.verify(&evidence, &bound(1)).unwrap();
    }
    verifier.endorsements.veks = VekStore::new(&[flawed]);
    let error = verifier.verify(&evidence, &bound(1)).unwrap_err();
    assert_eq!(error, VerifyError::Snp(SnpError::SignatureInvalid));
}

#[test]
fn certificate_of_a_turin_chip_is_found_by_its_short_id() {
    let amd = FakeAmd::shared(Product::Turin);
    let mut vm = SimulatedVm::new();
    vm.amd = amd;
    vm.set_report(SnpReportBuilder::new(Product::Turin));
    vm.vek_certificate = None;
    let verifier = Verifier {
        anchors: shared_anchors().with_extra(amd.ark_der()).unwrap(),
        endorsements: veks(&[amd.vcek(vm.report.reported_tcb, &vm.report.chip_id)]),
        ..Verifier::new()
    };
    let claims = verifier.verify(&vm.evidence(Kinds::REPORT, &bound(1)), &bound(1)).unwrap();
    assert_eq!(claims.sev_snp.unwrap().product, Product::Turin);
}

#[test]
fn t16_masked_chip_has_no_certificate_in_the_store() {
    let mut vm = SimulatedVm { vek_certificate: None, ..SimulatedVm::new() };
    let vek = VekSpec::vcek(vm.amd.product(), vm.report.reported_tcb, &[0; 64]);
    vm.report.chip_id = [0; 64];
    let verifier = Verifier { endorsements: veks(&[vm.amd.vek(&vek)]), ..Verifier::new() };
    let error = verifier.verify(&vm.evidence(Kinds::REPORT, &bound(1)), &bound(1)).unwrap_err();
    assert_eq!(error, VerifyError::NoVekCertificate);
}

#[test]
fn t16_report_of_no_vcek_without_certificate_is_refused_not_pending() {
    // Signed by a VLEK, not signed, and with a masked signature.
    for key_info in [1 << 2, 7 << 2, 1 << 1] {
        let mut vm = SimulatedVm { vek_certificate: None, ..SimulatedVm::new() };
        let fitting = vm.amd.vcek(vm.report.reported_tcb, &vm.report.chip_id);
        vm.report.key_info = key_info;
        let verifier = Verifier { endorsements: veks(&[fitting]), ..Verifier::new() };
        let error = verifier.verify(&vm.evidence(Kinds::REPORT, &bound(1)), &bound(1)).unwrap_err();
        assert_eq!(error, VerifyError::NoVekCertificate, "{key_info:#x}");
    }
}

#[test]
fn t30_store_keeps_a_bounded_number_for_a_chip() {
    let vm = SimulatedVm::new();
    let tcb = vm.report.reported_tcb;
    let vceks = (0..12).map(|microcode| vm.amd.vcek(Tcb { microcode, ..tcb }, &[0xc1; 64]));
    let store = VekStore::new(&vceks.collect::<Vec<_>>());
    let fitting = |microcode| {
        let tcb = tcb_bytes(vm.amd.product(), Tcb { microcode, ..tcb });
        store.fitting(&[0xc1; 64], &tcb).count()
    };
    let kept = u8::try_from(MAX_VEKS_OF_CHIP).unwrap();
    assert!((0..12 - kept).all(|older| fitting(older) == 0));
    assert!((12 - kept..12).all(|newer| fitting(newer) == 1));
}

#[test]
fn t44_gate_comes_after_the_chain_and_before_the_signatures() {
    #[derive(Debug, PartialEq)]
    enum Refused {
        Stranger(u64),
        Evidence(VerifyError),
    }
    impl From<VerifyError> for Refused {
        fn from(error: VerifyError) -> Self {
            Self::Evidence(error)
        }
    }
    let (verifier, vm) = (Verifier::new(), SimulatedVm::new());
    let mut evidence = vm.evidence(Kinds::VTPM, &bound(1));
    // Neither signature nor log are checked before the gate.
    evidence.vtpm.as_mut().unwrap().signature.0[20] ^= 1;
    evidence.vtpm.as_mut().unwrap().event_log = SharedBytes::default();
    let stranger = |instance: Option<&Instance>| Err(Refused::Stranger(instance.unwrap().project_number));
    let refused = verify_with(&evidence, bound(1), &verifier.inputs(), stranger, |_| {}).unwrap_err();
    assert_eq!(refused, Refused::Stranger(AkCertificateSpec::default().project_number));
    // An untrusted certificate does not reach the gate.
    evidence.vtpm.as_mut().unwrap().ca_certificates.clear();
    let refused = verify_with(&evidence, bound(1), &Verifier::new().inputs(), stranger, |_| {}).unwrap_err();
    let chain = VtpmError::Chain(ChainError::UnknownIssuer);
    assert_eq!(refused, Refused::Evidence(VerifyError::Vtpm(chain)));
    // Hardware evidence alone names no instance.
    let mut asked = None;
    let evidence = vm.evidence(Kinds::REPORT, &bound(1));
    let gate = |instance: Option<&Instance>| {
        asked = Some(instance.is_none());
        Ok::<(), Refused>(())
    };
    verify_with(&evidence, bound(1), &verifier.inputs(), gate, |_| {}).unwrap();
    assert_eq!(asked, Some(true));
}

#[test]
fn refusals_have_codes_and_stable_names() {
    use ReasonCode as C;
    let (hardware, logged) = (Technology::SevSnp, None);
    let (chip_id, reported_tcb) = (String::new(), String::new());
    let size = EvidenceSizeError::TooLarge { part: "vtpm.pcrs", length: 25, limit: 24 };
    let cases: Vec<(VerifyError, C, &str)> = vec![
        (VerifyError::NoEvidence, C::EvidenceMalformed, "no-evidence"),
        (VerifyError::NotEvidence, C::EvidenceMalformed, "not-evidence"),
        (size.into(), C::EvidenceMalformed, "evidence-too-large"),
        (GoTpmToolsError::NoSha256Quote.into(), C::EvidenceMalformed, "go-tpm-tools-no-sha256-quote"),
        (VerifyError::Unlinked { kind: EvidenceKind::Vtpm }, C::UnlinkedEvidence, "unlinked-vtpm"),
        (VerifyError::Unlinked { kind: EvidenceKind::SevSnp }, C::UnlinkedEvidence, "unlinked-sev-snp"),
        (
            VerifyError::CollateralMissing { chip_id, reported_tcb },
            C::CollateralPending,
            "collateral-missing",
        ),
        (VerifyError::NoVekCertificate, C::EvidenceRefused, "no-vek-certificate"),
        (VerifyError::TechnologyMismatch { hardware, logged }, C::EvidenceRefused, "technology-mismatch"),
        (VtpmError::NonceMismatch.into(), C::EvidenceRefused, "vtpm-nonce-mismatch"),
        (VtpmError::from(AttestError::Magic { found: 0 }).into(), C::EvidenceMalformed, "quote-magic"),
        (VtpmError::from(ChainError::UnknownIssuer).into(), C::EvidenceRefused, "ak-chain-unknown-issuer"),
        (VtpmError::from(ChainError::Malformed).into(), C::EvidenceMalformed, "ak-chain-malformed"),
        (VtpmError::from(EventLogError::Empty).into(), C::EvidenceMalformed, "event-log-empty"),
        (VtpmError::from(EventLogError::NoSha256Bank).into(), C::EvidenceRefused, "event-log-no-sha256-bank"),
        (SnpError::KeyNotP384.into(), C::EvidenceRefused, "snp-key-not-p384"),
        (SnpError::ReportLength { found: 0 }.into(), C::EvidenceMalformed, "snp-report-length"),
        (
            SnpError::from(ChainError::Revoked { serial: "01".to_owned() }).into(),
            C::EvidenceRefused,
            "vek-chain-revoked",
        ),
    ];
    for (error, code, name) in cases {
        assert_eq!((error.code(), error.name().as_str()), (code, name), "{error}");
    }
}

/// Endorsements that contain only certificates of chips.
fn veks(certificates: &[Vec<u8>]) -> Endorsements {
    Endorsements { veks: VekStore::new(certificates), ..Endorsements::default() }
}
