//! `/v1/baseline-proposals` of operators.

use serde::{Deserialize, Serialize};
use vouchsafe_keystore::registry::Proposed;
use vouchsafe_policy::ExpiringEntries;
use vouchsafe_protocol::request::ProposedEvents;
use vouchsafe_protocol::{DecisionId, ObjectName, ProposalId, UnixTime};

pub use vouchsafe_keystore::proposals::{ProposalStatus, Proposer, SentList};

/// Query of the list. A member that is `None` does not filter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListProposals {
    /// Only those for this baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ObjectName>,
    /// Only those about which this was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ProposalStatus>,
}

/// A proposed update of a baseline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// The baseline.
    pub baseline: ObjectName,
    /// The id, the same for all VMs with this update.
    pub id: ProposalId,
    /// What was decided about it.
    pub status: ProposalStatus,
    /// Whether signed component lists approved it, in place of an operator.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approved_by_list: bool,
    /// The component lists sent by the VM that asked last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<SentList>,
    /// What the baseline would have to allow.
    pub new: ProposedEvents,
    /// Entries of the baseline that the VMs do not need any more after the update.
    pub replaced: ExpiringEntries,
    /// When it was first proposed.
    pub proposed_at: UnixTime,
    /// The VMs that ask for it, at most 32.
    pub proposers: Vec<Proposer>,
    /// The newest record of it.
    pub decision: DecisionId,
}

/// `approve`: the baseline allows the update from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveProposal {
    /// The baseline.
    pub baseline: ObjectName,
    /// The proposal.
    pub id: ProposalId,
    /// How long what the update replaces stays allowed.
    pub keep_old: KeepOld,
}

/// How long what an update replaces stays allowed: a number of seconds or `forever`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "KeepOldForm", into = "KeepOldForm")]
pub enum KeepOld {
    /// This many seconds from the approval.
    Seconds(u64),
    /// As long as the baseline.
    Forever,
}

/// As written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum KeepOldForm {
    Seconds(u64),
    Word(Forever),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Forever {
    Forever,
}

impl From<KeepOldForm> for KeepOld {
    fn from(form: KeepOldForm) -> Self {
        match form {
            KeepOldForm::Seconds(seconds) => Self::Seconds(seconds),
            KeepOldForm::Word(Forever::Forever) => Self::Forever,
        }
    }
}

impl From<KeepOld> for KeepOldForm {
    fn from(keep: KeepOld) -> Self {
        match keep {
            KeepOld::Seconds(seconds) => Self::Seconds(seconds),
            KeepOld::Forever => Self::Word(Forever::Forever),
        }
    }
}

/// `reject`: VMs that ask for the update learn so.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectProposal {
    /// The baseline.
    pub baseline: ObjectName,
    /// The proposal.
    pub id: ProposalId,
}

impl From<Proposed> for Proposal {
    fn from(Proposed { record, status, signed }: Proposed) -> Self {
        Self {
            replaced: record.obsolete(),
            baseline: record.proposal.baseline,
            id: record.id,
            status,
            approved_by_list: signed,
            lists: record.lists,
            new: record.new,
            proposed_at: record.proposed_at,
            proposers: record.proposers,
            decision: record.decision,
        }
    }
}
