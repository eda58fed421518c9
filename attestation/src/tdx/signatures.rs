//! ECDSA P-256 with SHA-256 by aws-lc, and a cache of the signatures that verified.
//!
//! Whether a signature verifies is a function of key, message and signature. So what verified once is not
//! computed again, by whomever it is asked: the chains of this crate, or dcap-qvl, which takes an algorithm but
//! no state and is reached through a variable of the thread. Nothing else is remembered: dates, revocation and
//! TCB are judged anew each time, so that no verdict can change. Only what verified under keys of a trusted
//! chain gets here, and the cache is bounded.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use dcap_qvl::config::Config;
use dcap_qvl::config::CryptoProvider;
use dcap_qvl::config::EcdsaSigEncoder as _;
use dcap_qvl::signature::DerSigEncoder;
use dcap_qvl::x509::X509CertBackend;
use quick_cache::sync::Cache;
use rustls_pki_types::AlgorithmIdentifier;
use rustls_pki_types::InvalidSignature;
use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::aws_lc_rs::ECDSA_P256_SHA256;

/// Digests of key, message and signature that verified.
pub(super) struct SignatureCache {
    verified: Cache<[u8; 32], ()>,
}

impl SignatureCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { verified: Cache::new(capacity) }
    }

    pub(super) fn len(&self) -> usize {
        self.verified.len()
    }
}

/// What a verification knows while it runs.
#[derive(Clone)]
struct Scope {
    cache: Arc<SignatureCache>,
    /// The signature of the quote itself, verified in this verification: every quote has another, so that it is
    /// not worth remembering.
    own: Option<[u8; 32]>,
}

thread_local! {
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Runs `verification` with this cache.
pub(super) fn with<R>(cache: &Arc<SignatureCache>, verification: impl FnOnce() -> R) -> R {
    struct Restore(Option<Scope>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SCOPE.set(self.0.take());
        }
    }
    let _restore = Restore(SCOPE.replace(Some(Scope { cache: Arc::clone(cache), own: None })));
    verification()
}

/// Verifies a signature, R then S, under a key, X then Y. One that `verification` meets again is known.
pub(super) fn verify_own(key: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
    let (key, Some(signature)) = (uncompressed(key), encode(signature)) else { return false };
    if ECDSA_P256_SHA256.verify_signature(&key, message, &signature).is_err() {
        return false;
    }
    SCOPE.with_borrow_mut(|scope| {
        if let Some(scope) = scope {
            scope.own = Some(tuple(&key, message, &signature));
        }
    });
    true
}

/// Verifies a signature, R then S, under a key in the form of certificates, or remembers that it did.
pub(super) fn verify(key: &[u8], message: &[u8], signature: &[u8; 64]) -> bool {
    encode(signature)
        .is_some_and(|signature| REMEMBERED_P256.verify_signature(key, message, &signature).is_ok())
}

/// SEC 1 §2.3.3: 04, X, Y.
fn uncompressed(key: &[u8; 64]) -> [u8; 65] {
    let mut out = [4; 65];
    for (to, from) in out.iter_mut().skip(1).zip(key) {
        *to = *from;
    }
    out
}

/// `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
fn encode(signature: &[u8; 64]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at(32);
    DerSigEncoder::encode_ecdsa_sig(r, s).ok()
}

/// The algorithm for chains of Intel's and for dcap-qvl. Without a cache in scope it is the plain one.
pub(crate) static REMEMBERED_P256: &dyn SignatureVerificationAlgorithm = &RememberedP256;

#[derive(Debug)]
struct RememberedP256;

impl SignatureVerificationAlgorithm for RememberedP256 {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        ECDSA_P256_SHA256.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        ECDSA_P256_SHA256.signature_alg_id()
    }

    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let Some(scope) = SCOPE.with_borrow(Clone::clone) else {
            return ECDSA_P256_SHA256.verify_signature(key, message, signature);
        };
        let tuple = tuple(key, message, signature);
        if scope.own == Some(tuple) || scope.cache.verified.get(&tuple).is_some() {
            return Ok(());
        }
        ECDSA_P256_SHA256.verify_signature(key, message, signature)?;
        scope.cache.verified.insert(tuple, ());
        Ok(())
    }
}

/// SHA-256(label || length of key (8) || key || length of signature (8) || signature || message)
fn tuple(key: &[u8], message: &[u8], signature: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"vouchsafe/v1 signature cache");
    for part in [key, signature] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.update(message);
    array(context.finish())
}

fn array<const N: usize>(digest: digest::Digest) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(digest.as_ref());
    out
}

/// dcap-qvl over aws-lc.
pub(super) struct AwsLc;

impl Config for AwsLc {
    type X509 = X509CertBackend;
    type SigEncoder = DerSigEncoder;
    type Crypto = Self;
}

impl CryptoProvider for AwsLc {
    fn sig_algo() -> &'static dyn SignatureVerificationAlgorithm {
        REMEMBERED_P256
    }

    fn sha256(data: &[u8]) -> [u8; 32] {
        array(digest::digest(&digest::SHA256, data))
    }

    fn sha384(data: &[u8]) -> [u8; 48] {
        array(digest::digest(&digest::SHA384, data))
    }
}

impl fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCache").field("verified", &self.len()).finish()
    }
}
