//! Secrets at rest, registered objects that guard them, and the decision log.
//!
//! Layers, each of which uses only those below it:
//!
//! | layer | what it does |
//! |---|---|
//! | [`permitted`] | what an operator may read |
//! | [`audit`] | the whole log beside checkpoints that were kept elsewhere |
//! | [`backup`] | copies of a keystore, encrypted ([`age`]) or not, and putting one in place |
//! | [`Keystore`] | the handle of the broker on all of it |
//! | [`release`], [`record`], [`replay`] | decide with what is stored and unseal a grant; record decisions; look at those of the past |
//! | [`rotation`] | replaces the generations of the keyring, and everything that needs them |
//! | [`registry`] | what is registered, and every rule about it |
//! | `log` | leaves, head, and the row versions that they pin |
//! | `db` | the database: connections, statements, columns |
//! | `sealing`, [`keyring`] | seal and unseal |
//!
//! [`chips`] defines when two reports come from the same chip, [`volumes`] which header a volume may be opened with,
//! [`proposals`] which updates of baselines VMs may propose. Nothing here reads a clock: times are
//! arguments.

pub mod age;
pub mod audit;
pub mod backup;
mod blocking;
pub mod chips;
mod db;
pub mod keyring;
mod keystore;
mod log;
pub mod permitted;
mod primitives;
pub mod proposals;
pub mod record;
pub mod registry;
pub mod release;
pub mod replay;
pub mod rotation;
mod sealing;
#[cfg(test)]
mod tests;
pub mod volumes;

pub use db::{StoreError, TransactionEnd};
pub use keyring::Keyring;
pub use keystore::Keystore;
pub use primitives::RandomError;
pub use sealing::SealError;

/// Keeps brokers and commands that open the database out of it, until the result is dropped.
///
/// # Errors
/// [`registry::OpenError::InUse`] and the system's errors.
pub fn keep_out(database: &std::path::Path) -> Result<impl Sized + use<>, registry::OpenError> {
    registry::open::lock(database)
}
