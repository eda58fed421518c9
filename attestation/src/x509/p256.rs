//! ECDSA P-256 with SHA-256 by aws-lc, and a cache of the signatures that verified.
//!
//! Whether a signature verifies depends only on key, message and signature, so a verified one need not be
//! verified again, whichever code requests it: path validation, or a library that takes an algorithm without
//! state and uses the cache through a thread-local variable. Nothing else is cached: dates, revocation and
//! TCB are evaluated each time, so no result can change. The cache is bounded, and only contains signatures
//! verified under keys of a trusted chain.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use quick_cache::sync::Cache;
use rustls_pki_types::AlgorithmIdentifier;
use rustls_pki_types::InvalidSignature;
use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::aws_lc_rs::ECDSA_P256_SHA256;

/// Digests of verified (key, message, signature) tuples.
pub(crate) struct SignatureCache {
    verified: Cache<[u8; 32], ()>,
}

impl SignatureCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { verified: Cache::new(capacity) }
    }

    pub(crate) fn len(&self) -> usize {
        self.verified.len()
    }
}

/// The cache in use during one verification.
#[derive(Clone)]
struct Scope {
    cache: Arc<SignatureCache>,
    /// A signature verified during this verification that is not worth caching: the evidence's own, since it
    /// differs for all evidence.
    own: Option<[u8; 32]>,
}

thread_local! {
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Runs `verification` with this cache.
pub(crate) fn with<R>(cache: &Arc<SignatureCache>, verification: impl FnOnce() -> R) -> R {
    struct Restore(Option<Scope>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SCOPE.set(self.0.take());
        }
    }
    let _restore = Restore(SCOPE.replace(Some(Scope { cache: Arc::clone(cache), own: None })));
    verification()
}

/// Verifies the evidence's own signature, an `Ecdsa-Sig-Value`. If `verification` meets it again, it is not
/// computed again.
pub(crate) fn verify_own(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    if ECDSA_P256_SHA256.verify_signature(key, message, signature).is_err() {
        return false;
    }
    SCOPE.with_borrow_mut(|scope| {
        if let Some(scope) = scope {
            scope.own = Some(tuple(key, message, signature));
        }
    });
    true
}

/// The algorithm, using the cache in scope, if any.
pub(crate) static CACHED_P256: &dyn SignatureVerificationAlgorithm = &CachedP256;

#[derive(Debug)]
struct CachedP256;

impl SignatureVerificationAlgorithm for CachedP256 {
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
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

impl fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCache").field("verified", &self.len()).finish()
    }
}
