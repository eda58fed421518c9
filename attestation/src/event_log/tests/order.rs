//! T22 to T24: types, order and coverage. Each test breaks one thing in a log that is otherwise accepted.

use super::*;
use crate::event_log::testing::after_separator;
use crate::event_log::testing::before_exit;
use crate::event_log::testing::before_separator;
use crate::event_log::testing::separator;
use crate::event_log::testing::without_numbers;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets;
use crate::test_util::event_log::presets::EFI_GLOBAL_VARIABLE;
use crate::test_util::event_log::presets::EFI_IMAGE_SECURITY_DATABASE;
use crate::test_util::event_log::presets::SHIM_LOCK;
use crate::test_util::event_log::utf16;
use crate::test_util::event_log::variable_data;

const EXIT: &[u8] = b"Exit Boot Services Invocation";
const IPL: EventType = EventType::IPL;

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
fn t22_nonhostinfo_relabelled_is_refused() {
    let mut log = ubuntu();
    log.event_mut(0, EventType::NONHOST_INFO).event_type = EventType::POST_CODE;
    let event_type = EventType::POST_CODE;
    assert_eq!(refusal(&log), EventLogError::NonHostInfoRelabelled { event: 2, event_type });
}

#[test]
fn t22_second_nonhostinfo_is_refused() {
    let mut log = ubuntu();
    let event = BuiltEvent::covered(0, EventType::NONHOST_INFO, presets::non_host_info(3));
    let event = before_separator(&mut log, event);
    assert_eq!(refusal(&log), EventLogError::SecondNonHostInfo { event });
}

#[test]
fn t22_nonhostinfo_after_the_separator_is_refused() {
    let mut log = ubuntu();
    let event = BuiltEvent::covered(0, EventType::NONHOST_INFO, presets::non_host_info(4));
    let event = after_separator(&mut log, event);
    let event_type = EventType::NONHOST_INFO;
    assert_eq!(refusal(&log), EventLogError::EventAfterSeparator { event, pcr: 0, event_type });
}

#[test]
fn malformed_nonhostinfo_is_refused() {
    let mut reserved = presets::non_host_info(4);
    reserved[31] = 1;
    let long = [presets::non_host_info(4), vec![0]].concat();
    for data in [reserved, long, b"GCE NonHostInfo\0".to_vec(), b"other".to_vec()] {
        let mut log = ubuntu();
        log.event_mut(0, EventType::NONHOST_INFO).set(data);
        assert_eq!(refusal(&log), EventLogError::MalformedNonHostInfo { event: 2 });
    }
}

#[test]
fn unknown_technology_is_refused() {
    let mut log = ubuntu();
    log.event_mut(0, EventType::NONHOST_INFO).set(presets::non_host_info(5));
    assert_eq!(refusal(&log), EventLogError::UnknownTechnology { value: 5 });
}

#[test]
fn t22_second_firmware_version_is_refused() {
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::covered(0, EventType::S_CRTM_VERSION, utf16("v3")));
    assert_eq!(refusal(&log), EventLogError::SecondCrtmVersion { event });
}

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
fn separator_of_another_form_is_refused() {
    for data in [vec![0, 0, 0, 1], vec![0; 3], Vec::new()] {
        let mut log = ubuntu();
        let position = log.position(separator(3));
        log.events[position].set(data);
        assert_eq!(refusal(&log), EventLogError::MalformedSeparator { event: number(position), pcr: 3 });
    }
}

#[test]
fn t22_separator_digest_and_data_must_agree() {
    let mut log = ubuntu();
    let position = log.position(separator(3));
    log.events[position].measured = Some(b"anything".to_vec());
    assert_eq!(refusal(&log), mismatch(position, 3, EventType::SEPARATOR));
}

#[test]
fn firmware_error_is_refused() {
    let mut log = ubuntu();
    let position = log.position(separator(6));
    log.events[position].set([0xff; 4]);
    assert_eq!(refusal(&log), EventLogError::FirmwareError { event: number(position), pcr: 6 });
}

