//! The latch in PCR 15, and the phase that follows from it.

use vouchsafe_protocol::LATCH_WORD;

use super::*;
use crate::event_log::Phase;

const RESET: Digest32 = Digest32([0; 32]);

#[test]
fn t31_phase_is_initrd_while_pcr_15_is_not_extended() {
    let initrd = UserspaceBuilder::initrd_262();
    // A log that claims a latch that was never extended.
    let claims = initrd.clone().word(15, LATCH_WORD);
    for log in [None, Some(&initrd), Some(&claims)] {
        let state = check(&uki(), &pcrs(&uki(), &initrd), log).expect("accepted");
        assert_eq!((state.phase, shown(&state, 15)), (Some(Phase::Initrd), vec![]));
    }
}

#[test]
fn t59_phase_is_latched_only_where_the_latch_comes_first() {
    let initrd = UserspaceBuilder::initrd_262();
    let latched = initrd.clone().word(15, LATCH_WORD);
    for state in [with_log(&uki(), &latched), without_log(&uki(), &latched)] {
        let state = state.expect("accepted");
        assert_eq!((state.phase, shown(&state, 15)), (Some(Phase::Latched), vec![LATCH_WORD]));
    }
    // systemd continues: the log shows that the latch came first, also before a secret key.
    let later = latched.then(UserspaceBuilder::after_switch_root()).secret(15, "cryptsetup:data:x", b"k");
    let state = with_log(&uki(), &later).expect("accepted");
    assert_eq!(state.phase, Some(Phase::Latched));
    assert_eq!(shown(&state, 15)[1], "machine-id:0ab438a6a41546a7bd361c8c337a479c");
    assert_eq!(shown(&state, 15)[2], format!("sha256:{}", Digest32::of(b"k")));
    assert_eq!(without_log(&uki(), &later).expect("accepted").phase, Some(Phase::Booted));
    // Something else came first.
    let late = initrd.then(UserspaceBuilder::after_switch_root()).word(15, LATCH_WORD);
    for state in [with_log(&uki(), &late), without_log(&uki(), &late)] {
        assert_eq!(state.expect("accepted").phase, Some(Phase::Booted));
    }
}

#[test]
fn t59_no_log_turns_another_word_into_a_latch() {
    let booted = UserspaceBuilder::new().word(15, "machine-id:0ab438a6a41546a7bd361c8c337a479c");
    let values = pcrs(&uki(), &booted);
    let machine_id = booted.entries[0].content.clone().into_bytes();
    for log in [
        // A forged entry with the digest that gives the register's value, and our word as its content.
        UserspaceBuilder::new().secret(15, LATCH_WORD, &machine_id),
        // Our word first, followed by a forged digest that gives the register's value.
        UserspaceBuilder::new().word(15, LATCH_WORD).then(booted.clone()),
        words(15, &[LATCH_WORD]),
    ] {
        let state = check(&uki(), &values, Some(&log)).expect("PCR 15 refuses nothing");
        assert_eq!(state.phase, Some(Phase::Booted));
    }
    // An unexplained register is not a latch, and makes nothing refused.
    let mut values = uki().pcrs();
    values.insert(15, Digest32([15; 32]));
    let state = check(&uki(), &values, Some(&booted)).expect("accepted");
    assert_eq!((state.phase, shown(&state, 15)), (Some(Phase::Booted), vec![]));
    // Each version of the word is a different word.
    let other = words(15, &["vouchsafe/v2 latch"]);
    assert_eq!(with_log(&uki(), &other).expect("accepted").phase, Some(Phase::Booted));
    assert_ne!(extend(&RESET, &Digest32::of(LATCH_WORD.as_bytes())), RESET);
}
