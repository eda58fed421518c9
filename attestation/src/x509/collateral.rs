//! Collateral: CRLs and issuing CAs that a verifier needs in addition to the evidence, parsed when they are
//! loaded.
//!
//! It is not trusted: certificates must chain to an anchor, and a CRL is used only if it is signed by the
//! issuer of the certificate that it is checked for.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use super::certificate::Certificate;
use super::certificate::MAX_CERTIFICATE;
use super::crl::Crl;
use super::crl::CrlFlaw;
use super::der;

/// Why collateral is refused; it is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollateralError {
    /// A file contains neither certificates nor CRLs.
    #[error("neither a certificate nor a CRL in the file, in PEM or DER")]
    Unrecognised,
    /// More items than the limit, or a larger one.
    #[error("too many certificates or CRLs, or one is too large")]
    TooLarge,
    /// A certificate cannot be read.
    #[error("certificate {index}: malformed")]
    MalformedCertificate {
        /// Position, from 0.
        index: usize,
    },
    /// A CRL cannot be read.
    #[error("CRL {index}: malformed")]
    MalformedCrl {
        /// Position, from 0.
        index: usize,
    },
    /// A CRL is a delta or indirect CRL, or has an unknown critical extension.
    #[error("CRL {index}: its kind is not supported")]
    UnsupportedCrl {
        /// Position, from 0.
        index: usize,
    },
}

/// Upper limit of CRLs.
pub const MAX_CRLS: usize = 128;
/// Upper limit of a CRL's size in bytes.
pub const MAX_CRL_LENGTH: usize = 8 * 1024 * 1024;
/// Upper limit of certificates.
pub const MAX_COLLATERAL_CERTIFICATES: usize = 128;

/// CRLs and issuing CAs. Never changes: new collateral is a new value with another digest.
#[derive(Clone, Debug)]
pub struct Collateral {
    crls: Vec<Crl>,
    certificates: Vec<CertificateDer<'static>>,
    digest: Digest32,
}

/// Metadata that a CRL contains; its signature has not been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlSummary {
    /// Issuer, an encoded Name.
    pub issuer: Vec<u8>,
    /// Time of issue.
    pub this_update: UnixTime,
    /// `nextUpdate`.
    pub next_update: Option<UnixTime>,
    /// Its CRL number, big-endian, without leading zeros; empty where it has none.
    pub number: Vec<u8>,
    /// Number of revoked certificates.
    pub revoked: usize,
}

impl CrlSummary {
    /// Whether this CRL was issued before another one of the same issuer: by `thisUpdate`, then by number.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        let order = |this: &Self| (this.this_update, this.number.len());
        (order(self), &self.number) < (order(other), &other.number)
    }

    /// Whether `now` is between `thisUpdate` and `nextUpdate`.
    #[must_use]
    pub fn is_current(&self, now: UnixTime) -> bool {
        self.this_update <= now && self.next_update.is_some_and(|next| now < next)
    }
}

impl Collateral {
    /// Parses CRLs and certificates, both DER.
    ///
    /// # Errors
    /// The first item that cannot be used.
    pub fn new(crls: &[Vec<u8>], certificates: &[Vec<u8>]) -> Result<Self, CollateralError> {
        let too_many = crls.len() > MAX_CRLS || certificates.len() > MAX_COLLATERAL_CERTIFICATES;
        let too_large = crls.iter().any(|crl| crl.len() > MAX_CRL_LENGTH)
            || certificates.iter().any(|certificate| certificate.len() > MAX_CERTIFICATE);
        if too_many || too_large {
            return Err(CollateralError::TooLarge);
        }
        for (index, certificate) in certificates.iter().enumerate() {
            Certificate::parse(certificate).ok_or(CollateralError::MalformedCertificate { index })?;
        }
        let parsed = crls.iter().enumerate().map(|(index, crl)| {
            Crl::parse(crl).map_err(|flaw| match flaw {
                CrlFlaw::Malformed => CollateralError::MalformedCrl { index },
                CrlFlaw::Unsupported => CollateralError::UnsupportedCrl { index },
            })
        });
        Ok(Self {
            crls: parsed.collect::<Result<_, _>>()?,
            certificates: certificates.iter().map(|bytes| CertificateDer::from(bytes.clone())).collect(),
            digest: digest(crls, certificates),
        })
    }

    /// No collateral: issuing CAs come from the table or the evidence, and revocation is `absent` wherever a
    /// CRL is needed.
    #[must_use]
    pub fn empty() -> Self {
        Self { crls: Vec::new(), certificates: Vec::new(), digest: digest(&[], &[]) }
    }

    /// Digest of all of it; nothing cached under another digest is used.
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.digest
    }

    /// The metadata of the CRLs.
    pub fn crl_summaries(&self) -> impl Iterator<Item = CrlSummary> {
        self.crls.iter().map(|crl| CrlSummary {
            issuer: crl.issuer.clone(),
            this_update: crl.this_update,
            next_update: crl.next_update,
            number: crl.number.clone(),
            revoked: crl.revoked.len(),
        })
    }

    pub(super) fn crls(&self) -> &[Crl] {
        &self.crls
    }

    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

/// Sorts the content of a file, PEM or one DER item, into CRLs and certificates.
///
/// # Errors
/// When the file contains neither.
pub fn read_file(
    file: &[u8],
    crls: &mut Vec<Vec<u8>>,
    certificates: &mut Vec<Vec<u8>>,
) -> Result<(), CollateralError> {
    if file.first() == Some(&der::SEQUENCE) {
        if Certificate::parse(file).is_some() {
            certificates.push(file.to_vec());
        } else if Crl::parse(file).is_ok() {
            crls.push(file.to_vec());
        } else {
            return Err(CollateralError::Unrecognised);
        }
        return Ok(());
    }
    let before = crls.len() + certificates.len();
    for certificate in CertificateDer::pem_slice_iter(file) {
        certificates.push(certificate.map_err(|_| CollateralError::Unrecognised)?.to_vec());
    }
    for crl in CertificateRevocationListDer::pem_slice_iter(file) {
        crls.push(crl.map_err(|_| CollateralError::Unrecognised)?.to_vec());
    }
    if crls.len() + certificates.len() == before { Err(CollateralError::Unrecognised) } else { Ok(()) }
}

/// SHA-256(label || for each item: kind (1) || SHA-256(item)), kind 1 a CRL, 2 a certificate.
fn digest(crls: &[Vec<u8>], certificates: &[Vec<u8>]) -> Digest32 {
    let mut parts = b"vouchsafe/v1 collateral".to_vec();
    let kinds = [(1, crls), (2, certificates)];
    for (kind, item) in kinds.into_iter().flat_map(|(kind, items)| items.iter().map(move |item| (kind, item)))
    {
        parts.push(kind);
        parts.extend_from_slice(Digest32::of(item).as_bytes());
    }
    Digest32::of(&parts)
}
