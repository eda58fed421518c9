//! `/v1/decisions`; the evidence of one is an [`Evidence`](vouchsafe_protocol::Evidence).

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{DecisionId, SecretPath, UnixTime};

pub use vouchsafe_keystore::record::{LogRecord, Outcome};

/// Query of `show` and `evidence`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowDecision {
    /// The decision.
    pub id: DecisionId,
}

/// Query of the list. A member that is `None` does not filter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDecisions {
    /// Only decisions with this outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Only those that concern this secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<SecretPath>,
    /// Only those of this VM: `project number/instance id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Only decisions at or after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixTime>,
    /// Only decisions before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixTime>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most this many, 1 to 1000; default: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Refusals that are kept in memory instead of those in the log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remembered: bool,
}

/// Answer of the list, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DecisionPage {
    /// The records.
    pub records: Vec<Decision>,
    /// `before` of the next page; `None` when this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A decision, or a change by an operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// Its index in the log, from 0; `None` when it is only in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The record as it is in the log.
    pub record: LogRecord,
}
