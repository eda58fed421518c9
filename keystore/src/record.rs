//! The record of decisions: what stands in the log, and how it gets there.
//!
//! A grant counts as recorded when [`Keystore::record`] says so, and then it is on disk with its
//! nonce spent. Any other outcome means that the secret must not leave. Refusals are recorded as
//! long as grants do not wait and their instance has not used up its share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use vouchsafe_protocol::{
    BrokerIdentity, Bytes, DecisionId, Digest32, Nonce, ObjectName, ReasonCode, SecretPath, Suite, UnixTime,
};

use crate::chips::{FirstSeen, Sighting};
use crate::store::Keystore;
use vouchsafe_policy::chip::Chip;

pub use crate::store::{Authority, ChangedRow, OperatorRecord};

mod batch;
mod chips;
mod writer;

pub(crate) use writer::Recorder;
use writer::{Answer, Pending};

/// What a leaf of the log says. Its JSON is canonical: members sorted, no spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogRecord {
    /// Secrets were granted.
    Grant(GrantRecord),
    /// An operator did something.
    Operator(OperatorRecord),
    /// A request was refused.
    Refusal(RefusalRecord),
}

/// A grant, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord {
    /// When.
    pub at: UnixTime,
    /// What the evidence is bound to, beside nonce and paths. Absent in records of versions that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<GrantBinding>,
    /// Chips that it was the first to see. Filled when it is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chips: Vec<FirstSeen>,
    /// SHA-256 of the claims as JSON.
    pub claims: Digest32,
    /// Names the decision.
    pub decision: DecisionId,
    /// The epoch it was decided in.
    pub epoch: u64,
    /// The pieces of evidence.
    pub evidence: Vec<EvidenceRef>,
    /// The guardrails in force. Absent in records of versions that did not note them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrails: Option<GuardrailsRef>,
    /// `project number/instance id`, where the evidence names an instance.
    pub instance: Option<String>,
    /// The nonce that it spent.
    pub nonce: Nonce,
    /// What was granted.
    pub secrets: Vec<GrantedSecret>,
}

/// What the transcript of a grant covers that stands nowhere else in its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBinding {
    /// The broker that the guest asked.
    pub broker: BrokerIdentity,
    /// The guest's ephemeral public key, of the length that the suite has.
    pub public_key: Bytes,
    /// The HPKE suite.
    pub suite: Suite,
}

/// Names a text of guardrails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardrailsRef {
    /// SHA-256 of the text.
    pub digest: Digest32,
    /// Its version in the keystore; `None` for the guardrails that the broker shipped with.
    pub version: Option<u64>,
}

/// A secret of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantedSecret {
    /// Its path.
    pub path: SecretPath,
    /// The policy that said yes.
    pub policy: ObjectName,
    /// SHA-256 of its text.
    pub policy_digest: Digest32,
    /// The version that was handed out.
    pub version: u64,
}

/// A refusal, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalRecord {
    /// When.
    pub at: UnixTime,
    /// SHA-256 of the claims as JSON, when the evidence was verified.
    pub claims: Option<Digest32>,
    /// What the guest was told.
    pub code: ReasonCode,
    /// Names the decision.
    pub decision: DecisionId,
    /// The pieces of evidence.
    pub evidence: Vec<EvidenceRef>,
    /// `project number/instance id`.
    pub instance: Option<String>,
    /// What it asked for.
    pub paths: Vec<SecretPath>,
    /// What the operators are told, one line a reason.
    pub reasons: Vec<String>,
}

/// Names a piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRef {
    /// SHA-256 of its bytes.
    pub digest: Digest32,
    /// What it is, such as `event-log`.
    pub kind: String,
}

/// A piece of evidence to keep.
#[derive(Clone, Debug)]
pub struct EvidencePiece {
    /// What it is.
    pub kind: &'static str,
    /// SHA-256 of the bytes. A wrong one is noticed when the piece is read.
    pub digest: Digest32,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

impl EvidencePiece {
    /// A piece whose digest is not known yet.
    #[must_use]
    pub fn new(kind: &'static str, bytes: Arc<[u8]>) -> Self {
        Self { kind, digest: Digest32::of(&bytes), bytes }
    }

    /// How a record names it.
    #[must_use]
    pub fn reference(&self) -> EvidenceRef {
        EvidenceRef { digest: self.digest, kind: self.kind.to_owned() }
    }
}

/// A grant to record.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// What will stand in the log. Its `evidence` is filled from the pieces below.
    pub record: GrantRecord,
    /// The chip that the evidence is of, where it is evidence of hardware.
    pub chip: Option<Chip>,
    /// The pieces; those that the database has are not written again.
    pub evidence: Vec<EvidencePiece>,
    /// Last second in which the nonce's challenge is taken.
    pub nonce_expires_at: UnixTime,
}

/// A refusal to record.
#[derive(Clone, Debug)]
pub struct NewRefusal {
    /// What will stand in the log. Its `evidence` is filled from the pieces below.
    pub record: RefusalRecord,
    /// The pieces.
    pub evidence: Vec<EvidencePiece>,
}

