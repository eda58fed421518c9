//! `/v1/policies`; `put` and `show` use the types of [documents](super::documents).

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
    /// Why registration would reject the policy today, such as a baseline that has been revoked or has
    /// expired since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// Answer of `check`: the policy would be accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckedPolicy {
    /// The name that it would be registered under.
    pub name: ObjectName,
    /// SHA-256 of the text.
    pub digest: Digest32,
    /// The purpose of its secrets; `None` for a policy under which no secret can be put.
    #[serde(rename = "for")]
    pub purpose: Option<Purpose>,
    /// The baselines that it names.
    pub baselines: Vec<ObjectName>,
    /// What the policy accepts that may not have been intended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl CheckedPolicy {
    /// The answer for an accepted policy, with findings that do not reject it.
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

/// `diff`: which recorded decisions a new policy text would change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDiffRequest {
    /// The policy.
    pub name: ObjectName,
    /// The version to compare with; the current one unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The new text.
    pub text: String,
    /// How many of the latest records that the operator may read to evaluate, 1 to 1000.
    pub decisions: u32,
}

/// Answer of `diff`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// Releases under this policy that were evaluated again, counted per path.
    pub replayed: usize,
    /// Decisions whose evidence is no longer kept or no longer verifies.
    pub without_evidence: usize,
    /// Older decisions that were not evaluated, because the work is bounded.
    pub not_compared: usize,
    /// Those that the new text would change.
    pub changed: Vec<ChangedDecision>,
}

/// A release that the two texts decide differently.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangedDecision {
    /// The decision's id in the log.
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
    /// Whether the new text releases.
    pub after: bool,
    /// Why the text that denies does so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}
