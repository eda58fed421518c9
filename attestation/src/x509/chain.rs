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
//! - `cRLSign` of the issuer (RFC 5280 §6.3.3 (f)): instead, a CRL is used only if it is signed with the key
//!   that signed the certificate, so no other key can revoke it.
//! - Key identifiers (RFC 5280 §4.2.1.1) are not validated: they only help to choose between CAs with the
//!   same name, and the signature proves the issuer.

pub(super) mod cache;
pub(super) mod error;
pub(super) mod issuer;
mod path;
pub(super) mod request;
pub(super) mod revocation;
#[cfg(test)]
mod tests;
pub(super) mod verified;
mod window;

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::TrustAnchor;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;
use webpki::EndEntityCert;
use webpki::KeyUsage;

use self::error::ChainError;
use self::error::refusal;
use self::request::ChainRequest;
use self::revocation::Link;
use self::verified::Verified;
use self::verified::VerifiedChain;
use self::window::Window;
use super::certificate::Certificate;
use crate::anchors::TrustedCa;

/// Verifies a chain, without using a cache.
///
/// # Errors
/// One variant for each reason.
pub fn verify_chain(request: &ChainRequest<'_>) -> Result<VerifiedChain, ChainError> {
    request.check_bounds()?;
    let leaf = Certificate::parse(request.leaf).ok_or(ChainError::Malformed)?;

    // 1. There is a path to an anchor for this purpose on which every certificate is valid now. That covers
    //    signatures, names and validity (RFC 5280 §6.1.3 (a)), CAs, path lengths and critical extensions
    //    (§6.1.4 k to o), and extended key usage (RFC 5280 §4.2.1.12).
    let (anchor, between) = find_path(&leaf, request)?;

    // 2. Checks that webpki leaves out: key usage of issuers (RFC 5280 §6.1.4 (n)), and the anchor's own
    //    constraints. RFC 5280 §6.2 allows a verifier to apply the constraints in an anchor's certificate.
    let mut window = window(&leaf, &between, anchor, request.now)?;

    // 3. Revocation (RFC 5280 §6.1.3 (a)(3) and §6.3.3).
    let links = links(&leaf, &between, anchor);
    let (collateral, purpose) = (request.collateral, request.purpose);
    let found = revocation::evaluate(&links, collateral, purpose, request.now, &mut window.transitions)?;

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
        holds_from: window.last_transition(),
        holds_until: window.next_transition(),
        intermediates: between.len(),
        p384: OnceLock::new(),
        rs256: OnceLock::new(),
    })))
}

/// The anchor that the leaf chains to, and the certificates between them: webpki verifies the path.
fn find_path<'a>(
    leaf: &Certificate,
    request: &ChainRequest<'a>,
) -> Result<(&'a TrustedCa, Vec<Certificate>), ChainError> {
    let encoded = CertificateDer::from(request.leaf);
    let end_entity = EndEntityCert::try_from(&encoded).map_err(refusal)?;
    let candidates = path::above(leaf, request)?;
    let serving = request.anchors.serving(request.purpose);
    let trusted: Vec<&TrustedCa> = serving.filter(|ca| candidates.may_end_at(ca)).collect();
    let pinned: Vec<TrustAnchor<'_>> = trusted.iter().map(|ca| ca.pinned.clone()).collect();
    let path = end_entity
        .verify_for_usage(
            request.purpose.algorithms(),
            &pinned,
            &candidates.issuers,
            rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(request.now.0)),
            KeyUsage::required_if_present(TCG_KP_EK_CERTIFICATE),
            None,
            None,
        )
        .map_err(refusal)?;
    let anchor = trusted.iter().copied().find(|ca| ca.pinned == *path.anchor());
    let anchor = anchor.ok_or(ChainError::UnknownIssuer)?;
    let between = path.intermediate_certificates().map(|certificate| Certificate::parse(&certificate.der()));
    let between: Vec<Certificate> = between.collect::<Option<_>>().ok_or(ChainError::Malformed)?;
    Ok((anchor, between))
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
    for above in anchor.issuers() {
        window.narrow(above.not_before, above.not_after)?;
    }
    Ok(window)
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

/// 2.23.133.8.1, tcg-kp-EKCertificate (RFC 5280 §4.2.1.12): Google's CAs and its older AK certificates have
/// it. A certificate with an extended key usage must have this one.
const TCG_KP_EK_CERTIFICATE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];
