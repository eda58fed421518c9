//! The expected results for the presets.

use super::*;
use crate::event_log::EventDigest;
use crate::event_log::EventKind;
use crate::event_log::ReplayedLog;
use crate::technology::Technology;
use crate::test_util::event_log::presets::UBUNTU_KERNEL;
use crate::test_util::event_log::presets::UKI_COMMAND_LINE;
use crate::test_util::event_log::presets::content;
use vouchsafe_protocol::Digest48;

fn digest(name: &str) -> EventDigest {
    Digest48::of(&content(name)).into()
}

/// The log carries the content of `.cmdline`.
fn uki_with_text() -> EventLogBuilder {
    EventLogBuilder::gce_uki(Technology::Tdx).with_stub_command_line_text().into_ccel()
}

/// The vTPM log of the same boot.
fn vtpm(log: &EventLogBuilder) -> BootLog {
    ReplayedLog::from_bytes(&log.bytes()).map(|log| BootLog::clone(&log.boot)).expect("accepted")
}

#[test]
fn ubuntu_boot_gives_the_claims_of_its_vtpm_log() {
    let boot = judge(&ubuntu()).expect("accepted");
    let vtpm = vtpm(&EventLogBuilder::gce_ubuntu(Technology::Tdx));
    assert_eq!((boot.technology, boot.firmware_version.as_deref()), (None, None));
    assert!(boot.secure_boot.enabled);
    let names = |boot: &BootLog| -> Vec<String> {
        boot.secure_boot.authorities.iter().map(|authority| authority.name.clone()).collect()
    };
    assert_eq!(names(&boot), names(&vtpm));
    assert_eq!(boot.efi_applications, ["shim", "grub", "kernel"].map(digest));
    assert_eq!(boot.kernel_command_line, vtpm.kernel_command_line);
    assert!(boot.kernel_command_line.is_some());
    assert_eq!(boot.kernel_path.as_deref(), Some(UBUNTU_KERNEL));
    assert_eq!(boot.kernel_arguments, vtpm.kernel_arguments);
    assert_eq!(boot.grub_commands, vtpm.grub_commands);
    // Files, and here also the key lists: nothing distinguishes them.
    assert_eq!(boot.grub_files.len(), vtpm.grub_files.len() + 3);
    assert_eq!(boot.events.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn uki_boot_gives_the_claims_of_its_vtpm_log() {
    let boot = judge(&uki()).expect("accepted");
    assert!(!boot.secure_boot.enabled);
    assert_eq!(boot.efi_applications, ["uki", "kernel"].map(digest));
    let vtpm = vtpm(&EventLogBuilder::gce_uki(Technology::Tdx));
    let names = |boot: &BootLog| -> Vec<String> {
        boot.stub_sections.iter().map(|section| section.name.clone()).collect()
    };
    assert_eq!(names(&boot), names(&vtpm));
    assert_eq!(boot.stub_sections[0].digest, digest("kernel"));
    assert_eq!(boot.kernel_command_line, None, "the log has only its digest");
    let text = judge(&uki_with_text()).expect("accepted");
    assert_eq!(text.kernel_command_line.as_deref(), Some(UKI_COMMAND_LINE));
}

#[test]
fn every_event_of_the_loaders_has_a_kind() {
    for log in [ubuntu(), uki()] {
        let boot = judge(&log).expect("accepted");
        for register in [2, 3] {
            for event in &boot.events[&register] {
                assert_ne!(event.kind, EventKind::Other, "register {register}: {event:?}");
            }
        }
        let count: usize = boot.events.values().map(Vec::len).sum();
        assert_eq!(count, log.events.len());
    }
}

#[test]
fn digests_are_serialized_as_hex() {
    let boot = serde_json::to_value(judge(&ubuntu()).expect("accepted")).expect("serializes");
    assert_eq!(boot["efi_applications"][0], digest("shim").to_string());
    assert_eq!(digest("shim").to_string().len(), 96);
    assert_eq!(boot["events"]["2"][1]["event_name"], "EV_SEPARATOR");
}

#[test]
fn digests_of_different_banks_are_never_equal() {
    let long = Digest48([0; 48]);
    let short = vouchsafe_protocol::Digest32([0; 32]);
    assert_ne!(EventDigest::from(long), EventDigest::from(short));
    assert_eq!(EventDigest::from(long).sha256(), None);
    assert_eq!(EventDigest::from(short).sha256(), Some(short));
    assert!(EventDigest::from(Digest48::of(b"ab")).covers(&[b"a", b"b"]));
}

#[test]
fn t49_every_digest_without_a_text_is_among_the_files() {
    let mut log = ubuntu();
    // A command line labelled as a file: its digest is the only trace.
    let position = log.position(|event| event.data.starts_with(b"grub_cmd: insmod gzio"));
    log.events[position].data = b"/boot/harmless\0".to_vec();
    let hidden = Digest48::of(log.events[position].measured.as_ref().expect("measured"));
    let files = judge(&log).expect("accepted").grub_files;
    assert!(files.contains(&hidden.into()));
    assert!(!judge(&ubuntu()).expect("accepted").grub_files.contains(&hidden.into()));
    assert_eq!(log.rtmrs(), ubuntu().rtmrs());
}

#[test]
fn an_event_that_may_have_changed_the_command_line_withholds_it() {
    let mut addon = uki_with_text();
    before_exit(&mut addon, BuiltEvent::measuring(3, IPL, "more options", "addon\0"));
    let mut tagged = ubuntu();
    before_exit(&mut tagged, BuiltEvent { pcr: 3, ..BuiltEvent::tagged(7, "other", b"x") });
    let mut chain = ubuntu();
    let command = BuiltEvent { pcr: 3, ..BuiltEvent::grub("grub_cmd: ", "chainloader /other.efi") };
    before_exit(&mut chain, command);
    for log in [addon, tagged, chain] {
        assert_eq!(judge(&log).expect("accepted").kernel_command_line, None);
    }
}
