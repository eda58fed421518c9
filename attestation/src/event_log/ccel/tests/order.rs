//! T22 to T24: types, order and coverage. Each test breaks one thing in a log that is otherwise accepted.

use vouchsafe_protocol::Digest48;

use super::*;
use crate::test_util::event_log::presets;
use crate::test_util::event_log::presets::EFI_GLOBAL_VARIABLE;
use crate::test_util::event_log::utf16;
use crate::test_util::event_log::variable_data;

fn grub(label: &str, text: &str) -> BuiltEvent {
    BuiltEvent { pcr: 3, ..BuiltEvent::grub(label, text) }
}

fn variable(name: &str, value: &[u8]) -> BuiltEvent {
    let event_type = EventType::EFI_VARIABLE_DRIVER_CONFIG;
    BuiltEvent::variable(1, event_type, EFI_GLOBAL_VARIABLE, name, value)
}

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

#[test]
fn t23_forged_authority_is_refused() {
    let mut log = ubuntu();
    let event_type = EventType::EFI_VARIABLE_AUTHORITY;
    let event = number(log.position_of(1, event_type));
    log.event_mut(1, event_type).data[40] ^= 1;
    assert_eq!(shared_refusal(&log), EventLogError::DigestMismatch { event, pcr: 7, event_type });
}

#[test]
fn t24_log_without_exit_boot_services_is_refused() {
    let mut log = ubuntu();
    log.events.retain(|event| event.data != b"Exit Boot Services Invocation");
    assert_eq!(shared_refusal(&log), EventLogError::ExitBootServicesMissing);
    // In another register it is not asserted by the firmware.
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

#[test]
fn t24_boot_attempts_have_their_order() {
    const CALLING: &str = "Calling EFI Application from Boot Option";
    let mut log = ubuntu();
    log.events.retain(|event| event.data != CALLING.as_bytes());
    assert_eq!(shared_refusal(&log), EventLogError::BootAttemptMissing);
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::action(2, CALLING));
    assert_eq!(shared_refusal(&log), EventLogError::SecondBootAttempt { event });
    let mut log = ubuntu();
    let returning = BuiltEvent::action(2, "Returning from EFI Application from Boot Option");
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
fn t23_forged_grub_text_is_refused() {
    let mut log = ubuntu();
    let position = log.position(|event| event.data.starts_with(b"kernel_cmdline: "));
    let event = number(position);
    log.events[position].data = b"kernel_cmdline: /vmlinuz ro\0".to_vec();
    assert_eq!(shared_refusal(&log), EventLogError::DigestMismatch { event, pcr: 8, event_type: IPL });
}

/// The reason why the log gives no command line.
fn withheld(log: &EventLogBuilder) -> String {
    let boot = judge(log).expect("accepted");
    assert_eq!(boot.kernel_command_line, None);
    let line = boot.withheld.into_iter().find(|withheld| withheld.claim == "command_line");
    line.expect("a reason").reason
}

#[test]
fn t24_of_two_kernels_neither_gives_the_command_line() {
    let mut log = ubuntu();
    before_exit(&mut log, grub("grub_cmd: ", "linux /other ro"));
    before_exit(&mut log, grub("kernel_cmdline: ", "/other ro"));
    assert_eq!(withheld(&log), "second-kernel-command-line");
    let mut log = ubuntu();
    before_exit(&mut log, grub("kernel_cmdline: ", "/other ro"));
    assert_eq!(withheld(&log), "kernel-command-line-unexplained");
    let mut log = uki();
    before_exit(&mut log, grub("grub_cmd: ", "linux /other ro"));
    before_exit(&mut log, grub("kernel_cmdline: ", "/other ro"));
    assert_eq!(withheld(&log), "several-boot-loaders");
}

#[test]
fn t22_kernel_command_line_labelled_as_a_command_gives_none() {
    let mut log = ubuntu();
    let position = log.position(|event| event.data.starts_with(b"kernel_cmdline: "));
    let text = String::from_utf8(log.events[position].measured.clone().expect("measured")).expect("text");
    log.events[position] = grub("grub_cmd: ", &text);
    assert_eq!(withheld(&log), "kernel-command-line-relabelled");
}

#[test]
fn t22_sections_of_a_unified_image_are_names_and_contents() {
    // A name that its digest does not cover.
    let mut log = uki();
    let event = before_exit(&mut log, BuiltEvent::measuring(3, IPL, "x", utf16(".splash")));
    assert_eq!(shared_refusal(&log), EventLogError::StubSectionName { event });
    // A name without content.
    let name = BuiltEvent::measuring(3, IPL, ".splash\0", utf16(".splash"));
    let mut log = uki();
    before_exit(&mut log, name.clone());
    assert_eq!(shared_refusal(&log), EventLogError::StubSectionWithoutContent);
    // Another event type instead of the content.
    let mut log = uki();
    log.insert_before(|event| event.event_type == EventType::EVENT_TAG, name);
    assert_eq!(shared_refusal(&log), EventLogError::StubSectionWithoutContent);
    // A second one.
    let mut log = uki();
    let [name, _] = BuiltEvent::stub_section(".linux", b"other");
    let event = before_exit(&mut log, BuiltEvent { pcr: 3, ..name });
    assert_eq!(shared_refusal(&log), EventLogError::SecondStubSection { event });
}

#[test]
fn malformed_tagged_event_is_refused() {
    let mut log = ubuntu();
    let event = number(log.position_of(3, EventType::EVENT_TAG));
    log.event_mut(3, EventType::EVENT_TAG).data = b"LOADED_IMAGE::LoadOptions\0".to_vec();
    assert_eq!(shared_refusal(&log), EventLogError::MalformedTaggedEvent { event });
}
