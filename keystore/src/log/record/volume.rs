//! What is registered for volumes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::messages::VolumeState;
use vouchsafe_protocol::{DecisionId, Digest32, Nonce, ObjectName, SecretPath, UnixTime};

use super::{EvidenceRef, GrantBinding, GrantRecord, GrantedSecret, GuardrailsRef};
use crate::volumes::VolumeId;

/// A change of what is registered for a volume. The newest record of a volume is its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRecord {
    /// When.
    pub at: UnixTime,
    /// What the evidence is bound to, in addition to nonce and action. Absent where a grant made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<GrantBinding>,
    /// What was done.
    pub change: VolumeChange,
    /// Records of this volume since it was registered, with this one.
    pub changes: u64,
    /// SHA-256 of the claims as JSON.
    pub claims: Digest32,
    /// Id of the decision; that of the grant, where one made the change.
    pub decision: DecisionId,
    /// The epoch in which it was decided.
    pub epoch: u64,
    /// The pieces of evidence; none where a grant made the change, since its own record has them.
    pub evidence: Vec<EvidenceRef>,
    /// The guardrails in force. Absent where a grant made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<GuardrailsRef>,
    /// `project number/instance id`.
    pub instance: String,
    /// The nonce that was spent.
    pub nonce: Nonce,
    /// The path of the secret that opens the volume.
    pub path: SecretPath,
    /// The address that the request came from, as the network showed it: not evidence. Absent in records of versions that did
    /// not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The policy that permitted it.
    pub policy: ObjectName,
    /// SHA-256 of its text.
    pub policy_digest: Digest32,
    /// When the volume was registered.
    pub registered_at: UnixTime,
    /// What is registered after it.
    pub state: VolumeState,
}

/// What changed a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeChange {
    /// Its VM registered a header.
    Registered,
    /// Its VM announced the next header.
    Advanced,
    /// A grant for the announced header: it is the current one now.
    Promoted,
}

impl VolumeChange {
    /// Every change.
    pub const ALL: &'static [Self] = &[Self::Registered, Self::Advanced, Self::Promoted];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Advanced => "advanced",
            Self::Promoted => "promoted",
        }
    }
}

impl VolumeRecord {
    /// The volume.
    #[must_use]
    pub fn volume(&self) -> VolumeId {
        VolumeId::new(&self.path, &self.instance)
    }

    /// The record that follows a grant whose header makes `state` the registered one.
    pub(crate) fn promoted(&self, grant: &GrantRecord, secret: &GrantedSecret, state: VolumeState) -> Self {
        Self {
            at: grant.at,
            binding: None,
            change: VolumeChange::Promoted,
            changes: self.changes.saturating_add(1),
            claims: grant.claims,
            decision: grant.decision,
            epoch: grant.epoch,
            evidence: Vec::new(),
            guardrails: None,
            instance: self.instance.clone(),
            nonce: grant.nonce,
            path: self.path.clone(),
            peer: grant.peer,
            policy: secret.policy.clone(),
            policy_digest: secret.policy_digest,
            registered_at: self.registered_at,
            state,
        }
    }
}
