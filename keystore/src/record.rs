//! The record of decisions: how a grant gets into the log.
//!
//! A grant counts as recorded when [`crate::Keystore::record`] says so, and then it is on disk with its
//! nonce spent. Any other outcome means that the secret must not leave. Refusals are recorded as
//! long as grants do not wait and their instance has not used up its share.

mod batch;
mod chips;
pub(crate) mod health;
pub(crate) mod pending;
pub(crate) mod sighting;
pub(crate) mod types;
pub(crate) mod writer;

pub use health::GrantFailures;
pub use types::{NewGrant, NewRefusal, RecordError};

pub use crate::log::record::{
    Authority, ChangedRow, EvidencePiece, EvidenceRef, GrantBinding, GrantRecord, GrantedSecret,
    GuardrailsRef, LogRecord, OperatorRecord, Outcome, RefusalRecord,
};
pub use crate::log::{DecisionFilter, LoggedRecord};
