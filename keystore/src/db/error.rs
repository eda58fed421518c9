//! Errors of the database, and rows that fail their checks.

use super::sqlite::is_damaged;
use crate::keyring::GenerationId;
use crate::primitives::RandomError;
use crate::sealing::SealError;

/// Why the database could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed: {}{}", .0, if is_damaged(.0) { RESTORE } else { "" })]
    Database(#[from] sqlx::Error),
    /// A row was edited or removed.
    #[error("row {key} of table {table} was tampered with{RESTORE}")]
    RowTampered {
        /// The table.
        table: &'static str,
        /// The row.
        key: String,
    },
    /// A row was replaced by an older version.
    #[error("row {key} of table {table} was rolled back from change {pinned} to {found}{RESTORE}")]
    RowRolledBack {
        /// The table.
        table: &'static str,
        /// The row.
        key: String,
        /// The change it shows.
        found: u64,
        /// The change that the log has for it.
        pinned: u64,
    },
    /// A row is authenticated under a root key that is not in the keyring.
    #[error(
        "row {key} of table {table} needs generation {id} of the keyring, which is not there{RESTORE_KEYRING}"
    )]
    UnknownGeneration {
        /// The table.
        table: &'static str,
        /// The row.
        key: String,
        /// The generation.
        id: GenerationId,
    },
    /// The permit is for another action or namespace, a mistake of the caller.
    #[error("the permission does not cover {action} of {target}")]
    NotPermitted {
        /// The change or the read.
        action: String,
        /// Its target.
        target: String,
    },
    /// The operator was removed, or removed and added anew, or the token was replaced or has ended, since the permission was given.
    #[error("the account of operator {operator:?} is not the one that was authenticated")]
    AccountGone {
        /// The operator's name.
        operator: String,
    },
    /// A number of the query is beyond every stored one.
    #[error("{parameter} is too large: the largest number is {}", i64::MAX)]
    ParameterTooLarge {
        /// The parameter.
        parameter: &'static str,
    },
    /// A number exceeds the range of the stored type.
    #[error("a number is too large to be stored")]
    NumberTooLarge,
    /// A sealed value cannot be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The next step when the database is damaged.
pub(crate) const RESTORE: &str = "; restore it from a backup: docs/operations.md";
/// The next step when the keyring lacks what the database needs.
pub(crate) const RESTORE_KEYRING: &str = "; put back the keyring file that has it: docs/operations.md";
