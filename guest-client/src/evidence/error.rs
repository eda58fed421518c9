//! Why there is no evidence.

use std::path::PathBuf;

use vouchsafe_protocol::evidence::EvidenceSizeError;
use vouchsafe_system::pem;

use crate::google_token::TokenError;
use crate::hardware::{HardwareError, HardwareKind};
use crate::vtpm::VtpmError;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Neither a TPM nor a device of the processor.
    #[error("this VM has nothing to show: no TPM, and no SNP or TDX device")]
    NothingToShow,
    /// The vTPM failed.
    #[error("vTPM: {0}")]
    Vtpm(#[from] VtpmError),
    /// The device of the processor failed.
    #[error("{kind}: {source}")]
    Hardware {
        /// Of which kind.
        kind: HardwareKind,
        /// How it failed.
        source: HardwareError,
    },
    /// There is no token.
    #[error("Google Cloud Attestation: {0}")]
    Token(#[from] TokenError),
    /// A file with issuing CAs could not be read.
    #[error("{}: {source}", path.display())]
    Issuers {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        source: pem::Error,
    },
    /// A piece is larger than what the broker reads.
    #[error(transparent)]
    TooLarge(#[from] EvidenceSizeError),
}

impl CollectError {
    /// True when the same request may do better later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Token(error) if error.may_pass())
    }
}
