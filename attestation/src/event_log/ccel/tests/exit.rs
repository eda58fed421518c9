//! T24: the order of boot attempts, and ExitBootServices at the end of the log.

use vouchsafe_protocol::Digest48;

use super::*;
use crate::event_log::testing::CALLING;
use crate::event_log::testing::RETURNING;
use crate::test_util::event_log::presets;

#[test]
fn t24_boot_attempts_out_of_order_are_refused() {
    let mut log = ubuntu();
    log.events.retain(|event| event.data != CALLING.as_bytes());
    assert_eq!(shared_refusal(&log), EventLogError::BootAttemptMissing);
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::action(2, CALLING));
    assert_eq!(shared_refusal(&log), EventLogError::SecondBootAttempt { event });
    let mut log = ubuntu();
    let returning = BuiltEvent::action(2, RETURNING);
    after_separator(&mut log, returning);
    assert_eq!(shared_refusal(&log), EventLogError::BootAttemptMissing);
    let event = after_separator(&mut log, BuiltEvent::action(2, CALLING));
    assert_eq!(shared_refusal(&log), EventLogError::SecondBootAttempt { event });
    // The first option returned without having started an image.
    log.events.swap(event - 1, event);
    assert!(judge(&log).expect("accepted").kernel_command_line.is_some());
    // An earlier boot option started an image, and what that image measured says nothing about the kernel of
    // the second option.
    log.events.insert(event - 1, presets::application(2, "first", "/first"));
    let boot = judge(&log).expect("accepted");
    assert_eq!(boot.efi_applications[0], Digest48::of(&presets::content("first")));
    assert_eq!(boot.kernel_command_line, None);
}

#[test]
fn t24_log_without_exit_boot_services_is_refused() {
    let mut log = ubuntu();
    log.events.retain(|event| event.data != b"Exit Boot Services Invocation");
    assert_eq!(shared_refusal(&log), EventLogError::ExitBootServicesMissing);
    // The event counts only in the register into which firmware measures it.
    let mut log = ubuntu();
    log.event_with("Exit Boot Services Invocation").pcr = 1;
    assert_eq!(shared_refusal(&log), EventLogError::ExitBootServicesMissing);
    let mut log = ubuntu();
    log.event_with("Exit Boot Services Invocation").measured = Some(b"x".to_vec());
    assert_eq!(shared_refusal(&log), EventLogError::ExitBootServicesMissing);
}

#[test]
fn t24_events_after_exit_boot_services_are_refused() {
    for (event, pcr) in [
        (presets::application(2, "evil", "/evil"), 4),
        (BuiltEvent::covered(1, EventType::EFI_VARIABLE_BOOT, "x"), 1),
        (BuiltEvent::measuring(3, IPL, "evil", "file\0"), 9),
        (BuiltEvent::measuring(3, IPL, "evil", "MokList\0"), 14),
        (grub("grub_cmd: ", "insmod evil"), 8),
    ] {
        let mut log = ubuntu();
        let event_type = event.event_type;
        log.events.push(event);
        let event = log.events.len();
        let refused = EventLogError::EventAfterExitBootServices { event, pcr, event_type };
        assert_eq!(shared_refusal(&log), refused);
    }
    let mut log = ubuntu();
    log.events.push(BuiltEvent::action(2, "Exit Boot Services Invocation"));
    let event = log.events.len();
    assert_eq!(shared_refusal(&log), EventLogError::SecondExitBootServices { event });
}

#[test]
fn exit_that_failed_first_is_accepted() {
    let mut log = ubuntu();
    before_exit(&mut log, BuiltEvent::action(2, "Exit Boot Services Returned with Failure"));
    assert!(judge(&log).is_ok());
    let position = log.position(|event| event.data.starts_with(b"Exit Boot Services Returned"));
    log.events.insert(position, BuiltEvent::action(2, "Exit Boot Services Invocation"));
    assert!(judge(&log).is_ok());
    // No other event may come between the attempts.
    log.events.insert(position + 2, presets::application(2, "evil", "/evil"));
    let (event, event_type) = (number(position + 2), EventType::EFI_BOOT_SERVICES_APPLICATION);
    let refused = EventLogError::EventAfterExitBootServices { event, pcr: 4, event_type };
    assert_eq!(shared_refusal(&log), refused);
}

#[test]
fn t24_exit_boot_services_before_the_separator_is_refused() {
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::action(2, "Exit Boot Services Invocation"));
    let event_type = EventType::EFI_ACTION;
    assert_eq!(refusal(&log), CcelError::UnexpectedEvent { event, register: 2, event_type });
}
