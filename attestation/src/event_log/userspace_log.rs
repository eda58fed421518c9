//! systemd's own record of what it extended: `/run/log/systemd/tpm2-measure.log`.
//!
//! An optional, unsigned part of the evidence. It proves nothing alone: each content is hashed again, and an
//! entry is used only if the digests result in the quoted value of its register.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::limits::MAX_USERSPACE_LOG;

use crate::withheld::Withheld;

/// Entries of one log.
pub const MAX_USERSPACE_ENTRIES: usize = 2048;

/// A measurement log of user space. Its form is valid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserspaceLog {
    records: Vec<Record>,
}

/// One entry that extended a PCR of the SHA-256 bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) pcr: u8,
    pub(super) digest: Digest32,
    /// Only if the digest is that of the text.
    text: Option<String>,
}

/// Why the log is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserspaceLogError {
    /// A number is above its limit.
    #[error("userspace log of {size} bytes is above the limit of {MAX_USERSPACE_LOG}")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// More entries than the limit.
    #[error("userspace log has more than {MAX_USERSPACE_ENTRIES} entries")]
    TooManyEntries,
    /// Not a JSON text sequence: a record separator before and a line feed after each entry (RFC 7464).
    #[error("entry {entry} of the userspace log is not part of a JSON text sequence")]
    NotASequence {
        /// Counted from 1.
        entry: usize,
    },
    /// Not in the form in which systemd writes entries.
    #[error("entry {entry} of the userspace log is malformed")]
    Malformed {
        /// Counted from 1.
        entry: usize,
    },
    /// The PCR does not exist.
    #[error("entry {entry} of the userspace log names PCR {pcr}")]
    PcrIndex {
        /// Counted from 1.
        entry: usize,
        /// The PCR.
        pcr: u8,
    },
}

impl UserspaceLog {
    /// Reads a whole log.
    ///
    /// # Errors
    /// Anything that is not exactly a log of systemd, within the limits of this module.
    pub fn parse(bytes: &[u8]) -> Result<Self, UserspaceLogError> {
        if bytes.len() > MAX_USERSPACE_LOG {
            return Err(UserspaceLogError::TooLarge { size: bytes.len() });
        }
        let mut records = Vec::new();
        let mut texts = bytes.split(|byte| *byte == RECORD_SEPARATOR);
        if texts.next().is_some_and(|before| !before.is_empty()) {
            return Err(UserspaceLogError::NotASequence { entry: 1 });
        }
        for (number, text) in (1..).zip(texts) {
            if number > MAX_USERSPACE_ENTRIES {
                return Err(UserspaceLogError::TooManyEntries);
            }
            let text = text.strip_suffix(b"\n").ok_or(UserspaceLogError::NotASequence { entry: number })?;
            records.extend(Record::read(text, number)?);
        }
        Ok(Self { records })
    }

    /// The log of evidence, or why it is ignored.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, Withheld> {
        Self::parse(bytes).map_err(|error| Withheld::new("vtpm.userspace", error.name(), error))
    }

    /// The entries of one PCR, in order.
    pub(super) fn of(&self, pcr: u8) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.pcr == pcr)
    }
}

impl UserspaceLogError {
    /// Stable name in kebab-case, since records hold it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "userspace-log-too-large",
            Self::TooManyEntries => "userspace-log-too-many-entries",
            Self::NotASequence { .. } => "userspace-log-not-a-sequence",
            Self::Malformed { .. } => "userspace-log-malformed",
            Self::PcrIndex { .. } => "userspace-log-pcr-index",
        }
    }
}

impl Record {
    /// `None` for an entry of an NV index, or without a SHA-256 digest.
    fn read(text: &[u8], entry: usize) -> Result<Option<Self>, UserspaceLogError> {
        let malformed = UserspaceLogError::Malformed { entry };
        let read: Entry = serde_json::from_slice(text).map_err(|_| malformed.clone())?;
        let mut digests = read.digests.iter().filter(|digest| digest.algorithm == "sha256");
        let (digest, second) = (digests.next(), digests.next());
        if second.is_some() {
            return Err(malformed);
        }
        let (Some(pcr), Some(digest)) = (read.pcr, digest) else { return Ok(None) };
        if pcr > LAST_PCR {
            return Err(UserspaceLogError::PcrIndex { entry, pcr });
        }
        let digest: Digest32 = digest.digest.parse().map_err(|_| malformed)?;
        let text = read.content.as_ref().and_then(|content| content.get("string")?.as_str());
        let text = text.filter(|text| Digest32::of(text.as_bytes()) == digest).map(str::to_owned);
        Ok(Some(Self { pcr, digest, text }))
    }

    /// The content, if the digest covers it.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The form for display: the content if it is covered, a single line and short; otherwise the digest.
    pub(super) fn shown(&self) -> Cow<'static, str> {
        let plain = |text: &&str| text.len() <= MAX_SHOWN && !text.chars().any(char::is_control);
        match self.text().filter(plain) {
            Some(text) => Cow::Owned(text.to_owned()),
            None => Cow::Owned(format!("sha256:{}", self.digest)),
        }
    }
}

/// An entry as systemd writes it; other members are ignored.
#[derive(Deserialize)]
struct Entry {
    /// Absent for an NV index.
    pcr: Option<u8>,
    digests: Vec<BankDigest>,
    content: Option<Value>,
}

#[derive(Deserialize)]
struct BankDigest {
    #[serde(rename = "hashAlg")]
    algorithm: String,
    digest: String,
}

/// RFC 7464 §2.2.
const RECORD_SEPARATOR: u8 = 0x1e;
const LAST_PCR: u8 = 23;
const MAX_SHOWN: usize = 512;
