//! Collateral: what verification needs beside the evidence, fetched off the hot path and kept on disk.
//!
//! CRLs, issuing CAs, certificates of AMD chips, Intel's collateral for TDX, Google's launch endorsements and the
//! keys of its tokens. Nothing in here is trusted but those keys: a CRL counts only where its signature verifies
//! under the issuer of the certificate in question, a CA must chain to an anchor, everything else is verified
//! with the evidence. And nothing that serves gives way to what does not verify, is not current or was issued
//! before it: whoever stands between the broker and a vendor cannot take away what serves. A release takes what
//! is there and never waits: what it misses is fetched for the next one.

mod addresses;
mod checks;
mod client;
mod contents;
mod fetch;
mod folder;
mod in_use;
mod intel;
mod jobs;
mod lists;
mod notes;
mod pace;
mod service;
mod status;
mod wanted;

use std::io;
use std::path::PathBuf;

use vouchsafe_attestation::chain::{Collateral, CollateralError};
use vouchsafe_attestation::google_token::TokenKeysError;
use vouchsafe_attestation::launch::LaunchError;
use vouchsafe_attestation::tdx::TdxError;
use vouchsafe_attestation::{Endorsements, Root};
use vouchsafe_protocol::bundle::BundleError;
use vouchsafe_protocol::{Digest32, Digest48, UnixTime};

pub use addresses::CollateralConfig;
pub use client::FetchError;
pub(crate) use contents::{is_bundle, is_key_set, split};
pub use folder::CollateralFolder;
pub(crate) use in_use::IssuersInUse;
pub(crate) use intel::Described;
pub use intel::{TdxFlaw, TdxPart};
pub(crate) use jobs::{Asker, Prospect};
pub use service::CollateralService;
pub use status::{CollateralStatus, CrlStatus, ItemStatus};
pub use wanted::{Chip, Issuer, Measured, Wanted, unendorsed, wanted};

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
    /// No item has this digest.
    #[error("there is no item with digest {digest}")]
    Unknown {
        /// The digest.
        digest: Digest32,
    },
    /// CRLs and certificates.
    #[error(transparent)]
    Der(#[from] CollateralError),
    /// Intel's collateral.
    #[error(transparent)]
    Tdx(#[from] TdxFlaw),
    /// Intel's collateral, which does not verify.
    #[error("{0}")]
    TdxRefused(Box<TdxError>),
    /// No anchor signed a list.
    #[error("not signed by an issuer that is trusted")]
    CrlNotSigned,
    /// A list from the future.
    #[error("not valid before {from}")]
    CrlNotYetValid {
        /// When it becomes valid.
        from: UnixTime,
    },
    /// The list's successor is due, and the one that is there is current.
    #[error("overdue since {until:?}, and the one that is there is current")]
    CrlExpired {
        /// When its successor was due.
        until: Option<UnixTime>,
    },
    /// Issued before the list that is there.
    #[error("issued at {found}, and there is one issued at {known}")]
    CrlOlder {
        /// When this one was.
        found: UnixTime,
        /// When the known one was.
        known: UnixTime,
    },
    /// An extra anchor vouches for it, and a built-in one for what is there.
    #[error("an extra anchor vouches for it, and the root {known:?} for the one that is there")]
    ExtraAnchor {
        /// The root of the known one.
        known: Root,
    },
    /// A launch endorsement that does not verify.
    #[error("launch endorsement: {0}")]
    LaunchRefused(Box<LaunchError>),
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

impl From<TdxError> for ContentError {
    fn from(error: TdxError) -> Self {
        Self::TdxRefused(Box::new(error))
    }
}

impl From<LaunchError> for ContentError {
    fn from(error: LaunchError) -> Self {
        Self::LaunchRefused(Box::new(error))
    }
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
