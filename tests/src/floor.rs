//! The cryptography that a release cannot avoid, by itself: the reference for other measurements.
//!
//! For SNP one P-384 verification, for a vTPM one RSA-2048 verification; then for both one X-Wing
//! encapsulation with the encryption of a 32-byte secret, and one Ed25519 signature. A chip seen for the
//! first time adds an RSA-4096 PSS verification, a firmware log seen for the first time its SHA-256.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_SHA384, RsaKeyPair, VerificationAlgorithm,
};
use vouchsafe_protocol::wrap::SecretLabel;
use vouchsafe_protocol::{
    BoundRequest, BrokerIdentity, Digest32, GuestKey, Nonce, PlaintextSecret, ReleasePaths, SecretPath, Suite,
};

/// A key, a message as long as the real one, and its signature.
pub struct Signed {
    key: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    /// One verification.
    ///
    /// # Panics
    /// Never: the signature is valid.
    pub fn verify(&self) {
        self.key.verify_sig(&self.message, &self.signature).expect("a good signature");
    }
}

/// Everything the floors need, made once.
pub struct Floor {
    /// The signature of an SNP report: P-384 over 672 bytes.
    pub snp_report: Signed,
    /// The signature of a quote by an RSA AK: RSA-2048 PKCS #1 over 145 bytes.
    pub quote: Signed,
    /// AMD's signature of a chip's certificate: RSA-4096 PSS.
    pub chip_certificate: Signed,
    log: Vec<u8>,
    guest: GuestKey,
    bound: BoundRequest,
    path: SecretPath,
    secret: PlaintextSecret,
    identity: Ed25519KeyPair,
}

impl Floor {
    /// Makes the keys. Takes a second.
    ///
    /// # Panics
    /// When the system gives no randomness.
    #[must_use]
    pub fn new() -> Self {
        let guest = GuestKey::generate(Suite::XWing);
        let path = SecretPath::parse("prod/db-01/disk").expect("a path");
        let paths = ReleasePaths::new(vec![path.clone()]).expect("one path");
        let bound =
            BoundRequest::release(&BrokerIdentity([1; 32]), Nonce([2; 32]), guest.public().clone(), &paths);
        Self {
            snp_report: p384(0x2a0),
            quote: rsa(KeySize::Rsa2048, &RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256, 145),
            chip_certificate: rsa(KeySize::Rsa4096, &RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384, 800),
            log: vec![7; 45_300],
            guest,
            bound,
            path,
            secret: PlaintextSecret::new(vec![9; 32]).expect("32 bytes"),
            identity: Ed25519KeyPair::from_seed_unchecked(&[3; 32]).expect("a seed"),
        }
    }

    /// Encapsulates and encrypts one secret.
    ///
    /// # Panics
    /// Never: the key is valid.
    pub fn wrap(&self) {
        let label = SecretLabel { path: &self.path, version: 1 };
        let wrapped = self.guest.public().wrap(&self.bound.transcript(), &[(label, &self.secret)]);
        std::hint::black_box(wrapped.expect("a good key"));
    }

    /// Signs a message as long as an answer with one secret.
    pub fn sign(&self) {
        std::hint::black_box(self.identity.sign(&[5; 256]));
    }

    /// Hashes a log of 45 kB.
    pub fn hash_log(&self) {
        std::hint::black_box(Digest32::of(&self.log));
    }

    /// The floor of a release to an SNP guest whose chip is known.
    pub fn snp(&self) {
        self.snp_report.verify();
        self.wrap();
        self.sign();
    }

    /// The floor of a release to a guest with an RSA AK whose firmware log is known.
    pub fn vtpm(&self) {
        self.quote.verify();
        self.wrap();
        self.sign();
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}

fn p384(length: usize) -> Signed {
    let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("randomness");
    let message = vec![4; length];
    let signature = key.sign(&SystemRandom::new(), &message).expect("signs").as_ref().to_vec();
    let public = key.public_key().as_der().expect("encodes");
    Signed { key: parsed(&ECDSA_P384_SHA384_FIXED, public.as_ref()), message, signature }
}

fn rsa(
    size: KeySize,
    sign: &'static dyn signature::RsaEncoding,
    verify: &'static dyn VerificationAlgorithm,
    length: usize,
) -> Signed {
    let key = RsaKeyPair::generate(size).expect("randomness");
    let message = vec![4; length];
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(sign, &SystemRandom::new(), &message, &mut signature).expect("signs");
    Signed { key: parsed(verify, key.public_key().as_ref()), message, signature }
}

fn parsed(algorithm: &'static dyn VerificationAlgorithm, public: &[u8]) -> ParsedPublicKey {
    ParsedPublicKey::new(algorithm, public).expect("a key of our own")
}
