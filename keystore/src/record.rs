//! Recording decisions: how a grant gets into the log.
//!
//! A grant counts as recorded when [`crate::Keystore::record`] returns success: then it is on disk with its
//! nonce spent. After any other result the secret must not be sent. Refusals are recorded while no grants
//! wait and their instance has not used up its share.

mod batch;
mod chips;
pub(crate) mod health;
pub(crate) mod pending;
pub(crate) mod sighting;
pub(crate) mod types;
mod volumes;
pub(crate) mod writer;

pub(crate) use batch::{floor_mac, read_floor};
pub use health::GrantFailures;
pub use types::{Clock, NewGrant, NewProposal, NewRefusal, NewVolume, RecordError};

pub use crate::log::record::{
    ApprovingList, Authority, ChangedRow, EvidencePiece, EvidenceRef, GrantBinding, GrantRecord,
    GrantedSecret, GuardrailsRef, LogRecord, OperatorRecord, Outcome, ProposalRecord, RefusalRecord,
    TokenRecord, VolumeChange, VolumeRecord,
};
pub use crate::log::{DecisionFilter, LoggedRecord};