#[test]
fn t23_data_that_its_digest_does_not_cover_is_refused() {
    let positions = |log: &EventLogBuilder| {
        log.events
            .iter()
            .enumerate()
            .filter(|(_, event)| event.measured.as_ref() == Some(&event.data))
            .map(|(position, event)| (position, u8::try_from(event.pcr).expect("small"), event.event_type))
            .collect::<Vec<_>>()
    };
    let log = ubuntu();
    assert!(positions(&log).len() > 20);
    for (position, pcr, event_type) in positions(&log) {
        let mut forged = log.clone();
        forged.events[position].data[0] ^= 1;
        let expected = match &*log.events[position].data {
            // Without these texts the log has no ExitBootServices at all.
            EXIT => EventLogError::ExitBootServicesMissing,
            _ => mismatch(position, pcr, event_type),
        };
        assert_eq!(refusal(&forged), expected, "PCR {pcr} {event_type}");
    }
}

#[test]
fn t23_kernel_command_line_forged_in_the_log_is_refused() {
    let mut log = ubuntu();
    let position = log.position(|event| event.data.starts_with(b"kernel_cmdline: "));
    log.events[position].data = b"kernel_cmdline: /vmlinuz-6.8.0-1010-gcp ro\0".to_vec();
    assert_eq!(refusal(&log), mismatch(position, 8, IPL));
}

