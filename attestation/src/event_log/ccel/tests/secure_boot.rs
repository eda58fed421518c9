//! Secure Boot's variables and authorities: each once, well-formed and under its own type.

use super::*;
use crate::test_util::event_log::presets::EFI_GLOBAL_VARIABLE;
use crate::test_util::event_log::variable_data;

fn variable(name: &str, value: &[u8]) -> BuiltEvent {
    let event_type = EventType::EFI_VARIABLE_DRIVER_CONFIG;
    BuiltEvent::variable(1, event_type, EFI_GLOBAL_VARIABLE, name, value)
}

#[test]
fn t22_secure_boot_variable_relabelled_is_refused() {
    let event_type = EventType::PLATFORM_CONFIG_FLAGS;
    for value in [&[][..], &[0], &[1]] {
        let measured = variable_data(EFI_GLOBAL_VARIABLE, "SecureBoot", value);
        let event = BuiltEvent::measuring(1, event_type, measured, "ACPI DATA");
        let mut before = ubuntu();
        let number = before_separator(&mut before, event.clone());
        assert_eq!(refusal(&before), CcelError::SecureBootRelabelled { event: number, event_type });
        let mut after = ubuntu();
        let number = after_separator(&mut after, event);
        assert_eq!(refusal(&after), CcelError::SecureBootRelabelled { event: number, event_type });
    }
}

#[test]
fn t23_forged_variable_is_refused() {
    let mut log = ubuntu();
    log.variable_mut("SecureBoot").data = variable_data(EFI_GLOBAL_VARIABLE, "SecureBoot", &[0]);
    let event_type = EventType::EFI_VARIABLE_DRIVER_CONFIG;
    let event = number(log.position_of(1, event_type));
    assert_eq!(shared_refusal(&log), EventLogError::DigestMismatch { event, pcr: 7, event_type });
}

#[test]
fn t24_second_secure_boot_variable_is_refused() {
    let mut log = ubuntu();
    let event = before_separator(&mut log, variable("SecureBoot", &[1]));
    let refused = EventLogError::SecondSecureBootVariable { event, variable: "SecureBoot" };
    assert_eq!(shared_refusal(&log), refused);
    let mut log = ubuntu();
    let event = after_separator(&mut log, variable("SecureBoot", &[1]));
    let event_type = EventType::EFI_VARIABLE_DRIVER_CONFIG;
    assert_eq!(refusal(&log), CcelError::EventAfterSeparator { event, register: 1, event_type });
}

#[test]
fn secure_boot_has_a_value_keys_and_an_authority() {
    let mut log = ubuntu();
    let position = log.position(|event| event.data == variable("SecureBoot", &[1]).data);
    log.events.remove(position);
    assert_eq!(shared_refusal(&log), EventLogError::SecureBootMissing);
    for value in [&[2][..], &[1, 0]] {
        let mut log = ubuntu();
        log.variable_mut("SecureBoot").set(variable_data(EFI_GLOBAL_VARIABLE, "SecureBoot", value));
        assert_eq!(shared_refusal(&log), EventLogError::SecureBootValue { event: number(position) });
    }
    let mut log = ubuntu();
    log.variable_mut("PK").set(variable_data(EFI_GLOBAL_VARIABLE, "PK", &[]));
    assert_eq!(shared_refusal(&log), EventLogError::SecureBootWithoutKeys { variable: "PK" });
    let mut log = ubuntu();
    log.events.retain(|event| event.event_type != EventType::EFI_VARIABLE_AUTHORITY);
    assert_eq!(shared_refusal(&log), EventLogError::SecureBootWithoutAuthority);
}

#[test]
fn t24_unknown_variable_is_refused() {
    let mut log = ubuntu();
    let event = before_separator(&mut log, variable("Lang", b"en"));
    assert_eq!(shared_refusal(&log), EventLogError::UnknownSecureBootVariable { event });
}

#[test]
fn t23_forged_authority_is_refused() {
    let mut log = ubuntu();
    let event_type = EventType::EFI_VARIABLE_AUTHORITY;
    let event = number(log.position_of(1, event_type));
    log.event_mut(1, event_type).data[40] ^= 1;
    assert_eq!(shared_refusal(&log), EventLogError::DigestMismatch { event, pcr: 7, event_type });
}

#[test]
fn t24_debug_mode_is_refused() {
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::action(1, "UEFI Debug Mode"));
    assert_eq!(shared_refusal(&log), EventLogError::UefiDebugMode { event });
}

#[test]
fn missing_dma_protection_is_a_claim() {
    let mut log = ubuntu();
    before_separator(&mut log, BuiltEvent::action(1, "DMA Protection Disabled"));
    assert!(judge(&log).expect("accepted").dma_protection_disabled);
    assert!(!judge(&ubuntu()).expect("accepted").dma_protection_disabled);
}
