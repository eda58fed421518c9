//! The expected results for the presets, and how command lines are split.

use serde_json::Value;
use vouchsafe_protocol::Digest32;

use super::*;
use crate::event_log::CommandLine;
use crate::event_log::EventKind;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::presets::UBUNTU_ARGUMENTS;
use crate::test_util::event_log::presets::UBUNTU_KERNEL;
use crate::test_util::event_log::presets::UKI_COMMAND_LINE;
use crate::test_util::event_log::presets::content_digest;

#[test]
fn ubuntu_boot_gives_its_claims() {
    let log = ubuntu();
    assert!((40_000..50_000).contains(&log.bytes().len()), "{}", log.bytes().len());
    let boot = judge(&log).expect("accepted");
    assert_eq!(boot.technology, Some(Technology::SevSnp));
    assert_eq!(boot.firmware_version.as_deref(), Some("GCE Virtual Firmware v2"));
    assert!(boot.secure_boot.enabled);
    let names: Vec<_> =
        boot.secure_boot.authorities.iter().map(|authority| authority.name.as_str()).collect();
    assert_eq!(names, ["db", "SbatLevel", "Shim"]);
    assert_eq!(boot.efi_applications, ["shim", "grub", "kernel"].map(content_digest));
    assert_eq!(boot.kernel_command_line, Some(format!("{UBUNTU_KERNEL} {UBUNTU_ARGUMENTS}")));
    assert_eq!(boot.kernel_path.as_deref(), Some(UBUNTU_KERNEL));
    assert_eq!(boot.kernel_arguments, UBUNTU_ARGUMENTS.split(' ').collect::<Vec<_>>());
    assert!(boot.grub_commands.len() > 50);
    assert_eq!(boot.grub_files.last(), Some(&content_digest("initrd").into()));
    assert_eq!(boot.events.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14]);
}

#[test]
fn every_technology_is_read() {
    for byte in 0..5 {
        let technology = Technology::from_byte(byte).expect("known");
        assert_eq!(technology.byte(), byte);
        let boot = judge(&EventLogBuilder::gce_ubuntu(technology)).expect("accepted");
        assert_eq!(boot.technology, Some(technology));
        assert_eq!(serde_json::to_value(technology).expect("serializes"), technology.to_string());
    }
}

#[test]
fn every_event_of_a_boot_has_a_kind() {
    for log in [ubuntu(), uki()] {
        let boot = judge(&log).expect("accepted");
        for pcr in [2, 4, 5, 7, 8, 9, 11, 14] {
            for event in boot.events.get(&pcr).into_iter().flatten() {
                assert_ne!(event.kind, EventKind::Other, "PCR {pcr}: {event:?}");
            }
        }
        let count: usize = boot.events.values().map(Vec::len).sum();
        assert_eq!(count, log.extends().len());
    }
}

#[test]
fn uki_boot_gives_its_claims() {
    let boot = judge(&uki()).expect("accepted");
    assert_eq!(boot.technology, Some(Technology::Tdx));
    assert!(!boot.secure_boot.enabled);
    assert_eq!(boot.efi_applications, ["uki", "kernel"].map(content_digest));
    assert_eq!(boot.stub_sections[0].name, ".linux");
    assert_eq!(boot.stub_sections[0].digest, content_digest("kernel"));
    assert_eq!(boot.kernel_command_line, None);
    assert!(boot.kernel_arguments.is_empty());
}

#[test]
fn command_line_of_a_uki_is_read_when_the_log_contains_it() {
    let boot = judge(&uki().with_stub_command_line_text()).expect("accepted");
    assert_eq!(boot.kernel_command_line.as_deref(), Some(UKI_COMMAND_LINE));
    assert_eq!(boot.kernel_path, None);
    assert_eq!(boot.kernel_arguments, UKI_COMMAND_LINE.split(' ').collect::<Vec<_>>());
}

#[test]
fn t23_command_line_of_a_uki_is_unknown_when_pcr_12_may_add_to_it() {
    let mut log = uki().with_stub_command_line_text();
    log.insert_before_exit(BuiltEvent::covered(12, EventType::IPL, "panic=0"));
    assert_eq!(judge(&log).expect("accepted").kernel_command_line, None);
}

