//! Secure Boot's variables and authorities: each once, well-formed and in its place.

use super::*;
use crate::event_log::testing::after_separator;
use crate::event_log::testing::before_separator;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets::EFI_GLOBAL_VARIABLE;
use crate::test_util::event_log::presets::EFI_IMAGE_SECURITY_DATABASE;
use crate::test_util::event_log::presets::SHIM_LOCK;
use crate::test_util::event_log::variable_data;

fn variable(vendor: [u8; 16], name: &str, value: &[u8]) -> BuiltEvent {
    BuiltEvent::variable(7, EventType::EFI_VARIABLE_DRIVER_CONFIG, vendor, name, value)
}

#[test]
fn t24_second_secure_boot_variable_is_refused() {
    for (vendor, name) in [
        (EFI_GLOBAL_VARIABLE, "SecureBoot"),
        (EFI_GLOBAL_VARIABLE, "PK"),
        (EFI_IMAGE_SECURITY_DATABASE, "db"),
    ] {
        let mut log = ubuntu();
        let event = before_separator(&mut log, variable(vendor, name, &[1]));
        assert_eq!(refusal(&log), EventLogError::SecondSecureBootVariable { event, variable: name });
    }
}

#[test]
fn t24_secure_boot_variable_after_the_separator_is_refused() {
    let mut log = ubuntu();
    let event = after_separator(&mut log, variable(EFI_GLOBAL_VARIABLE, "SecureBoot", &[1]));
    let event_type = EventType::EFI_VARIABLE_DRIVER_CONFIG;
    assert_eq!(refusal(&log), EventLogError::EventAfterSeparator { event, pcr: 7, event_type });
}

#[test]
fn unknown_variable_in_pcr_7_is_refused() {
    for (vendor, name) in [(EFI_GLOBAL_VARIABLE, "Other"), (SHIM_LOCK, "PK"), (EFI_GLOBAL_VARIABLE, "dbt")] {
        let mut log = ubuntu();
        let event = before_separator(&mut log, variable(vendor, name, &[1]));
        assert_eq!(refusal(&log), EventLogError::UnknownSecureBootVariable { event });
    }
}

#[test]
fn malformed_variable_is_refused() {
    let whole = variable_data(EFI_GLOBAL_VARIABLE, "dbt", &[1, 2]);
    let mut huge = whole.clone();
    huge[16..24].fill(0xff);
    for data in [whole[..whole.len() - 1].to_vec(), [&whole[..], &[0]].concat(), huge, vec![0; 31]] {
        let mut log = ubuntu();
        let event = BuiltEvent::covered(7, EventType::EFI_VARIABLE_DRIVER_CONFIG, data);
        let event = before_separator(&mut log, event);
        assert_eq!(refusal(&log), EventLogError::MalformedVariable { event });
    }
}

#[test]
fn missing_secure_boot_variable_is_refused() {
    let mut log = ubuntu();
    let position = log.position_of(7, EventType::EFI_VARIABLE_DRIVER_CONFIG);
    log.events.remove(position);
    assert_eq!(refusal(&log), EventLogError::SecureBootMissing);
}

#[test]
fn secure_boot_value_that_is_no_flag_is_refused() {
    for value in [&[2][..], &[1, 1], &[0, 0]] {
        let mut log = ubuntu();
        log.variable_mut("SecureBoot").set(variable_data(EFI_GLOBAL_VARIABLE, "SecureBoot", value));
        assert_eq!(refusal(&log), EventLogError::SecureBootValue { event: 3 });
    }
}

#[test]
fn firmware_without_secure_boot_measures_the_variable_empty() {
    let mut log = ubuntu().with_secure_boot(false);
    log.variable_mut("SecureBoot").set(variable_data(EFI_GLOBAL_VARIABLE, "SecureBoot", &[]));
    assert!(!judge(&log).expect("accepted").secure_boot.enabled);
}

#[test]
fn secure_boot_without_keys_is_refused() {
    for (name, vendor) in
        [("PK", EFI_GLOBAL_VARIABLE), ("KEK", EFI_GLOBAL_VARIABLE), ("db", EFI_IMAGE_SECURITY_DATABASE)]
    {
        let mut log = ubuntu();
        log.variable_mut(name).set(variable_data(vendor, name, &[]));
        assert_eq!(refusal(&log), EventLogError::SecureBootWithoutKeys { variable: name });
    }
}

#[test]
fn secure_boot_without_authority_is_refused() {
    let mut log = ubuntu();
    log.events.retain(|event| event.event_type != EventType::EFI_VARIABLE_AUTHORITY);
    assert_eq!(refusal(&log), EventLogError::SecureBootWithoutAuthority);
}
