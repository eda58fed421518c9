//! Metadata of each stored item: kind, source, fetch time and validity.
//!
//! It saves requests, without it every item is fetched once more, and it says of a damaged file what it was.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::bundle::CollateralKind;

/// Kind, origin and dates of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemMetadata {
    /// The address, or [`IMPORTED`].
    pub source: String,
    /// When it was fetched or imported, or last found to be current.
    pub fetched_at: UnixTime,
    /// End of validity, if the item states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<UnixTime>,
    /// Set when the item is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<CollateralKind>,
}

impl ItemMetadata {
    /// For an imported item, the broker that fetched it.
    pub(super) fn imported(fetched_at: UnixTime) -> Self {
        Self { source: IMPORTED.to_owned(), fetched_at, valid_until: None, kind: None }
    }
}

/// Metadata by SHA-256 of the item.
pub type MetadataByDigest = BTreeMap<Digest32, ItemMetadata>;

/// The source of items that an operator imported.
pub const IMPORTED: &str = "import";
