//! What user space extends after the log: each step of the grammar, and everything outside of it.

mod latch;
mod measurement_log;
mod phases;

use std::borrow::Cow;
use std::collections::BTreeMap;

use vouchsafe_protocol::Digest32;

use super::*;
use crate::PcrSet;
use crate::event_log::PcrRule;
use crate::event_log::PcrState;
use crate::event_log::UserspaceLog;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::extend;
use crate::test_util::event_log::userspace::UserspaceBuilder;

const SEPARATED: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14];

/// The PCRs after a boot, and after what user space extended.
fn pcrs(boot: &EventLogBuilder, userspace: &UserspaceBuilder) -> BTreeMap<u8, Digest32> {
    let mut pcrs = boot.pcrs();
    for (pcr, digest) in userspace.extends() {
        let value = pcrs.get_mut(&pcr).expect("PCR 0 to 15");
        *value = extend(value, &digest);
    }
    pcrs
}

fn check(
    boot: &EventLogBuilder,
    pcrs: &BTreeMap<u8, Digest32>,
    log: Option<&UserspaceBuilder>,
) -> Result<PcrState, EventLogError> {
    let log = log.map(|log| UserspaceLog::parse(&log.log()).expect("well-formed"));
    let replayed = ReplayedLog::from_bytes(&boot.bytes())?.replayed;
    let state = replayed.check_against(pcrs, PcrRule::Release, log.as_ref());
    assert_eq!(state, replayed.check_against(pcrs, PcrRule::Given, log.as_ref()));
    state
}

/// The state after a boot and these words, with the userspace log and without it.
fn with_log(boot: &EventLogBuilder, userspace: &UserspaceBuilder) -> Result<PcrState, EventLogError> {
    check(boot, &pcrs(boot, userspace), Some(userspace))
}

fn without_log(boot: &EventLogBuilder, userspace: &UserspaceBuilder) -> Result<PcrState, EventLogError> {
    check(boot, &pcrs(boot, userspace), None)
}

fn words(pcr: u8, words: &[&str]) -> UserspaceBuilder {
    words.iter().fold(UserspaceBuilder::new(), |built, word| built.word(pcr, word))
}

fn os_separator() -> UserspaceBuilder {
    SEPARATED.iter().fold(UserspaceBuilder::new(), |built, pcr| built.word(*pcr, "os-separator"))
}

fn shown(state: &PcrState, pcr: u8) -> Vec<&str> {
    state.userspace.get(&pcr).into_iter().flatten().map(Cow::as_ref).collect()
}

#[test]
fn t59_os_separator_is_in_all_of_its_registers() {
    for boot in [ubuntu(), uki()] {
        let state = without_log(&boot, &os_separator()).expect("accepted");
        let separated: Vec<u8> = state.userspace.keys().copied().collect();
        assert_eq!(separated, SEPARATED);
        assert!(SEPARATED.iter().all(|pcr| shown(&state, *pcr) == ["os-separator"]));
        assert_eq!(with_log(&boot, &os_separator()), Ok(state));
    }
}

#[test]
fn t59_a_quote_in_the_middle_of_os_separator_asks_for_another() {
    for count in 1..SEPARATED.len() {
        let mut some = os_separator();
        some.entries.truncate(count);
        let with = PcrSet::of(SEPARATED[..count].iter().copied());
        let without = PcrSet::of(SEPARATED[count..].iter().copied());
        let refused = EventLogError::OsSeparatorIncomplete { with, without };
        assert!(refused.to_string().ends_with("quote again"));
        assert_eq!(without_log(&ubuntu(), &some), Err(refused));
    }
}

#[test]
fn t59_a_second_os_separator_is_refused() {
    for pcr in SEPARATED {
        let twice = os_separator().word(pcr, "os-separator");
        let refused = without_log(&uki(), &twice).expect_err("refused");
        let named = match refused {
            EventLogError::PcrMismatch { pcr, .. }
            | EventLogError::PcrWithoutEvents { pcr }
            | EventLogError::UserspaceLogNeeded { pcr } => pcr,
            other => panic!("{other}"),
        };
        assert_eq!(named, pcr);
        assert!(with_log(&uki(), &twice).is_err());
    }
}

#[test]
fn t59_registers_that_are_not_systemds_have_no_words() {
    for word in ["os-separator", "nvpcr-separator", "enter-initrd"] {
        let refused = without_log(&ubuntu(), &os_separator().word(8, word));
        assert!(matches!(refused, Err(EventLogError::PcrMismatch { pcr: 8, .. })), "{word}");
    }
    let refused = without_log(&uki(), &words(11, &["os-separator"]));
    assert!(matches!(refused, Err(EventLogError::BootPhase { .. })));
}

#[test]
fn t24_an_extension_hidden_before_the_separator_is_refused() {
    for pcr in SEPARATED {
        let mut booted = uki();
        let userspace = os_separator();
        let honest = pcrs(&booted, &userspace);
        // Something else is measured after the end of the log, before the word.
        booted.events.push(BuiltEvent::covered(u32::from(pcr), IPL, "evil"));
        let given = pcrs(&booted, &userspace);
        let mut values = honest;
        values.insert(pcr, given[&pcr]);
        let refused = check(&uki(), &values, Some(&userspace)).expect_err("refused");
        let text = refused.to_string();
        assert!(text.contains(&format!("PCR {pcr} ")), "{text}");
    }
}

#[test]
fn t22_a_word_of_user_space_in_the_firmware_log_is_refused() {
    let labelled = |pcr, word: &str, event_type| BuiltEvent::measuring(pcr, event_type, word, "name\0");
    let [_, phase] = BuiltEvent::stub_section(".x", b"enter-initrd");
    for (event, word) in [
        (labelled(4, "os-separator", EventType::EFI_BOOT_SERVICES_APPLICATION), "os-separator"),
        (labelled(1, "os-separator", EventType::EFI_HANDOFF_TABLES), "os-separator"),
        (labelled(9, "os-separator", IPL), "os-separator"),
        (labelled(9, "nvpcr-separator", IPL), "nvpcr-separator"),
        (BuiltEvent::tagged(1, "file", b"os-separator"), "os-separator"),
        (phase, "enter-initrd"),
        (labelled(12, "os-separator", IPL), "os-separator"),
        (labelled(14, "os-separator", IPL), "os-separator"),
    ] {
        let mut log = uki();
        let pcr = u8::try_from(event.pcr).expect("small");
        if pcr == 11 {
            log.insert_before_exit(BuiltEvent::stub_section(".x", b"")[0].clone());
        }
        log.insert_before_exit(event);
        let event = number(log.position(|event| event.measured.as_deref() == Some(word.as_bytes())));
        assert_eq!(refusal(&log), EventLogError::UserspaceWord { event, pcr, word }, "{word}");
    }
    // Elsewhere it is an ordinary text.
    let mut log = ubuntu();
    log.insert_before_exit(BuiltEvent::grub("grub_cmd: ", "ready"));
    assert!(judge(&log).is_ok());
}
