//! Unknown issuing CAs: what a certificate states about its issuer, and whether a fetched CA may be that
//! issuer.

use std::fmt;

use vouchsafe_protocol::UnixTime;

use super::error::ChainError;
use super::path;
use super::revocation::MissingCrl;
use super::window::Window;
use crate::anchors::IssuerAddress;
use crate::anchors::Purpose;
use crate::anchors::TrustAnchors;
use crate::anchors::TrustedCa;
use crate::x509::algorithms;
use crate::x509::certificate::Certificate;
use crate::x509::certificate::MAX_CERTIFICATE;
use crate::x509::der;

/// What a certificate states about an issuer that is unknown here. None of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownIssuer {
    /// Key identifier of the issuer.
    pub key_id: Vec<u8>,
    /// The URL of the issuer's certificate.
    pub url: Option<String>,
    /// The same URL, if it has a shape that the vendor uses: only then is it fetched.
    pub address: Option<IssuerAddress>,
}

impl UnknownIssuer {
    /// Reads it from a certificate; `None` if that has no authority key identifier.
    pub(crate) fn of(leaf: &[u8], purpose: Purpose) -> Option<Self> {
        let leaf = Certificate::parse(leaf)?;
        let urls = leaf.issuer_urls();
        let address = urls.iter().find_map(|url| IssuerAddress::parse(purpose, url));
        let named = address.as_ref().map(IssuerAddress::as_str).or_else(|| urls.first().copied());
        Some(Self { url: named.map(str::to_owned), address, key_id: leaf.authority_key_id? })
    }
}

impl fmt::Display for UnknownIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown issuing CA with key id {}", hex::encode(&self.key_id))?;
        match (&self.url, &self.address) {
            (Some(url), Some(_)) => {
                write!(f, ", published at {url}: import that file with `vouchsafe collateral import`")
            }
            (Some(url), None) => {
                write!(f, "; the certificate gives its address as {url}, which is not one of the vendor's")
            }
            (None, _) => f.write_str("; the certificate does not say where it is published"),
        }
    }
}

/// Verifies that a certificate is an issuing CA under an anchor for this purpose, with this key identifier if
/// one is given. Its own revocation is checked with each chain that it is part of. Returns the CRL URLs that
/// it names.
///
/// # Errors
/// As for chains; [`ChainError::UnknownIssuer`] also for a CA with another key.
pub fn verify_issuer(
    encoded: &[u8],
    key_id: Option<&[u8]>,
    purpose: Purpose,
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<Vec<MissingCrl>, ChainError> {
    let (found, limit) = (encoded.len(), MAX_CERTIFICATE);
    if found > limit {
        return Err(ChainError::CertificateTooLarge { found, limit });
    }
    let certificate = Certificate::parse(encoded).ok_or(ChainError::Malformed)?;
    let signed = der::Signed::parse(encoded).ok_or(ChainError::Malformed)?;
    // RFC 5280 §4.2.1.2: a CA's certificate contains the identifier of its key.
    if key_id.is_some() && certificate.key_id.as_deref() != key_id {
        return Err(ChainError::UnknownIssuer);
    }
    if !certificate.is_ca || !certificate.may_sign_certificates || !path::is_affordable(&certificate.spki) {
        return Err(ChainError::IssuerConstraint);
    }
    let issued_it = |ca: &&TrustedCa| der::content(&certificate.issuer) == Some(ca.pinned.subject.as_ref());
    let named: Vec<&TrustedCa> = anchors.serving(purpose).filter(issued_it).collect();
    if named.is_empty() {
        return Err(ChainError::UnknownIssuer);
    }
    let signed_it = |ca: &&&TrustedCa| algorithms::verify(purpose.algorithms(), &ca.spki, &signed);
    let anchor = named.iter().find(signed_it).ok_or(ChainError::SignatureInvalid)?;
    if anchor.path_length == Some(0) {
        return Err(ChainError::IssuerConstraint);
    }
    let mut window = Window::new(now);
    window.narrow(certificate.not_before, certificate.not_after)?;
    window.narrow(anchor.not_before, anchor.not_after)?;
    anchor.issuers().try_for_each(|above| window.narrow(above.not_before, above.not_after))?;
    let crl = MissingCrl { addresses: certificate.crl_urls, issuer_key: anchor.spki.clone() };
    Ok(Some(crl).filter(|crl| !crl.addresses.is_empty()).into_iter().collect())
}
