//! A replay held against PCR values.

use std::collections::BTreeMap;

use vouchsafe_protocol::Digest32;

use super::*;
use crate::event_log::BOOT_PHASE_WORDS;
use crate::event_log::PcrRule;
use crate::event_log::PcrState;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::extend;

const RESET: Digest32 = Digest32([0; 32]);
const OTHER: Digest32 = Digest32([7; 32]);

fn check(
    log: &EventLogBuilder,
    rule: PcrRule,
    change: impl FnOnce(&mut BTreeMap<u8, Digest32>),
) -> Result<PcrState, EventLogError> {
    let mut pcrs = log.pcrs();
    change(&mut pcrs);
    ReplayedLog::from_bytes(&log.bytes())?.replayed.check_against(&pcrs, rule)
}

fn state(latched: bool, words: &[&'static str]) -> PcrState {
    PcrState { latched: Some(latched), boot_phase_words: words.to_vec() }
}

#[test]
fn presets_replay_to_the_pcrs_that_the_builder_gives() {
    for rule in [PcrRule::Release, PcrRule::Given] {
        assert_eq!(check(&ubuntu(), rule, |_| {}), Ok(state(false, &[])));
        assert_eq!(check(&uki(), rule, |_| {}), Ok(state(false, &[])));
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
    assert_eq!(without_ima, Ok(state(false, &[])));
    let with_ima = check(&ubuntu(), PcrRule::Release, |pcrs| {
        pcrs.insert(10, OTHER);
    });
    assert_eq!(with_ima, Ok(state(false, &[])));
}

#[test]
fn latch_is_read_from_pcr_15() {
    let latched = check(&ubuntu(), PcrRule::Release, |pcrs| {
        pcrs.insert(15, OTHER);
    });
    assert_eq!(latched, Ok(state(true, &[])));
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

/// PCR 11 after these words.
fn pcr_11_after(log: &EventLogBuilder, words: &[&str]) -> Digest32 {
    words.iter().fold(log.pcrs()[&11], |value, word| extend(&value, &Digest32::of(word.as_bytes())))
}

#[test]
fn pcr_11_goes_on_with_boot_phases() {
    for rule in [PcrRule::Release, PcrRule::Given] {
        for count in 0..=BOOT_PHASE_WORDS.len() {
            let words = &BOOT_PHASE_WORDS[..count];
            let checked = check(&uki(), rule, |pcrs| {
                pcrs.insert(11, pcr_11_after(&uki(), words));
            });
            assert_eq!(checked, Ok(state(false, words)));
        }
    }
}

#[test]
fn pcr_11_after_anything_else_is_refused() {
    for words in
        [&["leave-initrd"][..], &["enter-initrd", "enter-initrd"], &["enter-initrd", "sysinit"], &["x"]]
    {
        let given = pcr_11_after(&uki(), words);
        let refused = check(&uki(), PcrRule::Release, |pcrs| {
            pcrs.insert(11, given);
        });
        assert_eq!(refused, Err(EventLogError::BootPhase { given }));
    }
}

#[test]
fn boot_phases_without_a_stub_are_refused() {
    let refused = check(&ubuntu(), PcrRule::Release, |pcrs| {
        pcrs.insert(11, pcr_11_after(&ubuntu(), &["enter-initrd"]));
    });
    assert_eq!(refused, Err(EventLogError::PcrWithoutEvents { pcr: 11 }));
}

#[test]
fn given_pcr_without_events_is_refused_unless_at_reset() {
    for pcr in [10, 12, 15, 16, 23] {
        let with = |value| {
            check(&ubuntu(), PcrRule::Given, |pcrs| {
                pcrs.insert(pcr, value);
            })
        };
        assert_eq!(with(OTHER), Err(EventLogError::PcrWithoutEvents { pcr }));
        assert_eq!(with(RESET), Ok(state(false, &[])));
    }
    let high = check(&ubuntu(), PcrRule::Given, |pcrs| {
        pcrs.insert(17, Digest32([0xff; 32]));
    });
    assert_eq!(high, Ok(state(false, &[])));
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
