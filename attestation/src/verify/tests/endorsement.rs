//! Launch endorsements beside a report, and the names of refusals of tokens and endorsements.

use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::ReasonCode;
use vouchsafe_protocol::limits::MAX_ENDORSEMENT;

use super::*;
use crate::Revocation;
use crate::Root;
use crate::google_token::TokenError;
use crate::google_token::TokenPart;
use crate::launch::EndorsementStore;
use crate::launch::LaunchError;
use crate::test_util::ca::Scheme;
use crate::test_util::launch::EndorsementSpec;
use crate::test_util::launch::FakeTcbSigner;
use crate::x509::ChainError;

/// A report of a VM, and its measurement.
fn report() -> (Evidence, Digest48) {
    let evidence = SimulatedVm::new().evidence(Kinds::REPORT, &bound(1));
    let claims = Verifier::new().verify(&evidence, &bound(1)).unwrap();
    (evidence, claims.sev_snp.unwrap().measurement)
}

fn with(mut evidence: Evidence, endorsement: Vec<u8>) -> Evidence {
    evidence.sev_snp.as_mut().unwrap().launch_endorsement = Some(endorsement.into());
    evidence
}

fn verifier() -> Verifier {
    let anchors = shared_anchors().with_extra(FakeTcbSigner::shared().root_der()).unwrap();
    Verifier { anchors, ..Verifier::new() }
}

#[test]
fn an_endorsement_that_comes_with_a_report_is_a_claim() {
    let (evidence, measurement) = report();
    assert_eq!(verifier().verify(&evidence, &bound(1)).unwrap().sev_snp.unwrap().endorsement, None);
    let endorsement = FakeTcbSigner::shared().endorse_snp(&measurement);
    let claims = verifier().verify(&with(evidence, endorsement), &bound(1)).unwrap();
    let endorsement = claims.sev_snp.unwrap().endorsement.unwrap();
    assert_eq!((endorsement.root, endorsement.svn, endorsement.vcpus), (Root::Extra, 7, Some(2)));
    // Google publishes no CRL for its signers.
    assert_eq!(endorsement.revocation, Revocation::NotOffered);
}

#[test]
fn an_endorsement_of_the_store_serves_a_report_without() {
    let (evidence, measurement) = report();
    let endorsement = FakeTcbSigner::shared().endorse_snp(&measurement);
    let launch = EndorsementStore::new([(measurement, endorsement)]);
    let verifier =
        Verifier { endorsements: Endorsements { launch, ..Endorsements::default() }, ..verifier() };
    let claims = verifier.verify(&evidence, &bound(1)).unwrap();
    assert_eq!(claims.sev_snp.unwrap().endorsement.unwrap().vcpus, Some(2));
    assert_eq!(verifier.cache.endorsements().len(), 1);
}

/// Why the endorsement that came with a report is withheld.
fn withheld(verifier: &Verifier, evidence: Evidence, endorsement: Vec<u8>) -> String {
    let claims = verifier.verify(&with(evidence, endorsement), &bound(1)).unwrap();
    assert_eq!(claims.sev_snp.unwrap().endorsement, None);
    let [withheld] = &claims.withheld[..] else { panic!("{:?}", claims.withheld) };
    assert_eq!(withheld.claim, "sev_snp.endorsement");
    withheld.reason.clone()
}

#[test]
fn t52_an_endorsement_that_is_of_no_use_is_absent_with_its_reason() {
    let ((evidence, measurement), signer) = (report(), FakeTcbSigner::shared());
    let of = |change: fn(&mut EndorsementSpec)| {
        let mut spec = EndorsementSpec::default().with_snp(2, &measurement);
        change(&mut spec);
        spec.sign(signer)
    };
    let mut expired = signer.signer_spec();
    expired.not_after = UnixTime(NOW.0 - 1);
    let expired = signer.root().issue(&expired);
    let expired = EndorsementSpec { certificate: Some(expired), ..EndorsementSpec::default() }.sign(signer);
    for (reason, endorsement) in [
        // The measurement for a number of vCPUs that is not endorsed.
        ("launch-not-endorsed", EndorsementSpec::default().sign(signer)),
        ("launch-signer-chain-expired", expired),
        ("launch-too-large", vec![0; MAX_ENDORSEMENT + 1]),
        ("launch-malformed", b"nonsense".to_vec()),
        ("launch-other-technology", of(|spec| spec.sev_snp = None)),
        ("launch-field", of(|spec| spec.digest = vec![0; 32])),
        ("launch-signature-invalid", of(|spec| spec.scheme = Scheme::Pkcs1Sha256)),
    ] {
        assert_eq!(withheld(&verifier(), evidence.clone(), endorsement), reason);
    }
    // For a verifier that does not trust its signer it is absent.
    let endorsement = signer.endorse_snp(&measurement);
    let reason = withheld(&Verifier::new(), evidence.clone(), endorsement.clone());
    assert_eq!(reason, "launch-signer-chain-unknown-issuer");
    // The store's endorsement is used nevertheless.
    let launch = EndorsementStore::new([(measurement, endorsement)]);
    let verifier =
        Verifier { endorsements: Endorsements { launch, ..Endorsements::default() }, ..verifier() };
    let claims = verifier.verify(&with(evidence, b"nonsense".to_vec()), &bound(1)).unwrap();
    assert_eq!(claims.sev_snp.unwrap().endorsement.unwrap().vcpus, Some(2));
    assert_eq!(claims.withheld, []);
}

#[test]
fn an_endorsement_of_a_new_shape_is_read_as_far_as_it_is_known() {
    let (evidence, measurement) = report();
    // Field 15, length-delimited, and field 16, a number: technologies that are unknown today.
    let unknown_fields = vec![0x7a, 3, 1, 2, 3, 0x80, 0x01, 7];
    let spec = EndorsementSpec { unknown_fields, ..EndorsementSpec::default() }.with_snp(2, &measurement);
    let endorsement = spec.sign(FakeTcbSigner::shared());
    let claims = verifier().verify(&with(evidence, endorsement), &bound(1)).unwrap();
    assert_eq!(claims.sev_snp.unwrap().endorsement.unwrap().vcpus, Some(2));
}

#[test]
fn refusals_of_endorsements_have_names_and_codes() {
    let said = |error: LaunchError| {
        let error = VerifyError::from(error);
        (error.name(), error.code())
    };
    let measurement = Digest48([1; 48]);
    let refused = ("launch-not-endorsed".to_owned(), ReasonCode::EvidenceRefused);
    assert_eq!(said(LaunchError::NotEndorsed { measurement }), refused);
    let malformed = ("launch-malformed".to_owned(), ReasonCode::EvidenceMalformed);
    assert_eq!(said(LaunchError::Malformed), malformed);
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
