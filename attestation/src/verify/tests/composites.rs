//! T01: quote, hardware report and token, from one VM and from two, in every combination.

use std::sync::Arc;

use super::*;
use crate::event_log::BootLog;
use crate::google_token::TokenKind;
use crate::launch::EndorsementStore;
use crate::tdx::TdxError;
use crate::test_util::google_token::FakeAttestationService;
use crate::test_util::vm::SimulatedTd;
use crate::withheld::Withheld;

const TECHNOLOGIES: [Technology; 3] = [Technology::Sev, Technology::SevSnp, Technology::Tdx];
const TOKENS: [Option<TokenKind>; 3] = [None, Some(TokenKind::Oidc), Some(TokenKind::Pki)];

fn vm(technology: Technology, instance_id: u64) -> SimulatedVm {
    let serial = vec![u8::try_from(instance_id).unwrap()];
    let mut vm = SimulatedVm::of(
        technology,
        &AkCertificateSpec { instance_id, serial, ..AkCertificateSpec::default() },
    );
    vm.report.report_id = [u8::try_from(instance_id).unwrap(); 32];
    if let Some(td) = &mut vm.tdx {
        td.quote.mr_config_id = [u8::try_from(instance_id).unwrap(); 48];
    }
    vm
}

/// Every set of pieces that a VM can make; SEV has no report.
fn sets(technology: Technology) -> impl Iterator<Item = Kinds> {
    let has_report = technology != Technology::Sev;
    let sets = [(true, false), (false, true), (true, true), (false, false)];
    sets.into_iter()
        .filter(move |(_, report)| has_report || !report)
        .flat_map(|(vtpm, report)| TOKENS.map(|token| Kinds { vtpm, report, token }))
        .filter(|kinds| kinds.vtpm || kinds.report || kinds.token.is_some())
}

#[test]
fn every_set_of_one_vm_is_accepted_where_something_links_it() {
    let verifier = Verifier::new();
    for technology in TECHNOLOGIES {
        let vm = vm(technology, 1);
        for kinds in sets(technology) {
            let verdict = verifier.verify(&vm.evidence(kinds, &bound(1)), &bound(1));
            if !kinds.vtpm && kinds.report && kinds.token.is_some() {
                let unlinked = VerifyError::Unlinked { kind: EvidenceKind::GoogleToken };
                assert_eq!(verdict, Err(unlinked), "{technology} {kinds:?}");
                continue;
            }
            let claims = verdict.unwrap_or_else(|error| panic!("{technology} {kinds:?}: {error}"));
            assert_eq!(claims.technology, Some(technology), "{kinds:?}");
            let names_instance = kinds.vtpm || kinds.token.is_some();
            assert_eq!(claims.instance().map(Instance::id), names_instance.then_some((620_438_545_889, 1)));
            assert_eq!(claims.vtpm.is_some(), kinds.vtpm);
            assert_eq!(claims.sev_snp.is_some(), kinds.report && technology == Technology::SevSnp);
            assert_eq!(claims.tdx.is_some(), kinds.report && technology == Technology::Tdx);
            assert_eq!(claims.google_token.map(|token| token.kind), kinds.token);
        }
    }
}

/// The VM that a piece is taken from; `None` if it is omitted.
type Pick = Option<usize>;

fn pick(vms: &[Evidence; 2], vtpm: Pick, report: Pick, token: Pick) -> Evidence {
    Evidence {
        vtpm: vtpm.and_then(|index| vms[index].vtpm.clone()),
        sev_snp: report.and_then(|index| vms[index].sev_snp.clone()),
        tdx: report.and_then(|index| vms[index].tdx.clone()),
        google_token: token.and_then(|index| vms[index].google_token.clone()),
    }
}

fn picks() -> impl Iterator<Item = (Pick, Pick, Pick)> {
    let one = [None, Some(0), Some(1)];
    one.into_iter().flat_map(move |vtpm| {
        one.into_iter().flat_map(move |report| one.into_iter().map(move |token| (vtpm, report, token)))
    })
}

#[test]
fn t01_only_pieces_of_one_vm_are_accepted_together() {
    let verifier = Verifier::new();
    for technology in [Technology::SevSnp, Technology::Tdx] {
        for token in [TokenKind::Oidc, TokenKind::Pki] {
            let whole =
                [1, 2].map(|id| vm(technology, id).evidence(Kinds::BOTH.with_token(token), &bound(1)));
            let mut accepted = 0;
            for (quoting, reporting, stating) in picks() {
                let evidence = pick(&whole, quoting, reporting, stating);
                let verdict = verifier.verify(&evidence, &bound(1));
                // Quote and report were made as parts of a composite: neither is valid without the other.
                let complete = quoting.is_some() == reporting.is_some();
                let same = [reporting, stating].iter().all(|other| other.is_none() || *other == quoting);
                let alone = quoting.is_none() && reporting.is_none() && stating.is_some();
                let expected = alone || (complete && same && quoting.is_some());
                let what = format!("{technology} {quoting:?} {reporting:?} {stating:?}: {verdict:?}");
                assert_eq!(verdict.is_ok(), expected, "{what}");
                accepted += usize::from(verdict.is_ok());
            }
            // Two tokens alone, and quote and report of each VM with and without its token.
            assert_eq!(accepted, 6);
        }
    }
}

