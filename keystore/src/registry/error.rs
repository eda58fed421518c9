//! Why a document was not registered.

use vouchsafe_policy::{BaselineError, CheckFailures, Dropped, PolicyError, PurposeMismatch};
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::documents::types::DocumentError;
use crate::db::StoreError;

/// Why a document was rejected, or could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The policy does not parse or validate.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The policy parses, but its check has findings.
    #[error(transparent)]
    Check(#[from] CheckFailures),
    /// The policy's purpose differs from that of a secret under it.
    #[error(transparent)]
    Purpose(#[from] PurposeMismatch),
    /// The baseline is not valid.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// Policies rely on the baseline for measurements that this version does not list.
    #[error(
        "with this version of baseline {name}, policies that name it would leave something open: {}",
        policies.iter().map(|opened| format!("{}: {}", opened.policy, opened.findings)).collect::<Vec<_>>().join("; ")
    )]
    OpensPolicies {
        /// The baseline.
        name: ObjectName,
        /// The policies, each with its findings.
        policies: Vec<PolicyFindings>,
    },
    /// The baseline has expired: no VM would ever be a member.
    #[error("baseline {name} has expired (ends_at {ends_at}): set a later ends_at, or learn it again")]
    EndedBaseline {
        /// Its name.
        name: ObjectName,
        /// When it expired.
        ends_at: UnixTime,
    },
    /// Component lists that do not count any more would count again.
    #[error(
        "with this version of baseline {name}, older component lists would count again: set update_version to at least {least}"
    )]
    LowersUpdateVersion {
        /// The baseline.
        name: ObjectName,
        /// The lowest version of a list that counts in the version in force.
        least: u32,
    },
    /// The guardrails omit or change shipped rules, and the operator did not name these.
    #[error("{}", drops(rules))]
    DropsShippedRules {
        /// The rules by id, and how the text differs from each.
        rules: Vec<(String, Dropped)>,
    },
    /// A rule is named as dropped, but is not.
    #[error("rule {id:?} is not dropped: it is in the text as shipped, or no shipped rule has this id")]
    NotDropped {
        /// Its id.
        id: String,
    },
    /// Storage.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Document(error.into())
    }
}

fn drops(rules: &[(String, Dropped)]) -> String {
    let list: Vec<_> = rules.iter().map(|(id, how)| format!("{id} ({how})")).collect();
    format!("these guardrails drop shipped rules: {}; confirm each one with --drop ID", list.join(", "))
}

/// A policy with its findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFindings {
    /// The policy.
    pub policy: ObjectName,
    /// The findings; never empty.
    pub findings: CheckFailures,
}
