//! `/v1/policies`; `put` and `show` are those of [documents](super::documents).

use serde::{Deserialize, Serialize};
use vouchsafe_policy::{CompiledPolicy, Note, Purpose};
use vouchsafe_protocol::{DecisionId, Digest32, ObjectName, SecretPath, UnixTime};

/// One policy of the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedPolicy {
    /// Its name.
    pub name: ObjectName,
    /// Its current version.
    pub version: u64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// What registration would refuse today: a baseline was revoked or has ended since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// Answer of `check`: the policy would be taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckedPolicy {
    /// Under which name.
    pub name: ObjectName,
    /// SHA-256 of the text.
    pub digest: Digest32,
    /// What it is for; `None` guards no secret.
    #[serde(rename = "for")]
    pub purpose: Option<Purpose>,
    /// Those that it names.
    pub baselines: Vec<ObjectName>,
    /// What the policy allows that may not have been intended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl CheckedPolicy {
    /// What a check found that refuses nothing.
    #[must_use]
    pub fn new(name: ObjectName, policy: &CompiledPolicy, notes: &[Note]) -> Self {
        Self {
            name,
            digest: policy.digest(),
            purpose: policy.purpose(),
            baselines: policy.baselines().iter().cloned().collect(),
            notes: notes.iter().map(ToString::to_string).collect(),
        }
    }
}

/// `diff`: which recorded decisions another text would change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDiffRequest {
    /// The policy.
    pub name: ObjectName,
    /// The version to compare with; the current one unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The other text.
    pub text: String,
    /// How many of the last records to look at, 1 to 1000.
    pub decisions: u32,
}

/// Answer of `diff`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// Releases under this policy that were decided again, one for each path.
    pub replayed: usize,
    /// Decisions whose evidence is no longer there or no longer verifies.
    pub without_evidence: usize,
    /// Older decisions that were not looked at: the work is bounded.
    pub not_compared: usize,
    /// Those that the other text would change.
    pub changed: Vec<ChangedDecision>,
}

/// A release that the two texts decide differently.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangedDecision {
    /// Under which it is on record.
    pub decision: DecisionId,
    /// When it was decided.
    pub at: UnixTime,
    /// The secret.
    pub path: SecretPath,
    /// `project number/instance id`, where the evidence names an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whether the stored text releases.
    pub before: bool,
    /// Whether the other text releases.
    pub after: bool,
    /// Why the one of the two denies that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}
