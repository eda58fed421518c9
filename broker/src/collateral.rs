//! Collateral: what verification needs beside the evidence, fetched off the hot path and kept on disk.
//!
//! CRLs, issuing CAs, certificates of AMD chips, Intel's collateral for TDX, Google's launch endorsements and the
//! keys of its tokens. Nothing in here is trusted but those keys: a CRL counts only where its signature verifies
//! under the issuer of the certificate in question, a CA must chain to an anchor, everything else is verified
//! with the evidence. A release takes what is there and never waits: what it misses is fetched for the next one.

mod addresses;
mod client;
mod contents;
mod fetch;
mod folder;
mod intel;
mod jobs;
mod notes;
mod pace;
mod service;
mod status;
mod wanted;

use std::io;
use std::path::PathBuf;

use vouchsafe_attestation::Endorsements;
use vouchsafe_attestation::chain::{Collateral, CollateralError};
use vouchsafe_attestation::google_token::TokenKeysError;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::bundle::BundleError;

pub use addresses::CollateralConfig;
pub use client::FetchError;
pub(crate) use contents::is_key_set;
pub use folder::CollateralFolder;
pub(crate) use intel::Described;
pub use intel::{TdxFlaw, TdxPart};
pub use service::CollateralService;
pub use status::{CollateralStatus, CrlStatus, ItemStatus};
pub use wanted::{Chip, Measured, Wanted, unendorsed, wanted};

/// Why collateral was not loaded or imported.
#[derive(Debug, thiserror::Error)]
pub enum CollateralFileError {
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are no collateral.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A file of the folder is not what its name says.
    #[error("{}: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: ContentError,
    },
    /// The system gives no threads.
    #[error("cannot start collateral threads: {0}")]
    Threads(io::Error),
}

/// Why bytes are not taken as collateral.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// CRLs and certificates.
    #[error(transparent)]
    Der(#[from] CollateralError),
    /// Intel's collateral.
    #[error(transparent)]
    Tdx(#[from] TdxFlaw),
    /// A key set.
    #[error(transparent)]
    TokenKeys(#[from] TokenKeysError),
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A measurement is not 96 digits of hex.
    #[error("a launch endorsement is imported for a measurement, 96 digits of lower-case hex")]
    Measurement,
    /// No launch endorsement for this measurement.
    #[error("no launch endorsement with measurement {measurement}")]
    Endorsement {
        /// What it is said to be for.
        measurement: Digest48,
    },
}

/// Collateral as the verifier takes it.
#[derive(Debug)]
pub struct Loaded {
    /// CRLs and issuing CAs.
    pub collateral: Collateral,
    /// What vendors publish about their platforms.
    pub endorsements: Endorsements,
}

#[cfg(test)]
mod tests;
