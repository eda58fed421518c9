//! A token of Google Cloud Attestation with a known chain, compared with its one unavoidable verification.

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use criterion::{BatchSize, Criterion};
use vouchsafe_attestation::google_token::{TokenKeys, TokenKind, verify_token};
use vouchsafe_attestation::test_util::google_token::FakeAttestationService;
use vouchsafe_attestation::{Collateral, Endorsements, TrustAnchors, VerifyCache, VerifyInputs};
use vouchsafe_protocol::encoding::from_base64url;
use vouchsafe_protocol::request::TokenNonce;
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, GuestKey, Nonce, ReleasePaths, SecretPath, Suite, UnixTime,
};

use super::case::{NOW, PATH};

const AUDIENCE: &str = "https://broker.example:8443";

/// A token of one kind, and the inputs of its verification.
struct Token {
    text: String,
    nonce: TokenNonce,
    anchors: TrustAnchors,
    collateral: Collateral,
    endorsements: Endorsements,
    audiences: [String; 1],
}

impl Token {
    fn new(kind: TokenKind) -> Self {
        let service = FakeAttestationService::shared();
        let paths = ReleasePaths::new(vec![SecretPath::parse(PATH).expect("a path")]).expect("one path");
        let guest = GuestKey::generate(Suite::X25519);
        let bound =
            BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), guest.public().clone(), &paths);
        let nonce = bound.transcript().token_nonce();
        let keys = TokenKeys::extra(&service.jwks(), UnixTime(NOW.0 - 60)).expect("a key set");
        Self {
            text: service.token(kind, AUDIENCE, nonce.as_str(), NOW),
            nonce,
            anchors: TrustAnchors::builtin().with_extra(service.root_der()).expect("a CA certificate"),
            collateral: Collateral::empty(),
            endorsements: Endorsements { token_keys: vec![keys], ..Endorsements::default() },
            audiences: [AUDIENCE.to_owned()],
        }
    }

    fn verify(&self, cache: &VerifyCache) {
        let Self { anchors, collateral, endorsements, audiences, .. } = self;
        let inputs = VerifyInputs { anchors, collateral, endorsements, audiences, now: NOW, cache };
        std::hint::black_box(verify_token(&self.text, &self.nonce, &inputs).expect("a good token"));
    }
}

/// The verification of the signature, over prepared bytes, under a parsed key.
struct Bare {
    key: ParsedPublicKey,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Bare {
    fn of(token: &Token) -> Self {
        let (signed, signature) = token.text.rsplit_once('.').expect("three parts");
        let spki = FakeAttestationService::shared().leaf().spki();
        Self {
            key: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki).expect("an RSA key"),
            signed: signed.as_bytes().to_vec(),
            signature: from_base64url(signature).expect("base64url"),
        }
    }

    fn verify(&self) {
        self.key.verify_sig(&self.signed, &self.signature).expect("a good signature");
    }
}

pub(super) fn tokens(c: &mut Criterion) {
    let (pki, oidc) = (Token::new(TokenKind::Pki), Token::new(TokenKind::Oidc));
    let (bare, known) = (Bare::of(&pki), VerifyCache::new(16, 1024));
    let mut group = c.benchmark_group("token");
    group.bench_function("bare_rsa2048", |b| b.iter(|| bare.verify()));
    group.bench_function("pki_known", |b| b.iter(|| pki.verify(&known)));
    group.bench_function("oidc", |b| b.iter(|| oidc.verify(&known)));
    group.bench_function("pki_first", |b| {
        b.iter_batched_ref(|| VerifyCache::new(16, 1024), |cache| pki.verify(cache), BatchSize::SmallInput);
    });
    group.finish();
}
