//! Why no evidence was collected.

use std::path::PathBuf;

use vouchsafe_protocol::evidence::EvidenceSizeError;
use vouchsafe_system::pem;

use crate::google_token::TokenError;
use crate::hardware::{HardwareError, HardwareKind};
use crate::vtpm::VtpmError;

/// Why no evidence was collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The VM has neither a TPM nor a device of the processor.
    #[error("this VM has no source of evidence: no TPM, and no SNP or TDX device")]
    NothingToShow,
    /// The vTPM failed.
    #[error("vTPM: {0}")]
    Vtpm(#[from] VtpmError),
    /// The processor's device failed.
    #[error("{kind}: {source}")]
    Hardware {
        /// The kind.
        kind: HardwareKind,
        /// The error.
        source: HardwareError,
    },
    /// No token was issued.
    #[error("Google Cloud Attestation: {0}")]
    Token(#[from] TokenError),
    /// A file with issuing CAs could not be read.
    #[error("{}: {source}", path.display())]
    Issuers {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: pem::Error,
    },
    /// A piece exceeds the broker's limit.
    #[error(transparent)]
    TooLarge(#[from] EvidenceSizeError),
}

impl CollectError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Token(error) if error.may_pass())
    }
}
