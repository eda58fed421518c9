//! T22, T24, T25: event types without a place in their register, and images with another label.

use super::*;
use crate::test_util::event_log::presets;

#[test]
fn t25_event_for_mrtd_is_refused() {
    let mut log = ubuntu();
    let event_type = EventType::EFI_PLATFORM_FIRMWARE_BLOB2;
    log.events.insert(0, BuiltEvent::covered(0, event_type, "firmware"));
    assert_eq!(refusal(&log), CcelError::EventForMrtd { event: 1, event_type });
}

#[test]
fn t22_event_for_rtmr3_is_refused() {
    for event_type in [IPL, EventType::EVENT_TAG, EventType::SEPARATOR, EventType(0x1234)] {
        let mut log = ubuntu();
        let event = before_exit(&mut log, BuiltEvent::covered(4, event_type, [0; 4]));
        assert_eq!(refusal(&log), CcelError::UnexpectedEvent { event, register: 4, event_type });
    }
}

#[test]
fn t22_type_without_a_place_is_refused() {
    for (register, event_type) in [
        (1, EventType(0x1234)),
        (1, IPL),
        (1, EventType::EFI_BOOT_SERVICES_APPLICATION),
        (1, EventType::EFI_VARIABLE_AUTHORITY),
        (1, EventType::NONHOST_INFO),
        (2, EventType(0x1234)),
        (2, IPL),
        (2, EventType::EVENT_TAG),
        (2, EventType::COMPACT_HASH),
        (2, EventType::PLATFORM_CONFIG_FLAGS),
        (2, EventType::EFI_VARIABLE_DRIVER_CONFIG),
    ] {
        let mut log = ubuntu();
        let event = before_separator(&mut log, BuiltEvent::covered(register, event_type, "x"));
        let register = u8::try_from(register).expect("small");
        assert_eq!(refusal(&log), CcelError::UnexpectedEvent { event, register, event_type });
    }
}

#[test]
fn t22_type_without_a_place_in_register_3_is_refused() {
    for event_type in [
        EventType::SEPARATOR,
        EventType::EFI_BOOT_SERVICES_APPLICATION,
        EventType::EFI_ACTION,
        EventType(0x1234),
    ] {
        let mut log = ubuntu();
        let event = before_exit(&mut log, BuiltEvent::covered(3, event_type, [0; 4]));
        assert_eq!(refusal(&log), CcelError::UnexpectedEvent { event, register: 3, event_type });
    }
}

#[test]
fn t24_type_without_a_place_after_the_separator_is_refused() {
    for (register, event_type) in [
        (1, EventType::EFI_VARIABLE_DRIVER_CONFIG),
        (1, EventType::EFI_PLATFORM_FIRMWARE_BLOB2),
        (1, EventType::EFI_ACTION),
        (2, EventType::EVENT_TAG),
        (2, EventType::EFI_VARIABLE_DRIVER_CONFIG),
    ] {
        let mut log = ubuntu();
        let event = after_separator(&mut log, BuiltEvent::covered(register, event_type, "x"));
        let register = u8::try_from(register).expect("small");
        assert_eq!(refusal(&log), CcelError::EventAfterSeparator { event, register, event_type });
    }
}

#[test]
fn t22_an_image_with_another_label_is_refused() {
    for event_type in [EventType::EFI_GPT_EVENT, EventType::EFI_ACTION] {
        let mut log = ubuntu();
        let position = log.position_of(2, EventType::EFI_BOOT_SERVICES_APPLICATION);
        log.events[position].event_type = event_type;
        let event = number(position);
        let pcr = if event_type == EventType::EFI_GPT_EVENT { 5 } else { 4 };
        assert_eq!(shared_refusal(&log), EventLogError::DigestMismatch { event, pcr, event_type });
        // Data that the digest covers: the image itself.
        let image = presets::content("shim");
        log.events[position].set(image);
        let refused = if event_type == EventType::EFI_GPT_EVENT {
            EventLogError::MalformedPartitionTable { event }
        } else {
            EventLogError::UnknownAction { event, pcr: 4 }
        };
        assert_eq!(shared_refusal(&log), refused);
    }
}

#[test]
fn malformed_tagged_event_is_refused() {
    let mut log = ubuntu();
    let event = number(log.position_of(3, EventType::EVENT_TAG));
    log.event_mut(3, EventType::EVENT_TAG).data = b"LOADED_IMAGE::LoadOptions\0".to_vec();
    assert_eq!(shared_refusal(&log), EventLogError::MalformedTaggedEvent { event });
}
