//! A stored CRL: parsed once, so that neither its digest nor its signer is computed again with every change.

use std::sync::{Arc, OnceLock};

use vouchsafe_attestation::TrustAnchors;
use vouchsafe_attestation::chain::{Collateral, CollateralError, CrlSummary, crl_is_signed_by, crl_signer};
use vouchsafe_protocol::{Digest32, UnixTime};

/// A CRL in DER, with its metadata.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(super) der: Arc<[u8]>,
    pub(super) digest: Digest32,
    pub(super) summary: CrlSummary,
    /// Cached: a folder has the same anchors for as long as it is open.
    signer: OnceLock<Option<Digest32>>,
}

impl List {
    pub(super) fn read(der: Vec<u8>) -> Result<Self, CollateralError> {
        let digest = Digest32::of(&der);
        // The same summary as the verifier's.
        let one = Collateral::new(std::slice::from_ref(&der), &[])?;
        let summary = one.crl_summaries().next().ok_or(CollateralError::MalformedCrl { index: 0 })?;
        Ok(Self { der: der.into(), digest, summary, signer: OnceLock::new() })
    }

    /// The key of the anchor that signed it; `None` if no anchor did.
    pub(super) fn signer(&self, anchors: &TrustAnchors) -> Option<Digest32> {
        *self.signer.get_or_init(|| crl_signer(&self.der, anchors))
    }

    /// The key that signed it: an anchor's, or else this one.
    pub(super) fn signer_or(&self, anchors: &TrustAnchors, key: Option<&[u8]>) -> Option<Digest32> {
        self.signer(anchors).or_else(|| key.filter(|key| self.is_signed_by(key)).map(Digest32::of))
    }

    /// Whether this key, an encoded `SubjectPublicKeyInfo`, signed it.
    pub(super) fn is_signed_by(&self, key: &[u8]) -> bool {
        crl_is_signed_by(&self.der, key)
    }

    /// Whether its `nextUpdate` has passed.
    pub(super) fn is_overdue(&self, now: UnixTime) -> bool {
        self.summary.next_update.is_some_and(|due| due < now)
    }

    /// Whether it has the same issuer name as the other one and was issued before it.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        self.summary.issuer == other.summary.issuer && self.summary.is_older_than(&other.summary)
    }
}
