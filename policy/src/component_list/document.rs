//! A component list as a document: its form, what is signed of it, and when it counts.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::limits::MAX_COMPONENT_LIST;
use vouchsafe_protocol::{Bytes, ObjectName, UnixTime, UpdateSigner, UpdateSigningKey};

use crate::baseline::{Baseline, ExpiringEntries};

/// What a list is for, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTerms {
    /// The baseline that it is for.
    pub baseline: ObjectName,
    /// The security version of the components. A baseline takes no list of a lower version than its own, or than that of a
    /// list before.
    pub version: u32,
    /// From this time on it counts.
    pub issued_at: UnixTime,
    /// From this time on it does not count any more. What it has approved stays allowed.
    pub ends_at: UnixTime,
}

/// A list as received. Only its form has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentList {
    format: ListFormat,
    baseline: ObjectName,
    pub(super) version: u32,
    issued_at: UnixTime,
    ends_at: UnixTime,
    pub(super) components: ExpiringEntries,
    pub(super) signer: UpdateSigner,
    signature: Bytes,
}

/// The only format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum ListFormat {
    #[serde(rename = "vouchsafe/v1 component list")]
    V1,
}

/// Why a list does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFault {
    /// It is too long.
    #[error("it has {length} bytes, at most {MAX_COMPONENT_LIST} are read")]
    TooLarge {
        /// Its length.
        length: usize,
    },
    /// Not JSON of this form, or it has unknown members. The parser's message is left out: it quotes text of who wrote the list.
    #[error("not a component list: {problem} at line {line}, column {column}")]
    Malformed {
        /// What kind of error.
        problem: &'static str,
        /// Where, from 1.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It is for another baseline.
    #[error("it is for baseline {baseline}")]
    OtherBaseline {
        /// That baseline.
        baseline: ObjectName,
    },
    /// Its signer is not one of the baseline's.
    #[error("it is signed by {signer}, which is not one of the baseline's update_signers")]
    UnknownSigner {
        /// The signer that it names.
        signer: UpdateSigner,
    },
    /// The signature does not verify.
    #[error("the signature of {signer} does not verify")]
    Signature {
        /// The signer that it names.
        signer: UpdateSigner,
    },
    /// It counts later.
    #[error("it does not count before {issued_at}")]
    NotYet {
        /// From when on.
        issued_at: UnixTime,
    },
    /// It has ended.
    #[error("it ended at {ends_at}")]
    Ended {
        /// When.
        ends_at: UnixTime,
    },
    /// It may be an old list, played back.
    #[error("it has version {version}, and the baseline takes none below {least}")]
    OldVersion {
        /// Its version.
        version: u32,
        /// The lowest that counts.
        least: u32,
    },
    /// Something new is in no list that counts.
    #[error("neither it nor another list that counts has {event}")]
    NotListed {
        /// The first such event.
        event: String,
    },
}

impl ComponentList {
    /// Makes a list of these components, and signs it.
    #[must_use]
    pub fn sign(key: &UpdateSigningKey, terms: ListTerms, components: ExpiringEntries) -> Self {
        let ListTerms { baseline, version, issued_at, ends_at } = terms;
        let (format, signer, signature) = (ListFormat::V1, key.signer(), Bytes::default());
        let unsigned = Self { format, baseline, version, issued_at, ends_at, components, signer, signature };
        Self { signature: key.sign(&unsigned.signed()), ..unsigned }
    }

    /// Reads the JSON.
    ///
    /// # Errors
    /// When it is too long, or not a list.
    pub fn parse(json: &[u8]) -> Result<Self, ListFault> {
        if json.len() > MAX_COMPONENT_LIST {
            return Err(ListFault::TooLarge { length: json.len() });
        }
        serde_json::from_slice(json).map_err(|error| ListFault::malformed(&error))
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("digests, texts and numbers are JSON")
    }

    /// The signer that it names.
    #[must_use]
    pub const fn signer(&self) -> UpdateSigner {
        self.signer
    }

    /// Checks that one of these signers has signed it.
    pub(super) fn check_signature(&self, signers: &[UpdateSigner]) -> Result<(), ListFault> {
        let signer = self.signer;
        if !signers.contains(&signer) {
            return Err(ListFault::UnknownSigner { signer });
        }
        signer.check(&self.signed(), &self.signature).map_err(|_| ListFault::Signature { signer })
    }

    /// Checks that it is for this baseline and for `now`, and not an old one, played back (T28).
    pub(super) fn check_terms(
        &self,
        name: &ObjectName,
        baseline: &Baseline,
        now: UnixTime,
    ) -> Result<(), ListFault> {
        if self.baseline != *name {
            return Err(ListFault::OtherBaseline { baseline: self.baseline.clone() });
        }
        if now < self.issued_at {
            return Err(ListFault::NotYet { issued_at: self.issued_at });
        }
        if now >= self.ends_at {
            return Err(ListFault::Ended { ends_at: self.ends_at });
        }
        let least = baseline.version.max(baseline.update_version);
        if self.version < least {
            return Err(ListFault::OldVersion { version: self.version, least });
        }
        Ok(())
    }

    // Component list = label || signer || baseline || version || issued_at || ends_at || number of entries || for each entry:
    //                  list || section or nothing || digest in hex or text, each length-prefixed; numbers as 8 bytes
    //                  big-endian. Lists are in the order of their names, sections last and in the order of theirs; the
    //                  entries of each are in the order of the document.
    fn signed(&self) -> Preimage {
        let rows = self.components.rows();
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let preimage = Preimage::new(LIST_LABEL)
            .field(self.signer.as_bytes())
            .text(self.baseline.as_str())
            .number(self.version.into())
            .number(self.issued_at.0)
            .number(self.ends_at.0)
            .number(count);
        rows.into_iter()
            .fold(preimage, |preimage, (list, section, entry)| preimage.text(list).text(section).text(&entry))
    }
}

impl ListFault {
    fn malformed(error: &serde_json::Error) -> Self {
        let problem = match error.classify() {
            Category::Data => "an unknown, missing or wrong member",
            Category::Eof => "it ends too early",
            Category::Syntax | Category::Io => "no JSON",
        };
        Self::Malformed { problem, line: error.line(), column: error.column() }
    }
}

const LIST_LABEL: &[u8] = b"vouchsafe/v1 component list";

#[cfg(test)]
mod tests;
