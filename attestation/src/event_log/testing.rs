//! Helpers for the tests of both logs: captured evidence, and positions in a log to change.

use serde_json::Value;
pub(super) use vouchsafe_captured::folder as evidence;
pub(super) use vouchsafe_captured::read_from as read;

use super::BootLog;
use super::EventType;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::EventLogBuilder;

pub(super) const CALLING: &str = "Calling EFI Application from Boot Option";
pub(super) const RETURNING: &str = "Returning from EFI Application from Boot Option";
pub(super) const EXIT: &[u8] = b"Exit Boot Services Invocation";

/// The expected results of captured logs.
pub(super) fn expected(folder: &std::path::Path) -> Value {
    serde_json::from_slice(&read(folder, "gce/expected.json")).expect("expected.json is JSON")
}

/// The authorities of a log, as the expected results list them.
pub(super) fn authority_events(boot: &BootLog) -> Value {
    let authorities = boot.secure_boot.authorities.iter();
    authorities.map(|authority| serde_json::json!([authority.name, authority.data_covered])).collect()
}

/// The number of the event at a position of a builder; in the log the header is event 0.
pub(super) fn number(position: usize) -> usize {
    position + 1
}

/// The same boot claims without event numbers, which shift when another event is inserted.
pub(super) fn without_numbers(mut boot: BootLog) -> BootLog {
    boot.events.values_mut().flatten().for_each(|event| event.number = 0);
    boot
}

pub(super) fn separator(pcr: u32) -> impl Fn(&BuiltEvent) -> bool {
    move |event| event.pcr == pcr && event.event_type == EventType::SEPARATOR
}

/// Inserts an event right after the separator of its register.
pub(super) fn after_separator(log: &mut EventLogBuilder, event: BuiltEvent) -> usize {
    let position = log.position(separator(event.pcr)) + 1;
    log.events.insert(position, event);
    number(position)
}

/// Inserts an event right before the separator of its register.
pub(super) fn before_separator(log: &mut EventLogBuilder, event: BuiltEvent) -> usize {
    let position = log.position(separator(event.pcr));
    log.events.insert(position, event);
    number(position)
}

pub(super) fn before_exit(log: &mut EventLogBuilder, event: BuiltEvent) -> usize {
    let position = log.position(|event| event.data == EXIT);
    log.events.insert(position, event);
    number(position)
}
