//! T22, T24: registers 1 and 2 have one separator each, under its own type.

use super::*;

#[test]
fn t24_second_separator_is_refused() {
    for register in [1, 2] {
        let mut log = ubuntu();
        let event = after_separator(&mut log, BuiltEvent::separator(register));
        let register = u8::try_from(register).expect("small");
        assert_eq!(refusal(&log), CcelError::SecondSeparator { event, register });
    }
}

#[test]
fn t24_separator_of_register_2_in_register_1_is_refused() {
    let mut log = ubuntu();
    let position = log.position(separator(2));
    log.events[position].pcr = 1;
    let event = number(position);
    assert_eq!(refusal(&log), CcelError::SecondSeparator { event, register: 1 });
}

#[test]
fn t24_missing_separator_is_refused() {
    // Without the events that are only allowed after it.
    let mut log = ubuntu().with_secure_boot(false);
    log.events.retain(|event| event.event_type != EventType::EFI_VARIABLE_AUTHORITY);
    log.events.remove(log.position(separator(1)));
    assert_eq!(refusal(&log), CcelError::SeparatorMissing { register: 1 });
    let mut log = ubuntu();
    log.events.remove(log.position(separator(2)));
    let event = number(log.position(|event| event.data == b"Exit Boot Services Invocation"));
    let event_type = EventType::EFI_ACTION;
    assert_eq!(refusal(&log), CcelError::UnexpectedEvent { event, register: 2, event_type });
}

#[test]
fn malformed_separator_is_refused() {
    for (register, pcr) in [(1, 7), (2, 4)] {
        let mut log = ubuntu();
        log.event_mut(register, EventType::SEPARATOR).set([1; 4]);
        let event = number(log.position(separator(register)));
        assert_eq!(shared_refusal(&log), EventLogError::MalformedSeparator { event, pcr });
        log.event_mut(register, EventType::SEPARATOR).set([0xff; 4]);
        assert_eq!(shared_refusal(&log), EventLogError::FirmwareError { event, pcr });
        log.event_mut(register, EventType::SEPARATOR).data = vec![0; 4];
        let event_type = EventType::SEPARATOR;
        assert_eq!(shared_refusal(&log), EventLogError::DigestMismatch { event, pcr, event_type });
    }
}

#[test]
fn t22_separator_relabelled_is_refused() {
    for (register, event_type) in [(1, EventType::PLATFORM_CONFIG_FLAGS), (2, EventType::EFI_ACTION)] {
        for data in [[0; 4], [0xff; 4]] {
            let mut log = ubuntu();
            let event = after_separator(&mut log, BuiltEvent::covered(register, event_type, data));
            let register = u8::try_from(register).expect("small");
            assert_eq!(refusal(&log), CcelError::SeparatorRelabelled { event, register, event_type });
        }
    }
}
