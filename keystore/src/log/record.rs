//! The content of leaves. Their JSON is canonical and kept for years.

mod proposal;
mod reference;
mod volume;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::{
    DecisionId, Digest32, Nonce, ObjectName, ReasonCode, SecretPath, SharedBytes, UnixTime, UpdateSigner,
    VolumeHeaders,
};

use crate::chips::FirstSeen;
use crate::proposals::BaselineProposalId;
use crate::volumes::VolumeId;
pub use proposal::ProposalRecord;
pub use reference::{EvidenceRef, GrantBinding};
pub use volume::{VolumeChange, VolumeRecord};

/// The content of a leaf. Its JSON is canonical: members sorted, no spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogRecord {
    /// Secrets were granted.
    Grant(GrantRecord),
    /// An operator did something.
    Operator(OperatorRecord),
    /// An update of a baseline was proposed.
    Proposal(Box<ProposalRecord>),
    /// A request was refused.
    Refusal(RefusalRecord),
    /// The header of a volume was registered, announced or became the current one.
    Volume(VolumeRecord),
}

/// A grant in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord {
    /// When.
    pub at: UnixTime,
    /// What the evidence is bound to, in addition to nonce and paths. Absent in records of versions that did
    /// not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<GrantBinding>,
    /// Chips first seen with this grant. Filled in when it is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chips: Vec<FirstSeen>,
    /// SHA-256 of the claims as JSON.
    pub claims: Digest32,
    /// Id of the decision.
    pub decision: DecisionId,
    /// The epoch in which it was decided.
    pub epoch: u64,
    /// The pieces of evidence.
    pub evidence: Vec<EvidenceRef>,
    /// The guardrails in force. Absent in records of versions that did not store them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<GuardrailsRef>,
    /// The headers that the guest was about to open volumes with. Absent in records of requests without any.
    #[serde(default, skip_serializing_if = "VolumeHeaders::is_empty")]
    pub headers: VolumeHeaders,
    /// `project number/instance id`, if the evidence names an instance.
    pub instance: Option<String>,
    /// The nonce that was spent.
    pub nonce: Nonce,
    /// The address that the request came from, as the network showed it: not evidence. Absent in records of versions that did
    /// not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// What was granted.
    pub secrets: Vec<GrantedSecret>,
}

/// Names a text of guardrails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardrailsRef {
    /// SHA-256 of the text.
    pub digest: Digest32,
    /// Its version in the keystore; `None` for the shipped guardrails.
    pub version: Option<u64>,
}

/// A secret of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantedSecret {
    /// Its path.
    pub path: SecretPath,
    /// The policy that permitted it.
    pub policy: ObjectName,
    /// SHA-256 of its text.
    pub policy_digest: Digest32,
    /// The version that was released.
    pub version: u64,
}

/// A refusal in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalRecord {
    /// When.
    pub at: UnixTime,
    /// The baseline of a proposal. Absent in records of other requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ObjectName>,
    /// SHA-256 of the claims as JSON, if the evidence was verified.
    pub claims: Option<Digest32>,
    /// The code that the guest got.
    pub code: ReasonCode,
    /// Id of the decision.
    pub decision: DecisionId,
    /// The pieces of evidence.
    pub evidence: Vec<EvidenceRef>,
    /// `project number/instance id`.
    pub instance: Option<String>,
    /// The requested paths.
    pub paths: Vec<SecretPath>,
    /// The address that the request came from, as the network showed it: not evidence. Absent in records of versions that did
    /// not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The reasons for operators, one line each.
    pub reasons: Vec<String>,
}

/// A piece of evidence to store.
#[derive(Clone, Debug)]
pub struct EvidencePiece {
    /// Its kind.
    pub kind: &'static str,
    /// The bytes, stored by their digest.
    pub bytes: SharedBytes,
}

impl EvidencePiece {
    /// Its reference in a record.
    #[must_use]
    pub fn reference(&self) -> EvidenceRef {
        EvidenceRef { digest: self.bytes.digest(), kind: self.kind.to_owned() }
    }
}

/// A role and the namespaces that it is limited to, as in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The namespaces; meaningless for administrators.
    pub namespaces: Vec<String>,
    /// The role.
    pub role: OperatorRole,
}

