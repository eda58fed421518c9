//! The reasons to refuse a launch endorsement.

use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;

use crate::x509::ChainError;

/// Why a launch endorsement was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// Larger than any real one.
    #[error("an endorsement has {found} bytes: the limit is {limit}")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Not a `VMLaunchEndorsement` around a `VMGoldenMeasurement`.
    #[error("not a launch endorsement")]
    Malformed,
    /// A field is missing or has the wrong length.
    #[error("field {name} is missing or malformed")]
    Field {
        /// Its name in Google's message.
        name: &'static str,
    },
    /// The endorsement names no build, although Google names builds since before its date.
    #[error("made at {timestamp} without naming a build")]
    NoProvenance {
        /// When it was made.
        timestamp: UnixTime,
    },
    /// The CA bundle is not PEM with certificates.
    #[error("the CA bundle is not PEM with certificates")]
    Bundle,
    /// The signer's chain does not verify.
    #[error("signer's chain: {0}")]
    Chain(#[from] ChainError),
    /// The signer's key usage does not include signatures.
    #[error("key usage of the signer excludes signatures")]
    SignerKeyUsage,
    /// The signer's key is not RSA with 4096 bits.
    #[error("the signer's key is not RSA-4096")]
    SignerKey,
    /// The signature does not verify.
    #[error("endorsement signature does not verify")]
    SignatureInvalid,
    /// It endorses nothing for this technology.
    #[error("nothing is endorsed for this technology")]
    OtherTechnology,
    /// It endorses other measurements.
    #[error("measurement {measurement} is not endorsed")]
    NotEndorsed {
        /// The requested measurement.
        measurement: Digest48,
    },
}

impl LaunchError {
    /// Whether it is malformed, rather than refused for its content.
    pub(crate) const fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::Malformed
                | Self::Field { .. }
                | Self::Bundle
                | Self::Chain(
                    ChainError::Malformed
                        | ChainError::CertificateTooLarge { .. }
                        | ChainError::TooManyCertificates { .. }
                )
        )
    }
}
