//! One negative test for each refusal, with all other fields valid; and the captured token.

mod captured;
mod header;
mod keys;
mod pki;
mod values;

use serde_json::Value;
use serde_json::json;
use vouchsafe_protocol::BoundRequest;
use vouchsafe_protocol::BrokerIdentity;
use vouchsafe_protocol::GuestPublicKey;
use vouchsafe_protocol::Nonce;
use vouchsafe_protocol::ReleasePaths;
use vouchsafe_protocol::SecretPath;
use vouchsafe_protocol::Suite;

use super::*;
use crate::Technology;
use crate::anchors::TrustAnchors;
use crate::cache::VerifyCache;
use crate::test_util::google_token::FakeAttestationService;
use crate::test_util::google_token::OIDC_KEY_ID;
use crate::test_util::google_token::TokenSpec;
use crate::verify::Endorsements;
use crate::x509::Collateral;

const NOW: UnixTime = UnixTime(1_771_500_000);
const AUDIENCE: &str = "https://vouchsafe.example:8443";
const KINDS: [TokenKind; 2] = [TokenKind::Oidc, TokenKind::Pki];

fn service() -> &'static FakeAttestationService {
    FakeAttestationService::shared()
}

/// The nonce of the request whose challenge has this byte.
fn nonce_of(challenge: u8) -> TokenNonce {
    let key = GuestPublicKey::new(Suite::X25519, &[9; 32]).unwrap();
    let paths = ReleasePaths::new(vec![SecretPath::parse("prod/db-01/disk").unwrap()]).unwrap();
    let bound = BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([challenge; 32]), key, &paths);
    bound.transcript().token_nonce()
}

fn nonce() -> TokenNonce {
    nonce_of(5)
}

/// A valid token, changed by `change`.
fn spec(kind: TokenKind, change: impl FnOnce(&mut TokenSpec)) -> TokenSpec {
    let mut spec = service().spec(kind, AUDIENCE, nonce().as_str(), NOW);
    change(&mut spec);
    spec
}

/// The inputs of a verifier that trusts the fake service.
struct Verifier {
    anchors: TrustAnchors,
    collateral: Collateral,
    endorsements: Endorsements,
    audiences: Vec<String>,
    cache: VerifyCache,
    now: UnixTime,
}

impl Verifier {
    fn new() -> Self {
        Self {
            anchors: TrustAnchors::builtin().with_extra(service().root_der()).unwrap(),
            collateral: Collateral::empty(),
            endorsements: keyed(vec![TokenKeys::extra(&service().jwks(), NOW).unwrap()]),
            audiences: vec!["https://other.example".to_owned(), AUDIENCE.to_owned()],
            cache: VerifyCache::new(8, 1024),
            now: NOW,
        }
    }

    fn at(now: UnixTime) -> Self {
        Self { now, ..Self::new() }
    }

    fn inputs(&self) -> VerifyInputs<'_> {
        let Self { anchors, collateral, endorsements, audiences, cache, now } = self;
        VerifyInputs { anchors, collateral, endorsements, audiences, now: *now, cache }
    }

    fn verify(&self, token: &str) -> Result<GoogleTokenClaims, TokenError> {
        verify_token(token, &nonce(), &self.inputs())
    }
}

fn keyed(token_keys: Vec<TokenKeys>) -> Endorsements {
    Endorsements { token_keys, ..Endorsements::default() }
}

fn refusal(kind: TokenKind, change: impl FnOnce(&mut TokenSpec)) -> TokenError {
    Verifier::new().verify(&spec(kind, change).sign(service())).unwrap_err()
}

fn with_claim(claim: &str, value: Value) -> Result<GoogleTokenClaims, TokenError> {
    Verifier::new().verify(&spec(TokenKind::Oidc, |spec| spec.set(claim, value)).sign(service()))
}

#[test]
fn a_token_of_either_kind_is_accepted() {
    for kind in KINDS {
        let claims = Verifier::new().verify(&spec(kind, |_| ()).sign(service())).unwrap();
        assert_eq!((claims.kind, claims.root), (kind, Root::Extra));
        assert_eq!((claims.issued_at, claims.expires_at), (NOW, NOW.plus(3600)));
        assert_eq!((claims.audience.as_str(), claims.nonces[0].as_str()), (AUDIENCE, nonce().as_str()));
        assert_eq!((claims.technology, claims.software_name), (Technology::Sev, SoftwareName::Gce));
        assert!(claims.secure_boot);
        assert_eq!(claims.debug_disabled, None, "of a plain VM dbgstat says nothing");
        let instance = claims.instance.unwrap();
        let ids = (instance.project_number, instance.instance_id);
        assert_eq!(ids, (620_438_545_889, 3_560_342_035_431_930_290));
        assert_eq!(claims.service_accounts.len(), 1);
        let is_pki = kind == TokenKind::Pki;
        assert_eq!(claims.anchor.is_some(), is_pki);
        assert_eq!(claims.key_id.as_deref(), (!is_pki).then_some(OIDC_KEY_ID));
        // The CRL that the fake intermediate names is missing; the key set is new.
        let revocation = if is_pki { Revocation::Absent } else { Revocation::Fresh };
        assert_eq!(claims.revocation, revocation);
    }
}

#[test]
fn t07_a_token_for_another_request_is_refused() {
    let other = nonce_of(6);
    for kind in KINDS {
        assert_eq!(
            refusal(kind, |spec| spec.set("eat_nonce", json!(other.as_str()))),
            TokenError::NonceMismatch
        );
    }
}