/// An operator's change in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorRecord {
    /// The rights of the operator that was added or removed, or whose token was replaced. Only with `operator.add`,
    /// `operator.recover`, `operator.remove` and `operator.rotate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Authority>,
    /// The action, such as `secret.put`.
    pub action: String,
    /// When.
    pub at: UnixTime,
    /// The operator's rights at that time. Absent in records of versions that did not store them, and in those
    /// of programs on the broker's host, such as `init`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// The epoch that this change started.
    pub epoch: u64,
    /// Id of the change in the log.
    pub id: DecisionId,
    /// The signed component lists that have approved an update, in place of an operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ApprovingList>,
    /// The operator's name; `a signed list`, which is no operator's, with `lists`.
    pub operator: String,
    /// The address that the operator's request came from, as the network showed it: not evidence. Absent in records of versions
    /// that did not store it, in those of programs on the broker's host, and in those of signed lists: the proposal's record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The rows that were changed.
    pub rows: Vec<ChangedRow>,
    /// The object of the change: a path or a name.
    pub target: String,
    /// The ends of the token that was issued, and of the one before it. Only with `operator.add`, `operator.recover` and
    /// `operator.rotate`; absent in records of versions whose tokens had no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenRecord>,
}

/// The ends of an operator's tokens, as in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// From when on the token is refused; absent for one that never ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixTime>,
    /// From when on the token before it is refused; absent if that ended with the change, or if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<UnixTime>,
}

/// A signed component list that has approved an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovingList {
    /// SHA-256 of the list.
    pub digest: Digest32,
    /// Who has signed it: one of the baseline's signers.
    pub signer: UpdateSigner,
}

/// A row that a change wrote or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedRow {
    /// Its key.
    pub key: String,
    /// Whether it was removed.
    pub removed: bool,
    /// Its table.
    pub table: String,
}

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Secrets were granted.
    Granted,
    /// The request was refused.
    Refused,
    /// Done by an operator.
    Operator,
    /// What is registered for a volume has changed.
    Volume,
    /// An update of a baseline was proposed.
    Proposal,
}

impl Outcome {
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Granted => "grant",
            Self::Refused => "refusal",
            Self::Operator => "operator",
            Self::Volume => "volume",
            Self::Proposal => "proposal",
        }
    }
}

impl LogRecord {
    /// What kind of record it is.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Grant(_) => Outcome::Granted,
            Self::Refusal(_) => Outcome::Refused,
            Self::Operator(_) => Outcome::Operator,
            Self::Volume(_) => Outcome::Volume,
            Self::Proposal(_) => Outcome::Proposal,
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> DecisionId {
        match self {
            Self::Grant(record) => record.decision,
            Self::Refusal(record) => record.decision,
            Self::Operator(record) => record.id,
            Self::Volume(record) => record.decision,
            Self::Proposal(record) => record.decision,
        }
    }

    /// Its time.
    #[must_use]
    pub const fn at(&self) -> UnixTime {
        match self {
            Self::Grant(record) => record.at,
            Self::Refusal(record) => record.at,
            Self::Operator(record) => record.at,
            Self::Volume(record) => record.at,
            Self::Proposal(record) => record.at,
        }
    }

    /// The instance it concerns.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Grant(record) => record.instance.as_deref(),
            Self::Refusal(record) => record.instance.as_deref(),
            Self::Volume(record) => Some(&record.instance),
            Self::Proposal(record) => Some(&record.instance),
            Self::Operator(_) => None,
        }
    }

    /// The address that the request came from, as the network showed it.
    #[must_use]
    pub const fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Grant(record) => record.peer,
            Self::Refusal(record) => record.peer,
            Self::Operator(record) => record.peer,
            Self::Volume(record) => record.peer,
            Self::Proposal(record) => record.peer,
        }
    }

    /// The volume that it is a record of.
    #[must_use]
    pub fn volume(&self) -> Option<VolumeId> {
        match self {
            Self::Volume(record) => Some(record.volume()),
            Self::Grant(_) | Self::Refusal(_) | Self::Operator(_) | Self::Proposal(_) => None,
        }
    }

    /// The proposal that it is a record of.
    #[must_use]
    pub fn proposal(&self) -> Option<BaselineProposalId> {
        match self {
            Self::Proposal(record) => Some(record.proposal_id()),
            Self::Grant(_) | Self::Refusal(_) | Self::Operator(_) | Self::Volume(_) => None,
        }
    }

    /// The pieces of evidence of the decision.
    #[must_use]
    pub fn evidence(&self) -> &[EvidenceRef] {
        match self {
            Self::Grant(record) => &record.evidence,
            Self::Refusal(record) => &record.evidence,
            Self::Volume(record) => &record.evidence,
            Self::Proposal(record) => &record.evidence,
            Self::Operator(_) => &[],
        }
    }

    pub(crate) const fn kind(&self) -> &'static str {
        self.outcome().kind()
    }

    /// The bytes of the leaf.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut json = Vec::with_capacity(USUAL_RECORD);
        // Every struct above declares its members in the order of their names.
        serde_json::to_writer(&mut json, self).expect("records have string keys and no fallible members");
        String::from_utf8(json).expect("JSON is UTF-8")
    }
}

/// The action of a restore from a copy.
pub(crate) const RESTORE: &str = "keystore.restore";
/// Bytes; a longer record only takes more allocations.
const USUAL_RECORD: usize = 2048;
