//! Tests of CCEL: real logs, one negative test for each refusal, hostile bytes.

mod evidence;
mod exit;
mod form;
mod kernel;
mod preset;
mod rtmrs;
mod secure_boot;
mod separators;
mod types;

use super::CcelError;
use super::CcelLog;
use super::ReplayedCcel;
use crate::event_log::boot::BootLog;
use crate::event_log::error::EventLogError;
use crate::event_log::event_type::EventType;
use crate::event_log::testing::after_separator;
use crate::event_log::testing::before_exit;
use crate::event_log::testing::before_separator;
use crate::event_log::testing::number;
use crate::event_log::testing::separator;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::EventLogBuilder;

const IPL: EventType = EventType::IPL;

fn ubuntu() -> EventLogBuilder {
    EventLogBuilder::ccel_ubuntu()
}

fn uki() -> EventLogBuilder {
    EventLogBuilder::ccel_uki()
}

fn grub(label: &str, text: &str) -> BuiltEvent {
    BuiltEvent { pcr: 3, ..BuiltEvent::grub(label, text) }
}

/// Checks the log; a preset that a test changed in one place.
fn judge(log: &EventLogBuilder) -> Result<BootLog, CcelError> {
    ReplayedCcel::from_bytes(&log.bytes()).map(|log| BootLog::clone(&log.boot))
}

fn refusal(log: &EventLogBuilder) -> CcelError {
    judge(log).expect_err("the log is refused")
}

/// The refusal by a rule shared with vTPM logs.
fn shared_refusal(log: &EventLogBuilder) -> EventLogError {
    match refusal(log) {
        CcelError::Log(error) => error,
        error => panic!("{error}"),
    }
}
