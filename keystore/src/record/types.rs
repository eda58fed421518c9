//! What to record, and why recording fails.

use std::net::IpAddr;

use vouchsafe_policy::ExpiringEntries;
use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::request::ProposedEvents;
use vouchsafe_protocol::{
    BaselineProposal, DecisionId, Digest32, Nonce, ObjectName, ProposalId, UnixTime, VolumeAction,
};

use crate::log::record::{EvidencePiece, GrantBinding, GrantRecord, GuardrailsRef, RefusalRecord};
use crate::proposals::{ProposalRefusal, SentList};
use crate::volumes::{VolumeId, VolumeRefusal};

/// How far the time of a record can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The clock has advanced evenly since the broker was started.
    Steady,
    /// The clock was set meanwhile, and may be wrong: nothing is removed because its time is over.
    Stepped,
}

/// A grant to record.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// The record for the log. Its `evidence` is filled in from the pieces below.
    pub record: GrantRecord,
    /// The clock that its time is from.
    pub clock: Clock,
    /// The chip of the hardware evidence, if there is any.
    pub chip: Option<Chip>,
    /// The pieces; those already in the database are not written again.
    pub evidence: Vec<EvidencePiece>,
    /// Last second in which the nonce's challenge is accepted.
    pub nonce_expires_at: UnixTime,
}

/// A refusal to record.
#[derive(Clone, Debug)]
pub struct NewRefusal {
    /// The record for the log. Its `evidence` is filled in from the pieces below.
    pub record: RefusalRecord,
    /// The pieces.
    pub evidence: Vec<EvidencePiece>,
}

/// An action on a volume to record. What is registered after it follows from what is registered by then.
#[derive(Clone, Debug)]
pub struct NewVolume {
    /// What to do.
    pub action: VolumeAction,
    /// When.
    pub at: UnixTime,
    /// What the evidence is bound to, in addition to nonce and action.
    pub binding: GrantBinding,
    /// SHA-256 of the claims as JSON.
    pub claims: Digest32,
    /// Id of the decision.
    pub decision: DecisionId,
    /// The epoch in which it was decided.
    pub epoch: u64,
    /// The pieces; those already in the database are not written again.
    pub evidence: Vec<EvidencePiece>,
    /// The guardrails in force.
    pub guardrails: GuardrailsRef,
    /// `project number/instance id`.
    pub instance: String,
    /// The nonce to spend.
    pub nonce: Nonce,
    /// Last second in which the nonce's challenge is accepted.
    pub nonce_expires_at: UnixTime,
    /// The address that the request came from.
    pub peer: Option<IpAddr>,
    /// The policy that permits it.
    pub policy: ObjectName,
    /// SHA-256 of its text.
    pub policy_digest: Digest32,
}

impl NewVolume {
    /// The volume.
    pub(crate) fn volume(&self) -> VolumeId {
        VolumeId::new(self.action.path(), &self.instance)
    }
}

/// A proposal to record. Who else asks for it follows from what is recorded by then.
#[derive(Clone, Debug)]
pub struct NewProposal {
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
    /// The pieces; those already in the database are not written again.
    pub evidence: Vec<EvidencePiece>,
    /// Identifies what is new.
    pub id: ProposalId,
    /// `project number/instance id`.
    pub instance: String,
    /// Entries of the baseline that the next boot of the VM has.
    pub kept: ExpiringEntries,
    /// The component lists that the VM has sent.
    pub lists: Vec<SentList>,
    /// The events that the baseline would have to allow.
    pub new: ProposedEvents,
    /// The nonce to spend.
    pub nonce: Nonce,
    /// Last second in which the nonce's challenge is accepted.
    pub nonce_expires_at: UnixTime,
    /// The address that the request came from.
    pub peer: Option<IpAddr>,
    /// What the VM has proposed.
    pub proposal: BaselineProposal,
    /// Entries of the baseline that the VM boots with, and will not any more.
    pub replaced: ExpiringEntries,
    /// Where the boot is allowed for now: until when.
    pub until: Option<UnixTime>,
}

/// Why a grant was not recorded. No secret may be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The nonce was already spent by another grant, or may have been: it is from a time whose nonces have been removed.
    #[error("the nonce is spent")]
    NonceSpent,
    /// Something changed since the decision: decide again.
    #[error("the epoch has changed to {epoch}: decide again")]
    EpochMoved {
        /// The epoch now.
        epoch: u64,
    },
    /// The database failed, and whether the grant was recorded is unknown.
    #[error("the grant may or may not be recorded: the guest must start over")]
    Unknown,
    /// The header of a volume is refused.
    #[error(transparent)]
    Volume(#[from] Box<VolumeRefusal>),
    /// There are too many proposals.
    #[error(transparent)]
    Proposal(#[from] Box<ProposalRefusal>),
    /// The keystore is closed.
    #[error("the keystore is closed")]
    Closed,
}
