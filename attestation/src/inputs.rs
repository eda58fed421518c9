//! What evidence is appraised by, one value for every verifier.

use vouchsafe_protocol::UnixTime;

use crate::anchors::Purpose;
use crate::anchors::TrustAnchors;
use crate::cache::VerifyCache;
use crate::chain::ChainError;
use crate::chain::ChainRequest;
use crate::chain::Collateral;
use crate::chain::VerifiedChain;
use crate::verify::endorsements::Endorsements;

/// Everything that a verdict depends on beside evidence and binding.
#[derive(Clone, Copy, Debug)]
pub struct VerifyInputs<'a> {
    /// Trust anchors: the built-in ones, and those of the configuration.
    pub anchors: &'a TrustAnchors,
    /// CRLs and issuing CAs.
    pub collateral: &'a Collateral,
    /// What vendors publish about their platforms, for evidence that comes without.
    pub endorsements: &'a Endorsements,
    /// URLs of this broker: one of them has to be the audience of a token.
    pub audiences: &'a [String],
    /// The time to judge at.
    pub now: UnixTime,
    /// What was verified before. It changes no verdict.
    pub cache: &'a VerifyCache,
}

impl VerifyInputs<'_> {
    /// The chain of a certificate that came with others, or the cached verdict.
    pub(crate) fn chain(
        &self,
        leaf: &[u8],
        certificates: &[Vec<u8>],
        purpose: Purpose,
    ) -> Result<VerifiedChain, ChainError> {
        let Self { anchors, collateral, now, cache, .. } = *self;
        cache.chains().verify(&ChainRequest { leaf, certificates, purpose, anchors, collateral, now })
    }
}
