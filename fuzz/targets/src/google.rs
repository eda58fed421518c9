//! What Google signs: attestation tokens, key sets, launch endorsements.
//!
//! All keys are made anew in each process, so that no input is signed by one of them.

use std::sync::OnceLock;

use vouchsafe_attestation::google_token::{TokenKeys, TokenKind, UnboundToken, verify_unbound};
use vouchsafe_attestation::launch::{self, LaunchMeasurement};
use vouchsafe_attestation::test_util::google_token::{FakeAttestationService, sign};
use vouchsafe_attestation::test_util::launch::envelope;
use vouchsafe_attestation::{Collateral, Endorsements, Root, TrustAnchors, VerifyCache, VerifyInputs};
use vouchsafe_protocol::Digest48;

use super::NOW;

const AUDIENCE: &str = "https://broker.example";

/// A token as a whole, the same bytes as the claims of a token that is signed, and as a key set.
pub fn google_token(data: &[u8]) {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    let service = SERVICE.get_or_init(Service::new);
    if let Ok(token) = std::str::from_utf8(data) {
        assert!(service.verify(token).is_err(), "nobody else has the keys");
    }
    if let (Ok(claims), true) = (std::str::from_utf8(data), data.len() <= 4096) {
        let fake = FakeAttestationService::shared();
        let header = fake.spec(TokenKind::Oidc, AUDIENCE, "", NOW).header.to_string();
        if let Ok(token) = service.verify(&sign(&header, claims, fake.oidc())) {
            let claims = token.inspect();
            assert_eq!((claims.root, claims.audience.as_str()), (Root::Extra, AUDIENCE));
            assert!(claims.issued_at.0 <= NOW.0 + 5 && NOW.0 < claims.expires_at.0 + 5);
        }
    }
    if let Ok(keys) = TokenKeys::extra(data, NOW) {
        assert!(keys.key_ids().count() >= 1);
        assert_eq!(keys.root(), Root::Extra);
    }
}

/// A launch endorsement, and the same bytes as the message in one.
pub fn launch_endorsement(data: &[u8]) {
    let (anchors, collateral) = (TrustAnchors::builtin(), Collateral::empty());
    let (endorsements, cache) = (&Endorsements::default(), &VerifyCache::new(1, 1024));
    let (anchors, collateral) = (&anchors, &collateral);
    let inputs = VerifyInputs { anchors, collateral, endorsements, audiences: &[], now: NOW, cache };
    let inside = envelope(data.to_vec(), vec![0; 512]);
    for endorsement in [data, &inside] {
        for measurement in [LaunchMeasurement::Snp(MEASUREMENT), LaunchMeasurement::Tdx(MEASUREMENT)] {
            assert!(launch::verify(endorsement, measurement, &inputs).is_err(), "Google signed none of them");
        }
    }
    assert!(cache.endorsements().is_empty());
}

struct Service {
    anchors: TrustAnchors,
    collateral: Collateral,
    endorsements: Endorsements,
    audiences: [String; 1],
    cache: VerifyCache,
}

impl Service {
    fn new() -> Self {
        let fake = FakeAttestationService::shared();
        let keys = TokenKeys::extra(&fake.jwks(), NOW).expect("a key set");
        Self {
            anchors: TrustAnchors::builtin().with_extra(fake.root_der()).expect("a CA certificate"),
            collateral: Collateral::empty(),
            endorsements: Endorsements { token_keys: vec![keys], ..Endorsements::default() },
            audiences: [AUDIENCE.to_owned()],
            cache: VerifyCache::new(8, 1024),
        }
    }

    fn verify(&self, token: &str) -> Result<UnboundToken, vouchsafe_attestation::google_token::TokenError> {
        let Self { anchors, collateral, endorsements, audiences, cache } = self;
        let inputs = VerifyInputs { anchors, collateral, endorsements, audiences, now: NOW, cache };
        verify_unbound(token, &inputs)
    }
}

/// The measurement that the builder's endorsements contain for both technologies.
const MEASUREMENT: Digest48 = Digest48([0x54; 48]);
