//! Collateral: fetched off the hot path, stored on disk, and given to the verifier as one value.
//!
//! CRLs, issuing CAs, certificates of AMD chips, Intel's collateral for TDX, Google's launch endorsements and
//! token keys. [`vouchsafe_attestation::collateral`] decides what is accepted and what it replaces; this
//! module has URLs, requests, retries, files and threads. A release uses what is loaded and never waits: what
//! it lacked is fetched for later requests.

mod addresses;
mod client;
mod error;
mod fetch;
mod folder;
mod in_use;
mod jobs;
mod managed;
mod names;
mod pace;
mod restore;
mod service;
mod shared;
pub(crate) mod status;
mod tdx_file;
mod worker;

pub use client::FetchError;
pub use error::{CollateralFileError, FileFlaw};
pub use folder::CollateralFolder;
pub(crate) use in_use::IssuersInUse;
pub(crate) use jobs::{Asker, Prospect};
#[cfg(test)]
pub(crate) use managed::ManagedCollateral;
pub use service::CollateralService;
pub use status::{CollateralStatus, CrlStatus, ItemStatus};

#[cfg(test)]
mod tests;
