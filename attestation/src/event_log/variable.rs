//! `UEFI_VARIABLE_DATA` (PFP 1.06 §10.2.6) and UTF-16 texts.

/// A variable as an event carries it.
pub(super) struct Variable<'a> {
    /// Vendor GUID, as stored.
    pub(super) vendor: [u8; 16],
    /// Name.
    pub(super) name: String,
    /// Content.
    pub(super) value: &'a [u8],
    /// Bytes after the content; old versions of shim count the structure's padding.
    pub(super) excess: usize,
}

impl<'a> Variable<'a> {
    /// GUID, name length in characters, content length, name, content.
    pub(super) fn parse(data: &'a [u8]) -> Option<Self> {
        let (vendor, rest) = data.split_first_chunk::<16>()?;
        let (name_length, rest) = rest.split_first_chunk::<8>()?;
        let (value_length, rest) = rest.split_first_chunk::<8>()?;
        let name_length = usize::try_from(u64::from_le_bytes(*name_length)).ok()?;
        let value_length = usize::try_from(u64::from_le_bytes(*value_length)).ok()?;
        let (name, rest) = rest.split_at_checked(name_length.checked_mul(2)?)?;
        let (value, excess) = rest.split_at_checked(value_length)?;
        let name = utf16(name)?;
        let printable = !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic());
        printable.then_some(Self { vendor: *vendor, name, value, excess: excess.len() })
    }
}

/// A UTF-16 text that ends with a NUL, without it.
pub(super) fn utf16_text(data: &[u8]) -> Option<String> {
    utf16(data.strip_suffix(&[0, 0])?)
}

/// A UTF-16 text without a terminating NUL.
pub(super) fn utf16(data: &[u8]) -> Option<String> {
    let (units, []) = data.as_chunks::<2>() else { return None };
    char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit))).collect::<Result<_, _>>().ok()
}

/// Version of the firmware, if it is a text.
pub(super) fn version_text(data: &[u8]) -> Option<String> {
    utf16_text(data).filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
}

/// A text for display, at most one line.
pub(super) fn untrusted_text(data: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(data).ok()?;
    (!text.is_empty() && text.len() <= MAX_UNTRUSTED_NAME && !text.chars().any(char::is_control))
        .then(|| text.to_owned())
}

const MAX_UNTRUSTED_NAME: usize = 256;
