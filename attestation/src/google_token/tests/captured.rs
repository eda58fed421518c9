//! A token that Google issued.

use super::*;
use crate::Expected;
use crate::VerifyError;
use crate::evidence;
use crate::verify::inspect_google_token;
use crate::x509::ChainError;

const ISSUED: UnixTime = UnixTime(1_757_060_250);
const CAPTURED_AUDIENCE: &str = "z08381475938604996746";
const CAPTURED_NONCE: &str = "75a91c8dbe289f190d5e70ab1cb70c93cc14d7243f0ef3ff5326a622ead220a6";

fn token() -> Option<String> {
    Some(String::from_utf8(evidence::read("gce/gca-tokens/pki-tdx-prod-2025-09-05.jwt")?).unwrap())
}

fn inspect_by(
    anchors: &TrustAnchors,
    token: &str,
    audience: &str,
    nonce: Expected<'_>,
    now: UnixTime,
) -> Result<GoogleTokenClaims, VerifyError> {
    let (collateral, endorsements) = (&Collateral::empty(), &Endorsements::default());
    let cache = &VerifyCache::new(8, 1024);
    let inputs = VerifyInputs { anchors, collateral, endorsements, audiences: &[], now, cache };
    let claims = inspect_google_token(token, audience, nonce, &inputs)?.claims;
    assert_eq!(claims.technology, Some(Technology::Tdx));
    Ok(claims.google_token.unwrap())
}

fn inspect(token: &str, now: UnixTime) -> Result<GoogleTokenClaims, VerifyError> {
    inspect_by(&TrustAnchors::builtin(), token, CAPTURED_AUDIENCE, Expected::Waived, now)
}

#[test]
fn googles_own_token_gives_googles_root() {
    let Some(token) = token() else { return };
    let claims = inspect(&token, ISSUED).unwrap();
    assert_eq!((claims.root, claims.kind), (Root::Google, TokenKind::Pki));
    assert_eq!(claims.revocation, Revocation::Absent, "the CRL is not there");
    assert_eq!((claims.issued_at, claims.expires_at), (ISSUED, ISSUED.plus(3600)));
    assert_eq!(claims.nonces, [CAPTURED_NONCE]);
    assert_eq!(claims.software_name, SoftwareName::ConfidentialSpace);
    assert_eq!(claims.debug_disabled, Some(true));
    assert_eq!(claims.tdx_tcb.unwrap().status, "UpToDate");
    let instance = claims.instance.unwrap();
    assert_eq!(instance.project_number, 724_467_010_559);
    assert_eq!((instance.zone.as_str(), instance.instance_id), ("us-west1-b", 3_087_957_179_640_521_392));
    let exactly = |nonce| {
        let nonce = Expected::Exactly(nonce);
        inspect_by(&TrustAnchors::builtin(), &token, CAPTURED_AUDIENCE, nonce, ISSUED.plus(3599))
    };
    assert!(exactly(CAPTURED_NONCE.as_bytes()).is_ok());
    let refused = exactly(b"another nonce").unwrap_err();
    assert_eq!(refused, VerifyError::GoogleToken(TokenError::NonceMismatch));
    assert_eq!(refused.name(), "google-token-nonce-mismatch");
}

#[test]
fn t07_googles_own_token_is_refused_at_another_time_or_place() {
    let Some(token) = token() else { return };
    let refused = |now| inspect(&token, now).unwrap_err();
    let expires_at = ISSUED.plus(3600);
    assert_eq!(refused(expires_at.plus(5)), TokenError::Expired { expires_at }.into());
    assert_eq!(refused(UnixTime(ISSUED.0 - 6)), TokenError::NotValidYet { not_before: ISSUED }.into());
    // The leaf is valid until 2025-11-03.
    let not_after = UnixTime(1_762_145_666);
    let expired = TokenError::Chain(ChainError::Expired { not_after });
    assert_eq!(refused(UnixTime(1_771_500_000)), expired.into());
    assert_eq!(refused(UnixTime(1_771_500_000)).name(), "google-token-chain-expired");
    let elsewhere = inspect_by(&TrustAnchors::builtin(), &token, "other", Expected::Waived, ISSUED);
    let found = CAPTURED_AUDIENCE.to_owned();
    assert_eq!(elsewhere, Err(TokenError::AudienceMismatch { found }.into()));
}

#[test]
fn t39_googles_own_token_needs_its_pinned_root() {
    let Some(token) = token() else { return };
    let Some(root) = evidence::certificate("gce/gca-tokens/confidential-space-root-ca.pem") else { return };
    let without = TrustAnchors::none();
    let by = |anchors| inspect_by(anchors, &token, CAPTURED_AUDIENCE, Expected::Waived, ISSUED);
    let sha256 = Digest32::of(&root);
    assert_eq!(by(&without), Err(TokenError::UnknownRoot { sha256 }.into()));
    // From a file it is an extra one.
    assert_eq!(by(&without.with_extra(&root).unwrap()).unwrap().root, Root::Extra);
}

#[test]
fn a_flip_anywhere_in_googles_own_token_is_refused() {
    let Some(token) = token() else { return };
    let anchors = TrustAnchors::builtin();
    let step = token.len() / 100;
    for index in (0..token.len()).step_by(step).chain([token.len() - 2]) {
        let mut changed = token.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let result = inspect_by(&anchors, &changed, CAPTURED_AUDIENCE, Expected::Waived, ISSUED);
        assert!(result.is_err(), "byte {index}");
    }
}
