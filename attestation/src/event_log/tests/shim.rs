//! shim's own switch, `MokSBState`, in logs of its releases.

use crate::event_log::EventType as T;
use crate::event_log::ReplayedCcel;
use crate::event_log::ReplayedLog;
use crate::event_log::SecureBoot;
use crate::event_log::testing::evidence;
use crate::event_log::testing::read;
use crate::technology::Technology;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::EventLogBuilder;
use crate::test_util::event_log::presets::SHIM_LOCK;

fn secure_boot(log: &EventLogBuilder) -> SecureBoot {
    ReplayedLog::from_bytes(&log.bytes()).expect("the log is accepted").boot.secure_boot.clone()
}

fn ubuntu() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::SevSnp)
}

fn in_pcr7(value: &[u8]) -> BuiltEvent {
    BuiltEvent::variable(7, T::EFI_VARIABLE_AUTHORITY, SHIM_LOCK, "MokSBState", value)
}

fn in_pcr14(name: &str, value: &[u8]) -> BuiltEvent {
    BuiltEvent::measuring(14, T::IPL, value, format!("{name}\0"))
}

fn before_grub(log: &mut EventLogBuilder, event: BuiltEvent) {
    log.insert_before(|event| event.pcr == 8, event);
}

#[test]
fn t27_shim_that_does_not_verify_is_a_claim() {
    let off = secure_boot(&ubuntu());
    assert!(off.enabled && !off.shim_validation_disabled);
    for value in [&[1][..], &[255], &[1, 0]] {
        let mut log = ubuntu();
        before_grub(&mut log, in_pcr7(value));
        let found = secure_boot(&log);
        assert!(found.enabled && found.shim_validation_disabled, "{value:?}");
    }
    let mut log = ubuntu();
    before_grub(&mut log, in_pcr7(&[0]));
    assert!(!secure_boot(&log).shim_validation_disabled);
}

#[test]
fn t22_the_value_in_pcr_14_counts_where_only_mok_sb_state_can_be() {
    // Releases 10 to 12: MokList, then MokSBState, and nothing in PCR 7. An attacker labels it with another
    // name.
    for name in ["MokSBState", "MokListX", "MokListTrusted"] {
        let mut log = ubuntu();
        log.events.retain(|event| event.pcr != 14);
        before_grub(&mut log, in_pcr14("MokList", b"keys"));
        before_grub(&mut log, in_pcr14(name, &[1]));
        assert!(secure_boot(&log).shim_validation_disabled, "{name}");
    }
    // A statement of the log that is to its own disadvantage is used wherever it is.
    let mut log = ubuntu();
    before_grub(&mut log, in_pcr14("MokSBState", &[1]));
    assert!(secure_boot(&log).shim_validation_disabled);
}

#[test]
fn t52_mok_list_trusted_is_the_same_byte_and_says_nothing() {
    let mut log = ubuntu();
    log.events.retain(|event| event.pcr != 14);
    for (name, value) in [("MokList", &b"keys"[..]), ("MokListX", b"hashes"), ("MokListTrusted", &[1])] {
        before_grub(&mut log, in_pcr14(name, value));
    }
    before_grub(&mut log, in_pcr7(&[0]));
    assert!(!secure_boot(&log).shim_validation_disabled);
}

#[test]
fn t22_in_ccel_the_variable_counts_under_any_type() {
    let found = |event: BuiltEvent| {
        let mut log = EventLogBuilder::ccel_ubuntu();
        log.insert_before(|event| event.pcr == 3, event);
        ReplayedCcel::from_bytes(&log.bytes()).expect("the log is accepted").boot.secure_boot.clone()
    };
    for event_type in [T::EFI_VARIABLE_AUTHORITY, T::EFI_VARIABLE_BOOT] {
        let variable = |value| BuiltEvent::variable(1, event_type, SHIM_LOCK, "MokSBState", value);
        assert!(found(variable(&[1])).shim_validation_disabled, "{event_type:?}");
        assert!(!found(variable(&[0])).shim_validation_disabled, "{event_type:?}");
    }
    let value = BuiltEvent { pcr: 3, ..in_pcr14("MokSBState", &[1]) };
    assert!(found(value).shim_validation_disabled);
}

#[test]
fn t52_captured_boots_have_a_shim_that_verifies() {
    let Some(folder) = evidence() else { return };
    for name in ["ubuntu-2404-amd-sevsnp.bin", "ubuntu-2104-no-dbx.bin", "eventlogwithsp800155.bin"] {
        let log = ReplayedLog::from_bytes(&read(&folder, &format!("gce/vtpm/eventlogs/{name}")));
        assert!(!log.expect("accepted").boot.secure_boot.shim_validation_disabled, "{name}");
    }
}
