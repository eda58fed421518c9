//! Launch endorsements beside a report, and what refusals of tokens and endorsements are called.

use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::ReasonCode;

use super::*;
use crate::Revocation;
use crate::Root;
use crate::chain::ChainError;
use crate::google_token::TokenError;
use crate::google_token::TokenPart;
use crate::launch::EndorsementStore;
use crate::launch::LaunchError;
use crate::test_util::launch::EndorsementSpec;
use crate::test_util::launch::FakeTcbSigner;

/// A report of a VM, and its measurement.
fn report() -> (Evidence, Digest48) {
    let evidence = SimulatedVm::new().evidence(Kinds::REPORT, &bound(1));
    let claims = Judge::new().verify(&evidence, &bound(1)).unwrap();
    (evidence, claims.sev_snp.unwrap().measurement)
}

fn with(mut evidence: Evidence, endorsement: Vec<u8>) -> Evidence {
    evidence.sev_snp.as_mut().unwrap().launch_endorsement = Some(endorsement.into());
    evidence
}

fn judge() -> Judge {
    let anchors = shared_anchors().with_extra(FakeTcbSigner::shared().root_der()).unwrap();
    Judge { anchors, ..Judge::new() }
}

#[test]
fn an_endorsement_that_comes_with_a_report_is_a_claim() {
    let (evidence, measurement) = report();
    assert_eq!(judge().verify(&evidence, &bound(1)).unwrap().sev_snp.unwrap().endorsement, None);
    let endorsement = FakeTcbSigner::shared().endorse_snp(&measurement);
    let claims = judge().verify(&with(evidence, endorsement), &bound(1)).unwrap();
    let endorsement = claims.sev_snp.unwrap().endorsement.unwrap();
    assert_eq!((endorsement.root, endorsement.svn, endorsement.vcpus), (Root::Extra, 7, Some(2)));
    assert_eq!(endorsement.revocation, Revocation::Absent);
}

#[test]
fn an_endorsement_of_the_store_serves_a_report_without() {
    let (evidence, measurement) = report();
    let endorsement = FakeTcbSigner::shared().endorse_snp(&measurement);
    let launch = EndorsementStore::new([(measurement, endorsement)]);
    let judge = Judge { endorsements: Endorsements { launch, ..Endorsements::default() }, ..judge() };
    let claims = judge.verify(&evidence, &bound(1)).unwrap();
    assert_eq!(claims.sev_snp.unwrap().endorsement.unwrap().vcpus, Some(2));
    assert_eq!(judge.memory.endorsements().len(), 1);
}

#[test]
fn an_endorsement_of_another_measurement_is_refused() {
    let (evidence, measurement) = report();
    let other = EndorsementSpec::default().sign(FakeTcbSigner::shared());
    let refused = judge().verify(&with(evidence.clone(), other), &bound(1)).unwrap_err();
    assert_eq!(refused, LaunchError::NotEndorsed { measurement }.into());
    assert_eq!(
        (refused.name().as_str(), refused.code()),
        ("launch-not-endorsed", ReasonCode::EvidenceRefused)
    );
    let refused = judge().verify(&with(evidence, b"nonsense".to_vec()), &bound(1)).unwrap_err();
    assert_eq!(refused, LaunchError::Malformed.into());
    assert_eq!(
        (refused.name().as_str(), refused.code()),
        ("launch-malformed", ReasonCode::EvidenceMalformed)
    );
}

#[test]
fn an_endorsement_under_a_foreign_root_is_refused() {
    let (evidence, measurement) = report();
    let endorsement = FakeTcbSigner::shared().endorse_snp(&measurement);
    let refused = Judge::new().verify(&with(evidence, endorsement), &bound(1)).unwrap_err();
    assert_eq!(refused, LaunchError::Chain(ChainError::UnknownIssuer).into());
    assert_eq!(refused.name(), "launch-signer-chain-unknown-issuer");
}

#[test]
fn refusals_of_tokens_have_names_and_codes() {
    let said = |error: TokenError| {
        let error = VerifyError::from(error);
        (error.name(), error.code())
    };
    let name = "jku".to_owned();
    let refused = ("google-token-header-parameter".to_owned(), ReasonCode::EvidenceRefused);
    assert_eq!(said(TokenError::HeaderParameter { name }), refused);
    let malformed = ("google-token-encoding".to_owned(), ReasonCode::EvidenceMalformed);
    assert_eq!(said(TokenError::Encoding { part: TokenPart::Header }), malformed);
    let pending = ("google-token-unknown-key".to_owned(), ReasonCode::CollateralPending);
    assert_eq!(said(TokenError::UnknownKey { kid: "new".to_owned() }), pending);
    let pending = ("google-token-keys-stale".to_owned(), ReasonCode::CollateralPending);
    assert_eq!(said(TokenError::KeysStale { fetched_at: NOW }), pending);
    let chain = ("google-token-chain-unknown-issuer".to_owned(), ReasonCode::EvidenceRefused);
    assert_eq!(said(TokenError::Chain(ChainError::UnknownIssuer)), chain);
}
