//! Tests of the event log: real logs, one negative test for each refusal, hostile bytes.

mod adversary;
mod evidence;
mod form;
mod hostile;
mod order;
mod pcrs;
mod preset;
mod shim;

use super::BootLog;
use super::EventLogError;
use super::EventType;
use super::ReplayedLog;
use super::Technology;
use super::testing::number;
use crate::test_util::event_log::EventLogBuilder;

fn ubuntu() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::SevSnp)
}

fn uki() -> EventLogBuilder {
    EventLogBuilder::gce_uki(Technology::Tdx)
}

/// Judges the log; a preset that a test changed in one place.
fn judge(log: &EventLogBuilder) -> Result<BootLog, EventLogError> {
    ReplayedLog::from_bytes(&log.bytes()).map(|log| BootLog::clone(&log.boot))
}

fn refusal(log: &EventLogBuilder) -> EventLogError {
    judge(log).expect_err("the log is refused")
}

fn mismatch(position: usize, pcr: u8, event_type: EventType) -> EventLogError {
    EventLogError::DigestMismatch { event: number(position), pcr, event_type }
}
