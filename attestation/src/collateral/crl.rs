//! A CRL as it is stored: parsed once, so that neither its digest nor its signer is computed with every change.

use std::sync::Arc;
use std::sync::OnceLock;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use crate::anchors::TrustAnchors;
use crate::x509::Collateral;
use crate::x509::CollateralError;
use crate::x509::CrlSummary;
use crate::x509::crl_is_signed_by;
use crate::x509::crl_signer;

/// A CRL, DER, with its metadata. Its signature has not been verified.
#[derive(Clone, Debug)]
pub struct StoredCrl {
    der: Arc<[u8]>,
    digest: Digest32,
    summary: CrlSummary,
    /// The anchors of a broker do not change while it runs.
    signer: OnceLock<Option<Digest32>>,
}

impl StoredCrl {
    /// Parses a CRL, DER.
    ///
    /// # Errors
    /// When it is too large, malformed or of an unsupported kind.
    pub fn parse(der: Vec<u8>) -> Result<Self, CollateralError> {
        let digest = Digest32::of(&der);
        // The same as the verifier reads it.
        let one = Collateral::new(std::slice::from_ref(&der), &[])?;
        let summary = one.crl_summaries().next().ok_or(CollateralError::MalformedCrl { index: 0 })?;
        Ok(Self { der: der.into(), digest, summary, signer: OnceLock::new() })
    }

    /// The CRL, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of it.
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.digest
    }

    /// What the list says of itself: issuer, dates, number.
    #[must_use]
    pub const fn summary(&self) -> &CrlSummary {
        &self.summary
    }

    /// The key of the anchor that signed it; `None` if no anchor did.
    pub(super) fn signer(&self, anchors: &TrustAnchors) -> Option<Digest32> {
        *self.signer.get_or_init(|| crl_signer(&self.der, anchors))
    }

    /// The key that signed it: an anchor's, or else this one if it did.
    pub(super) fn signer_or(&self, anchors: &TrustAnchors, key: Option<&[u8]>) -> Option<Digest32> {
        self.signer(anchors).or_else(|| key.filter(|key| self.is_signed_by(key)).map(Digest32::of))
    }

    /// Whether this key signed it, an encoded `SubjectPublicKeyInfo`.
    pub(super) fn is_signed_by(&self, key: &[u8]) -> bool {
        crl_is_signed_by(&self.der, key)
    }

    /// Whether the next CRL is due already.
    pub(super) fn is_overdue(&self, now: UnixTime) -> bool {
        self.summary.next_update.is_some_and(|due| due < now)
    }

    /// Whether it was issued before another one of the same issuer by name.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        self.summary.issuer == other.summary.issuer && self.summary.is_older_than(&other.summary)
    }
}
