//! What to record, and why recording fails.

use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::UnixTime;

use crate::log::record::{EvidencePiece, GrantRecord, RefusalRecord};

/// A grant to record.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// The record for the log. Its `evidence` is filled in from the pieces below.
    pub record: GrantRecord,
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

/// Why a grant was not recorded. No secret may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The nonce was already spent by another grant.
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
    /// The keystore is closed.
    #[error("the keystore is closed")]
    Closed,
}
