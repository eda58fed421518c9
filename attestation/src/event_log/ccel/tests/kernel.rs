//! T22 to T24: the kernel's command line and sections, as GRUB and a stub measure them.

use super::*;
use crate::test_util::event_log::utf16;

/// The reason why the log gives no command line.
fn withheld(log: &EventLogBuilder) -> String {
    let boot = judge(log).expect("accepted");
    assert_eq!(boot.kernel_command_line, None);
    let line = boot.withheld.into_iter().find(|withheld| withheld.claim == "command_line");
    line.expect("a reason").reason
}

#[test]
fn t23_forged_grub_text_is_refused() {
    let mut log = ubuntu();
    let position = log.position(|event| event.data.starts_with(b"kernel_cmdline: "));
    let event = number(position);
    log.events[position].data = b"kernel_cmdline: /vmlinuz ro\0".to_vec();
    assert_eq!(shared_refusal(&log), EventLogError::DigestMismatch { event, pcr: 8, event_type: IPL });
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
