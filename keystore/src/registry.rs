//! Registered objects: secrets, documents (policies, baselines, guardrails), operators, chips.
//!
//! Every row that affects decisions has a MAC under the root key and a row version, the epoch of its last
//! change, which the log pins. An edited, rolled back or removed row is an error that names it; it is never
//! skipped. A rollback of the whole database cannot be detected here; checkpoints of the log kept elsewhere
//! detect it.
//!
//! Every rule about what may be registered is checked here, in the transaction of the change;
//! `registration` names the exception, and how it is handled.

pub(crate) mod accounts;
pub(crate) mod baselines;
pub(crate) mod change;
mod checks;
pub(crate) mod chips;
pub(crate) mod compiled;
pub(crate) mod documents;
pub(crate) mod error;
mod guardrails;
mod handle;
pub(crate) mod identities;
mod load;
pub(crate) mod names;
pub(crate) mod open;
pub(crate) mod proposals;
mod purpose;
mod registration;
pub(crate) mod rows;
pub(crate) mod secrets;
pub(crate) mod stored_input;
pub(crate) mod volumes;

pub use crate::log::NewestHeadError;
pub use accounts::{
    HashedToken, InvalidTokenId, Login, LoginError, Operator, OperatorError, OperatorToken, RotatedToken,
    Rotation, TokenEnd, TokenId, TokenLifetime,
};
pub use baselines::{BASELINE_NOTICE, BaselineState, BaselineSummary, BaselineValidity};
pub use change::Actor;
pub use chips::{ChipFilter, SeenChip};
pub use documents::types::{Document, DocumentError, DocumentKind, DocumentSummary};
pub use error::{PolicyFindings, RegisterError};
pub(crate) use handle::Registry;
pub use identities::types::{Identities, IdentityError, IdentityState, IdentityUse};
pub use open::OpenError;
pub use proposals::{DecidedBefore, KeepOldFor, ProposalError, Proposed};
pub use secrets::types::{Erasure, NewVersion, SecretError, SecretSummary, VersionState, VersionSummary};
pub use volumes::{ForgetError, VolumeFilter};
