//! Secrets at rest, what is registered to guard them, and the record of decisions.
//!
//! | step | module |
//! |---|---|
//! | seal and unseal | [`keyring`], [`store`] |
//! | decide | crate `vouchsafe-policy` |
//! | register, decide with what is stored, unseal a grant | [`release`] |
//! | record | [`record`] |
//! | see which hardware it was | [`chips`] |
//! | see how long baselines are in force | [`baselines`] |
//! | look at decisions of the past | [`replay`] |
//! | read what an operator may | [`permitted`] |
//!
//! Nothing here reads a clock: times are arguments.

pub mod baselines;
pub mod chips;
pub mod keyring;
pub mod permitted;
mod preimage;
mod primitives;
pub mod record;
pub mod release;
pub mod replay;
mod sealing;
pub mod store;

pub use keyring::Keyring;
pub use primitives::RandomError;
pub use release::{DecisionInput, RegisterError};
pub use sealing::SealError;
pub use store::{Keystore, StoreError};
