//! `/v1/baselines`; `show` uses the types of [documents](super::documents).

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::ObjectName;

pub use vouchsafe_keystore::registry::{BaselineState, BaselineSummary};

/// `revoke`: permanently, no VM is a member of the baseline.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeBaseline {
    /// The baseline.
    pub name: ObjectName,
}

/// Answer of `put` and `revoke`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangedBaseline {
    /// The baseline.
    pub name: ObjectName,
    /// The version in force from now on; `None` when it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The policies that name it and that the operator may read.
    pub policies: Vec<ObjectName>,
}
