//! T24: ExitBootServices ends the log, after attempts that failed.

use super::*;
use crate::event_log::testing::EXIT;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets;

const INVOCATION: &str = "Exit Boot Services Invocation";
const FAILURE: &str = "Exit Boot Services Returned with Failure";
const SUCCESS: &str = "Exit Boot Services Returned with Success";

/// The preset with these ExitBootServices texts, and the number of the first one.
fn leaving(texts: &[&str]) -> (EventLogBuilder, usize) {
    let mut log = ubuntu();
    log.events.retain(|event| !event.data.starts_with(b"Exit Boot Services"));
    let first = log.events.len() + 1;
    log.events.extend(texts.iter().map(|text| BuiltEvent::action(5, text)));
    (log, first)
}

#[test]
fn t24_missing_exit_boot_services_is_refused() {
    let mut log = ubuntu();
    log.events.retain(|event| event.data != EXIT);
    assert_eq!(refusal(&log), EventLogError::ExitBootServicesMissing);
}

#[test]
fn t24_second_exit_boot_services_is_refused() {
    let mut log = ubuntu();
    log.events.push(BuiltEvent::action(5, "Exit Boot Services Invocation"));
    let event = log.events.len();
    assert_eq!(refusal(&log), EventLogError::SecondExitBootServices { event });
}

#[test]
fn exit_that_failed_first_is_accepted() {
    for texts in [
        &[INVOCATION][..],
        &[INVOCATION, SUCCESS],
        &[INVOCATION, FAILURE, INVOCATION, SUCCESS],
        &[INVOCATION, FAILURE, INVOCATION, FAILURE, INVOCATION],
        // Firmware before 2024 logs no invocation that fails.
        &[FAILURE, INVOCATION, SUCCESS],
        &[FAILURE, FAILURE, INVOCATION],
    ] {
        assert!(judge(&leaving(texts).0).is_ok(), "{texts:?}");
    }
}

#[test]
fn t24_exits_out_of_order_are_refused() {
    let second = |event| EventLogError::SecondExitBootServices { event };
    let order = |event| EventLogError::ExitBootServicesOrder { event };
    for (texts, refused, at) in [
        (&[INVOCATION, INVOCATION][..], second as fn(usize) -> EventLogError, 1),
        (&[INVOCATION, SUCCESS, INVOCATION], second, 2),
        (&[INVOCATION, FAILURE, INVOCATION, INVOCATION], second, 3),
        (&[SUCCESS, INVOCATION], order, 0),
        (&[INVOCATION, SUCCESS, SUCCESS], order, 2),
        (&[INVOCATION, SUCCESS, FAILURE], order, 2),
        (&[FAILURE, SUCCESS, INVOCATION], order, 1),
    ] {
        let (log, first) = leaving(texts);
        assert_eq!(refusal(&log), refused(first + at), "{texts:?}");
    }
    // The last attempt failed: ExitBootServices did not succeed.
    assert_eq!(refusal(&leaving(&[INVOCATION, FAILURE]).0), EventLogError::ExitBootServicesMissing);
    let (log, first) = leaving(&[&[FAILURE; 9][..], &[INVOCATION]].concat());
    assert_eq!(refusal(&log), EventLogError::ExitBootServicesAttempts { event: first + 8 });
}

#[test]
fn t24_event_between_attempts_to_exit_is_refused() {
    for before in [&[INVOCATION, FAILURE][..], &[FAILURE], &[INVOCATION]] {
        let (mut log, first) = leaving(before);
        log.events.push(presets::application(4, "late", "late"));
        log.events.push(BuiltEvent::action(5, INVOCATION));
        let (event, event_type) = (first + before.len(), EventType::EFI_BOOT_SERVICES_APPLICATION);
        assert_eq!(refusal(&log), EventLogError::EventAfterExitBootServices { event, pcr: 4, event_type });
    }
}

#[test]
fn t24_event_after_exit_boot_services_is_refused() {
    for (event, pcr, event_type) in [
        (presets::application(4, "late", "late"), 4, EventType::EFI_BOOT_SERVICES_APPLICATION),
        (BuiltEvent::grub("grub_cmd: ", "late"), 8, IPL),
        (BuiltEvent::file("late", b"late"), 9, IPL),
        (BuiltEvent::covered(12, IPL, "late"), 12, IPL),
    ] {
        let mut log = ubuntu();
        log.events.push(event);
        let event = log.events.len();
        assert_eq!(refusal(&log), EventLogError::EventAfterExitBootServices { event, pcr, event_type });
    }
}
