//! Command lines in PCR 12: systemd-boot's Type 1 entries, and what makes the command line ambiguous.

use super::*;
use crate::event_log::EventKind;
use crate::event_log::testing::evidence;
use crate::event_log::testing::read;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::chains::ENTRY_OPTIONS;
use crate::test_util::event_log::utf16;

fn type_1() -> EventLogBuilder {
    EventLogBuilder::type_1(Technology::SevSnp, &["systemd-boot", "kernel"])
}

/// The entry's options, measured differently.
fn with_options(event: BuiltEvent) -> EventLogBuilder {
    let mut log = type_1();
    log.events.retain(|event| event.pcr != 12 && event.pcr != 9);
    log.insert_before_exit(event);
    log
}

#[test]
fn t52_options_of_a_type_1_entry_are_the_command_line() {
    let again = type_1().with_options(&[ENTRY_OPTIONS]);
    let bare = utf16(ENTRY_OPTIONS)[..2 * ENTRY_OPTIONS.len()].to_vec();
    for log in [
        type_1(),
        // systemd-boot and the kernel's stub both measure it.
        again,
        with_options(BuiltEvent::covered(12, IPL, utf16(ENTRY_OPTIONS))),
        // The digest of the text without its NUL, as systemd documents it.
        with_options(BuiltEvent::measuring(12, IPL, bare.clone(), utf16(ENTRY_OPTIONS))),
        with_options(BuiltEvent::covered(12, IPL, bare)),
    ] {
        let boot = judge(&log).expect("accepted");
        assert_eq!(boot.kernel_command_line.as_deref(), Some(ENTRY_OPTIONS));
        assert_eq!(boot.kernel_path, None);
        assert_eq!(boot.kernel_arguments, ENTRY_OPTIONS.split(' ').collect::<Vec<_>>());
        assert_eq!(boot.kernel_words, boot.kernel_arguments);
        let event = &boot.events[&12][0];
        assert_eq!((event.kind, event.name.as_deref()), (EventKind::KernelCommandLine, Some(ENTRY_OPTIONS)));
        assert!(boot.withheld.is_empty());
    }
}

#[test]
fn t23_text_in_pcr_12_that_its_digest_does_not_cover_is_no_claim() {
    let forged = BuiltEvent::measuring(12, IPL, utf16("init=/bin/sh"), utf16(ENTRY_OPTIONS));
    assert_eq!(withheld(&with_options(forged)), "kernel-options-added");
    // Data that does not match its digest.
    let ascii = BuiltEvent::covered(12, IPL, ENTRY_OPTIONS);
    assert_eq!(withheld(&with_options(ascii)), "kernel-options-added");
}

#[test]
fn t22_anything_else_in_pcr_12_leaves_no_command_line() {
    for event in [
        BuiltEvent::covered(12, IPL, utf16("init=/bin/sh")),
        BuiltEvent::measuring(12, IPL, "archive", utf16("Credentials initrd")),
        BuiltEvent::measuring(12, IPL, "evil", "no text"),
        BuiltEvent { pcr: 12, ..BuiltEvent::tagged(0x49df_fe0f, "x.addon.efi", b"initrd of an add-on") },
        BuiltEvent { pcr: 12, ..BuiltEvent::tagged(0x13aed6db, "1", &utf16("1")) },
    ] {
        let mut after = type_1();
        after.insert_before_exit(event.clone());
        assert_eq!(withheld(&after), "kernel-options-added");
        let mut before = type_1();
        before.insert_before(|event| event.pcr == 12, event);
        assert_eq!(withheld(&before), "kernel-options-added");
    }
}

#[test]
fn t22_options_beside_another_boot_loader_are_no_claim() {
    // The kernel was started by GRUB or is part of a UKI; root extends PCR 12 after boot.
    let mut grub = type_1();
    grub.insert_before(
        |event| event.pcr == 12,
        BuiltEvent::grub("grub_cmd: ", "chainloader /vmlinuz init=/bin/sh"),
    );
    let mut stub = type_1();
    for event in BuiltEvent::stub_section(".linux", b"kernel") {
        stub.insert_before_exit(event);
    }
    let both = ubuntu().with_options(&[ENTRY_OPTIONS]);
    for log in [grub, stub, both] {
        assert_eq!(withheld(&log), "several-boot-loaders");
    }
}

#[test]
fn t22_options_that_the_kernel_measured_otherwise_are_no_claim() {
    let mut log = type_1();
    let position = log.position(|event| event.pcr == 9 && event.event_type == EventType::EVENT_TAG);
    log.events[position].measured = Some(utf16("init=/bin/sh"));
    assert_eq!(withheld(&log), "kernel-options-differ");
    let mut log = uki().with_stub_command_line_text();
    let position = log.position(|event| event.pcr == 9 && event.event_type == EventType::EVENT_TAG);
    log.events[position].measured = Some(utf16("init=/bin/sh"));
    assert_eq!(withheld(&log), "kernel-options-differ");
}

#[test]
fn options_that_are_read_in_two_ways_are_withheld() {
    for (options, reason) in [
        ("ro\ninit=/bin/sh", "kernel-command-line-text"),
        ("name=\u{e0}", "kernel-command-line-latin1-space"),
        (&"x".repeat(4000), "kernel-command-line-too-long"),
    ] {
        let log = with_options(BuiltEvent::covered(12, IPL, utf16(options)));
        assert_eq!(withheld(&log), reason);
    }
    // Not text: an unpaired surrogate.
    assert_eq!(
        withheld(&with_options(BuiltEvent::covered(12, IPL, [0, 0xd8, 0, 0]))),
        "kernel-options-added"
    );
}

#[test]
fn a_uki_whose_command_line_the_log_does_not_carry_says_so() {
    assert_eq!(withheld(&uki()), "kernel-command-line-digest-only");
    // Without such a section there is no data for a claim.
    let mut log = uki();
    let position = log.position(|event| event.pcr == 11 && event.data == utf16(".cmdline"));
    log.events.drain(position..position + 2);
    let boot = judge(&log).expect("accepted");
    assert_eq!((boot.kernel_command_line, boot.withheld), (None, Vec::new()));
}

#[test]
fn t52_real_boots_of_the_rhel_family_have_their_command_line() {
    let Some(folder) = evidence() else { return };
    let bytes = read(&folder, "field/centos9-blscfg-secureboot.log.bin");
    let boot = ReplayedLog::from_bytes(&bytes).expect("accepted").boot;
    assert!(boot.secure_boot.enabled);
    assert_eq!(boot.kernel_path.as_deref(), Some("(hd0,gpt2)/vmlinuz-5.14.0-130.el9.x86_64"));
    assert!(boot.kernel_arguments.iter().any(|argument| argument.starts_with("root=UUID=")));
    assert!(boot.grub_commands.iter().any(|command| command == "blscfg"));
    assert_eq!(boot.withheld, []);
}
