//! Cache of verified chains, so that a known chain costs a hash instead of signatures.

use std::fmt;

use aws_lc_rs::digest::Context;
use aws_lc_rs::digest::SHA256;
use quick_cache::sync::Cache;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::UnixTime;

use super::error::ChainError;
use super::request::ChainRequest;
use super::request::readable;
use super::verified::VerifiedChain;
use super::verify_chain;

/// Verified chains, keyed by everything that their verification depends on.
///
/// Bounded; holds successes only. The result of a verification can only change at certain times (the validity
/// of a certificate starts or ends, a CRL becomes overdue). An entry is used only between the two such times
/// around its verification, and only with the same anchors and the same collateral.
pub struct ChainCache {
    chains: Cache<[u8; 32], VerifiedChain>,
}

impl ChainCache {
    /// Room for about `capacity` chains.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { chains: Cache::new(capacity) }
    }

    /// Verifies a chain, or returns a cached result.
    ///
    /// # Errors
    /// As [`verify_chain`]; refusals are not cached.
    pub fn verify(&self, request: &ChainRequest<'_>) -> Result<VerifiedChain, ChainError> {
        request.check_bounds()?;
        let key = key(GIVEN, request, request.certificates.iter().map(Vec::as_slice));
        self.find(key, request.now, || verify_chain(request))
    }

    /// As [`Self::verify`], with certificates as they were received in addition to those of the request: those that
    /// cannot be read are ignored. They are parsed only if the chain is not known.
    ///
    /// # Errors
    /// As [`verify_chain`]; refusals are not cached.
    pub(crate) fn verify_received(
        &self,
        leaf: &ChainRequest<'_>,
        received: &[Bytes],
    ) -> Result<VerifiedChain, ChainError> {
        leaf.check_bounds()?;
        let key = key(RECEIVED, leaf, received.iter().map(|encoded| encoded.0.as_slice()));
        self.find(key, leaf.now, || {
            let certificates = &readable(received);
            verify_chain(&ChainRequest { certificates, ..*leaf })
        })
    }

    fn find(
        &self,
        key: [u8; 32],
        now: UnixTime,
        verify: impl FnOnce() -> Result<VerifiedChain, ChainError>,
    ) -> Result<VerifiedChain, ChainError> {
        if let Some(known) = self.chains.get(&key).filter(|chain| chain.holds_at(now)) {
            return Ok(known);
        }
        let chain = verify()?;
        self.chains.insert(key, chain.clone());
        Ok(chain)
    }

    /// Number of cached chains.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chains.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }
}

impl fmt::Debug for ChainCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainCache").field("chains", &self.len()).finish()
    }
}

/// Label of chains whose certificates must all be readable.
const GIVEN: &[u8] = b"vouchsafe/v1 chain cache";
/// Label of chains whose received certificates are used where they can be read.
const RECEIVED: &[u8] = b"vouchsafe/v1 chain cache, received";

/// SHA-256(label || purpose (1) || anchors (32) || collateral (32) || for leaf and each certificate: length (8) || bytes)
fn key<'a>(
    label: &[u8],
    request: &ChainRequest<'a>,
    certificates: impl Iterator<Item = &'a [u8]>,
) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(label);
    context.update(&[request.purpose as u8]);
    context.update(request.anchors.digest().as_bytes());
    context.update(request.collateral.digest().as_bytes());
    for certificate in std::iter::once(request.leaf).chain(certificates) {
        context.update(&(certificate.len() as u64).to_be_bytes());
        context.update(certificate);
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}