#[test]
fn t01_pieces_that_were_made_alone_do_not_combine() {
    let verifier = Verifier::new();
    for technology in [Technology::SevSnp, Technology::Tdx] {
        let vms = [vm(technology, 1), vm(technology, 2)];
        let alone = vms.each_ref().map(|vm| {
            let mut evidence = vm.evidence(Kinds::VTPM.with_token(TokenKind::Pki), &bound(1));
            let report = vm.evidence(Kinds::REPORT, &bound(1));
            (evidence.sev_snp, evidence.tdx) = (report.sev_snp, report.tdx);
            evidence
        });
        for (quoting, reporting, stating) in picks() {
            let verdict = verifier.verify(&pick(&alone, quoting, reporting, stating), &bound(1));
            let pieces = [quoting, reporting, stating].into_iter().flatten().count();
            let linked = reporting.is_none() && quoting == stating;
            assert_eq!(
                verdict.is_ok(),
                pieces == 1 || (pieces == 2 && linked),
                "{quoting:?} {reporting:?} {stating:?}"
            );
        }
    }
}

#[test]
fn t01_a_token_of_another_instance_is_refused() {
    let vm = vm(Technology::Sev, 1);
    let mut other = vm.clone();
    other.token.instance.instance_id = 2;
    let evidence = other.evidence(Kinds::VTPM.with_token(TokenKind::Pki), &bound(1));
    let project = vm.token.instance.project_number;
    let mismatch =
        VerifyError::InstanceMismatch { certified: Some((project, 1)), stated: Some((project, 2)) };
    assert_eq!(refusal(&evidence), mismatch);
}

#[test]
fn t01_a_token_of_another_technology_is_refused() {
    let mut vm = vm(Technology::Sev, 1);
    vm.token.technology = Technology::Tdx;
    let evidence = vm.evidence(Kinds::VTPM.with_token(TokenKind::Oidc), &bound(1));
    let (token, other) = (Technology::Tdx, Some(Technology::Sev));
    assert_eq!(refusal(&evidence), VerifyError::TokenTechnologyMismatch { token, other });
}

#[test]
fn t01_a_log_of_another_technology_than_the_quote_is_refused() {
    let mut vm = vm(Technology::SevSnp, 1);
    vm.tdx = Some(SimulatedTd::booted(&EventLogBuilder::ccel_ubuntu()));
    let (hardware, logged) = (Technology::Tdx, Some(Technology::SevSnp));
    assert_eq!(
        refusal(&vm.evidence(Kinds::BOTH, &bound(1))),
        VerifyError::TechnologyMismatch { hardware, logged }
    );
}

#[test]
fn t01_reports_of_two_vendors_are_refused() {
    let mut evidence = vm(Technology::Tdx, 1).evidence(Kinds::BOTH, &bound(1));
    evidence.sev_snp = vm(Technology::SevSnp, 1).evidence(Kinds::REPORT, &bound(1)).sev_snp;
    assert_eq!(refusal(&evidence), VerifyError::TwoHardwareReports);
}

#[test]
fn t05_a_quote_or_token_of_another_request_is_refused() {
    let vm = vm(Technology::Tdx, 1);
    let quote = vm.evidence(Kinds::REPORT, &bound(2));
    assert_eq!(refusal(&quote), VerifyError::Tdx(TdxError::ReportDataMismatch));
    let token = vm.evidence(Kinds::token(TokenKind::Pki), &bound(2));
    assert_eq!(refusal(&token), VerifyError::GoogleToken(crate::google_token::TokenError::NonceMismatch));
}

#[test]
fn t07_a_token_for_another_broker_is_refused() {
    let mut vm = vm(Technology::Sev, 1);
    vm.token.audience = "https://elsewhere.example.com".to_owned();
    let error = refusal(&vm.evidence(Kinds::token(TokenKind::Oidc), &bound(1)));
    let found = "https://elsewhere.example.com".to_owned();
    assert_eq!(error, VerifyError::GoogleToken(crate::google_token::TokenError::AudienceMismatch { found }));
}

