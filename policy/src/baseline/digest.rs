//! The two logs that a baseline can be of, and digests of either.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchsafe_attestation::event_log::EventDigest;
use vouchsafe_protocol::{Digest32, Digest48};

/// The log that a baseline is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BaselineLog {
    /// The vTPM's: PCRs, SHA-256.
    #[default]
    Vtpm,
    /// The trust domain's own: registers 1 to 4, SHA-384.
    Ccel,
}

impl BaselineLog {
    /// serde passes it by reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn is_vtpm(&self) -> bool {
        *self == Self::Vtpm
    }
}

/// A measured digest: SHA-256 in a vTPM log, SHA-384 in CCEL.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogDigest {
    /// Of a vTPM's log.
    Sha256(Digest32),
    /// Of a CCEL log.
    Sha384(Digest48),
}

/// The text is neither 64 nor 96 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 or 96 lower-case hex digits")]
pub struct LogDigestError;

impl LogDigest {
    /// The digest of the concatenation of `parts`, in the bank of this log.
    pub(super) fn of_parts(log: BaselineLog, parts: &[&[u8]]) -> Self {
        match log {
            BaselineLog::Vtpm => Self::Sha256(Digest32::of_parts(parts)),
            BaselineLog::Ccel => Self::Sha384(Digest48::of_parts(parts)),
        }
    }

    /// The kind of log with such digests.
    pub(super) const fn log(&self) -> BaselineLog {
        match self {
            Self::Sha256(_) => BaselineLog::Vtpm,
            Self::Sha384(_) => BaselineLog::Ccel,
        }
    }
}

impl fmt::Display for LogDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha384(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Debug for LogDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for LogDigest {
    type Err = LogDigestError;

    fn from_str(text: &str) -> Result<Self, LogDigestError> {
        let sha256 = text.parse().map(Self::Sha256);
        sha256.or_else(|_| text.parse().map(Self::Sha384)).map_err(|_| LogDigestError)
    }
}

impl From<Digest32> for LogDigest {
    fn from(digest: Digest32) -> Self {
        Self::Sha256(digest)
    }
}

impl From<Digest48> for LogDigest {
    fn from(digest: Digest48) -> Self {
        Self::Sha384(digest)
    }
}

impl From<EventDigest> for LogDigest {
    fn from(digest: EventDigest) -> Self {
        match digest {
            EventDigest::Sha256(digest) => Self::Sha256(digest),
            EventDigest::Sha384(digest) => Self::Sha384(digest),
        }
    }
}

impl Serialize for LogDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
