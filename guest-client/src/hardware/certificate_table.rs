//! The certificate table that comes with an SNP report: bytes of the host, parsed with bounds.
//!
//! Layout (GHCB specification, extended guest request): entries of 24 bytes (GUID 16, offset u32 LE, length
//! u32 LE), terminated by an entry of zeros; offsets count from the start of the table. GUIDs are in the byte
//! order of their text. The certificates themselves are not parsed.

use std::fmt;

/// Upper limit of a table, checked before it is parsed.
pub const MAX_TABLE: usize = 128 * 1024;
/// Upper limit of entries; the specification names six.
pub const MAX_ENTRIES: usize = 32;

const ENTRY: usize = 24;

/// A GUID in the byte order of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// The chip's own certificate.
    pub const VCEK: Self = Self::new(0x63da758d_e664_4564_adc5_f4b93be8accd);
    /// The certificate of a cloud's VLEK.
    pub const VLEK: Self = Self::new(0xa8074bc2_a25a_483e_aae6_39c045a0b8a1);
    /// The issuer of the VCEK, or of the VLEK (then also called ASVK).
    pub const ASK: Self = Self::new(0x4ab7b379_bbac_4fe4_a02f_05aef327c782);
    /// The root.
    pub const ARK: Self = Self::new(0xc0b406a4_a803_4952_9743_3fb6014cd0ae);
    /// A revocation list.
    pub const CRL: Self = Self::new(0x92f81bc3_5811_4d3d_97ff_d19f88dc67ea);
    /// Google's launch endorsement of the firmware.
    pub const GCE_ENDORSEMENT: Self = Self::new(0x9f4116cd_c503_4f5a_8f6f_fb68882f4ce2);

    const fn new(value: u128) -> Self {
        Self(value.to_be_bytes())
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        let part = |shift: u32, bits: u32| (value >> shift) & ((1 << bits) - 1);
        let (a, b, c, d, e) = (part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The certificates that the host sent with a report, by GUID. Nothing in it is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateTable {
    entries: Vec<(Guid, Vec<u8>)>,
}

impl CertificateTable {
    /// Parses a whole table.
    ///
    /// # Errors
    /// One variant of [`CertificateTableError`] for each rule.
    pub fn parse(table: &[u8]) -> Result<Self, CertificateTableError> {
        if table.len() > MAX_TABLE {
            return Err(CertificateTableError::TooLarge { length: table.len() });
        }
        let entries = read_entries(table)?;
        let header = (entries.len() + 1) * ENTRY;
        let mut end = header;
        let mut parsed = Self::default();
        for entry in entries {
            let bytes = entry.bytes(table, header)?;
            if parsed.entries.iter().any(|(guid, _)| *guid == entry.guid) {
                return Err(CertificateTableError::Duplicate { guid: entry.guid });
            }
            end = end.max(entry.offset.saturating_add(entry.length));
            parsed.entries.push((entry.guid, bytes.to_vec()));
        }
        let trailing = table.get(end..).unwrap_or_default();
        match trailing.iter().position(|byte| *byte != 0) {
            Some(at) => Err(CertificateTableError::Trailing { offset: end + at }),
            None => Ok(parsed),
        }
    }

    /// The bytes under `guid`; `None` also if the host left them empty.
    #[must_use]
    pub fn get(&self, guid: Guid) -> Option<&[u8]> {
        let (_, bytes) = self.entries.iter().find(|(other, _)| *other == guid)?;
        Some(bytes.as_slice()).filter(|bytes| !bytes.is_empty())
    }

    /// Every entry, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (Guid, &[u8])> {
        self.entries.iter().map(|(guid, bytes)| (*guid, bytes.as_slice()))
    }
}

/// Why a certificate table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateTableError {
    /// Larger than [`MAX_TABLE`].
    #[error("{length} bytes are more than {MAX_TABLE}")]
    TooLarge {
        /// Its length.
        length: usize,
    },
    /// The bytes end before the entry of zeros.
    #[error("it ends before its last entry")]
    Unterminated,
    /// More than [`MAX_ENTRIES`].
    #[error("it has more than {MAX_ENTRIES} entries")]
    TooManyEntries,
    /// An entry without GUID has an offset or a length.
    #[error("entry {index} has an offset or a length but no GUID")]
    NoGuid {
        /// The entry, from 0.
        index: usize,
    },
    /// Two entries have the same GUID.
    #[error("{guid} occurs twice")]
    Duplicate {
        /// The GUID.
        guid: Guid,
    },
    /// An entry points into the entries themselves.
    #[error("{guid} starts at {offset}, inside the {header} bytes of entries")]
    InHeader {
        /// The entry.
        guid: Guid,
        /// Its offset.
        offset: usize,
        /// Length of all entries, including the terminator.
        header: usize,
    },
    /// An entry extends beyond the table.
    #[error("{guid} at {offset} with {length} bytes extends beyond the table")]
    OutOfBounds {
        /// The entry.
        guid: Guid,
        /// Its offset.
        offset: usize,
        /// Its length.
        length: usize,
    },
    /// Nonzero bytes outside of all entries.
    #[error("byte {offset} belongs to no entry")]
    Trailing {
        /// The first such byte.
        offset: usize,
    },
}

struct Entry {
    guid: Guid,
    offset: usize,
    length: usize,
}

impl Entry {
    fn read(bytes: &[u8; ENTRY]) -> Self {
        let [guid @ .., o0, o1, o2, o3, l0, l1, l2, l3] = *bytes;
        let number = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        Self { guid: Guid(guid), offset: number([o0, o1, o2, o3]), length: number([l0, l1, l2, l3]) }
    }

    fn bytes<'t>(&self, table: &'t [u8], header: usize) -> Result<&'t [u8], CertificateTableError> {
        let Self { guid, offset, length } = *self;
        if offset < header {
            return Err(CertificateTableError::InHeader { guid, offset, header });
        }
        let end = offset.checked_add(length);
        end.and_then(|end| table.get(offset..end)).ok_or(CertificateTableError::OutOfBounds {
            guid,
            offset,
            length,
        })
    }
}

fn read_entries(table: &[u8]) -> Result<Vec<Entry>, CertificateTableError> {
    let mut entries = Vec::new();
    let mut rest = table;
    while let Some((bytes, next)) = rest.split_first_chunk::<ENTRY>() {
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(entries);
        }
        let entry = Entry::read(bytes);
        if entry.guid.0 == [0; 16] {
            return Err(CertificateTableError::NoGuid { index: entries.len() });
        }
        if entries.len() == MAX_ENTRIES {
            return Err(CertificateTableError::TooManyEntries);
        }
        entries.push(entry);
        rest = next;
    }
    Err(CertificateTableError::Unterminated)
}

#[cfg(test)]
mod tests;
