//! What evidence is verified against, as one value for all verifiers.

use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::UnixTime;

use crate::anchors::Purpose;
use crate::anchors::TrustAnchors;
use crate::cache::VerifyCache;
use crate::verify::endorsements::Endorsements;
use crate::x509::ChainError;
use crate::x509::ChainRequest;
use crate::x509::Collateral;
use crate::x509::VerifiedChain;

/// Everything in addition to evidence and binding that the result depends on.
#[derive(Clone, Copy, Debug)]
pub struct VerifyInputs<'a> {
    /// Trust anchors: the built-in ones, and those of the configuration.
    pub anchors: &'a TrustAnchors,
    /// CRLs and issuing CAs.
    pub collateral: &'a Collateral,
    /// Signed vendor data about platforms, for evidence that comes without it.
    pub endorsements: &'a Endorsements,
    /// URLs of this broker: the audience of a token must be one of them.
    pub audiences: &'a [String],
    /// The verification time.
    pub now: UnixTime,
    /// Results of earlier verifications. It never changes a result.
    pub cache: &'a VerifyCache,
}

impl VerifyInputs<'_> {
    /// Verifies the chain of a certificate that came with others, or returns the cached result.
    pub(crate) fn chain(
        &self,
        leaf: &[u8],
        certificates: &[Vec<u8>],
        purpose: Purpose,
    ) -> Result<VerifiedChain, ChainError> {
        let Self { anchors, collateral, now, cache, .. } = *self;
        cache.chains().verify(&ChainRequest { leaf, certificates, purpose, anchors, collateral, now })
    }

    /// The same for certificates as they were received, of which unreadable ones are ignored: the sender could have
    /// omitted them.
    pub(crate) fn received_chain(
        &self,
        leaf: &[u8],
        received: &[Bytes],
        purpose: Purpose,
    ) -> Result<VerifiedChain, ChainError> {
        let Self { anchors, collateral, now, cache, .. } = *self;
        let alone = ChainRequest { leaf, certificates: &[], purpose, anchors, collateral, now };
        cache.chains().verify_received(&alone, received)
    }
}
