//! Parses bytes into events (PFP 1.06 §10.2 and §10.4.5). Checks limits first; interprets nothing beyond the
//! form.

use vouchsafe_protocol::limits::MAX_EVENT_LOG;

use super::digest::Bank;
use super::digest::EventDigest;
use super::error::EventLogError;
use super::event::Event;
use super::event::EventLog;
use super::event_type::EventType;
use super::limits::MAX_ALGORITHMS;
use super::limits::MAX_EVENT_DATA;
use super::limits::MAX_EVENTS;

/// Reads a whole log.
pub(super) fn parse(bytes: &[u8]) -> Result<EventLog<'_>, EventLogError> {
    if bytes.is_empty() {
        return Err(EventLogError::Empty);
    }
    if bytes.len() > MAX_EVENT_LOG {
        return Err(EventLogError::TooLarge { size: bytes.len() });
    }
    let mut reader = Reader(bytes);
    let (pcr, data) = header(&mut reader)?;
    let algorithms = spec_id(data)?;
    if pcr != 0 {
        let sha384_alone = algorithms.iter().all(|algorithm| algorithm.id == Bank::Sha384.id());
        return Err(if sha384_alone { EventLogError::CcelLog } else { EventLogError::LegacyFormat });
    }
    if !algorithms.iter().any(|algorithm| algorithm.id == Bank::Sha256.id()) {
        return Err(EventLogError::NoSha256Bank);
    }
    let mut events = Vec::with_capacity(bytes.len() / TYPICAL_EVENT);
    while !reader.0.is_empty() {
        if events.len() == MAX_EVENTS {
            return Err(EventLogError::TooManyEvents);
        }
        if reader.0.len() < SMALLEST_EVENT {
            return Err(EventLogError::TrailingBytes { count: reader.0.len() });
        }
        events.push(event(&mut reader, events.len() + 1, &algorithms, Bank::Sha256)?);
    }
    if events.is_empty() {
        return Err(EventLogError::Empty);
    }
    let startup_locality = startup_locality(&events)?;
    Ok(EventLog { startup_locality, events })
}

/// The first event, in the layout of TPM 1.2 (`TCG_PCClientPCREvent`, PFP 1.06 §10.2.1): PCR, type, SHA-1 digest, length, data. Returns PCR and data.
pub(super) fn header<'a>(reader: &mut Reader<'a>) -> Result<(u32, &'a [u8]), EventLogError> {
    let not_a_log = EventLogError::NotAnEventLog;
    let (Some(pcr), Some(event_type)) = (reader.u32(), reader.u32()) else { return Err(not_a_log) };
    let (Some(digest), Some(size)) = (reader.take(SHA1_SIZE), reader.u32()) else { return Err(not_a_log) };
    let Some(data) = usize::try_from(size).ok().and_then(|size| reader.take(size)) else {
        return Err(not_a_log);
    };
    if pcr > LAST_PCR {
        return Err(not_a_log);
    }
    if EventType(event_type) != EventType::NO_ACTION || !data.starts_with(SPEC_ID) {
        return Err(EventLogError::LegacyFormat);
    }
    if digest.iter().any(|byte| *byte != 0) {
        return Err(EventLogError::MalformedSpecId);
    }
    Ok((pcr, data))
}

/// `TCG_EfiSpecIdEvent` (PFP 1.06 §10.4.5.1): the algorithms of the log.
pub(super) fn spec_id(data: &[u8]) -> Result<Vec<Algorithm>, EventLogError> {
    let malformed = || EventLogError::MalformedSpecId;
    let mut reader = Reader(data);
    let _signature = reader.take(SPEC_ID.len()).ok_or_else(malformed)?;
    let _platform_class = reader.u32().ok_or_else(malformed)?;
    let &[minor, major, _errata, uintn] = reader.array::<4>().ok_or_else(malformed)?;
    if (major, minor) != (2, 0) {
        return Err(EventLogError::SpecIdVersion { major, minor });
    }
    if !matches!(uintn, 1 | 2) {
        return Err(malformed());
    }
    let count = reader.u32().ok_or_else(malformed)?;
    if usize::try_from(count).map_or(true, |count| count > MAX_ALGORITHMS) {
        return Err(EventLogError::AlgorithmCount { count });
    }
    let mut algorithms: Vec<Algorithm> = Vec::with_capacity(MAX_ALGORITHMS);
    for _ in 0..count {
        let id = reader.u16().ok_or_else(malformed)?;
        let size = reader.u16().ok_or_else(malformed)?;
        let algorithm = Algorithm::known(id).ok_or(EventLogError::UnknownAlgorithm { algorithm: id })?;
        if algorithm.size != usize::from(size) {
            return Err(EventLogError::AlgorithmSize { algorithm: id, size });
        }
        if algorithms.contains(&algorithm) {
            return Err(EventLogError::DuplicateAlgorithm { algorithm: id });
        }
        algorithms.push(algorithm);
    }
    let vendor_size = reader.array::<1>().ok_or_else(malformed)?[0];
    if reader.0.len() != usize::from(vendor_size) {
        return Err(malformed());
    }
    Ok(algorithms)
}

