//! Metadata of each item: source, fetch time and validity.
//!
//! It only saves requests: without it everything is fetched again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{Digest32, UnixTime};

/// Metadata of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The address, or `import`.
    pub(crate) source: String,
    /// When it was fetched, or last found to be current.
    pub(crate) fetched_at: UnixTime,
    /// End of validity, if the item has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid_until: Option<UnixTime>,
}

/// Metadata by SHA-256 of the item.
pub(crate) type Notes = BTreeMap<Digest32, Note>;

/// The source of items imported by an operator.
pub(crate) const IMPORTED: &str = "import";
