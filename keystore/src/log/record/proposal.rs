//! What members of baselines propose.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vouchsafe_policy::ExpiringEntries;
use vouchsafe_protocol::request::ProposedEvents;
use vouchsafe_protocol::{BaselineProposal, DecisionId, Digest32, Nonce, ProposalId, UnixTime};

use super::reference::{EvidenceRef, GrantBinding};
use crate::proposals::{BaselineProposalId, Proposer, SentList};

/// A VM has proposed an update of a baseline. The newest record of a proposal is its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalRecord {
    /// When.
    pub at: UnixTime,
    /// What the evidence is bound to, in addition to nonce and proposal.
    pub binding: GrantBinding,
    /// SHA-256 of the claims as JSON.
    pub claims: Digest32,
    /// Id of the decision.
    pub decision: DecisionId,
    /// The epoch in which it was decided.
    pub epoch: u64,
    /// The pieces of evidence.
    pub evidence: Vec<EvidenceRef>,
    /// Identifies what is new.
    pub id: ProposalId,
    /// `project number/instance id`.
    pub instance: String,
    /// Entries of the baseline that the next boots of these VMs have.
    pub kept: ExpiringEntries,
    /// The component lists that this VM has sent. Absent in records of proposals without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<SentList>,
    /// The events that the baseline would have to allow.
    pub new: ProposedEvents,
    /// The nonce that was spent.
    pub nonce: Nonce,
    /// The address that the request came from, as the network showed it: not evidence. Absent in records of versions that did
    /// not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// What this VM has proposed.
    pub proposal: BaselineProposal,
    /// When it was first proposed.
    pub proposed_at: UnixTime,
    /// The VMs that ask for it, in the order in which they first did.
    pub proposers: Vec<Proposer>,
    /// Entries of the baseline that these VMs boot with, and will not any more.
    pub replaced: ExpiringEntries,
}

impl ProposalRecord {
    /// The proposal.
    #[must_use]
    pub fn proposal_id(&self) -> BaselineProposalId {
        BaselineProposalId { baseline: self.proposal.baseline.clone(), id: self.id }
    }

    /// The entries that no VM which asks for the proposal will need.
    #[must_use]
    pub fn obsolete(&self) -> ExpiringEntries {
        self.replaced.clone().without(&self.kept)
    }
}
