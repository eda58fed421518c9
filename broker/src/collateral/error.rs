//! Errors of the collateral folder and its service.

use std::io;
use std::path::{Path, PathBuf};

use vouchsafe_attestation::collateral::ItemError;
use vouchsafe_attestation::tdx::Platform;

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
    /// A file is damaged, and without it an older CRL or older collateral of Intel's could be accepted.
    #[error(
        "{}: {source}. The broker does not start without this CRL or collateral of Intel's, because an older one could \
         be accepted in its place. Restore the file from a backup; or move it away, start the broker and import the \
         latest one with `vouchsafe collateral import`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: FileFlaw,
    },
    /// The permit is for another action, which is a bug in the caller.
    #[error("the permission does not cover the management of collateral")]
    NotPermitted,
    /// The system could not start a thread.
    #[error("cannot start collateral threads: {0}")]
    Threads(io::Error),
}

impl CollateralFileError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// What is wrong with a file of the collateral folder.
#[derive(Debug, thiserror::Error)]
pub enum FileFlaw {
    /// Not such an item.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// The content has changed since it was stored.
    #[error("the SHA-256 of its content is not the one in its name")]
    Digest,
    /// Intel's collateral has changed since it was stored.
    #[error("the SHA-256 of its content is not the one in it")]
    Checksum,
    /// Intel's collateral for another platform than the one in the name.
    #[error("it is for platform {found}, which is not the one in its name")]
    Platform {
        /// The platform of the content.
        found: Platform,
    },
    /// Key sets are trusted as stored, so only those that this broker signed are read.
    #[error("not a key set that this broker signed")]
    KeySet,
    /// Metadata or Intel's collateral is not JSON of its form.
    #[error("not JSON of its form: {0}")]
    Json(#[from] serde_json::Error),
}
