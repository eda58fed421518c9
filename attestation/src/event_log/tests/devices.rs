//! Devices and tables: drivers, SPDM, SMBIOS and tagged events.

use super::*;
use crate::event_log::testing::CALLING;
use crate::event_log::testing::EXIT;
use crate::event_log::testing::RETURNING;
use crate::event_log::testing::after_separator;
use crate::event_log::testing::before_exit;
use crate::event_log::testing::before_separator;
use crate::event_log::testing::without_numbers;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets;
use crate::test_util::event_log::presets::EFI_IMAGE_SECURITY_DATABASE;
use crate::test_util::event_log::utf16;

#[test]
fn drivers_are_listed() {
    let mut log = ubuntu();
    let mut driver = presets::application(2, "option rom", "rom");
    driver.event_type = EventType::EFI_BOOT_SERVICES_DRIVER;
    before_separator(&mut log, driver);
    assert_eq!(judge(&log).expect("accepted").efi_drivers, [presets::content_digest("option rom")]);
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
fn malformed_tagged_event_is_refused() {
    for data in [&[0x22, 0x3b][..], &[1, 0, 0, 0, 9, 0, 0, 0, b'x'], &[1, 0, 0, 0, 0, 0, 0, 0, b'x']] {
        let mut log = ubuntu();
        let event = before_exit(&mut log, BuiltEvent::covered(9, EventType::EVENT_TAG, data));
        assert_eq!(refusal(&log), EventLogError::MalformedTaggedEvent { event });
    }
}
