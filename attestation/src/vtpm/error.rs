//! The reasons to refuse vTPM evidence.

use super::attest::AttestError;
use super::instance_info::InstanceInfoError;
use super::signature::TpmSignatureError;
use crate::event_log::EventLogError;
use crate::pcr_set::PcrSet;
use crate::x509::ChainError;
use crate::x509::UnknownIssuer;

/// vTPM evidence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VtpmError {
    /// The quote cannot be read.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// The signature cannot be read.
    #[error(transparent)]
    Signature(#[from] TpmSignatureError),
    /// The quote was made for another request.
    #[error("the quote was not made for this request")]
    NonceMismatch,
    /// The chain of the AK certificate is refused.
    #[error("AK certificate: {0}")]
    Chain(#[from] ChainError),
    /// The issuing CA of the AK certificate is unknown: Google has many CAs with the same name.
    #[error("AK certificate: {0}")]
    UnknownIssuer(Box<UnknownIssuer>),
    /// The certificate has no key usage.
    #[error("the AK certificate has no key usage")]
    KeyUsageMissing,
    /// A parser that ignores the extension would not know what the key is for.
    #[error("the key usage of the AK certificate is not critical")]
    KeyUsageNotCritical,
    /// An endorsement key, or another key that does not sign.
    #[error("the certificate is not that of a signing key")]
    NotASigningKey,
    /// A key that does more than sign is not a restricted signing key.
    #[error("the certified key may do more than sign")]
    MoreThanASigningKey,
    /// Neither RSA of 2048 to 4096 bits with exponent 65537 nor P-256 or P-384.
    #[error("the attestation key is of no supported kind")]
    UnsupportedKey,
    /// The instance-info extension cannot be read.
    #[error("instance info of the AK certificate: {0}")]
    InstanceInfo(#[from] InstanceInfoError),
    /// Not exactly one bank is quoted.
    #[error("{count} PCR selections: exactly one is accepted")]
    SelectionCount {
        /// Number of selections.
        count: usize,
    },
    /// Another bank than SHA-256.
    #[error("the quoted bank {algorithm:#06x} is not SHA-256")]
    BankNotSha256 {
        /// Its TCG number.
        algorithm: u16,
    },
    /// A bitmap of another size than three bytes.
    #[error("a PCR bitmap of {size} bytes: three are accepted")]
    SelectionSize {
        /// Its size.
        size: u8,
    },
    /// The quote does not cover the required PCRs.
    #[error("the quote covers PCRs {}, expected {}", PcrSet(*found), PcrSet(*expected))]
    SelectedPcrs {
        /// The quoted ones, bit i for PCR i.
        found: u32,
        /// The required ones: at least these, or exactly these.
        expected: u32,
    },
    /// Values are given for other PCRs than the quoted ones.
    #[error("values are given for PCRs {}, the quote covers {}", PcrSet(*found), PcrSet(*quoted))]
    GivenPcrs {
        /// Given, bit i for PCR i.
        found: u32,
        /// Quoted, in the same format.
        quoted: u32,
    },
    /// The values are not the quoted ones.
    #[error("the PCR values do not hash to the quoted digest")]
    PcrDigestMismatch,
    /// The signer is not the key that GCE's template makes in the endorsement hierarchy.
    #[error("the quote names another signer than the certified key")]
    QualifiedSignerMismatch,
    /// The signature scheme is not that of the certified key.
    #[error("the signature scheme is not that of the certified key")]
    SchemeMismatch,
    /// The signature does not verify.
    #[error("the quote's signature does not verify")]
    SignatureInvalid,
    /// The log is refused, or does not match these PCRs.
    #[error("event log: {0}")]
    EventLog(#[from] EventLogError),
}
