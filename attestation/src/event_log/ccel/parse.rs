//! Parses bytes into events: the format of PFP 1.06 §10.2 and §10.4.5 as UEFI 2.10 §38.4 uses it for
//! confidential computing, with registers instead of PCRs.

use vouchsafe_protocol::limits::MAX_EVENT_LOG;

use super::error::CcelError;
use crate::event_log::digest::Bank;
use crate::event_log::error::EventLogError;
use crate::event_log::event::Event;
use crate::event_log::event_type::EventType;
use crate::event_log::limits::MAX_EVENTS;
use crate::event_log::parse::Algorithm;
use crate::event_log::parse::Reader;
use crate::event_log::parse::SMALLEST_EVENT;
use crate::event_log::parse::SPEC_ID;
use crate::event_log::parse::TYPICAL_EVENT;
use crate::event_log::parse::event;
use crate::event_log::parse::header;
use crate::event_log::parse::spec_id;

/// Reads a whole log.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Event<'_>>, CcelError> {
    if bytes.is_empty() {
        return Err(EventLogError::Empty.into());
    }
    if bytes.len() > MAX_EVENT_LOG {
        return Err(EventLogError::TooLarge { size: bytes.len() }.into());
    }
    let mut reader = Reader(bytes);
    let algorithms = algorithms(&mut reader)?;
    let mut events = Vec::with_capacity((bytes.len() / TYPICAL_EVENT).min(TYPICAL_EVENTS));
    while !is_end(&reader, events.len())? {
        if events.len() == MAX_EVENTS {
            return Err(EventLogError::TooManyEvents.into());
        }
        events.push(next(&mut reader, events.len() + 1, &algorithms)?);
    }
    if events.is_empty() {
        return Err(EventLogError::Empty.into());
    }
    Ok(events)
}

/// The header must declare SHA-384 and nothing else.
fn algorithms(reader: &mut Reader<'_>) -> Result<Vec<Algorithm>, CcelError> {
    let (register, data) = header(reader)?;
    if register != HEADER_REGISTER {
        return Err(CcelError::HeaderRegister { register });
    }
    let algorithms = spec_id(data)?;
    match algorithms.as_slice() {
        [algorithm] if algorithm.id == Bank::Sha384.id() => Ok(algorithms),
        _ => Err(CcelError::Algorithms),
    }
}

/// Whether the log ends here: no byte is left, or index 0xFFFFFFFF and only 0xFF after it.
fn is_end(reader: &Reader<'_>, event: usize) -> Result<bool, CcelError> {
    let rest = reader.0;
    if rest.first_chunk() != Some(&END) {
        return Ok(rest.is_empty());
    }
    if rest.iter().all(|byte| *byte == 0xff) { Ok(true) } else { Err(CcelError::Padding { event }) }
}

fn next<'a>(
    reader: &mut Reader<'a>,
    number: usize,
    algorithms: &[Algorithm],
) -> Result<Event<'a>, CcelError> {
    let rest = reader.0;
    if rest.len() < SMALLEST_EVENT {
        return Err(EventLogError::TrailingBytes { count: rest.len() }.into());
    }
    let register = rest.first_chunk().copied().map(u32::from_le_bytes).unwrap_or(u32::MAX);
    if register > LAST_REGISTER {
        return Err(CcelError::RegisterIndex { event: number, register });
    }
    let event = event(reader, number, algorithms, Bank::Sha384)?;
    if event.event_type == EventType::NO_ACTION && event.data.starts_with(SPEC_ID) {
        return Err(CcelError::SecondSpecId { event: number });
    }
    Ok(event)
}

/// The register that the header has in every log seen so far.
const HEADER_REGISTER: u32 = 1;
/// RTMR3.
const LAST_REGISTER: u32 = 4;
const END: [u8; 4] = [0xff; 4];
/// For the first allocation only: a padded log is mostly padding.
const TYPICAL_EVENTS: usize = 256;
