//! X.509 chains: verifies the path from a leaf certificate to a pinned anchor, at a given time.
//!
//! webpki validates the path; the purpose selects the anchors and signature algorithms that are allowed.
//! Validity is enforced for every certificate, anchors included. A revoked certificate is refused; whether
//! the revocation data is current becomes a claim. Not checked here: the leaf's key usage and extensions,
//! whose meaning depends on the kind of evidence.
//!
//! Left out, and why:
//! - Certificate policies (RFC 5280 §6.1.3 (d)): no vendor uses them to distinguish its chains; the purposes
//!   of an anchor do that.
//! - OCSP (RFC 6960): no vendor offers it, and the verifier does no I/O.
//! - Delta and indirect CRLs (RFC 5280 §5.2.4, §5.2.5): no vendor issues any. Such a CRL is refused when it
//!   is loaded, not skipped.
//! - `cRLSign` of the issuer (RFC 5280 §6.3.3 (f)): a CRL counts only if the key that signed the certificate
//!   also signed the CRL.
//! - Key identifiers (RFC 5280 §4.2.1.1) are used only to choose between CAs with the same name; the
//!   signature proves the issuer.

mod cache;
mod issuer;
mod path;
mod revocation;
#[cfg(test)]
mod tests;
mod verified;

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::TrustAnchor;
use vouchsafe_protocol::Bytes;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;
use webpki::EndEntityCert;
use webpki::KeyUsage;

pub use self::cache::ChainCache;
pub use self::issuer::UnknownIssuer;
pub use self::issuer::verify_issuer;
use self::revocation::Link;
pub use self::revocation::MissingCrl;
pub use self::revocation::Revocation;
use self::verified::Verified;
pub use self::verified::VerifiedChain;
use super::algorithms;
use super::certificate::Certificate;
use super::certificate::MAX_CERTIFICATE;
use super::collateral::Collateral;
use crate::anchors::Anchor;
use crate::anchors::Purpose;
use crate::anchors::TrustAnchors;
use crate::anchors::TrustedCa;

/// Upper limit of certificates that come with a leaf.
pub const MAX_CERTIFICATES: usize = 8;

