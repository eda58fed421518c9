//! A TDX quote, compared with its three P-256 verifications and hashing.
//!
//! "Known" is another quote of a known platform, "platform_first" a platform seen for the first time; Intel's
//! collateral is known in both.

use std::hint::black_box;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
};
use criterion::{BatchSize, Criterion};
use vouchsafe_attestation::tdx::{Appraisal, TdxCollateral, verify_unbound};
use vouchsafe_attestation::test_util::tdx::{CollateralSpec, FakeIntel, TdxQuoteBuilder};
use vouchsafe_attestation::{Collateral, Endorsements, TrustAnchors, VerifyCache, VerifyInputs};
use vouchsafe_protocol::{Digest32, UnixTime};

use crate::case::NOW;

/// The inputs of verification.
struct Judge {
    anchors: TrustAnchors,
    collateral: Collateral,
    intel: TdxCollateral,
}

impl Judge {
    fn verify(&self, quote: &[u8], cache: &VerifyCache) {
        let Self { anchors, collateral, intel } = self;
        let inputs = VerifyInputs {
            anchors,
            collateral,
            endorsements: &Endorsements::default(),
            audiences: &[],
            now: NOW,
            cache,
        };
        let claims = verify_unbound(quote, Appraisal::Given(intel), &inputs).expect("a good quote").inspect();
        assert!(black_box(claims).tcb.is_some());
    }
}

/// A P-256 key, a message as long as what a quote signs, and its signature.
struct Bare {
    key: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Bare {
    fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("randomness");
        let message = vec![4; 632];
        let signature = key.sign(&SystemRandom::new(), &message).expect("signs").as_ref().to_vec();
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().expect("encodes");
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public.as_ref()).expect("a key of our own");
        Self { key, message, signature }
    }

    fn floor(&self, quote: &[u8]) {
        for _ in 0..3 {
            self.key.verify_sig(&self.message, &self.signature).expect("a good signature");
        }
        black_box(Digest32::of(quote));
    }
}

pub(super) fn quotes(c: &mut Criterion) {
    let intel = FakeIntel::shared();
    let spec = CollateralSpec::current(UnixTime(NOW.0 - 60), NOW.plus(60));
    let judge = Judge {
        anchors: TrustAnchors::builtin().with_extra(intel.root_der()).expect("a CA certificate"),
        collateral: Collateral::empty(),
        intel: intel.collateral(&spec),
    };
    let (quote, bare) = (TdxQuoteBuilder::new().sign(intel), Bare::new());
    let known = VerifyCache::new(16, 1024);
    judge.verify(&quote, &known);
    let other = TdxQuoteBuilder::new().sign(&intel.another_platform());
    let other_known = || {
        let cache = VerifyCache::new(16, 1024);
        judge.verify(&other, &cache);
        cache
    };
    let mut group = c.benchmark_group("tdx");
    group.bench_function("bare_3_p256_and_hash", |b| b.iter(|| bare.floor(&quote)));
    group.bench_function("known", |b| b.iter(|| judge.verify(&quote, &known)));
    group.bench_function("platform_first", |b| {
        b.iter_batched_ref(other_known, |cache| judge.verify(&quote, cache), BatchSize::SmallInput);
    });
    group.finish();
}
