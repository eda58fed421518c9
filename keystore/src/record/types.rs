//! What is to be recorded, and why a grant is not.

use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::UnixTime;

use crate::log::record::{EvidencePiece, GrantRecord, RefusalRecord};

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