/// A chain is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// More certificates than any real chain has.
    #[error("{found} certificates came with the leaf: the limit is {limit}")]
    TooManyCertificates {
        /// Number of certificates beside the leaf.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A certificate is larger than any real one.
    #[error("a certificate has {found} bytes: the limit is {limit}")]
    CertificateTooLarge {
        /// Its size.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A certificate cannot be read.
    #[error("malformed certificate")]
    Malformed,
    /// No path ends at an anchor for this purpose.
    #[error("no path to a trusted root")]
    UnknownIssuer,
    /// A signature of the path does not verify.
    #[error("certificate signature does not verify")]
    SignatureInvalid,
    /// A certificate is signed with an algorithm that this purpose does not allow.
    #[error("certificate signature algorithm not allowed here")]
    UnsupportedAlgorithm,
    /// A certificate or an anchor is not valid yet.
    #[error("certificate not valid before {not_before}")]
    NotValidYet {
        /// Start of its validity.
        not_before: UnixTime,
    },
    /// A certificate or an anchor has expired.
    #[error("certificate expired at {not_after}")]
    Expired {
        /// Last second of its validity.
        not_after: UnixTime,
    },
    /// The leaf is a CA certificate.
    #[error("the leaf is a CA certificate")]
    LeafIsCa,
    /// An issuer is not a CA that may sign certificates, or the path is longer than its constraint allows.
    #[error("issuer may not issue this certificate")]
    IssuerConstraint,
    /// A critical extension that this verifier does not know.
    #[error("unknown critical extension")]
    UnknownCriticalExtension,
    /// An extended key usage that excludes attestation keys.
    #[error("extended key usage excludes this purpose")]
    ExtendedKeyUsage,
    /// A certificate of the path is revoked.
    #[error("certificate {serial} is revoked")]
    Revoked {
        /// Serial number, hex.
        serial: String,
    },
    /// Any other error of webpki.
    #[error("certificate path refused: {0}")]
    Path(webpki::Error),
}

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
    fn check_bounds(&self) -> Result<(), ChainError> {
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

/// Removes the leaf from the certificates of a file (DER) and returns it; `None` unless exactly one is not a
/// CA's.
pub fn take_leaf(certificates: &mut Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let is_leaf =
        |encoded: &Vec<u8>| Certificate::parse(encoded).is_some_and(|certificate| !certificate.is_ca);
    let place = certificates.iter().position(is_leaf)?;
    let is_only = certificates.iter().filter(|encoded| is_leaf(encoded)).count() == 1;
    is_only.then(|| certificates.remove(place))
}

/// The readable ones among the certificates that came with a leaf. The sender could have omitted the others
/// as well, so they are no reason to refuse.
pub(crate) fn readable(certificates: &[Bytes]) -> Vec<Vec<u8>> {
    let sized = certificates.iter().filter(|encoded| encoded.len() <= MAX_CERTIFICATE);
    let readable = sized.filter(|encoded| Certificate::parse(encoded).is_some()).take(MAX_CERTIFICATES);
    readable.map(|encoded| encoded.0.clone()).collect()
}

/// Verifies a chain, without using a cache.
///
/// # Errors
/// One variant for each reason.
pub fn verify_chain(request: &ChainRequest<'_>) -> Result<VerifiedChain, ChainError> {
    request.check_bounds()?;
    let leaf = Certificate::parse(request.leaf).ok_or(ChainError::Malformed)?;
    let encoded = CertificateDer::from(request.leaf);
    let end_entity = EndEntityCert::try_from(&encoded).map_err(refusal)?;

    // 1. A path to an anchor that serves this purpose, every certificate valid now: signatures, names and validity
    //    (RFC 5280 §6.1.3 (a)), CAs, path lengths and critical extensions (§6.1.4 k to o), and extended key usage
    //    (RFC 5280 §4.2.1.12).
    let line = path::above(&leaf, request)?;
    let serving = request.anchors.serving(request.purpose);
    let trusted: Vec<&TrustedCa> = serving.filter(|ca| line.may_end_at(ca)).collect();
    let pinned: Vec<TrustAnchor<'_>> = trusted.iter().map(|ca| ca.pinned.clone()).collect();
    let path = end_entity
        .verify_for_usage(
            algorithms::serving(request.purpose),
            &pinned,
            &line.issuers,
            rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(request.now.0)),
            KeyUsage::required_if_present(TCG_KP_EK_CERTIFICATE),
            None,
            None,
        )
        .map_err(refusal)?;
    let anchor = trusted.iter().find(|ca| ca.pinned == *path.anchor());
    let anchor = anchor.ok_or(ChainError::UnknownIssuer)?;
    let between = path.intermediate_certificates().map(|certificate| Certificate::parse(&certificate.der()));
    let between: Vec<Certificate> = between.collect::<Option<_>>().ok_or(ChainError::Malformed)?;

    // 2. Checks that webpki leaves out: key usage of issuers (RFC 5280 §6.1.4 (n)), and the anchor's own
    //    constraints. RFC 5280 §6.2 allows a verifier to apply the constraints in an anchor's certificate.
    let mut window = window(&leaf, &between, anchor, request.now)?;

    // 3. Revocation (RFC 5280 §6.1.3 (a)(3) and §6.3.3).
    let links = links(&leaf, &between, anchor);
    let (collateral, purpose) = (request.collateral, request.purpose);
    let found = revocation::judge(&links, collateral, purpose, request.now, &mut window.turning_points)?;

    Ok(VerifiedChain(Arc::new(Verified {
        leaf,
        leaf_digest: Digest32::of(request.leaf),
        root: anchor.root,
        anchor: anchor.sha256,
        product: anchor.product,
        revocation: found.revocation,
        missing_crls: found.missing,
        crl_issuers: found.issuers,
        not_before: window.not_before,
        not_after: window.not_after,
        holds_from: window.last_turn(),
        holds_until: window.next_turn(),
        intermediates: between.len(),
        p384: OnceLock::new(),
        rs256: OnceLock::new(),
    })))
}

/// Key usage of the issuers (RFC 5280 §6.1.4 n), path length of the anchor, and validity of everything
/// from the leaf to the root.
fn window(
    leaf: &Certificate,
    between: &[Certificate],
    anchor: &TrustedCa,
    now: UnixTime,
) -> Result<Window, ChainError> {
    let too_long = anchor.path_length.is_some_and(|limit| between.len() > usize::from(limit));
    if too_long || !between.iter().all(|issuer| issuer.may_sign_certificates) {
        return Err(ChainError::IssuerConstraint);
    }
    let mut window = Window::new(now);
    for certificate in std::iter::once(leaf).chain(between) {
        window.narrow(certificate.not_before, certificate.not_after)?;
    }
    window.narrow(anchor.not_before, anchor.not_after)?;
    for above in issuers(anchor) {
        window.narrow(above.not_before, above.not_after)?;
    }
    Ok(window)
}

/// The issuers of an anchor, up to its root.
fn issuers(anchor: &TrustedCa) -> impl Iterator<Item = &'static Anchor> {
    std::iter::successors(anchor.issuer, |above| above.issuer)
}

