//! T01, T04, T05: every piece is made for this request and linked to the other one.

use vouchsafe_protocol::Digest32;

use super::*;
use crate::event_log::EventLogError as E;

const NONCE_MISMATCH: VerifyError = VerifyError::Vtpm(VtpmError::NonceMismatch);
const REPORT_DATA_MISMATCH: VerifyError = VerifyError::Snp(SnpError::ReportDataMismatch);

/// A vTPM piece whose quote commits to any report.
fn quote(vm: &SimulatedVm, report: Option<&SevSnpEvidence>) -> VtpmEvidence {
    let nonce = bound(1).transcript().quote_nonce(report.map(|report| &report.report[..]));
    vm.vtpm_with(&QuoteSpec::new(&nonce.0))
}

/// An SNP piece whose report commits to any key.
fn report(vm: &SimulatedVm, ak: Option<&FakeAk>) -> SevSnpEvidence {
    vm.snp_with(&bound(1).transcript().report_data(ak.map(FakeAk::spki)).0)
}

fn both(vtpm: VtpmEvidence, snp: SevSnpEvidence) -> Evidence {
    Evidence { vtpm: Some(vtpm), sev_snp: Some(snp), ..Evidence::default() }
}

#[test]
fn each_kind_and_both_are_accepted() {
    let vm = SimulatedVm::new();
    let verifier = Verifier::new();
    for kinds in [Kinds::VTPM, Kinds::REPORT, Kinds::BOTH] {
        let claims = verifier.verify(&vm.evidence(kinds, &bound(1)), &bound(1)).unwrap();
        assert_eq!(claims.technology, Some(Technology::SevSnp));
        assert_eq!(claims.vtpm.is_some(), kinds != Kinds::REPORT);
        assert_eq!(claims.sev_snp.is_some(), kinds != Kinds::VTPM);
        assert_eq!(claims.instance().is_some(), kinds != Kinds::REPORT);
    }
}

#[test]
fn t01_pieces_of_two_honest_vms_do_not_combine() {
    let (a, b) = (SimulatedVm::new(), other_vm());
    for kinds_a in [Kinds::VTPM, Kinds::BOTH] {
        for kinds_b in [Kinds::REPORT, Kinds::BOTH] {
            for (quoting, reporting) in [(&a, &b), (&b, &a)] {
                let vtpm = quoting.evidence(kinds_a, &bound(1)).vtpm.unwrap();
                let snp = reporting.evidence(kinds_b, &bound(1)).sev_snp.unwrap();
                let expected = match kinds_a {
                    Kinds::BOTH => NONCE_MISMATCH,
                    _ => VerifyError::Unlinked { kind: EvidenceKind::Vtpm },
                };
                assert_eq!(refusal(&both(vtpm, snp)), expected, "{kinds_a:?} {kinds_b:?}");
            }
        }
    }
}

#[test]
fn t01_a_quote_that_takes_the_report_of_another_vm_is_refused() {
    let (a, b) = (SimulatedVm::new(), other_vm());
    let stolen = report(&b, Some(b.ak));
    assert_eq!(refusal(&both(quote(&a, Some(&stolen)), stolen)), REPORT_DATA_MISMATCH);
    let stolen = report(&b, None);
    let unlinked = VerifyError::Unlinked { kind: EvidenceKind::SevSnp };
    assert_eq!(refusal(&both(quote(&a, Some(&stolen)), stolen)), unlinked);
}

#[test]
fn t01_a_report_that_takes_the_key_of_another_vm_is_refused() {
    let (a, b) = (SimulatedVm::new(), other_vm());
    let own = report(&a, Some(a.ak));
    assert_eq!(refusal(&both(quote(&a, Some(&own)), report(&b, Some(a.ak)))), NONCE_MISMATCH);
    let unlinked = VerifyError::Unlinked { kind: EvidenceKind::Vtpm };
    assert_eq!(refusal(&both(quote(&a, None), report(&b, Some(a.ak)))), unlinked);
}

