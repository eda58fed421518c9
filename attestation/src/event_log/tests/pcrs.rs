//! Comparing a replay with PCR values.

use std::collections::BTreeMap;

use vouchsafe_protocol::Digest32;

use super::*;
use crate::event_log::PcrRule;
use crate::event_log::PcrState;
use crate::event_log::Phase;
use crate::test_util::event_log::BuiltEvent;

const RESET: Digest32 = Digest32([0; 32]);
const OTHER: Digest32 = Digest32([7; 32]);

fn check(
    log: &EventLogBuilder,
    rule: PcrRule,
    change: impl FnOnce(&mut BTreeMap<u8, Digest32>),
) -> Result<PcrState, EventLogError> {
    let mut pcrs = log.pcrs();
    change(&mut pcrs);
    ReplayedLog::from_bytes(&log.bytes())?.replayed.check_against(&pcrs, rule, None)
}

fn state(phase: Phase) -> PcrState {
    PcrState { phase: Some(phase), userspace: BTreeMap::new() }
}

#[test]
fn presets_replay_to_the_pcrs_that_the_builder_gives() {
    for rule in [PcrRule::Release, PcrRule::Given] {
        assert_eq!(check(&ubuntu(), rule, |_| {}), Ok(state(Phase::Initrd)));
        assert_eq!(check(&uki(), rule, |_| {}), Ok(state(Phase::Initrd)));
    }
}

#[test]
fn t26_each_pcr_with_another_value_is_refused() {
    let log = ubuntu();
    let values = ReplayedLog::from_bytes(&log.bytes()).expect("accepted").replayed;
    for pcr in (0..=9).chain(12..=14) {
        let refused = check(&log, PcrRule::Release, |pcrs| {
            pcrs.insert(pcr, OTHER);
        });
        let expected = match values.values().get(&pcr) {
            Some(replayed) => EventLogError::PcrMismatch { pcr, given: OTHER, replayed: *replayed },
            None => EventLogError::PcrWithoutEvents { pcr },
        };
        assert_eq!(refused, Err(expected));
    }
}

#[test]
fn t26_pcrs_that_were_never_extended_are_refused() {
    for pcr in 0..=7 {
        let refused = check(&ubuntu(), PcrRule::Release, |pcrs| {
            pcrs.insert(pcr, RESET);
        });
        assert!(matches!(refused, Err(EventLogError::PcrMismatch { pcr: refused, .. }) if refused == pcr));
    }
}

#[test]
fn t26_no_log_stands_for_a_reset_bank() {
    let refused =
        check(&ubuntu(), PcrRule::Release, |pcrs| pcrs.values_mut().for_each(|value| *value = RESET));
    assert!(matches!(refused, Err(EventLogError::PcrMismatch { pcr: 0, .. })));
}

#[test]
fn release_needs_every_pcr_but_10() {
    for pcr in (0..=15).filter(|pcr| *pcr != 10) {
        let refused = check(&ubuntu(), PcrRule::Release, |pcrs| {
            pcrs.remove(&pcr);
        });
        assert_eq!(refused, Err(EventLogError::PcrNotGiven { pcr }));
    }
    let without_ima = check(&ubuntu(), PcrRule::Release, |pcrs| {
        pcrs.remove(&10);
    });
    assert_eq!(without_ima, Ok(state(Phase::Initrd)));
    let with_ima = check(&ubuntu(), PcrRule::Release, |pcrs| {
        pcrs.insert(10, OTHER);
    });
    assert_eq!(with_ima, Ok(state(Phase::Initrd)));
}

#[test]
fn t59_extending_pcr_15_ends_the_phase_initrd_without_a_latch() {
    for rule in [PcrRule::Release, PcrRule::Given] {
        let booted = check(&ubuntu(), rule, |pcrs| {
            pcrs.insert(15, OTHER);
        });
        assert_eq!(booted, Ok(state(Phase::Booted)));
    }
}

#[test]
fn t26_log_event_for_the_latch_is_refused() {
    let mut log = ubuntu();
    let position = log.position(|event| event.data.starts_with(b"Exit Boot Services Inv"));
    log.events.insert(position, BuiltEvent::covered(15, EventType::IPL, "latch"));
    let refused =
        EventLogError::UnexpectedEvent { event: number(position), pcr: 15, event_type: EventType::IPL };
    assert_eq!(refusal(&log), refused);
}

#[test]
fn given_pcr_without_events_is_refused_unless_at_reset() {
    for pcr in [12, 16, 23] {
        let with = |value| {
            check(&ubuntu(), PcrRule::Given, |pcrs| {
                pcrs.insert(pcr, value);
            })
        };
        assert_eq!(with(OTHER), Err(EventLogError::PcrWithoutEvents { pcr }));
        assert_eq!(with(RESET), Ok(state(Phase::Initrd)));
    }
    // IMA has its own log.
    let ima = check(&ubuntu(), PcrRule::Given, |pcrs| {
        pcrs.insert(10, OTHER);
    });
    assert_eq!(ima, Ok(state(Phase::Initrd)));
    let high = check(&ubuntu(), PcrRule::Given, |pcrs| {
        pcrs.insert(17, Digest32([0xff; 32]));
    });
    assert_eq!(high, Ok(state(Phase::Initrd)));
}

#[test]
fn events_for_a_pcr_that_is_not_given_are_refused() {
    let refused = check(&ubuntu(), PcrRule::Given, |pcrs| {
        pcrs.remove(&9);
    });
    assert_eq!(refused, Err(EventLogError::EventsForPcrNotGiven { pcr: 9 }));
}

#[test]
fn given_pcr_that_does_not_exist_is_refused() {
    let refused = check(&ubuntu(), PcrRule::Given, |pcrs| {
        pcrs.insert(24, RESET);
    });
    assert_eq!(refused, Err(EventLogError::GivenPcrIndex { pcr: 24 }));
}