/// Every certificate from the leaf to the one below the root, each with the key that signed it.
fn links(leaf: &Certificate, between: &[Certificate], anchor: &TrustedCa) -> Vec<Link> {
    let signers = between.iter().map(|issuer| &issuer.spki).chain([&anchor.spki]);
    let certificates = std::iter::once(leaf).chain(between);
    let mut links: Vec<Link> = certificates.zip(signers).map(|(this, key)| Link::of(this, key)).collect();
    if let Some(above) = anchor.issuer {
        links.push(Link {
            serial: anchor.serial.clone(),
            issuer: above.subject.to_vec(),
            issuer_spki: above.spki.to_vec(),
            crl_urls: anchor.crl_url.map(str::to_owned).into_iter().collect(),
            is_ca: true,
        });
    }
    links
}

/// The validity of the chain, and the times at which the result of its verification may change.
#[derive(Debug)]
struct Window {
    now: UnixTime,
    not_before: UnixTime,
    not_after: UnixTime,
    turning_points: Vec<UnixTime>,
}

impl Window {
    const fn new(now: UnixTime) -> Self {
        Self { now, not_before: UnixTime(0), not_after: UnixTime(u64::MAX), turning_points: Vec::new() }
    }

    fn narrow(&mut self, not_before: UnixTime, not_after: UnixTime) -> Result<(), ChainError> {
        if self.now < not_before {
            return Err(ChainError::NotValidYet { not_before });
        }
        if not_after < self.now {
            return Err(ChainError::Expired { not_after });
        }
        self.not_before = self.not_before.max(not_before);
        self.not_after = self.not_after.min(not_after);
        self.turning_points.extend([not_before, not_after.plus(1)]);
        Ok(())
    }

    fn last_turn(&self) -> UnixTime {
        let past = self.turning_points.iter().filter(|turn| **turn <= self.now);
        past.max().copied().unwrap_or(UnixTime(0))
    }

    fn next_turn(&self) -> UnixTime {
        let coming = self.turning_points.iter().filter(|turn| **turn > self.now);
        coming.min().copied().unwrap_or(UnixTime(u64::MAX))
    }
}

fn refusal(error: webpki::Error) -> ChainError {
    use webpki::Error as E;
    match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) | E::UnsupportedCertVersion => ChainError::Malformed,
        E::UnknownIssuer => ChainError::UnknownIssuer,
        E::InvalidSignatureForPublicKey => ChainError::SignatureInvalid,
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | E::SignatureAlgorithmMismatch => ChainError::UnsupportedAlgorithm,
        E::CertNotValidYet { not_before, .. } => {
            ChainError::NotValidYet { not_before: UnixTime(not_before.as_secs()) }
        }
        E::CertExpired { not_after, .. } => ChainError::Expired { not_after: UnixTime(not_after.as_secs()) },
        E::CaUsedAsEndEntity => ChainError::LeafIsCa,
        E::EndEntityUsedAsCa | E::PathLenConstraintViolated => ChainError::IssuerConstraint,
        E::UnsupportedCriticalExtension => ChainError::UnknownCriticalExtension,
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => ChainError::ExtendedKeyUsage,
        other => ChainError::Path(other),
    }
}

/// 2.23.133.8.1, tcg-kp-EKCertificate (RFC 5280 §4.2.1.12): Google's CAs and its older AK certificates have
/// it. A certificate with an extended key usage must have this one.
const TCG_KP_EK_CERTIFICATE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];