#[test]
fn t17_a_quote_without_collateral_waits_for_it() {
    let verifier = Verifier { endorsements: Endorsements::default(), ..Verifier::new() };
    let error =
        verifier.verify(&vm(Technology::Tdx, 1).evidence(Kinds::REPORT, &bound(1)), &bound(1)).unwrap_err();
    let platform = FakeIntel::shared().platform();
    assert_eq!(error, VerifyError::Tdx(TdxError::CollateralMissing { platform }));
    assert_eq!(error.code(), vouchsafe_protocol::ReasonCode::CollateralPending);
}

#[test]
fn a_stored_endorsement_of_the_firmware_is_a_claim() {
    let signer = crate::test_util::launch::FakeTcbSigner::shared();
    let vm = vm(Technology::Tdx, 1);
    let mr_td = vouchsafe_protocol::Digest48(vm.tdx.as_ref().unwrap().quote.mr_td);
    let mut verifier = Verifier::new();
    let evidence = vm.evidence(Kinds::REPORT, &bound(1));
    let without = verifier.verify(&evidence, &bound(1)).unwrap();
    assert_eq!(without.tdx.unwrap().endorsement, None);
    verifier.endorsements.launch = EndorsementStore::new([(mr_td, signer.endorse_tdx(&mr_td))]);
    verifier.anchors = shared_anchors().with_extra(signer.root_der()).unwrap();
    let with = verifier.verify(&evidence, &bound(1)).unwrap().tdx.unwrap().endorsement.unwrap();
    assert_eq!(with.root, crate::Root::Extra);
}

#[test]
fn t48_the_gate_sees_the_instance_of_a_token() {
    let vm = vm(Technology::Sev, 7);
    let verifier = Verifier::new();
    let evidence = vm.evidence(Kinds::token(TokenKind::Pki), &bound(1));
    let mut seen = None;
    let gate = |instance: Option<&Instance>| {
        seen = instance.map(Instance::id);
        Ok::<(), VerifyError>(())
    };
    let verdict = verify_with(&evidence, bound(1), &verifier.inputs(), gate, |_| {});
    assert!(verdict.is_ok());
    assert_eq!(seen, Some((620_438_545_889, 7)));
    assert!(!FakeAttestationService::shared().jwks().is_empty());
}

#[test]
fn each_kind_of_evidence_is_announced_before_it_is_verified() {
    use EvidenceKind::{GoogleToken, SevSnp, Tdx, Vtpm};
    for (technology, kinds, expected) in [
        (Technology::SevSnp, Kinds::VTPM, vec![Vtpm, Vtpm]),
        (Technology::SevSnp, Kinds::REPORT, vec![SevSnp]),
        (Technology::SevSnp, Kinds::BOTH, vec![Vtpm, Vtpm, SevSnp, Vtpm]),
        (Technology::Tdx, Kinds::BOTH, vec![Vtpm, Vtpm, Tdx, Vtpm]),
        (Technology::Sev, Kinds::token(TokenKind::Pki), vec![GoogleToken]),
    ] {
        let (evidence, verifier) = (vm(technology, 1).evidence(kinds, &bound(1)), Verifier::new());
        let mut begun = Vec::new();
        let gate = |_: Option<&Instance>| Ok::<(), VerifyError>(());
        verify_with(&evidence, bound(1), &verifier.inputs(), gate, |kind| begun.push(kind)).unwrap();
        assert_eq!(begun, expected, "{kinds:?}");
    }
}

#[test]
fn t22_the_ccel_log_of_a_quote_gives_its_boot() {
    let vm = vm(Technology::Tdx, 1);
    let tdx = Verifier::new().verify(&vm.evidence(Kinds::BOTH, &bound(1)), &bound(1)).unwrap().tdx.unwrap();
    let boot = tdx.unconfirmed_boot.expect("a log came with the quote");
    assert!(boot.secure_boot.enabled && boot.kernel_command_line.is_some());
    let mut without = vm.evidence(Kinds::BOTH, &bound(1));
    without.tdx.as_mut().unwrap().event_log = None;
    let claims = Verifier::new().verify(&without, &bound(1)).unwrap();
    assert_eq!(claims.tdx.unwrap().unconfirmed_boot, None);
}

#[test]
fn t52_withheld_claims_of_the_boot_logs_have_their_whole_names() {
    let vm = vm(Technology::Tdx, 1);
    let mut claims = Verifier::new().verify(&vm.evidence(Kinds::BOTH, &bound(1)), &bound(1)).unwrap();
    let withhold = |boot: &mut Arc<BootLog>| {
        Arc::make_mut(boot).withheld = ["command_line", "arguments", "words", "grub_commands"]
            .map(|claim| Withheld::new(claim, "reason", "detail"))
            .into();
    };
    withhold(&mut claims.vtpm.as_mut().unwrap().boot);
    withhold(claims.tdx.as_mut().unwrap().unconfirmed_boot.as_mut().unwrap());
    let names: Vec<&str> = claims.all_withheld().iter().map(|withheld| withheld.claim).collect();
    let expected = [
        "vtpm.command_line",
        "vtpm.arguments",
        "vtpm.words",
        "vtpm.grub_commands",
        "tdx.boot.command_line",
        "tdx.boot.arguments",
        "tdx.boot.words",
        "tdx.boot.grub_commands",
    ];
    assert!(names.ends_with(&expected), "{names:?}");
}

