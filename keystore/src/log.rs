//! The log: appending leaves, reading them back, and the row versions they pin.
//!
//! Leaves are numbered without gaps and each has a MAC; the head's MAC covers the number of leaves and the
//! epoch. So an edited or reordered leaf is detected when it is read, a removed one when the keystore is
//! opened, and a head or epoch that is rolled back while a broker runs by that broker. Filters use columns
//! that are only authenticated when a row is read: an edited one can hide its leaf from a filtered list. The
//! Merkle tree over the leaf hashes and its signed checkpoints use the same rows.

mod catch_up;
mod continues;
mod follows;
mod head;
mod leaf;
mod leaves;
mod newest;
mod pins;
mod query;
pub(crate) mod record;
mod tree;
mod upgrade;
mod view;
mod whole;

pub(crate) use continues::continues;
pub use head::Loss;
pub(crate) use head::{EPOCH, Head, LogState, StoredState, head_mac, head_row, lock_head, read_stored};
pub use leaf::LoggedRecord;
pub(crate) use leaf::{Leaf, append, leaf_mac, read_leaf};
pub(crate) use leaves::verify_leaves;
pub use newest::NewestHeadError;
pub(crate) use newest::{NewestHead, StoredHead, WRITE_EVERY};
pub(crate) use pins::Pins;
pub use query::DecisionFilter;
pub(crate) use query::{escaped, numbered};
#[cfg(test)]
pub(crate) use tree::Tree;
pub(crate) use upgrade::add_tree;
pub(crate) use view::{Log, View};
pub(crate) use whole::{VerifiedLog, verify_log};
