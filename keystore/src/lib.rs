//! Secrets at rest, the policies that guard them, and the record of decisions.
//!
//! | step | module |
//! |---|---|
//! | seal and unseal | [`keyring`], [`store`] |
//! | decide | [`policy`] |
//! | record | [`record`] |
//!
//! Nothing here reads a clock: times are arguments.

pub mod keyring;
pub mod policy;
mod preimage;
mod primitives;
pub mod record;
mod sealing;
pub mod store;

pub use keyring::Keyring;
pub use primitives::RandomError;
pub use sealing::SealError;
pub use store::{Keystore, StoreError};
