//! `/v1/secrets`. No answer carries a value.

use serde::{Deserialize, Serialize};
use vouchsafe_policy::Purpose;
use vouchsafe_protocol::{Bytes, ObjectName, SecretPath};

pub use vouchsafe_keystore::registry::{SecretSummary, VersionState, VersionSummary};

/// Query of `show`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowSecret {
    /// The secret.
    pub path: SecretPath,
}

/// `put`: a secret, or a new version of it. The value is never printed: `Debug` shows its length.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutSecret {
    /// The path of the secret.
    pub path: SecretPath,
    /// The purpose of the secret; the policy must have the same.
    #[serde(rename = "for")]
    pub purpose: Purpose,
    /// The policy that guards it, of its own namespace or of `shared`.
    pub policy: ObjectName,
    /// At most [`MAX_SECRET`](vouchsafe_protocol::limits::MAX_SECRET) bytes.
    pub value: Bytes,
}

/// `generate`: a value that no operator ever sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerateSecret {
    /// The path of the secret.
    pub path: SecretPath,
    /// The purpose of the secret; the policy must have the same.
    #[serde(rename = "for")]
    pub purpose: Purpose,
    /// The policy that guards it, of its own namespace or of `shared`.
    pub policy: ObjectName,
    /// Derive a value per instance on release; then `length` has no effect.
    #[serde(default)]
    pub per_instance: bool,
    /// Bytes, 16 to 1024.
    #[serde(default = "default_length")]
    pub length: usize,
}

const fn default_length() -> usize {
    32
}

/// Answer of `put` and `generate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretVersion {
    /// The path of the secret.
    pub path: SecretPath,
    /// The version that is released from now on.
    pub version: u64,
}

/// `set-policy`: moves a secret to another policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPolicy {
    /// The secret.
    pub path: SecretPath,
    /// Its new policy, which must have the same purpose.
    pub policy: ObjectName,
}

/// `retire`, `restore` and `destroy`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeVersion {
    /// The secret.
    pub path: SecretPath,
    /// One version; `None` for all of them. With `restore`, `None` means those that the last retirement of
    /// the whole secret retired.
    #[serde(default)]
    pub version: Option<u64>,
}
