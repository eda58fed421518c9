//! The binary header at the start of each copy of the metadata (`struct luks2_hdr_disk`, cryptsetup, lib/luks2/luks2.h).

use vouchsafe_protocol::Digest32;

use super::error::{Copy, HeaderError};

/// Bytes of the binary header.
pub(super) const BINARY: usize = 4096;

/// The fields that both copies have to share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binary {
    /// Bytes of this copy: binary header and JSON area.
    pub(super) size: usize,
    pub(super) sequence: u64,
    pub(super) label: String,
    pub(super) uuid: String,
    pub(super) subsystem: String,
}

/// Magic number, version and size of the primary copy: the first bytes of a device.
pub(super) fn size(first: &[u8]) -> Result<usize, HeaderError> {
    let truncated = HeaderError::Truncated { needed: BINARY as u64, found: first.len() as u64 };
    let magic = first.first_chunk::<6>().ok_or(truncated.clone())?;
    if magic != PRIMARY_MAGIC {
        return Err(HeaderError::NotLuks);
    }
    match u16::from_be_bytes(array(first, 6).ok_or(truncated.clone())?) {
        2 => {}
        1 => return Err(HeaderError::Luks1),
        found => return Err(HeaderError::Version { found }),
    }
    let found = u64::from_be_bytes(array(first, 8).ok_or(truncated)?);
    SIZES.into_iter().find(|size| *size as u64 == found).ok_or(HeaderError::HeaderSize { found })
}

/// Reads one copy, which is the whole of `bytes`.
pub(super) fn parse(bytes: &[u8], copy: Copy) -> Result<Binary, HeaderError> {
    let truncated = HeaderError::Truncated { needed: BINARY as u64, found: bytes.len() as u64 };
    let binary: &[u8; BINARY] = bytes.first_chunk().ok_or(truncated.clone())?;
    let number = |offset| array(binary, offset).map(u64::from_be_bytes).ok_or(truncated.clone());
    if copy == Copy::Secondary && binary.first_chunk() != Some(SECONDARY_MAGIC) {
        return Err(HeaderError::SecondaryMagic);
    }
    if array(binary, 6) != Some(2_u16.to_be_bytes()) {
        return Err(HeaderError::CopiesDiffer { field: "version" });
    }
    if number(8)? != bytes.len() as u64 {
        return Err(HeaderError::CopiesDiffer { field: "size" });
    }
    let own = if copy == Copy::Primary { 0 } else { bytes.len() as u64 };
    if number(OFFSET)? != own {
        return Err(HeaderError::HeaderOffset { copy });
    }
    check_sum(bytes, binary, copy)?;
    let text = |start: usize, length: usize, field| {
        text(binary.get(start..start + length).unwrap_or_default())
            .ok_or(HeaderError::BinaryText { copy, field })
    };
    let uuid = text(168, 40, "UUID")?;
    if !is_uuid(&uuid) {
        return Err(HeaderError::BinaryText { copy, field: "UUID" });
    }
    Ok(Binary {
        size: bytes.len(),
        sequence: number(16)?,
        label: text(24, 48, "label")?,
        uuid,
        subsystem: text(208, 48, "subsystem")?,
    })
}

/// SHA-256 over the copy with a checksum of zeros. Everything that has no meaning has to be zero.
fn check_sum(bytes: &[u8], binary: &[u8; BINARY], copy: Copy) -> Result<(), HeaderError> {
    let zero = |start: usize, end: usize| {
        binary.get(start..end).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
    };
    let (before, rest) = bytes.split_at_checked(CHECKSUM).unwrap_or_default();
    let (field, after) = rest.split_at_checked(CHECKSUM_FIELD).unwrap_or_default();
    let algorithm = binary.get(72..104).unwrap_or_default();
    if text(algorithm).as_deref() != Some("sha256") {
        return Err(HeaderError::ChecksumAlgorithm { copy });
    }
    let Digest32(sum) = Digest32::of_parts(&[before, &[0; CHECKSUM_FIELD], after]);
    if field.first_chunk() != Some(&sum) {
        return Err(HeaderError::Checksum { copy });
    }
    if !zero(OFFSET + 8, CHECKSUM) || !zero(CHECKSUM + 32, BINARY) {
        return Err(HeaderError::Padding { copy });
    }
    Ok(())
}

/// A text up to the first NUL, behind which there are only NULs. At least one is there.
fn text(field: &[u8]) -> Option<String> {
    let length = field.iter().position(|byte| *byte == 0)?;
    let (text, rest) = field.split_at_checked(length)?;
    let text = std::str::from_utf8(text).ok()?;
    (rest.iter().all(|byte| *byte == 0) && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// As libuuid writes it, in lower case.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

const PRIMARY_MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
const SECONDARY_MAGIC: &[u8; 6] = b"SKUL\xba\xbe";
const OFFSET: usize = 256;
const CHECKSUM: usize = 448;
const CHECKSUM_FIELD: usize = 64;
/// What cryptsetup offers, up to a limit for the JSON: 16 KiB are the default, 4 MiB would be possible.
const SIZES: [usize; 7] = [0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000];
