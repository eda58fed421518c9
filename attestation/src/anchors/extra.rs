//! Anchors in the form that path validation uses, and anchors from a file.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::TrustAnchor;
use rustls_pki_types::pem::PemObject;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use super::anchor::Anchor;
use super::anchor::PinnedRoot;
use super::product::Product;
use super::purpose::Purpose;
use super::root::Root;
use crate::x509::algorithms;
use crate::x509::certificate::Certificate;
use crate::x509::der;

/// Why a file of anchors is refused; it is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The file is neither PEM with certificates nor one DER certificate.
    #[error("no certificate in the file, neither PEM nor DER")]
    NoCertificate,
    /// The PEM armour is broken.
    #[error("malformed PEM")]
    Pem,
    /// A certificate cannot be read.
    #[error("certificate {index}: malformed")]
    Malformed {
        /// Position in the file, from 0.
        index: usize,
    },
    /// The certificate is not self-issued.
    #[error("certificate {index}: not self-signed")]
    NotSelfIssued {
        /// Position in the file, from 0.
        index: usize,
    },
    /// The self-signature does not verify.
    #[error("certificate {index}: self-signature does not verify, or its algorithm is not supported")]
    Signature {
        /// Position in the file, from 0.
        index: usize,
    },
    /// The certificate is not that of a CA that may sign certificates.
    #[error("certificate {index}: not a CA certificate")]
    NotCa {
        /// Position in the file, from 0.
        index: usize,
    },
    /// More extra anchors than the limit.
    #[error("{found} extra anchors, the limit is {limit}")]
    TooMany {
        /// Number of extra anchors.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

/// Upper limit of extra anchors.
pub(super) const MAX_EXTRA: usize = 32;

/// An anchor as the verifier uses it.
#[derive(Clone, Debug)]
pub(crate) struct TrustedCa {
    pub(crate) root: Root,
    /// `None`: any depth.
    purposes: Option<&'static [Purpose]>,
    pub(crate) product: Option<Product>,
    pub(crate) issuer: Option<&'static Anchor>,
    pub(crate) spki: Vec<u8>,
    /// Subject key identifier; an extra anchor need not have one.
    pub(crate) key_id: Option<Vec<u8>>,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    pub(crate) serial: Vec<u8>,
    pub(crate) path_length: Option<u8>,
    pub(crate) crl_url: Option<&'static str>,
    pub(crate) sha256: Digest32,
    pub(crate) pinned: TrustAnchor<'static>,
}

impl TrustedCa {
    /// Its issuers, up to the root.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &'static Anchor> {
        std::iter::successors(self.issuer, |above| above.issuer)
    }

    pub(super) fn builtin(anchor: &'static Anchor) -> Self {
        Self {
            root: anchor.root,
            purposes: Some(anchor.purposes),
            product: anchor.product,
            issuer: anchor.issuer,
            spki: anchor.spki.to_vec(),
            key_id: Some(anchor.key_id.to_vec()),
            not_before: anchor.not_before,
            not_after: anchor.not_after,
            serial: anchor.serial.to_vec(),
            path_length: anchor.path_length,
            crl_url: anchor.crl_url,
            sha256: Digest32(anchor.sha256),
            pinned: pinned(anchor.subject, anchor.spki, None),
        }
    }

    /// The certificate as an anchor, if its digest is in the table.
    pub(super) fn pinned(table: &[&'static PinnedRoot], certificate: &[u8]) -> Option<Self> {
        let sha256 = Digest32::of(certificate);
        let known = table.iter().find(|known| Digest32(known.sha256) == sha256)?;
        let read = from_certificate(certificate, 0).ok()?;
        Some(Self { root: known.root, purposes: Some(known.purposes), ..read })
    }

    pub(crate) fn serves(&self, purpose: Purpose) -> bool {
        self.purposes.is_none_or(|purposes| purposes.contains(&purpose))
    }
}

/// The anchors of a file, each checked to be a self-signed CA certificate.
pub(super) fn read(file: &[u8]) -> Result<Vec<TrustedCa>, AnchorError> {
    if file.first() == Some(&der::SEQUENCE) {
        return Ok(vec![from_certificate(file, 0)?]);
    }
    let mut found = Vec::new();
    for (index, certificate) in CertificateDer::pem_slice_iter(file).enumerate() {
        if index == MAX_EXTRA {
            return Err(AnchorError::TooMany { found: index + 1, limit: MAX_EXTRA });
        }
        let certificate = certificate.map_err(|_| AnchorError::Pem)?;
        found.push(from_certificate(&certificate, index)?);
    }
    if found.is_empty() { Err(AnchorError::NoCertificate) } else { Ok(found) }
}

fn from_certificate(bytes: &[u8], index: usize) -> Result<TrustedCa, AnchorError> {
    let malformed = AnchorError::Malformed { index };
    let certificate = Certificate::parse(bytes).ok_or_else(|| malformed.clone())?;
    let encoded = CertificateDer::from(bytes);
    let anchor = webpki::anchor_from_trusted_cert(&encoded).map_err(|_| malformed.clone())?;
    if certificate.subject != certificate.issuer {
        return Err(AnchorError::NotSelfIssued { index });
    }
    let signed = der::Signed::parse(bytes).ok_or(malformed)?;
    if !algorithms::verify(algorithms::ANY, &certificate.spki, &signed) {
        return Err(AnchorError::Signature { index });
    }
    if !certificate.is_ca || !certificate.may_sign_certificates {
        return Err(AnchorError::NotCa { index });
    }
    let constraints = anchor.name_constraints.as_deref();
    Ok(TrustedCa {
        root: Root::Extra,
        purposes: None,
        product: None,
        issuer: None,
        pinned: pinned(&certificate.subject, &certificate.spki, constraints),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        path_length: certificate.path_length,
        // A root cannot revoke itself.
        crl_url: None,
        sha256: Digest32::of(bytes),
        serial: certificate.serial,
        key_id: certificate.key_id,
        spki: certificate.spki,
    })
}

/// The form that webpki takes: the content of the fields, without the outer SEQUENCE.
fn pinned(subject: &[u8], spki: &[u8], constraints: Option<&[u8]>) -> TrustAnchor<'static> {
    let content = |encoded: &[u8]| der::content(encoded).unwrap_or_default().to_vec();
    TrustAnchor {
        subject: content(subject).into(),
        subject_public_key_info: content(spki).into(),
        name_constraints: constraints.map(|bytes| bytes.to_vec().into()),
    }
}
