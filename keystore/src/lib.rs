//! Secrets at rest, what is registered to guard them, and the record of decisions.
//!
//! Layers, each of which uses only those below it:
//!
//! | layer | what it does |
//! |---|---|
//! | [`permitted`] | what an operator may read |
//! | [`Keystore`] | the handle of the broker on all of it |
//! | [`release`], [`record`], [`replay`] | decide with what is stored and unseal a grant; record decisions; look at those of the past |
//! | `registry` | what is registered, and every rule about it |
//! | `log` | leaves, head, and the row versions that they pin |
//! | `db` | the database: connections, statements, columns |
//! | `sealing`, [`keyring`] | seal and unseal |
//!
//! [`chips`] says which hardware counts as the same. Nothing here reads a clock: times are arguments.

mod blocking;
pub mod chips;
mod db;
pub mod keyring;
mod keystore;
mod log;
pub mod permitted;
mod preimage;
mod primitives;
pub mod record;
mod registry;
pub mod release;
pub mod replay;
mod sealing;
#[cfg(test)]
mod tests;

pub use db::{StoreError, TransactionEnd};
pub use keyring::Keyring;
pub use keystore::Keystore;
pub use primitives::RandomError;
pub use release::{DecisionInput, RegisterError};
pub use sealing::SealError;

/// Stored baselines and how long they are in force.
pub mod baselines {
    pub use crate::registry::baselines::{BASELINE_NOTICE, BaselineState, BaselineSummary};
}

/// What is registered and what is listed of it.
pub mod store {
    pub use vouchsafe_policy::operators::OperatorRole;

    pub use crate::db::StoreError;
    pub use crate::keystore::Keystore;
    pub use crate::log::record::{Authority, ChangedRow, OperatorRecord};
    pub use crate::log::{DecisionFilter, LoggedRecord};
    pub use crate::registry::accounts::{Operator, OperatorError, OperatorToken};
    pub use crate::registry::change::{Actor, Actor as By};
    pub use crate::registry::chips::{ChipFilter, SeenChip};
    pub use crate::registry::documents::types::{Document, DocumentError, DocumentKind, DocumentSummary};
    pub use crate::registry::material::{
        ActiveSecret, DecisionMaterial, MaterialItem, MaterialState, StoredDocument,
    };
    pub use crate::registry::open::OpenError;
    pub use crate::registry::secrets::types::{
        NewVersion, SecretError, SecretSummary, VersionState, VersionSummary,
    };
    pub use crate::release::unseal::UnsealError;
}
