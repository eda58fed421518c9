//! Data of an image's event: `UEFI_IMAGE_LOAD_EVENT` (PFP 1.06 §10.2.3).

use super::variable::utf16;

/// The file that the event names, from the last node of its device path. Not measured.
pub(super) fn image_path(data: &[u8]) -> Option<String> {
    // Address, length and link-time address, then the length of the device path.
    let (_, rest) = data.split_first_chunk::<24>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let mut path = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let mut name = String::new();
    while let Some(([kind, subtype, low, high], _)) = path.split_first_chunk::<4>() {
        let size = usize::from(u16::from_le_bytes([*low, *high]));
        let node = path.get(4..size)?;
        if (*kind, *subtype) == FILE_PATH {
            name.push_str(utf16(node)?.trim_end_matches('\0'));
        }
        path = path.get(size..)?;
    }
    let is_name = !name.is_empty() && name.len() <= MAX_PATH && !name.chars().any(char::is_control);
    is_name.then_some(name)
}

/// UEFI 2.10 §10.3.5.4: media device path, file path.
const FILE_PATH: (u8, u8) = (4, 4);
/// Upper limit of a path that is shown.
const MAX_PATH: usize = 256;
