//! Errors of the collateral folder and its service.

use std::io;
use std::path::PathBuf;

use vouchsafe_attestation::collateral::ItemError;

/// Why collateral was not loaded or imported.
#[derive(Debug, thiserror::Error)]
pub enum CollateralFileError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An item is not accepted.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// The content of a file in the folder does not match its name.
    #[error("{}: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: ItemError,
    },
    /// The permit is for another action, which is a bug in the caller.
    #[error("the permission does not cover the management of collateral")]
    NotPermitted,
    /// The system could not start a thread.
    #[error("cannot start collateral threads: {0}")]
    Threads(io::Error),
}
