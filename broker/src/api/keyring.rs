//! `/v1/keyring`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
pub use vouchsafe_keystore::keyring::GenerationState;
pub use vouchsafe_keystore::rotation::{Resealed, UnreadableRow};
use vouchsafe_protocol::UnixTime;

/// A generation of the keyring, never its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generation {
    /// Its number, from 1.
    pub generation: u32,
    /// Whether it is used for everything new, not yet, or only to open.
    pub state: GenerationState,
    /// When it was made.
    pub created_at: UnixTime,
    /// When it was retired; `null` if it was not.
    pub retired_at: Option<UnixTime>,
    /// How many rows of each table need it; tables without any are left out.
    pub rows: BTreeMap<String, u64>,
}

/// Answer of `add` and `promote`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangedGeneration {
    /// The generation that was added or promoted.
    pub generation: u32,
}

/// `remove`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveGeneration {
    /// The generation to remove.
    pub generation: u32,
}
