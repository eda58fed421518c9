//! `/v1/identities`.

use serde::{Deserialize, Serialize};
pub use vouchsafe_keystore::registry::IdentityState;
use vouchsafe_protocol::{BrokerIdentity, UnixTime};

/// An identity of the broker, never its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The identity, as guests pin it.
    pub identity: BrokerIdentity,
    /// Whether it signs, not yet, not any more, or is gone.
    pub state: IdentityState,
    /// When it was made; `null` for the one that the broker was made with.
    pub created_at: Option<UnixTime>,
    /// Since when it is in this state; `null` if that is since the broker was made.
    pub since: Option<UnixTime>,
    /// Until when guests that pin only this previous one accept the one that signs; `null` if they do not.
    pub accepted_until: Option<UnixTime>,
}

/// Answer of `add` and `promote`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangedIdentity {
    /// The identity that was added or promoted.
    pub identity: BrokerIdentity,
}

/// `promote`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoteIdentity {
    /// The next identity. If it was promoted already, with the same overlap, nothing changes.
    pub identity: BrokerIdentity,
    /// For how many seconds guests that pin only the identity before accept the promoted one; 0 for none.
    pub overlap: u64,
}

/// `remove`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveIdentity {
    /// The identity to remove.
    pub identity: BrokerIdentity,
}

/// Answer of `remove`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RemovedIdentity {
    /// Whether its sealed key is in no file of the database any more.
    pub erased: bool,
}