#[test]
fn t23_file_names_are_never_claims() {
    let mut log = ubuntu();
    let position = log.position(|event| event.data.starts_with(b"/initrd.img"));
    log.events[position].data = b"/approved.img\0".to_vec();
    let boot = judge(&log).expect("accepted");
    let renamed =
        boot.events[&9].iter().find(|event| event.untrusted_name.as_deref() == Some("/approved.img"));
    assert!(renamed.is_some_and(|event| event.name.is_none()));
    assert_eq!(boot.grub_files, judge(&ubuntu()).expect("accepted").grub_files);
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

const CALLING: &str = "Calling EFI Application from Boot Option";
const RETURNING: &str = "Returning from EFI Application from Boot Option";

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

fn smbios(tag: u32, name: &str) -> BuiltEvent {
    let text = utf16(name);
    let mut data = tag.to_le_bytes().to_vec();
    data.extend(u32::try_from(text.len()).expect("small").to_le_bytes());
    data.extend(text);
    BuiltEvent::measuring(1, EventType::EVENT_TAG, "a table", data)
}

#[test]
fn smbios_tables_after_the_separator_are_no_claims() {
    let mut log = ubuntu();
    for (tag, name) in [
        (0xd5cb_7cbc, "smbios:type1"),
        (0xe0d4_7bc8, "smbios:type2"),
        (0xc0b3_bd23, "smbios:type11"),
        (0xc0b3_bd23, "smbios:type11"),
    ] {
        after_separator(&mut log, smbios(tag, name));
    }
    let (mut boot, mut honest) = (judge(&log).expect("accepted"), judge(&ubuntu()).expect("accepted"));
    boot.events.remove(&1);
    honest.events.remove(&1);
    assert_eq!(without_numbers(boot), without_numbers(honest));
}

#[test]
fn smbios_tables_are_measured_again_after_a_boot_option_that_returned() {
    let table = || smbios(0xd5cb_7cbc, "smbios:type1");
    let mut log = ubuntu();
    after_separator(&mut log, table());
    for event in [
        BuiltEvent::action(4, RETURNING),
        BuiltEvent::action(4, CALLING),
        table(),
        presets::application(4, "second", "second"),
    ] {
        before_exit(&mut log, event);
    }
    assert!(judge(&log).is_ok());
}

#[test]
fn t24_other_tagged_events_of_pcr_1_after_its_separator_are_refused() {
    let refused =
        |event| EventLogError::EventAfterSeparator { event, pcr: 1, event_type: EventType::EVENT_TAG };
    for (tag, name) in [(1, "smbios:type1"), (0xd5cb_7cbc, "smbios:type3"), (0xd5cb_7cbc, "")] {
        let mut log = ubuntu();
        let event = after_separator(&mut log, smbios(tag, name));
        assert_eq!(refusal(&log), refused(event), "{name}");
    }
    for (tag, name) in [(0xd5cb_7cbc, "smbios:type1"), (0xe0d4_7bc8, "smbios:type2")] {
        let mut log = ubuntu();
        let event = after_separator(&mut log, smbios(tag, name)) + 1;
        after_separator(&mut log, smbios(tag, name));
        assert_eq!(refusal(&log), EventLogError::SecondSmbiosTable { event });
    }
    let mut log = ubuntu();
    let mut cut = smbios(0xd5cb_7cbc, "smbios:type1");
    cut.data.pop();
    let event = after_separator(&mut log, cut);
    assert_eq!(refusal(&log), EventLogError::MalformedTaggedEvent { event });
}

#[test]
fn loader_conf_is_measured_into_pcr_5() {
    let mut log = ubuntu();
    let mut event = smbios(0xf5bc_582a, "loader.conf");
    event.pcr = 5;
    before_exit(&mut log, event);
    assert!(judge(&log).is_ok());
}

#[test]
fn events_of_devices_are_accepted_as_what_they_are() {
    let spdm = b"SPDM Device Sec2\0\x02\0 measurement";
    let keys = |event_type| BuiltEvent::variable(7, event_type, EFI_IMAGE_SECURITY_DATABASE, "devdb", b"key");
    let mut log = ubuntu();
    before_separator(&mut log, BuiltEvent::covered(0, EventType::EFI_SPDM_FIRMWARE_BLOB, spdm));
    before_separator(&mut log, BuiltEvent::covered(1, EventType::EFI_SPDM_FIRMWARE_CONFIG, spdm));
    before_separator(&mut log, BuiltEvent::covered(2, EventType::EFI_SPDM_FIRMWARE_BLOB, spdm));
    before_separator(&mut log, BuiltEvent::covered(3, EventType::EFI_SPDM_FIRMWARE_CONFIG, spdm));
    before_separator(&mut log, keys(EventType::EFI_SPDM_DEVICE_POLICY));
    after_separator(&mut log, keys(EventType::EFI_SPDM_DEVICE_AUTHORITY));
    before_exit(&mut log, BuiltEvent::covered(5, EventType::EFI_GPT_EVENT2, "EFI PART and more"));
    let (boot, honest) = (judge(&log).expect("accepted"), judge(&ubuntu()).expect("accepted"));
    assert_eq!(boot.secure_boot, honest.secure_boot);
    assert_eq!((boot.efi_applications, boot.efi_drivers), (honest.efi_applications, honest.efi_drivers));
}

#[test]
fn t22_images_and_authorities_relabelled_as_events_of_devices_are_refused() {
    // The image of an application as event data, which its digest also covers.
    let mut log = ubuntu();
    let event =
        before_separator(&mut log, BuiltEvent::covered(2, EventType::EFI_SPDM_FIRMWARE_BLOB, "MZ image"));
    assert_eq!(refusal(&log), EventLogError::MalformedDeviceEvent { event });
    let position = ubuntu().position_of(7, EventType::EFI_VARIABLE_AUTHORITY);
    for event_type in [EventType::EFI_SPDM_DEVICE_AUTHORITY, EventType::EFI_SPDM_DEVICE_POLICY] {
        let mut log = ubuntu();
        log.events[position].event_type = event_type;
        assert_eq!(refusal(&log), EventLogError::MalformedDeviceEvent { event: number(position) });
    }
    let mut log = ubuntu();
    let image = presets::application(5, "evil", "evil");
    let position = number(log.position(|event| event.data == EXIT)) - 1;
    log.events.insert(position, BuiltEvent { event_type: EventType::EFI_GPT_EVENT2, ..image });
    assert_eq!(refusal(&log), mismatch(position, 5, EventType::EFI_GPT_EVENT2));
}

#[test]
fn missing_boot_attempt_is_refused() {
    let mut log = ubuntu();
    log.events.retain(|event| !event.data.starts_with(b"Calling EFI"));
    assert_eq!(refusal(&log), EventLogError::BootAttemptMissing);
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
fn drivers_are_listed() {
    let mut log = ubuntu();
    let mut driver = presets::application(2, "option rom", "rom");
    driver.event_type = EventType::EFI_BOOT_SERVICES_DRIVER;
    before_separator(&mut log, driver);
    assert_eq!(judge(&log).expect("accepted").efi_drivers, [presets::content_digest("option rom")]);
}

#[test]
fn uefi_debug_mode_is_refused() {
    let mut log = ubuntu();
    let event = before_separator(&mut log, BuiltEvent::action(7, "UEFI Debug Mode"));
    assert_eq!(refusal(&log), EventLogError::UefiDebugMode { event });
}

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

/// The `db` authority as logged by old versions of shim: with padding counted, and one byte more than
/// measured.
fn shim_quirk(log: &mut EventLogBuilder, padding: usize) -> usize {
    let position = log.position_of(7, EventType::EFI_VARIABLE_AUTHORITY);
    let event = &mut log.events[position];
    event.data.resize(event.data.len() + padding, 0);
    event.measured = Some(event.data.clone());
    event.data.push(0xaf);
    position
}

#[test]
fn t23_shim_quirk_is_accepted_for_authorities_and_marked() {
    let mut log = ubuntu();
    shim_quirk(&mut log, 5);
    let boot = judge(&log).expect("accepted");
    let covered: Vec<bool> =
        boot.secure_boot.authorities.iter().map(|authority| authority.data_covered).collect();
    assert_eq!(covered, [false, true, true]);
}

#[test]
fn t23_shim_quirk_elsewhere_is_refused() {
    let mut log = ubuntu();
    log.variable_mut("db").data.push(0);
    assert_eq!(refusal(&log), mismatch(5, 7, EventType::EFI_VARIABLE_DRIVER_CONFIG));
    let mut log = ubuntu();
    let position = shim_quirk(&mut log, 6);
    assert_eq!(refusal(&log), EventLogError::MalformedVariable { event: number(position) });
}

#[test]
fn malformed_tagged_event_is_refused() {
    for data in [&[0x22, 0x3b][..], &[1, 0, 0, 0, 9, 0, 0, 0, b'x'], &[1, 0, 0, 0, 0, 0, 0, 0, b'x']] {
        let mut log = ubuntu();
        let event = before_exit(&mut log, BuiltEvent::covered(9, EventType::EVENT_TAG, data));
        assert_eq!(refusal(&log), EventLogError::MalformedTaggedEvent { event });
    }
}

#[test]
fn t22_stub_section_under_another_name_is_refused() {
    let mut log = uki();
    let position = log.position(|event| event.pcr == 11);
    log.events[position].data = utf16(".initrd");
    assert_eq!(refusal(&log), EventLogError::StubSectionName { event: number(position) });
}

#[test]
fn t22_second_stub_section_is_refused() {
    let mut log = uki();
    let [name, content] = BuiltEvent::stub_section(".initrd", b"another");
    let event = before_exit(&mut log, name);
    before_exit(&mut log, content);
    assert_eq!(refusal(&log), EventLogError::SecondStubSection { event });
}

#[test]
fn stub_section_without_content_is_refused() {
    let mut log = uki();
    let [name, _] = BuiltEvent::stub_section(".dtb", b"");
    before_exit(&mut log, name);
    assert_eq!(refusal(&log), EventLogError::StubSectionWithoutContent);
}

#[test]
fn t23_stub_command_line_that_its_digest_does_not_cover_is_no_claim() {
    let mut log = uki().with_stub_command_line_text();
    let position = log.position(|event| event.data == presets::UKI_COMMAND_LINE.as_bytes());
    log.events[position].data = b"panic=-1".to_vec();
    assert_eq!(judge(&log).expect("accepted").kernel_command_line, None);
}
