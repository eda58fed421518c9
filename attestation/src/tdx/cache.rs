//! Cache of TDX platforms and collateral.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;
use vouchsafe_protocol::Digest32;

use super::error::TdxError;
use super::pck::PckChain;
use crate::x509::p256::SignatureCache;

/// Parsed platform chains, by their digest, and verified signatures. Bounded, shared between threads; each
/// entry depends only on the bytes in its key.
pub struct TdxCache {
    chains: Cache<Digest32, Arc<PckChain>>,
    signatures: Arc<SignatureCache>,
}

impl TdxCache {
    /// Room for about `platforms` platforms.
    #[must_use]
    pub fn new(platforms: usize) -> Self {
        // Each platform needs three cached signatures (certificate, CRL or CA, quoting enclave), collateral
        // only a few.
        let signatures = platforms.saturating_mul(3).saturating_add(64);
        Self { chains: Cache::new(platforms), signatures: Arc::new(SignatureCache::new(signatures)) }
    }

    /// Number of cached signatures.
    #[must_use]
    pub fn signatures(&self) -> usize {
        self.signatures.len()
    }

    pub(super) const fn signature_cache(&self) -> &Arc<SignatureCache> {
        &self.signatures
    }

    /// The parsed chain, from the cache if possible.
    pub(super) fn chain(&self, pem: &[u8]) -> Result<Arc<PckChain>, TdxError> {
        let digest = Digest32::of(pem);
        if let Some(known) = self.chains.get(&digest) {
            return Ok(known);
        }
        PckChain::parse(pem).map(Arc::new)
    }

    /// Caches a verified chain.
    pub(super) fn keep(&self, pem: &[u8], chain: &Arc<PckChain>) {
        let digest = Digest32::of(pem);
        if self.chains.get(&digest).is_none() {
            self.chains.insert(digest, Arc::clone(chain));
        }
    }
}

impl fmt::Debug for TdxCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TdxCache");
        out.field("chains", &self.chains.len()).field("signatures", &self.signatures()).finish()
    }
}
