//! The refusals that `docs/guests.md` explains: the verifier returns each under the name used on that page.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::ReasonCode;

use super::*;
use crate::event_log::EventLogError;
use crate::google_token::TokenError;
use crate::google_token::TokenKind;
use crate::snp::SnpError;
use crate::tdx::QuoteError;
use crate::tdx::TdxError;
use crate::test_util::event_log::userspace::UserspaceBuilder;
use crate::test_util::snp::SnpReportBuilder;
use crate::test_util::tdx::TdxQuoteBuilder;
use crate::test_util::vm::SimulatedTd;
use crate::vtpm::VtpmError;

const PAGE: &str = include_str!("../../../../docs/guests.md");

/// The refusal, whose name must be on the page.
fn explained(evidence: &Evidence) -> VerifyError {
    let error = refusal(evidence);
    assert!(PAGE.contains(&format!("`{}`", error.name())), "{} is not in docs/guests.md", error.name());
    error
}

fn report(change: impl FnOnce(&mut SnpReportBuilder)) -> VerifyError {
    let mut vm = SimulatedVm::new();
    let mut report = vm.report.clone();
    change(&mut report);
    vm.set_report(report);
    explained(&vm.evidence(Kinds::REPORT, &bound(1)))
}

fn quote(change: impl FnOnce(&mut TdxQuoteBuilder)) -> VerifyError {
    let mut vm = SimulatedVm::trust_domain(&AkCertificateSpec::default());
    let td: &mut SimulatedTd = vm.tdx.as_mut().unwrap();
    change(&mut td.quote);
    let tdx = td.evidence(&bound(1).transcript().report_data(None).0);
    explained(&Evidence { tdx: Some(tdx), ..Evidence::default() })
}

#[test]
fn reports_and_quotes_of_unknown_layout_are_refused() {
    for version in [1, 6] {
        let error = SnpError::UnsupportedVersion { version };
        assert_eq!(report(|report| report.version = version), VerifyError::Snp(error));
    }
    let version = 6;
    let error = TdxError::Quote(QuoteError::UnsupportedVersion { version });
    assert_eq!(quote(|quote| quote.version = version), VerifyError::Tdx(error));
    let kind = 4;
    let error = TdxError::Quote(QuoteError::UnsupportedBody { kind });
    let change = |quote: &mut TdxQuoteBuilder| (quote.version, quote.body_type) = (5, kind);
    assert_eq!(quote(change), VerifyError::Tdx(error));
}

#[test]
fn t15_unknown_td_permissions_are_refused() {
    let bits = SnpReportBuilder::new(crate::anchors::Product::Genoa).policy | 1 << 30;
    assert_eq!(report(|report| report.policy = bits), VerifyError::Snp(SnpError::PolicyReserved { bits }));
    let bits = 1 << 5;
    assert_eq!(report(|report| report.key_info = bits), VerifyError::Snp(SnpError::KeyInfoReserved { bits }));
    let error = SnpError::ReservedNotZero { offset: 0x04c };
    assert_eq!(report(|report| report.edits.push((0x04c, vec![1]))), VerifyError::Snp(error));
    // Unknown bits of PLATFORM_INFO are shown, not refused.
    let mut vm = SimulatedVm::new();
    vm.set_report(SnpReportBuilder { platform_info: vm.report.platform_info | 1 << 40, ..vm.report.clone() });
    let claims = Verifier::new().verify(&vm.evidence(Kinds::REPORT, &bound(1)), &bound(1)).unwrap();
    assert_eq!(claims.sev_snp.unwrap().platform.unknown_bits, 1 << 40);
    // An attribute of the trust domain that is reserved today.
    assert!(matches!(
        quote(|quote| quote.attributes |= 1 << 40),
        VerifyError::Tdx(TdxError::AttributesReserved { .. })
    ));
    let migratable = quote(|quote| quote.attributes |= 1 << 29);
    assert_eq!(migratable, VerifyError::Tdx(TdxError::Migratable));
    let service = |quote: &mut TdxQuoteBuilder| {
        (quote.version, quote.body_type, quote.mr_service_td) = (5, 3, [1; 48]);
    };
    assert_eq!(quote(service), VerifyError::Tdx(TdxError::ServiceTd));
}

