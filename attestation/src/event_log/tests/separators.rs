//! T22, T24: each PCR has one separator, under its own type; few events may follow it.

use super::*;
use crate::event_log::testing::after_separator;
use crate::event_log::testing::before_separator;
use crate::event_log::testing::separator;
use crate::test_util::event_log::BuiltEvent;

#[test]
fn t22_separator_relabelled_is_refused() {
    for (pcr, event_type) in [(0, EventType::EFI_ACTION), (4, EventType::EFI_BOOT_SERVICES_APPLICATION)] {
        let mut log = ubuntu();
        let position = log.position(separator(pcr));
        log.events[position].event_type = event_type;
        let pcr = u8::try_from(pcr).expect("small");
        let expected = EventLogError::SeparatorRelabelled { event: number(position), pcr, event_type };
        assert_eq!(refusal(&log), expected);
    }
}

#[test]
fn t22_error_event_relabelled_is_refused() {
    let mut log = ubuntu();
    let event = BuiltEvent::covered(1, EventType::PLATFORM_CONFIG_FLAGS, [0xff; 4]);
    let event_number = before_separator(&mut log, event);
    let event_type = EventType::PLATFORM_CONFIG_FLAGS;
    assert_eq!(refusal(&log), EventLogError::SeparatorRelabelled { event: event_number, pcr: 1, event_type });
}

#[test]
fn t22_separator_digest_and_data_must_agree() {
    let mut log = ubuntu();
    let position = log.position(separator(3));
    log.events[position].measured = Some(b"anything".to_vec());
    assert_eq!(refusal(&log), mismatch(position, 3, EventType::SEPARATOR));
}

#[test]
fn separator_of_another_form_is_refused() {
    for data in [vec![0, 0, 0, 1], vec![0; 3], Vec::new()] {
        let mut log = ubuntu();
        let position = log.position(separator(3));
        log.events[position].set(data);
        assert_eq!(refusal(&log), EventLogError::MalformedSeparator { event: number(position), pcr: 3 });
    }
}

#[test]
fn firmware_error_is_refused() {
    let mut log = ubuntu();
    let position = log.position(separator(6));
    log.events[position].set([0xff; 4]);
    assert_eq!(refusal(&log), EventLogError::FirmwareError { event: number(position), pcr: 6 });
}

#[test]
fn missing_separator_is_refused() {
    // The events after the separators of PCR 4, 5 and 7 are not allowed before them, so they are dropped.
    for pcr in [0, 1, 2, 3, 6] {
        let mut log = ubuntu();
        let position = log.position(separator(pcr));
        log.events.remove(position);
        let pcr = u8::try_from(pcr).expect("small");
        assert_eq!(refusal(&log), EventLogError::SeparatorMissing { pcr });
    }
}

#[test]
fn t24_dropped_pcr_is_refused() {
    let mut log = ubuntu();
    log.events.retain(|event| event.pcr != 7);
    assert_eq!(refusal(&log), EventLogError::SeparatorMissing { pcr: 7 });
}

#[test]
fn t24_second_separator_is_refused() {
    for pcr in 0..8 {
        let mut log = ubuntu();
        let event = after_separator(&mut log, BuiltEvent::separator(pcr));
        let pcr = u8::try_from(pcr).expect("small");
        assert_eq!(refusal(&log), EventLogError::SecondSeparator { event, pcr });
    }
}

#[test]
fn t24_event_after_the_separator_is_refused() {
    for (pcr, event_type) in [
        (0, EventType::POST_CODE),
        (1, EventType::PLATFORM_CONFIG_FLAGS),
        (2, EventType::EFI_VARIABLE_DRIVER_CONFIG),
        (3, EventType::EFI_VARIABLE_DRIVER_CONFIG),
        (4, EventType::EFI_GPT_EVENT),
        (5, IPL),
        (6, EventType::COMPACT_HASH),
        (7, EventType::EFI_VARIABLE_DRIVER_CONFIG),
        (7, EventType::EFI_ACTION),
    ] {
        let mut log = ubuntu();
        let event = after_separator(&mut log, BuiltEvent::covered(pcr, event_type, "x"));
        let pcr = u8::try_from(pcr).expect("small");
        assert_eq!(refusal(&log), EventLogError::EventAfterSeparator { event, pcr, event_type });
    }
}
