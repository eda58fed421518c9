//! T23: data that its digest does not cover is refused, or is not a claim.

use super::*;
use crate::event_log::testing::EXIT;
use crate::test_util::event_log::presets;

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
fn t23_stub_command_line_that_its_digest_does_not_cover_is_no_claim() {
    let mut log = uki().with_stub_command_line_text();
    let position = log.position(|event| event.data == presets::UKI_COMMAND_LINE.as_bytes());
    log.events[position].data = b"panic=-1".to_vec();
    assert_eq!(judge(&log).expect("accepted").kernel_command_line, None);
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
