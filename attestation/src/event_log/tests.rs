//! Tests of the event log: real logs, one negative test for each refusal, hostile bytes.

mod adversary;
mod boot_options;
mod coverage;
mod cut;
mod devices;
mod evidence;
mod exit;
mod field;
mod firmware;
mod form;
mod grub;
mod hostile;
mod lab;
mod options;
mod pcrs;
mod preset;
mod secure_boot;
mod separators;
mod shim;
mod stub;
mod types;
mod userspace;
mod userspace_log;

use super::BootLog;
use super::EventLogError;
use super::EventType;
use super::ReplayedLog;
use super::Technology;
use super::testing::number;
use crate::test_util::event_log::EventLogBuilder;

const IPL: EventType = EventType::IPL;

fn ubuntu() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::SevSnp)
}

fn uki() -> EventLogBuilder {
    EventLogBuilder::gce_uki(Technology::Tdx)
}

/// Checks the log; a preset that a test changed in one place.
fn judge(log: &EventLogBuilder) -> Result<BootLog, EventLogError> {
    ReplayedLog::from_bytes(&log.bytes()).map(|log| BootLog::clone(&log.boot))
}

fn refusal(log: &EventLogBuilder) -> EventLogError {
    judge(log).expect_err("the log is refused")
}

/// The log is accepted without a command line; returns the reason for which all three claims are withheld.
fn withheld(log: &EventLogBuilder) -> String {
    let boot = judge(log).expect("accepted");
    let reason = withheld_reason(&boot);
    assert_eq!(reason.is_some(), boot.kernel_command_line.is_none());
    reason.expect("no command line")
}

/// The reason why a log gives no command line.
fn withheld_reason(boot: &BootLog) -> Option<String> {
    let of = |claim: &str| boot.withheld.iter().find(|withheld| withheld.claim == claim);
    let Some(line) = of("command_line") else {
        assert!(["arguments", "words"].iter().all(|claim| of(claim).is_none()));
        return None;
    };
    assert!(boot.kernel_arguments.is_empty() && boot.kernel_words.is_empty() && boot.kernel_path.is_none());
    assert!(["arguments", "words"].iter().all(|claim| of(claim).is_some_and(|of| of.reason == line.reason)));
    assert!(!line.detail.is_empty());
    Some(line.reason.clone())
}

fn mismatch(position: usize, pcr: u8, event_type: EventType) -> EventLogError {
    EventLogError::DigestMismatch { event: number(position), pcr, event_type }
}
