//! Why a change of accounts or tokens is refused.

use vouchsafe_policy::operators::OperatorRole;

use crate::db::StoreError;
use crate::primitives::RandomError;

/// Why an operator could not be added or removed, or a token not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The text is not a valid name or namespace.
    #[error("{text:?} is not a valid name: use 1 to 64 of a-z, 0-9, `.`, `_`, `-`")]
    Name {
        /// The given text.
        text: String,
    },
    /// An editor or an auditor without a namespace would have no permissions.
    #[error("an {role} needs at least one namespace (`--namespace`){}", if *role == OperatorRole::Auditor { ", or `*` for all of them" } else { "" })]
    NoNamespace {
        /// The role.
        role: OperatorRole,
    },
    /// An administrator acts everywhere.
    #[error("an administrator acts in every namespace: leave the namespaces out, or choose another role")]
    AdministratorNamespace,
    /// `*` is only for auditors, and excludes other namespaces.
    #[error(
        "`*` stands for all namespaces: it is for auditors only, and cannot be combined with other namespaces"
    )]
    EveryNamespace,
    /// An operator with this name exists.
    #[error("operator {name} already exists")]
    Exists {
        /// The name.
        name: String,
    },
    /// There already are operators: the first administrator needs no permit, every further operator is added
    /// by an administrator.
    #[error("there already are operators: an administrator adds further ones (`vouchsafe operator add`)")]
    NotFirst,
    /// No operator has this name.
    #[error("there is no operator {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The last administrator with a valid token cannot be removed: nobody could add one again.
    #[error("{name} is the last administrator with a valid token: add another one first")]
    LastAdministrator {
        /// The name.
        name: String,
    },
    /// A new token is valid for 1 second to 366 days, or never ends.
    #[error("a token is valid for 1 second to 366 days, or never ends: {seconds} seconds are not possible")]
    Lifetime {
        /// The given time.
        seconds: u64,
    },
    /// A replaced token stays valid for at most 7 days.
    #[error("a replaced token stays valid for at most 7 days: {seconds} seconds are too long")]
    Overlap {
        /// The given time.
        seconds: u64,
    },
    /// Only administrators give a token a longer life.
    #[error(
        "the token of operator {name} was granted for {granted} seconds, and replaces itself with one for at most as long: an \
         administrator gives a longer one (`vouchsafe operator rotate {name}`)"
    )]
    LongerThanGranted {
        /// The operator.
        name: String,
        /// For how many seconds.
        granted: u64,
    },
    /// An operator replaces the token in use, not with one that was replaced before.
    #[error(
        "this token of operator {name} has been replaced and ends soon: use the operator file with the new one"
    )]
    Replaced {
        /// The operator.
        name: String,
    },
    /// The new token is, or was, one of another account or of this one.
    #[error("the new token of operator {name} has been used before: generate another one")]
    TokenUsed {
        /// The operator.
        name: String,
    },
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OperatorError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