/// Why a grant is not on record. No secret may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The nonce was used for a grant before.
    #[error("the nonce is spent")]
    NonceSpent,
    /// Something changed since the decision was made: decide again.
    #[error("the epoch moved on to {epoch}: decide again")]
    EpochMoved {
        /// The epoch now.
        epoch: u64,
    },
    /// The database failed, and whether the grant is on record is not known.
    #[error("the grant may or may not be on record: the guest must start over")]
    Unknown,
    /// The keystore is closed.
    #[error("the keystore is closed")]
    Closed,
}

/// Grants that could not be recorded since the last one that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantFailures {
    /// How many.
    pub count: u64,
    /// When the last one failed.
    pub last: Instant,
}

/// How the last grants ended.
#[derive(Debug, Default)]
pub(crate) struct GrantHealth(Mutex<Option<GrantFailures>>);

impl GrantHealth {
    fn observe(&self, result: &Result<u64, RecordError>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *failures = match result {
            Ok(_) => None,
            Err(RecordError::Unknown | RecordError::Closed) => {
                let count = failures.map_or(0, |failures| failures.count).saturating_add(1);
                Some(GrantFailures { count, last: Instant::now() })
            }
            // These say something about the request; the database answered.
            Err(RecordError::NonceSpent | RecordError::EpochMoved { .. }) => return,
        };
    }
}

/// What was decided about a request, or done by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Secrets were granted.
    Granted,
    /// The request was refused.
    Refused,
    /// Done by an operator.
    Operator,
}

impl Outcome {
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Granted => "grant",
            Self::Refused => "refusal",
            Self::Operator => "operator",
        }
    }
}

impl LogRecord {
    /// Granted, refused, or done by an operator.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Grant(_) => Outcome::Granted,
            Self::Refusal(_) => Outcome::Refused,
            Self::Operator(_) => Outcome::Operator,
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> DecisionId {
        match self {
            Self::Grant(record) => record.decision,
            Self::Refusal(record) => record.decision,
            Self::Operator(record) => record.id,
        }
    }

    /// Its time.
    #[must_use]
    pub const fn at(&self) -> UnixTime {
        match self {
            Self::Grant(record) => record.at,
            Self::Refusal(record) => record.at,
            Self::Operator(record) => record.at,
        }
    }

    /// The instance it concerns.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Grant(record) => record.instance.as_deref(),
            Self::Refusal(record) => record.instance.as_deref(),
            Self::Operator(_) => None,
        }
    }

    pub(crate) const fn kind(&self) -> &'static str {
        self.outcome().kind()
    }

    /// The bytes of the leaf.
    #[must_use]
    pub fn canonical(&self) -> String {
        // Every struct above declares its members in the order of their names.
        serde_json::to_string(self).expect("records have string keys and no fallible members")
    }
}

impl Keystore {
    /// Records a grant and spends its nonce; gives its number in the log. Only after this may the
    /// secrets leave.
    ///
    /// # Errors
    /// [`RecordError`]: the secrets must not leave.
    pub async fn record(&self, grant: NewGrant) -> Result<u64, RecordError> {
        let (answer, answered) = oneshot::channel();
        let pending = self.pending(grant, move |result| {
            // Nobody waits any more when this fails; the grant stays on record.
            let _gone = answer.send(result);
        });
        self.recorder().grant(pending).await;
        answered.await.unwrap_or(Err(RecordError::Unknown))
    }

    /// As [`Self::record`], for a thread that is no runtime's: `then` is told the result, exactly once, by the thread
    /// that writes the grants, which waits for it. Blocks while too many grants wait.
    pub fn record_then(&self, grant: NewGrant, then: impl FnOnce(Result<u64, RecordError>) + Send + 'static) {
        self.recorder().blocking_grant(self.pending(grant, then));
    }

    fn pending(
        &self,
        mut grant: NewGrant,
        then: impl FnOnce(Result<u64, RecordError>) + Send + 'static,
    ) -> Pending {
        grant.record.evidence = grant.evidence.iter().map(EvidencePiece::reference).collect();
        let keystore = self.clone();
        let answer = Answer::new(move |result| {
            keystore.grant_health().observe(&result);
            if let Err(RecordError::EpochMoved { epoch }) = result {
                keystore.forget_before(epoch);
            }
            then(result);
        });
        let sightings = Sighting::of(&grant.record, grant.chip.as_ref());
        Pending { grant, sightings, answer }
    }

    /// Grants that could not be recorded since the last one that was, for readiness.
    #[must_use]
    pub fn grant_failures(&self) -> Option<GrantFailures> {
        *self.grant_health().0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a refusal for the log; false when it was left out, because its instance has used up its
    /// share of this hour or because too many wait.
    #[must_use]
    pub fn record_refusal(&self, mut refusal: NewRefusal) -> bool {
        refusal.record.evidence = refusal.evidence.iter().map(EvidencePiece::reference).collect();
        self.recorder().refusal(refusal)
    }
}

#[cfg(test)]
pub(crate) mod tests;