#[test]
fn t01_root_in_both_vms_can_link_them() {
    // Known and documented: only a condition on the measured boot chain rules this out.
    let (a, b) = (SimulatedVm::new(), other_vm());
    let linked = report(&b, Some(a.ak));
    let evidence = both(quote(&a, Some(&linked)), linked);
    Verifier::new().verify(&evidence, &bound(1)).unwrap();
}

#[test]
fn t01_a_linked_quote_without_its_report_is_refused() {
    let mut evidence = SimulatedVm::new().evidence(Kinds::BOTH, &bound(1));
    evidence.sev_snp = None;
    assert_eq!(refusal(&evidence), NONCE_MISMATCH);
}

#[test]
fn t01_a_linked_report_without_its_quote_is_refused() {
    let mut evidence = SimulatedVm::new().evidence(Kinds::BOTH, &bound(1));
    evidence.vtpm = None;
    assert_eq!(refusal(&evidence), REPORT_DATA_MISMATCH);
}

#[test]
fn t01_another_technology_in_the_log_than_the_hardware_is_refused() {
    for logged in [Technology::None, Technology::Sev, Technology::SevEs, Technology::Tdx] {
        let log = EventLogBuilder::gce_ubuntu(logged);
        let vm = SimulatedVm::booted(&AkCertificateSpec::default(), &log);
        let error = refusal(&vm.evidence(Kinds::BOTH, &bound(1)));
        let (hardware, logged) = (Technology::SevSnp, Some(logged));
        assert_eq!(error, VerifyError::TechnologyMismatch { hardware, logged });
        // Alone, the log is believed.
        let claims = Verifier::new().verify(&vm.evidence(Kinds::VTPM, &bound(1)), &bound(1)).unwrap();
        assert_eq!(claims.technology, logged);
    }
}

#[test]
fn t04_evidence_for_another_key_is_refused() {
    let paths = ReleasePaths::new(vec![SecretPath::parse("prod/db/disk").unwrap()]).unwrap();
    let key = GuestPublicKey::new(Suite::X25519, &[10; 32]).unwrap();
    let other = BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([1; 32]), key, &paths);
    for (kinds, expected) in [(Kinds::VTPM, NONCE_MISMATCH), (Kinds::REPORT, REPORT_DATA_MISMATCH)] {
        let evidence = SimulatedVm::new().evidence(kinds, &bound(1));
        assert_eq!(Verifier::new().verify(&evidence, &other).unwrap_err(), expected);
    }
}

#[test]
fn t05_evidence_for_another_nonce_is_refused() {
    let vm = SimulatedVm::new();
    let cases =
        [(Kinds::VTPM, NONCE_MISMATCH), (Kinds::REPORT, REPORT_DATA_MISMATCH), (Kinds::BOTH, NONCE_MISMATCH)];
    for (kinds, expected) in cases {
        assert_eq!(refusal(&vm.evidence(kinds, &bound(2))), expected);
    }
}

#[test]
fn t05_cache_entries_of_a_vm_do_not_replace_its_proof() {
    let (vm, verifier) = (SimulatedVm::new(), Verifier::new());
    verifier.verify(&vm.evidence(Kinds::BOTH, &bound(1)), &bound(1)).unwrap();
    assert_eq!((verifier.cache.chains().len(), verifier.cache.logs()), (2, 1));
    let error = verifier.verify(&vm.evidence(Kinds::BOTH, &bound(1)), &bound(2)).unwrap_err();
    assert_eq!(error, NONCE_MISMATCH);
    // The cached log is compared with the PCRs of each quote.
    let mut changed = vm;
    changed.extend(8, &Digest32([8; 32]));
    let error = verifier.verify(&changed.evidence(Kinds::VTPM, &bound(3)), &bound(3)).unwrap_err();
    assert!(
        matches!(error, VerifyError::Vtpm(VtpmError::EventLog(E::PcrMismatch { pcr: 8, .. }))),
        "{error}"
    );
}
