//! Digests of events, in the bank of their log.

use std::fmt;

use serde::Serialize;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;

/// An extended digest: SHA-256 in a vTPM log, SHA-384 in CCEL. Digests of different banks are never equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum EventDigest {
    /// In the log of a vTPM.
    Sha256(Digest32),
    /// In CCEL.
    Sha384(Digest48),
}

/// The bank in which a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bank {
    Sha256,
    Sha384,
}

impl EventDigest {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(digest) => digest.as_bytes(),
            Self::Sha384(digest) => digest.as_bytes(),
        }
    }

    /// The digest, if it is from a vTPM log.
    #[must_use]
    pub const fn sha256(&self) -> Option<Digest32> {
        match self {
            Self::Sha256(digest) => Some(*digest),
            Self::Sha384(_) => None,
        }
    }

    /// Whether this is the digest of the concatenation of `parts`, in its own bank.
    #[must_use]
    pub fn covers(&self, parts: &[&[u8]]) -> bool {
        match self {
            Self::Sha256(digest) => Digest32::of_parts(parts) == *digest,
            Self::Sha384(digest) => Digest48::of_parts(parts) == *digest,
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.as_bytes().iter().all(|byte| *byte == 0)
    }
}

impl Bank {
    /// `TPM_ALG_ID` (TPM 2.0 Part 2 §6.3).
    pub(super) const fn id(self) -> u16 {
        match self {
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
        }
    }

    /// A digest from the log; `None` if its length is not that of this bank.
    pub(super) fn read(self, bytes: &[u8]) -> Option<EventDigest> {
        match self {
            Self::Sha256 => bytes.try_into().ok().map(|bytes| EventDigest::Sha256(Digest32(bytes))),
            Self::Sha384 => bytes.try_into().ok().map(|bytes| EventDigest::Sha384(Digest48(bytes))),
        }
    }
}

impl From<Digest32> for EventDigest {
    fn from(digest: Digest32) -> Self {
        Self::Sha256(digest)
    }
}

impl From<Digest48> for EventDigest {
    fn from(digest: Digest48) -> Self {
        Self::Sha384(digest)
    }
}

impl PartialEq<Digest32> for EventDigest {
    fn eq(&self, other: &Digest32) -> bool {
        *self == Self::Sha256(*other)
    }
}

impl PartialEq<EventDigest> for Digest32 {
    fn eq(&self, other: &EventDigest) -> bool {
        *other == *self
    }
}

impl PartialEq<Digest48> for EventDigest {
    fn eq(&self, other: &Digest48) -> bool {
        *self == Self::Sha384(*other)
    }
}

impl fmt::Display for EventDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.fmt(f),
            Self::Sha384(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Debug for EventDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
