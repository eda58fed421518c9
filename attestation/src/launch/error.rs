//! Every reason to refuse a launch endorsement.

use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;

use crate::chain::ChainError;

/// A launch endorsement is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// Larger than any real one.
    #[error("{found} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size.
        found: usize,
        /// What is read.
        limit: usize,
    },
    /// Not a `VMLaunchEndorsement` around a `VMGoldenMeasurement`.
    #[error("not a launch endorsement")]
    Malformed,
    /// A field is missing or not of its length.
    #[error("field {name} is missing or malformed")]
    Field {
        /// Its name in Google's message.
        name: &'static str,
    },
    /// Made since Google names the build, and names none.
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
    /// The signer's certificate is not for signatures.
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
        /// The measurement in question.
        measurement: Digest48,
    },
}

impl LaunchError {
    /// Whether it is malformed, rather than refused for what it says.
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
