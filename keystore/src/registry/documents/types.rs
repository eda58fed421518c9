//! Summaries of documents, and why a change of one is refused.

use std::fmt;

use vouchsafe_protocol::{Digest32, ObjectName, UnixTime};

use crate::db::StoreError;

/// Which kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A release policy.
    Policy,
    /// A baseline.
    Baseline,
    /// The broker's guardrails; this kind has only one document.
    Guardrails,
}

impl DocumentKind {
    /// Every kind there is.
    pub(crate) const ALL: [Self; 3] = [Self::Policy, Self::Baseline, Self::Guardrails];

    /// The name in the database and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Baseline => "baseline",
            Self::Guardrails => "guardrails",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One authenticated version of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its kind.
    pub kind: DocumentKind,
    /// Its name.
    pub name: ObjectName,
    /// Its version, from 1.
    pub version: u64,
    /// The text as it was put.
    pub text: String,
    /// SHA-256 of the text.
    pub digest: Digest32,
    /// Whether the document was revoked; for guardrails: reset.
    pub revoked: bool,
    /// When this version was put.
    pub created_at: UnixTime,
    /// The operator who put it.
    pub created_by: String,
}

/// A document in a list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DocumentSummary {
    /// Its name.
    pub name: ObjectName,
    /// Its current version.
    pub version: u64,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Why a document was not changed.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The document does not exist.
    #[error("there is no {kind} {name}")]
    Unknown {
        /// Its kind.
        kind: DocumentKind,
        /// Its name.
        name: ObjectName,
    },
    /// The document is revoked, permanently.
    #[error("{kind} {name} is revoked: put the new one under another name")]
    Revoked {
        /// Its kind.
        kind: DocumentKind,
        /// Its name.
        name: ObjectName,
    },
    /// The text exceeds the size limit.
    #[error("the text has {length} bytes, at most {MAX_DOCUMENT} are stored")]
    TooLarge {
        /// Its length.
        length: usize,
    },
    /// Other changes were made since the document was checked.
    #[error("other changes interfered repeatedly: try again")]
    Overtaken,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for DocumentError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Baselines list digests of every file of a release; for policies their parser has a much lower limit.
pub(in crate::registry) const MAX_DOCUMENT: usize = 1024 * 1024;
