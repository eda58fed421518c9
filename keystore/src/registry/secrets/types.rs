//! Summaries of secrets, and why a change of one is refused.

use std::fmt;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{ObjectName, SecretPath, UnixTime};

use crate::db::StoreError;
use crate::primitives::RandomError;
use crate::sealing::SealError;
use vouchsafe_policy::{PolicyError, Purpose, PurposeMismatch};

/// The state of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionState {
    /// Released, if it is the newest active version.
    Active,
    /// Refused; can come back.
    Retired,
    /// It no longer exists.
    Destroyed,
}

impl VersionState {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Retired, Self::Destroyed].into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Metadata of a secret, never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSummary {
    /// Its path.
    pub path: SecretPath,
    /// Its purpose.
    pub purpose: Purpose,
    /// Whether each instance gets its own value.
    pub per_instance: bool,
    /// The policy that guards it.
    pub policy: ObjectName,
    /// When it was first put.
    pub created_at: UnixTime,
    /// Its versions, oldest first.
    pub versions: Vec<VersionSummary>,
}

/// Metadata of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSummary {
    /// Its number, from 1.
    pub version: u64,
    /// Its state.
    pub state: VersionState,
    /// When it was put.
    pub created_at: UnixTime,
    /// The change (its epoch) that retired it together with the whole secret. `None` while it is not retired,
    /// or if it was retired by itself: then it can only be restored by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retirement: Option<u64>,
}

impl SecretSummary {
    /// The version that is released.
    #[must_use]
    pub fn served(&self) -> Option<&VersionSummary> {
        self.versions.iter().rev().find(|version| version.state == VersionState::Active)
    }
}

/// Why a secret was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no secret at this path.
    #[error("there is no secret at {path}")]
    Unknown {
        /// The path.
        path: SecretPath,
    },
    /// There is no such version.
    #[error("{path} has no version {version}")]
    UnknownVersion {
        /// The path.
        path: SecretPath,
        /// The version.
        version: u64,
    },
    /// No version was retired together with the secret.
    #[error("no version of {path} was retired with the whole secret: name the version to restore")]
    NothingToRestore {
        /// The path.
        path: SecretPath,
    },
    /// The version is destroyed.
    #[error("version {version} of {path} is destroyed")]
    Destroyed {
        /// The path.
        path: SecretPath,
        /// The version.
        version: u64,
    },
    /// A secret must have a policy.
    #[error("there is no policy {policy}: put the policy first")]
    NoSuchPolicy {
        /// The policy.
        policy: ObjectName,
    },
    /// A secret may only use policies of its own namespace or of `shared`.
    #[error("policy {policy} is neither of the namespace of {path} nor shared")]
    ForeignPolicy {
        /// The path.
        path: SecretPath,
        /// The policy.
        policy: ObjectName,
    },
    /// The policy is for another purpose.
    #[error(transparent)]
    Purpose(#[from] PurposeMismatch),
    /// The stored policy does not compile with this version of the broker, so its purpose is unknown.
    #[error("policy {policy} does not compile with this version: {error}")]
    Policy {
        /// The policy.
        policy: ObjectName,
        /// The reason.
        error: Box<PolicyError>,
    },
    /// A new version must have the purpose of the secret.
    #[error("{path} is for {purpose}{}", if *per_instance { ", a value for each instance" } else { "" })]
    OtherKind {
        /// The path.
        path: SecretPath,
        /// The secret's purpose.
        purpose: Purpose,
        /// Whether each instance gets its own value.
        per_instance: bool,
    },
    /// A new version keeps the secret's policy; moving the secret is a separate action.
    #[error("{path} is guarded by {policy}: change its policy first")]
    OtherPolicy {
        /// The path.
        path: SecretPath,
        /// The policy that guards it.
        policy: ObjectName,
    },
    /// The length is out of range.
    #[error("a generated secret has 16 to {MAX_GENERATED} bytes, not {length}")]
    GeneratedLength {
        /// The requested length.
        length: usize,
    },
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No random bytes are available.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SecretError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Whether the ciphertext of what was destroyed is gone from the database's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// It is in no file of the database any more.
    Done,
    /// It is in the write-ahead log until a backup or a read of an older state ends, and gone soon after that, or when the
    /// database is opened again.
    Waits,
}

/// The attributes of a new version.
#[derive(Clone, Copy, Debug)]
pub struct NewVersion<'a> {
    /// The path.
    pub path: &'a SecretPath,
    /// Its purpose.
    pub purpose: Purpose,
    /// The policy that guards it.
    pub policy: &'a ObjectName,
}

pub(super) const MAX_GENERATED: usize = 1024;