/// `TCG_PCR_EVENT2` (PFP 1.06 §10.2.2): PCR, type, digests, length, data.
pub(super) fn event<'a>(
    reader: &mut Reader<'a>,
    number: usize,
    algorithms: &[Algorithm],
    bank: Bank,
) -> Result<Event<'a>, EventLogError> {
    let truncated = || EventLogError::Truncated { event: number };
    let index = reader.u32().ok_or_else(truncated)?;
    let event_type = EventType(reader.u32().ok_or_else(truncated)?);
    let pcr = u8::try_from(index)
        .ok()
        .filter(|pcr| u32::from(*pcr) <= LAST_PCR)
        .ok_or(EventLogError::PcrIndex { event: number, pcr: index })?;
    let digest = digests(reader, number, algorithms, bank)?
        .ok_or(EventLogError::NoSha256Digest { event: number, pcr })?;
    let size = reader.u32().ok_or_else(truncated)?;
    let length = usize::try_from(size)
        .ok()
        .filter(|size| *size <= MAX_EVENT_DATA)
        .ok_or(EventLogError::EventDataSize { event: number, size })?;
    let data = reader.take(length).ok_or_else(truncated)?;
    // PFP 1.06 §10.4.5: all digests are zero, since nothing is extended.
    if event_type == EventType::NO_ACTION && !digest.is_zero() {
        return Err(EventLogError::NoActionDigest { event: number });
    }
    Ok(Event { number, pcr, event_type, digest, data })
}

/// `TPML_DIGEST_VALUES` (TPM 2.0 Part 2 §10.9.6): at most one digest for each declared algorithm. Returns that of `bank`.
fn digests(
    reader: &mut Reader<'_>,
    number: usize,
    algorithms: &[Algorithm],
    bank: Bank,
) -> Result<Option<EventDigest>, EventLogError> {
    let truncated = || EventLogError::Truncated { event: number };
    let count = reader.u32().ok_or_else(truncated)?;
    if count == 0 || usize::try_from(count).map_or(true, |count| count > algorithms.len()) {
        return Err(EventLogError::DigestCount { event: number, count });
    }
    let mut seen = [false; MAX_ALGORITHMS];
    let mut found = None;
    for _ in 0..count {
        let id = reader.u16().ok_or_else(truncated)?;
        let (algorithm, seen) = algorithms
            .iter()
            .zip(&mut seen)
            .find(|(algorithm, _)| algorithm.id == id)
            .ok_or(EventLogError::UndeclaredAlgorithm { event: number, algorithm: id })?;
        if std::mem::replace(seen, true) {
            return Err(EventLogError::DuplicateDigest { event: number, algorithm: id });
        }
        let digest = reader.take(algorithm.size).ok_or_else(truncated)?;
        if id == bank.id() {
            found = bank.read(digest);
        }
    }
    Ok(found)
}

/// The locality that started the TPM: the last byte of PCR 0's initial value (PFP 1.06 §10.4.5.3).
fn startup_locality(events: &[Event<'_>]) -> Result<u8, EventLogError> {
    let mut extended = false;
    let mut locality = None;
    for event in events.iter().filter(|event| event.pcr == 0) {
        if event.event_type != EventType::NO_ACTION {
            extended = true;
        } else if let Some(value) = event.data.strip_prefix(STARTUP_LOCALITY) {
            let &[value @ (0 | 3 | 4)] = value else {
                return Err(EventLogError::StartupLocality { event: event.number });
            };
            if extended || locality.replace(value).is_some() {
                return Err(EventLogError::StartupLocality { event: event.number });
            }
        }
    }
    Ok(locality.unwrap_or(0))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithm {
    pub(super) id: u16,
    size: usize,
}

impl Algorithm {
    /// Digest sizes from the TCG algorithm registry; a log must not declare others.
    fn known(id: u16) -> Option<Self> {
        let size = match id {
            0x0004 => SHA1_SIZE,
            0x000b | 0x0012 | 0x0027 => 32, // SHA-256, SM3-256, SHA3-256
            0x000c | 0x0028 => 48,          // SHA-384, SHA3-384
            0x000d | 0x0029 => 64,          // SHA-512, SHA3-512
            _ => return None,
        };
        Some(Self { id, size })
    }
}

/// Little-endian reader with bounds checks.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().copied().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().copied().map(u32::from_le_bytes)
    }
}

pub(super) const SPEC_ID: &[u8] = b"Spec ID Event03\0";
const STARTUP_LOCALITY: &[u8] = b"StartupLocality\0";
const SHA1_SIZE: usize = 20;
const LAST_PCR: u32 = 23;
/// PCR, type, digest count, one algorithm number and the length: no event has fewer bytes.
pub(super) const SMALLEST_EVENT: usize = 18;
/// For the first allocation only: real events take 200 to 500 bytes.
pub(super) const TYPICAL_EVENT: usize = 160;