#[test]
fn claims_are_snake_case_json_with_hex_digests() {
    let boot = judge(&ubuntu()).expect("accepted");
    let json = serde_json::to_value(&boot).expect("serializes");
    assert_eq!(json["technology"], "sev-snp");
    assert_eq!(json["secure_boot"]["enabled"], true);
    assert_eq!(json["efi_applications"][0], content_digest("shim").to_string());
    assert_eq!(json["events"]["0"][2]["kind"], "separator");
    assert_eq!(json["events"]["0"][2]["event_name"], "EV_SEPARATOR");
    assert_eq!(json["events"]["9"][0]["untrusted_name"], "(hd0,gpt15)/EFI/ubuntu/grub.cfg");
    assert_eq!(json["events"]["9"][0].get("name"), None::<&Value>);
}

#[test]
fn kernel_arguments_are_split_as_the_kernel_does() {
    let cases: [(&str, &[&str]); 7] = [
        ("ro quiet", &["ro", "quiet"]),
        ("  ro   quiet ", &["ro", "quiet"]),
        (r#"dm="1 vroot none" ro"#, &["dm=1 vroot none", "ro"]),
        (r#""dm=1 vroot none" ro"#, &["dm=1 vroot none", "ro"]),
        (r#"a="b c" "d e" f"#, &["a=b c", "d e", "f"]),
        (r#"a="open b c"#, &["a=open b c"]),
        ("", &[]),
    ];
    for (text, arguments) in cases {
        assert_eq!(CommandLine::new(text, 0).expect("plain text").arguments(), arguments, "{text}");
    }
}

#[test]
fn t35_words_show_what_quotes_hide_from_the_kernel() {
    let line = CommandLine::new(r#"x="a break=premount b" 'panic=-1'"#, 0).expect("plain text");
    assert!(!line.arguments().contains(&"break=premount".to_owned()));
    assert_eq!(line.words(), ["x=a", "break=premount", "b", "panic=-1"]);
}

#[test]
fn other_kernel_arguments_change_the_claim_and_the_pcr() {
    let log = ubuntu().with_kernel_arguments(r#"ro dm="1 vroot""#);
    let boot = judge(&log).expect("accepted");
    assert_eq!(boot.kernel_arguments, ["ro", "dm=1 vroot"]);
    assert_ne!(log.pcrs()[&8], ubuntu().pcrs()[&8]);
}

#[test]
fn secure_boot_off_is_accepted_and_said() {
    let boot = judge(&ubuntu().with_secure_boot(false)).expect("accepted");
    assert!(!boot.secure_boot.enabled);
    assert_eq!(boot.secure_boot.authorities.len(), 1, "what shim measures is there all the same");
}

#[test]
fn empty_secure_boot_variable_has_no_digest() {
    let mut log = ubuntu();
    let mut empty = log.variable_mut("dbx").data[..38].to_vec();
    empty[24..32].fill(0);
    log.variable_mut("dbx").set(empty);
    let boot = judge(&log).expect("accepted");
    assert_eq!(boot.secure_boot.dbx, None);
    assert_eq!(boot.secure_boot.db, Some(Digest32::of(&log.variable_mut("db").data).into()));
}

#[test]
fn firmware_version_that_is_no_text_is_hex() {
    let mut log = ubuntu();
    log.event_mut(0, EventType::S_CRTM_VERSION).set([0x1e, 0xfb, 0x6b]);
    let boot = judge(&log).expect("accepted");
    assert_eq!((boot.firmware_version, boot.firmware_version_hex.as_deref()), (None, Some("1efb6b")));
}

#[test]
fn dma_protection_disabled_is_said() {
    let mut log = ubuntu();
    log.insert_before(|event| event.pcr == 7, BuiltEvent::action(7, "DMA Protection Disabled"));
    assert!(judge(&log).expect("accepted").dma_protection_disabled);
    assert!(!judge(&ubuntu()).expect("accepted").dma_protection_disabled);
}
