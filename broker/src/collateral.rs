//! Collateral: signed data that verification needs beside the evidence, fetched in the background and kept on
//! disk.
//!
//! CRLs, issuing CAs, certificates of AMD chips, Intel's collateral for TDX, Google's launch endorsements and
//! token keys. Nothing here is trusted except those keys: a CRL counts only if the issuer of the certificate
//! in question signed it, a CA must chain to an anchor, everything else is verified with the evidence.
//! Collateral in use is never replaced by an item that does not verify, is not current or was issued earlier,
//! so an attacker between the broker and a vendor cannot remove it. A release uses what is stored and never
//! waits: what it lacks is fetched for later requests.

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
        /// The error of the operating system.
        source: io::Error,
    },
    /// The bytes are not usable collateral.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The content of a file in the folder does not match its name.
    #[error("{}: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The mismatch.
        source: ContentError,
    },
    /// The system could not start a thread.
    #[error("cannot start collateral threads: {0}")]
    Threads(io::Error),
}

/// Why an item is not accepted as collateral.
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
    /// Intel's collateral does not verify.
    #[error("{0}")]
    TdxRefused(Box<TdxError>),
    /// No anchor signed the CRL.
    #[error("not signed by a trusted issuer")]
    CrlNotSigned,
    /// The CRL's `thisUpdate` is in the future.
    #[error("not valid before {from}")]
    CrlNotYetValid {
        /// When it becomes valid.
        from: UnixTime,
    },
    /// The CRL's `nextUpdate` has passed, and the stored one is current.
    #[error("overdue since {until:?}, and the stored one is current")]
    CrlExpired {
        /// Its `nextUpdate`.
        until: Option<UnixTime>,
    },
    /// Issued before the stored CRL.
    #[error("issued at {found}, before the stored one ({known})")]
    CrlOlder {
        /// When this one was issued.
        found: UnixTime,
        /// When the stored one was issued.
        known: UnixTime,
    },
    /// It chains to an extra anchor, the stored item to a built-in one.
    #[error("it chains to an extra anchor, the stored one to the root {known:?}")]
    ExtraAnchor {
        /// The root of the stored item.
        known: Root,
    },
    /// The launch endorsement does not verify.
    #[error("launch endorsement: {0}")]
    LaunchRefused(Box<LaunchError>),
    /// A key set.
    #[error(transparent)]
    TokenKeys(#[from] TokenKeysError),
    /// A bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The measurement is not 96 hex digits.
    #[error("a launch endorsement is imported for a measurement: give 96 digits of lower-case hex")]
    Measurement,
    /// The file is not a launch endorsement for this measurement.
    #[error("not a launch endorsement for measurement {measurement}")]
    Endorsement {
        /// The measurement given by the operator.
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

/// Collateral in the form that the verifier takes.
#[derive(Debug)]
pub struct Loaded {
    /// CRLs and issuing CAs.
    pub collateral: Collateral,
    /// What vendors publish about their platforms.
    pub endorsements: Endorsements,
}

#[cfg(test)]
mod tests;
