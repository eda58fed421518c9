//! Collateral: fetched off the hot path, stored on disk, and given to the verifier as one value.
//!
//! CRLs, issuing CAs, certificates of AMD chips, Intel's collateral for TDX, Google's launch endorsements and the keys of
//! its tokens. What is accepted, and what replaces what, is decided by [`vouchsafe_attestation::collateral`]; here are
//! addresses, requests, retries, files and threads. A release uses what is loaded and never waits: what it lacked is fetched
//! for the next one.

mod addresses;
mod client;
mod fetch;
mod folder;
mod in_use;
mod intel;
mod jobs;
mod pace;
mod service;
mod status;

use std::io;
use std::path::PathBuf;

use vouchsafe_attestation::collateral::ItemError;

pub use addresses::CollateralConfig;
pub use client::FetchError;
pub use folder::CollateralFolder;
pub(crate) use in_use::IssuersInUse;
pub(crate) use jobs::{Asker, Prospect};
pub use service::CollateralService;
pub use status::{CollateralStatus, CrlStatus, ItemStatus};

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
        /// What is wrong.
        source: ItemError,
    },
    /// The system could not start a thread.
    #[error("cannot start collateral threads: {0}")]
    Threads(io::Error),
}

#[cfg(test)]
mod tests;
