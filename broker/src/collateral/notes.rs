//! What is known of each item beside its bytes: from where and when it came, and until when it is good.
//!
//! Worth nothing but saved requests: without these notes everything is fetched once more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{Digest32, UnixTime};

/// One item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The address, or `import`.
    pub(crate) source: String,
    /// When it came, or was last found to be current.
    pub(crate) fetched_at: UnixTime,
    /// Until when it is good, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid_until: Option<UnixTime>,
}

/// Notes by SHA-256 of the item.
pub(crate) type Notes = BTreeMap<Digest32, Note>;

/// How items that came from an operator are marked.
pub(crate) const IMPORTED: &str = "import";
