//! Tests of CCEL: real logs, one negative test for each refusal, hostile bytes.

mod evidence;
mod form;
mod order;
mod preset;
mod rtmrs;

use super::CcelError;
use super::CcelLog;
use super::ReplayedCcel;
use crate::event_log::BootLog;
use crate::event_log::EventLogError;
use crate::event_log::EventType;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::EventLogBuilder;

const IPL: EventType = EventType::IPL;

fn ubuntu() -> EventLogBuilder {
    EventLogBuilder::ccel_ubuntu()
}

fn uki() -> EventLogBuilder {
    EventLogBuilder::ccel_uki()
}

/// Judges the log; a preset that a test changed in one place.
fn judge(log: &EventLogBuilder) -> Result<BootLog, CcelError> {
    ReplayedCcel::from_bytes(&log.bytes()).map(|log| BootLog::clone(&log.boot))
}

fn refusal(log: &EventLogBuilder) -> CcelError {
    judge(log).expect_err("the log is refused")
}

/// The refusal, by a rule of the log of a vTPM.
fn shared_refusal(log: &EventLogBuilder) -> EventLogError {
    match refusal(log) {
        CcelError::Log(error) => error,
        error => panic!("{error}"),
    }
}

/// The number of an event in the log, which counts the header.
fn number(position: usize) -> usize {
    position + 1
}

fn separator(register: u32) -> impl Fn(&BuiltEvent) -> bool {
    move |event| event.pcr == register && event.event_type == EventType::SEPARATOR
}

/// Puts an event right after the separator of its register.
fn after_separator(log: &mut EventLogBuilder, event: BuiltEvent) -> usize {
    let position = log.position(separator(event.pcr)) + 1;
    log.events.insert(position, event);
    number(position)
}

/// Puts an event right before the separator of its register.
fn before_separator(log: &mut EventLogBuilder, event: BuiltEvent) -> usize {
    let position = log.position(separator(event.pcr));
    log.events.insert(position, event);
    number(position)
}

fn before_exit(log: &mut EventLogBuilder, event: BuiltEvent) -> usize {
    let position = log.position(|event| event.data == b"Exit Boot Services Invocation");
    log.events.insert(position, event);
    number(position)
}