#[test]
fn t07_a_token_for_another_audience_is_refused() {
    for kind in KINDS {
        let found = "https://sts.googleapis.com".to_owned();
        let refused = refusal(kind, |spec| spec.set("aud", json!(found)));
        assert_eq!(refused, TokenError::AudienceMismatch { found });
    }
    let nobody = Verifier { audiences: Vec::new(), ..Verifier::new() };
    let refused = nobody.verify(&spec(TokenKind::Oidc, |_| ()).sign(service())).unwrap_err();
    assert_eq!(refused, TokenError::AudienceMismatch { found: AUDIENCE.to_owned() });
}

#[test]
fn t07_a_token_for_several_is_refused() {
    let claim = "aud";
    assert_eq!(with_claim(claim, json!([AUDIENCE])), Err(TokenError::ClaimMalformed { claim }));
    assert_eq!(with_claim(claim, Value::Null), Err(TokenError::ClaimMissing { claim }));
}

#[test]
fn t07_a_token_has_exactly_one_nonce() {
    let nonce = nonce();
    let one = nonce.as_str();
    assert_eq!(with_claim("eat_nonce", json!([one])).unwrap().nonces, [one]);
    let two = with_claim("eat_nonce", json!([one, "another nonce"]));
    assert_eq!(two, Err(TokenError::NonceCount { found: 2 }));
    assert_eq!(with_claim("eat_nonce", json!([])), Err(TokenError::NonceCount { found: 0 }));
    assert_eq!(with_claim("eat_nonce", Value::Null), Err(TokenError::NonceCount { found: 0 }));
    let claim = "eat_nonce";
    assert_eq!(with_claim(claim, json!(7)), Err(TokenError::ClaimMalformed { claim }));
}

#[test]
fn t07_a_token_lives_exactly_its_time() {
    let token = spec(TokenKind::Pki, |_| ()).sign(service());
    let inspect = |now| verify_unbound(&token, &Verifier::at(now).inputs()).map(UnboundToken::inspect);
    let expires_at = NOW.plus(3600);
    assert!(inspect(NOW.plus(3604)).is_ok());
    assert_eq!(inspect(NOW.plus(3605)), Err(TokenError::Expired { expires_at }));
    assert!(inspect(UnixTime(NOW.0 - 5)).is_ok());
    assert_eq!(inspect(UnixTime(NOW.0 - 6)), Err(TokenError::NotValidYet { not_before: NOW }));
    let issued_at = NOW.plus(6);
    assert_eq!(with_claim("iat", json!(issued_at.0)), Err(TokenError::IssuedInFuture { issued_at }));
}

#[test]
fn t07_no_release_rests_on_an_old_token() {
    let token = spec(TokenKind::Oidc, |_| ()).sign(service());
    assert!(Verifier::at(NOW.plus(605)).verify(&token).is_ok());
    let refused = Verifier::at(NOW.plus(606)).verify(&token).unwrap_err();
    assert_eq!(refused, TokenError::TooOld { issued_at: NOW });
    // For inspection it is valid for its whole lifetime.
    let unbound = verify_unbound(&token, &Verifier::at(NOW.plus(606)).inputs()).unwrap();
    assert!(unbound.with_nonce(nonce().as_str().as_bytes()).is_ok());
}

#[test]
fn inspection_takes_the_nonce_it_is_given_and_no_other() {
    let token = spec(TokenKind::Pki, |_| ()).sign(service());
    let unbound = || verify_unbound(&token, &Verifier::new().inputs()).unwrap();
    assert_eq!(unbound().with_nonce(b"another").unwrap_err(), TokenError::NonceMismatch);
    assert_eq!(unbound().inspect().nonces, [nonce().as_str()]);
}

/// Google documents two nonces, and an empty list as `null`. Such tokens can be inspected, but not used for a
/// release or compared with one nonce.
#[test]
fn t07_tokens_with_other_than_one_nonce_are_only_looked_at() {
    let one = nonce().as_str().to_owned();
    for nonces in [json!([one, "another nonce"]), json!(["another nonce", one]), json!([]), Value::Null] {
        let mut spec = spec(TokenKind::Pki, |_| ());
        spec.claims["eat_nonce"] = nonces.clone();
        let token = spec.sign(service());
        let verifier = Verifier::new();
        let unbound = || verify_unbound(&token, &verifier.inputs()).unwrap();
        let found = nonces.as_array().map_or(0, Vec::len);
        assert_eq!(unbound().bind(&nonce()), Err(TokenError::NonceCount { found }), "{nonces}");
        let refused = unbound().with_nonce(one.as_bytes());
        assert_eq!(refused, Err(TokenError::NonceCount { found }), "{nonces}");
        assert_eq!(unbound().inspect().nonces.len(), found);
    }
}

#[test]
fn a_changed_byte_breaks_the_signature() {
    for kind in KINDS {
        let token = spec(kind, |_| ()).sign(service());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let flip = |text: &str| {
            let first = if text.starts_with('A') { "B" } else { "A" };
            format!("{first}{}", &text[1..])
        };
        let verify = |token: &str| Verifier::new().verify(token).unwrap_err();
        assert_eq!(verify(&format!("{signed}.{}", flip(signature))), TokenError::SignatureInvalid);
        let changed = verify(&format!("{header}.{}.{signature}", flip(payload)));
        assert_eq!(changed, TokenError::SignatureInvalid, "claims are read after the signature");
        assert_eq!(verify(&format!("{signed}.")), TokenError::SignatureInvalid);
        let other = spec(kind, |spec| spec.set("secboot", json!(false))).sign(service());
        let (other, _) = other.rsplit_once('.').unwrap();
        assert_eq!(verify(&format!("{other}.{signature}")), TokenError::SignatureInvalid);
    }
}
