//! A chain to verify, and its bounds.

use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::UnixTime;

use super::error::ChainError;
use crate::anchors::Purpose;
use crate::anchors::TrustAnchors;
use crate::x509::certificate::Certificate;
use crate::x509::certificate::MAX_CERTIFICATE;
use crate::x509::collateral::Collateral;

/// Upper limit of certificates that come with a leaf.
pub const MAX_CERTIFICATES: usize = 8;

/// A chain to verify. Its bytes are as received.
#[derive(Clone, Copy, Debug)]
pub struct ChainRequest<'a> {
    /// The leaf certificate, DER.
    pub leaf: &'a [u8],
    /// Certificates that came with it, DER, in any order.
    pub certificates: &'a [Vec<u8>],
    /// What the leaf's key is used for.
    pub purpose: Purpose,
    /// The trust anchors.
    pub anchors: &'a TrustAnchors,
    /// CRLs and issuing CAs.
    pub collateral: &'a Collateral,
    /// The verification time.
    pub now: UnixTime,
}

impl ChainRequest<'_> {
    pub(super) fn check_bounds(&self) -> Result<(), ChainError> {
        let (found, limit) = (self.certificates.len(), MAX_CERTIFICATES);
        if found > limit {
            return Err(ChainError::TooManyCertificates { found, limit });
        }
        let sizes = self.certificates.iter().map(Vec::len);
        let (found, limit) = (sizes.fold(self.leaf.len(), usize::max), MAX_CERTIFICATE);
        if found > limit {
            return Err(ChainError::CertificateTooLarge { found, limit });
        }
        Ok(())
    }
}

/// The certificates among those that came with a leaf that can be read. Unreadable ones are ignored: the
/// sender could have omitted them.
pub(super) fn readable(certificates: &[Bytes]) -> Vec<Vec<u8>> {
    let sized = certificates.iter().filter(|encoded| encoded.len() <= MAX_CERTIFICATE);
    let readable = sized.filter(|encoded| Certificate::parse(encoded).is_some()).take(MAX_CERTIFICATES);
    readable.map(|encoded| encoded.0.clone()).collect()
}
