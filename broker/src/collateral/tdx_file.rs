//! The file of Intel's collateral for a platform: its members, and a checksum of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use vouchsafe_attestation::tdx::TdxCollateral;
use vouchsafe_protocol::Digest32;

/// The file, JSON. Its name has no digest, so that a new set replaces the old one in one step.
#[derive(Serialize, Deserialize)]
pub(super) struct TdxFile<'c> {
    #[serde(flatten)]
    collateral: Cow<'c, TdxCollateral>,
    /// SHA-256 of the collateral as [`TdxCollateral::to_json`] writes it; absent in files that the broker did not write.
    sha256: Option<Digest32>,
}

impl<'c> TdxFile<'c> {
    pub(super) fn new(collateral: &'c TdxCollateral) -> Self {
        Self { collateral: Cow::Borrowed(collateral), sha256: Some(collateral.digest()) }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings are JSON")
    }

    /// The collateral; `None` if its checksum is another one.
    pub(super) fn checked(self) -> Option<TdxCollateral> {
        let matches = self.sha256.is_none_or(|sha256| sha256 == self.collateral.digest());
        matches.then(|| self.collateral.into_owned())
    }
}
