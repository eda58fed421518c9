//! Tagged events: a tag, a length and data of that length (PFP 1.06 §10.4.2.1).

use super::boot::EventKind;
use super::classified::Classified;
use super::error::EventLogError;
use super::event::Event;

/// Linux's tags name what was hashed; no digest covers them.
pub(super) fn tagged(event: &Event<'_>) -> Result<Classified, EventLogError> {
    let (tag, text) = tag_and_text(event)?;
    let kind = match (event.pcr, tag) {
        (9, LINUX_LOAD_OPTIONS) => EventKind::KernelLoadOptions,
        (9, LINUX_INITRD) => EventKind::KernelInitrd,
        _ => EventKind::Other,
    };
    Ok(Classified::untrusted(kind, text))
}

/// The tag of a tagged event, and its content.
pub(super) fn tag_and_text<'a>(event: &Event<'a>) -> Result<(u32, &'a [u8]), EventLogError> {
    let malformed = EventLogError::MalformedTaggedEvent { event: event.number };
    let Some((tag, rest)) = event.data.split_first_chunk::<4>() else { return Err(malformed) };
    let Some((size, text)) = rest.split_first_chunk::<4>() else { return Err(malformed) };
    if usize::try_from(u32::from_le_bytes(*size)).ok() != Some(text.len()) {
        return Err(malformed);
    }
    Ok((u32::from_le_bytes(*tag), text))
}

const LINUX_INITRD: u32 = 0x8f3b_22ec;
const LINUX_LOAD_OPTIONS: u32 = 0x8f3b_22ed;
