//! T22: event types without a place in their PCR, and actions that are not known.

use super::*;
use crate::event_log::testing::after_separator;
use crate::event_log::testing::before_exit;
use crate::event_log::testing::before_separator;
use crate::test_util::event_log::BuiltEvent;

#[test]
fn t22_type_without_a_place_is_refused() {
    for (pcr, event_type) in [
        (0, EventType(0x1234)),
        (0, EventType::EFI_BOOT_SERVICES_DRIVER),
        (1, IPL),
        (2, EventType::EFI_ACTION),
        (3, EventType::EFI_GPT_EVENT),
        (4, EventType::EFI_BOOT_SERVICES_DRIVER),
        (5, EventType::EFI_ACTION),
        (6, IPL),
        (7, EventType::EFI_VARIABLE_AUTHORITY),
        (7, EventType::EVENT_TAG),
    ] {
        let mut log = ubuntu();
        let event = before_separator(&mut log, BuiltEvent::covered(pcr, event_type, "x"));
        let pcr = u8::try_from(pcr).expect("small");
        assert_eq!(refusal(&log), EventLogError::UnexpectedEvent { event, pcr, event_type });
    }
}

#[test]
fn t22_type_without_a_place_in_a_loader_pcr_is_refused() {
    for (pcr, event_type) in [
        (8, EventType::EVENT_TAG),
        (8, EventType::SEPARATOR),
        (9, EventType::EFI_BOOT_SERVICES_APPLICATION),
        (11, EventType::EVENT_TAG),
        (12, EventType(0x1234)),
        (13, EventType::SEPARATOR),
        (14, EventType::EFI_VARIABLE_AUTHORITY),
        (16, IPL),
        (23, IPL),
    ] {
        let mut log = ubuntu();
        let event = before_exit(&mut log, BuiltEvent::covered(pcr, event_type, "x"));
        let pcr = u8::try_from(pcr).expect("small");
        assert_eq!(refusal(&log), EventLogError::UnexpectedEvent { event, pcr, event_type });
    }
}

#[test]
fn unknown_action_is_refused() {
    for pcr in [4, 5] {
        let mut log = ubuntu();
        let event = after_separator(&mut log, BuiltEvent::action(pcr, "Something Else"));
        let pcr = u8::try_from(pcr).expect("small");
        assert_eq!(refusal(&log), EventLogError::UnknownAction { event, pcr });
    }
}

#[test]
fn uefi_debug_mode_is_refused() {
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::action(7, "UEFI Debug Mode"));
    assert_eq!(refusal(&log), EventLogError::UefiDebugMode { event });
}
