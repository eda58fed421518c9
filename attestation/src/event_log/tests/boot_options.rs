//! T24: boot options that are started and return, and which claims are those of the last one.

use super::*;
use crate::event_log::testing::CALLING;
use crate::event_log::testing::RETURNING;
use crate::event_log::testing::after_separator;
use crate::event_log::testing::before_exit;
use crate::event_log::testing::before_separator;
use crate::event_log::testing::separator;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets;

#[test]
fn missing_boot_attempt_is_refused() {
    let mut log = ubuntu();
    log.events.retain(|event| !event.data.starts_with(b"Calling EFI"));
    assert_eq!(refusal(&log), EventLogError::BootAttemptMissing);
}

#[test]
fn t24_boot_attempts_out_of_order_are_refused() {
    for texts in [&[CALLING][..], &[RETURNING, RETURNING], &[RETURNING, CALLING, CALLING]] {
        let mut log = ubuntu();
        let first = log.position(separator(4)) + 1;
        let events = texts.iter().map(|text| BuiltEvent::action(4, text));
        log.events.splice(first..first, events);
        let event = first + texts.len();
        assert_eq!(refusal(&log), EventLogError::SecondBootAttempt { event }, "{texts:?}");
    }
    // Firmware starts the first option before the separators.
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::action(4, RETURNING));
    assert_eq!(refusal(&log), EventLogError::SecondBootAttempt { event });
    // The last option returned.
    let mut log = ubuntu();
    before_exit(&mut log, BuiltEvent::action(4, RETURNING));
    assert_eq!(refusal(&log), EventLogError::BootAttemptMissing);
}

#[test]
fn t24_applications_of_a_boot_option_that_returned_are_claims() {
    for attempts in 1..=3 {
        let (mut log, honest) = (ubuntu(), judge(&ubuntu()).expect("accepted"));
        for _ in 0..attempts {
            after_separator(&mut log, BuiltEvent::action(4, CALLING));
            after_separator(&mut log, BuiltEvent::action(4, RETURNING));
        }
        // Nothing ran in them.
        let boot = judge(&log).expect("accepted");
        assert_eq!(boot.efi_applications, honest.efi_applications);
        assert_eq!(boot.kernel_command_line, honest.kernel_command_line);
        // Something did: it is listed, and it may have measured the command line that is attributed to GRUB.
        after_separator(&mut log, presets::application(4, "first", "first"));
        let boot = judge(&log).expect("accepted");
        assert_eq!(boot.efi_applications[0], presets::content_digest("first"));
        assert_eq!(boot.efi_applications[1..], honest.efi_applications);
        assert_eq!((boot.kernel_command_line, boot.kernel_path), (None, None));
        assert!(boot.kernel_arguments.is_empty() && boot.kernel_words.is_empty());
        assert!(boot.withheld.iter().all(|withheld| withheld.reason == "earlier-boot-option"));
        assert!(boot.withheld.iter().any(|withheld| withheld.claim == "command_line"));
    }
}

#[test]
fn t24_sections_of_a_boot_option_that_returned_are_no_claims() {
    // The approved UKI ran first and returned: what its stub measured says nothing about what the second
    // option started.
    let mut log = uki();
    let position = log.position_of(2, EventType::EFI_BOOT_SERVICES_APPLICATION);
    log.insert_before_exit(BuiltEvent::action(4, RETURNING));
    log.insert_before_exit(BuiltEvent::action(4, CALLING));
    log.insert_before_exit(presets::application(2, "evil", "evil"));
    let boot = judge(&log).expect("accepted");
    assert!(boot.stub_sections.is_empty());
    assert_eq!(boot.efi_applications.last(), Some(&presets::content_digest("evil").into()));
    let claims: Vec<&str> = boot.withheld.iter().map(|withheld| withheld.claim).collect();
    assert!(claims.contains(&"stub_sections"), "{claims:?}");
    // A UKI in both options measures each section twice; that is refused unless a boot option returned.
    for event in BuiltEvent::stub_section(".linux", b"second") {
        log.insert_before_exit(event);
    }
    assert!(judge(&log).is_ok());
    log.events.retain(|event| event.data != RETURNING.as_bytes());
    let calling = log.events.iter().rposition(|event| event.data == CALLING.as_bytes()).expect("two");
    log.events.remove(calling);
    let twice =
        log.events.iter().rposition(|event| event.measured.as_deref() == Some(b".linux\0")).expect("two");
    assert_eq!(refusal(&log), EventLogError::SecondStubSection { event: number(twice) });
    assert!(position < twice);
}

#[test]
fn t24_image_of_pcr_2_may_be_that_of_an_option_that_returned() {
    // The log's order between PCR 2 and PCR 4 is not measured.
    let mut log = ubuntu();
    after_separator(&mut log, BuiltEvent::action(4, CALLING));
    after_separator(&mut log, BuiltEvent::action(4, RETURNING));
    for event_type in [EventType::EFI_BOOT_SERVICES_APPLICATION, EventType::EFI_BOOT_SERVICES_DRIVER] {
        let mut log = log.clone();
        before_exit(&mut log, BuiltEvent { event_type, ..presets::application(2, "first", "first") });
        assert_eq!(judge(&log).expect("accepted").kernel_command_line, None);
    }
    // A single image belongs to the option that did not return.
    let mut single = uki();
    single.events.retain(|event| {
        event.measured.as_deref() != Some(&presets::content("kernel"))
            || event.event_type != EventType::EFI_BOOT_SERVICES_APPLICATION
    });
    after_separator(&mut single, BuiltEvent::action(4, CALLING));
    after_separator(&mut single, BuiltEvent::action(4, RETURNING));
    let boot = judge(&single).expect("accepted");
    assert_eq!((boot.efi_applications.len(), boot.stub_sections.len()), (1, 6));
    // A driver of a device comes before the separator.
    let mut driver = presets::application(2, "option rom", "rom");
    driver.event_type = EventType::EFI_BOOT_SERVICES_DRIVER;
    before_separator(&mut log, driver);
    assert!(judge(&log).expect("accepted").kernel_command_line.is_some());
}