#[test]
fn t52_a_ccel_log_that_does_not_fit_withholds_the_boot_and_nothing_else() {
    let honest = vm(Technology::Tdx, 1);
    let mut broken = EventLogBuilder::ccel_ubuntu();
    broken.events.remove(0);
    let cases = [
        (EventLogBuilder::ccel_uki().bytes(), "ccel-rtmr-mismatch"),
        (broken.bytes(), "ccel-rtmr-mismatch"),
        (b"no log".to_vec(), "ccel-not-an-event-log"),
        (vec![0xff; vouchsafe_protocol::limits::MAX_EVENT_LOG], "ccel-not-an-event-log"),
        (honest.event_log.clone(), "ccel-header-register"),
    ];
    for kinds in [Kinds::REPORT, Kinds::BOTH] {
        let mut without = honest.evidence(kinds, &bound(1));
        without.tdx.as_mut().unwrap().event_log = None;
        let without = Verifier::new().verify(&without, &bound(1)).unwrap();
        for (log, reason) in &cases {
            let mut evidence = honest.evidence(kinds, &bound(1));
            evidence.tdx.as_mut().unwrap().event_log = Some(log.clone().into());
            let mut claims = Verifier::new().verify(&evidence, &bound(1)).unwrap();
            let withheld = std::mem::take(&mut claims.withheld);
            assert_eq!((withheld.len(), withheld[0].claim), (1, "tdx.boot"));
            assert_eq!(withheld[0].reason, *reason);
            assert_eq!(claims, without, "{reason}");
        }
    }
}

#[test]
fn whole_evidence_of_a_trust_domain_is_inspected() {
    let vm = vm(Technology::Tdx, 1);
    let mut evidence =
        Evidence { tdx: Some(vm.tdx.as_ref().unwrap().evidence(&[0; 64])), ..Evidence::default() };
    let mut verifier = Verifier::new();
    let claims = inspect_evidence(&evidence, &verifier.inputs()).unwrap().claims;
    let tdx = claims.tdx.unwrap();
    assert_eq!((claims.technology, tdx.unconfirmed_boot.is_some()), (Some(Technology::Tdx), true));
    assert_eq!(claims.withheld, []);

    // A log that does not fit and a malformed endorsement are absent, with their reasons.
    evidence.tdx.as_mut().unwrap().event_log = Some(EventLogBuilder::ccel_uki().bytes().into());
    verifier.endorsements.launch = EndorsementStore::new([(tdx.mr_td, b"no endorsement".to_vec())]);
    let claims = inspect_evidence(&evidence, &verifier.inputs()).unwrap().claims;
    let withheld: Vec<_> =
        claims.withheld.iter().map(|withheld| (withheld.claim, withheld.reason.as_str())).collect();
    assert_eq!(withheld, [("tdx.endorsement", "launch-malformed"), ("tdx.boot", "ccel-rtmr-mismatch")]);
    assert_eq!(claims.tdx.unwrap().unconfirmed_boot, None);
}

#[test]
fn t23_a_ccel_log_that_is_inspected_has_to_fit() {
    let vm = vm(Technology::Tdx, 1);
    let quote = vm.tdx.as_ref().unwrap().evidence(&[0; 64]).quote;
    let verifier = Verifier::new();
    let log = EventLogBuilder::ccel_uki().bytes();
    let inspect =
        |log: &[u8]| inspect_tdx(&quote, None, Some(&log.into()), Expected::Waived, &verifier.inputs());
    let error = inspect(&log).unwrap_err();
    assert!(matches!(error, VerifyError::Tdx(TdxError::EventLog(_))), "{error}");
    assert_eq!(error.name(), "ccel-rtmr-mismatch");
    let error = inspect(b"no log").unwrap_err();
    assert_eq!(error.code(), vouchsafe_protocol::ReasonCode::EvidenceMalformed, "{error}");
    // The log alone, compared with given registers.
    let rtmrs = EventLogBuilder::ccel_uki().rtmrs();
    assert!(inspect_ccel(&log, &rtmrs).unwrap().kernel_command_line.is_none());
    let error = inspect_ccel(&log, &EventLogBuilder::ccel_ubuntu().rtmrs()).unwrap_err();
    assert_eq!(error.name(), "ccel-rtmr-mismatch");
}