/// The canonical event log of Confidential Space and COS: containers extend PCR 13 from user space.
#[test]
fn t59_an_extension_that_nothing_explains_is_refused() {
    let mut vm = SimulatedVm::new();
    vm.extend(13, &Digest32([0xce; 32]));
    let refused = refusal(&vm.evidence(Kinds::VTPM, &bound(1)));
    let expected = EventLogError::PcrWithoutEvents { pcr: 13 };
    assert_eq!(refused, VerifyError::Vtpm(VtpmError::EventLog(expected)));
    assert!(refused.to_string().contains("PCR 13"), "{refused}");
}

#[test]
fn t07_tokens_that_are_not_for_one_request_or_of_an_unknown_kind_are_refused() {
    let service = FakeAttestationService::shared();
    let token = |claim: &str, value: serde_json::Value| {
        let nonce = bound(1).transcript().token_nonce();
        let mut spec = service.spec(TokenKind::Oidc, AUDIENCE, nonce.as_str(), NOW);
        spec.set(claim, value);
        let google_token = Some(GoogleTokenEvidence { token: spec.sign(service) });
        explained(&Evidence { google_token, ..Evidence::default() })
    };
    let two = token("eat_nonce", serde_json::json!(["a nonce of somebody else", "another one"]));
    assert_eq!(two, VerifyError::GoogleToken(TokenError::NonceCount { found: 2 }));
    let unknown = |claim, found: &str| {
        VerifyError::GoogleToken(TokenError::ClaimUnknown { claim, found: found.to_owned() })
    };
    assert_eq!(token("hwmodel", "GCP_NEW".into()), unknown("hwmodel", "GCP_NEW"));
    assert_eq!(token("swname", "NEW_SPACE".into()), unknown("swname", "NEW_SPACE"));
}

/// In addition to a vTPM such a token is ignored (T52). One that contradicts the request or the VM is still
/// refused.
#[test]
fn t52_a_token_of_an_unknown_form_does_not_spoil_a_vtpm() {
    let service = FakeAttestationService::shared();
    let vm = SimulatedVm::new();
    let evidence = vm.evidence(Kinds::VTPM.with_token(TokenKind::Oidc), &bound(1));
    let with = |claim: &str, value: serde_json::Value| {
        let nonce = bound(1).transcript().token_nonce();
        let spec = service.spec(TokenKind::Oidc, AUDIENCE, nonce.as_str(), NOW);
        let mut spec = spec.of_instance(&vm.token.instance).of_technology(Technology::SevSnp);
        spec.set(claim, value);
        Evidence { google_token: Some(GoogleTokenEvidence { token: spec.sign(service) }), ..evidence.clone() }
    };
    let verify = |evidence: &Evidence| Verifier::new().verify(evidence, &bound(1));
    let alone = verify(&Evidence { google_token: None, ..evidence.clone() }).unwrap();
    for (claim, value, reason) in [
        ("hwmodel", "GCP_NEW".into(), "google-token-claim-unknown"),
        ("swname", "NEW_SPACE".into(), "google-token-claim-unknown"),
        ("secboot", "yes".into(), "google-token-claim-malformed"),
        ("sub", serde_json::Value::Null, "google-token-claim-missing"),
    ] {
        let mut claims = verify(&with(claim, value)).unwrap();
        let withheld = std::mem::take(&mut claims.withheld);
        assert_eq!((withheld[0].claim, withheld[0].reason.as_str()), ("google_token", reason));
        assert_eq!(claims, alone, "{claim}");
    }
    let two = verify(&with("eat_nonce", serde_json::json!(["one", "two"])));
    assert_eq!(two, Err(VerifyError::GoogleToken(TokenError::NonceCount { found: 2 })));
    let other = verify(&with("hwmodel", "GCP_INTEL_TDX".into()));
    assert!(matches!(other, Err(VerifyError::TokenTechnologyMismatch { .. })), "{other:?}");
    let late = verify(&with("exp", serde_json::json!(NOW.0 - 60)));
    assert!(matches!(late, Err(VerifyError::GoogleToken(TokenError::Expired { .. }))), "{late:?}");
}

/// The only one of these refusals that a new quote can fix: the guest is told so.
#[test]
fn t59_a_quote_during_os_separator_may_be_repeated() {
    let mut vm = SimulatedVm::new();
    let mut some = UserspaceBuilder::initrd_262();
    some.entries.truncate(5);
    vm.measure(&some);
    let error = explained(&vm.evidence(Kinds::VTPM, &bound(1)));
    assert_eq!(error.name(), "event-log-os-separator-incomplete");
    assert_eq!(error.code(), ReasonCode::EvidenceUnsettled);
}
