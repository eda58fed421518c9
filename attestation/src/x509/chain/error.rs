//! Every reason to refuse a chain.

use vouchsafe_protocol::UnixTime;

/// Why a chain is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// More certificates than any real chain has.
    #[error("{found} certificates came with the leaf: the limit is {limit}")]
    TooManyCertificates {
        /// Number of certificates in addition to the leaf.
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
    /// A critical extension that this verifier does not support.
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

pub(super) fn refusal(error: webpki::Error) -> ChainError {
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
