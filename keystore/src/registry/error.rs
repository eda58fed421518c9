//! Why a document was not registered.

use vouchsafe_policy::{BaselineError, CheckFailures, Dropped, PolicyError, PurposeMismatch};
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::documents::types::DocumentError;
use crate::db::StoreError;

/// A document was refused, or could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The policy does not parse or validate.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The policy parses, and would guard badly.
    #[error(transparent)]
    Check(#[from] CheckFailures),
    /// The policy is for another purpose than a secret that rests on it.
    #[error(transparent)]
    Purpose(#[from] PurposeMismatch),
    /// The baseline is not valid.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// Policies count on the baseline for what this version of it does not list.
    #[error(
        "with this version of baseline {name}, policies that name it would leave something open: {}",
        policies.iter().map(|opened| format!("{}: {}", opened.policy, opened.findings)).collect::<Vec<_>>().join("; ")
    )]
    OpensPolicies {
        /// The baseline.
        name: ObjectName,
        /// The policies, each with what it would leave open.
        policies: Vec<PolicyFindings>,
    },
    /// The baseline has ended: nothing would ever be a member of it.
    #[error("baseline {name} has ended (ends_at {ends_at}): set a later ends_at, or learn it again")]
    EndedBaseline {
        /// Its name.
        name: ObjectName,
        /// When it ended.
        ends_at: UnixTime,
    },
    /// The guardrails lack shipped rules, or have them with other conditions, and the operator did not say so.
    #[error("{}", drops(rules))]
    DropsShippedRules {
        /// The rules by id, and how the text departs from each.
        rules: Vec<(String, Dropped)>,
    },
    /// A rule that is said to be dropped, and is not.
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

/// A policy, and what its check finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFindings {
    /// The policy.
    pub policy: ObjectName,
    /// What was found; never empty.
    pub findings: CheckFailures,
}
