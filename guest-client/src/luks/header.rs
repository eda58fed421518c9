//! The checked header.

use super::binary::{self, BINARY};
use super::error::{Copy, HeaderError};
use super::keyslot::Keyslot;
use super::metadata;

/// The largest header that is read: 32 MiB. cryptsetup makes headers of 16 MiB.
pub const MAX_HEADER: u64 = 32 << 20;

/// What a header says that passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    uuid: String,
    label: String,
    sequence: u64,
    data_offset: u64,
    sector_size: u64,
    keyslots: Vec<Keyslot>,
    flags: Vec<String>,
}

/// Bytes of both copies of the metadata, of which `first` are the first 16 at least.
///
/// # Errors
/// [`HeaderError`] if this is no LUKS2 header, or one with copies of an odd size.
pub fn metadata_length(first: &[u8]) -> Result<usize, HeaderError> {
    Ok(2 * binary::size(first)?)
}

impl Header {
    /// Checks the first bytes of a device: both copies of the metadata at least. What follows is not read.
    ///
    /// # Errors
    /// [`HeaderError`] names the first fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        // 1. Magic number, version, size.
        let needed = metadata_length(bytes)?;
        let truncated = HeaderError::Truncated { needed: needed as u64, found: bytes.len() as u64 };
        let (one, other) = bytes.get(..needed).ok_or(truncated)?.split_at(needed / 2);
        // 2. Each copy by itself, and that they say the same. cryptsetup would choose one, by their sequence numbers.
        let primary = binary::parse(one, Copy::Primary)?;
        let secondary = binary::parse(other, Copy::Secondary)?;
        check_equal(&primary, &secondary)?;
        let (area, other) = (one.get(BINARY..).unwrap_or_default(), other.get(BINARY..).unwrap_or_default());
        if area != other {
            return Err(HeaderError::CopiesDiffer { field: "their metadata" });
        }
        // 3. What they say.
        let metadata = metadata::parse(area, primary.size as u64, MAX_HEADER)?;
        let binary::Binary { uuid, label, sequence, .. } = primary;
        let metadata::Metadata { data_offset, sector_size, keyslots, flags } = metadata;
        Ok(Self { uuid, label, sequence, data_offset, sector_size, keyslots, flags })
    }

    /// The UUID of the volume.
    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// The label of the volume, which may be empty.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// A number that grows with every change of the header.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Bytes of the header: where the data begins.
    #[must_use]
    pub const fn data_offset(&self) -> u64 {
        self.data_offset
    }

    /// Bytes of an encrypted sector.
    #[must_use]
    pub const fn sector_size(&self) -> u64 {
        self.sector_size
    }

    /// Bits of the volume key; XTS uses half of them for each of its two keys.
    #[must_use]
    pub fn key_bits(&self) -> u64 {
        self.keyslots.first().map_or(0, |keyslot| 8 * keyslot.key_size())
    }

    /// The key slots, in the order of their numbers.
    #[must_use]
    pub fn keyslots(&self) -> &[Keyslot] {
        &self.keyslots
    }

    /// Flags for dm-crypt that are kept in the header.
    #[must_use]
    pub fn flags(&self) -> &[String] {
        &self.flags
    }
}

/// Only magic number, offset, salt and checksum differ.
fn check_equal(one: &binary::Binary, other: &binary::Binary) -> Result<(), HeaderError> {
    let differ = |field| Err(HeaderError::CopiesDiffer { field });
    if one.sequence != other.sequence {
        return differ("their sequence number");
    }
    if one.uuid != other.uuid {
        return differ("the UUID");
    }
    if one.label != other.label {
        return differ("the label");
    }
    if one.subsystem != other.subsystem {
        return differ("the subsystem");
    }
    Ok(())
}
