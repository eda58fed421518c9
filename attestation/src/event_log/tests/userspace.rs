//! What user space extends after the log: each step of the grammar, and everything outside of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::LATCH_WORD;

use super::*;
use crate::PcrSet;
use crate::event_log::PcrRule;
use crate::event_log::PcrState;
use crate::event_log::Phase;
use crate::event_log::UserspaceLog;
use crate::test_util::event_log::BuiltEvent;
use crate::test_util::event_log::extend;
use crate::test_util::event_log::userspace::UserspaceBuilder;
use crate::test_util::event_log::userspace::nv_pcr_init;

const IPL: EventType = EventType::IPL;
const RESET: Digest32 = Digest32([0; 32]);
const PHASES: [&str; 6] = ["enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"];
const SEPARATED: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14];
const USER_DATA: &str =
    "imds-userdata:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08:I2Nsb3VkLWNvbmZpZw==";

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
fn t59_each_beginning_of_the_phases_is_accepted_with_and_without_a_stub() {
    // An initrd without systemd omits the first two; GRUB has no stub, so PCR 11 starts from zero.
    for boot in [ubuntu(), uki()] {
        for (start, end) in (0..=6).map(|end| (0, end)).chain((2..=6).map(|end| (2, end))) {
            let phases = words(11, &PHASES[start..end]);
            for state in [with_log(&boot, &phases), without_log(&boot, &phases)] {
                assert_eq!(shown(&state.expect("accepted"), 11), PHASES[start..end]);
            }
        }
    }
}

#[test]
fn t59_a_soft_reboot_goes_through_the_phases_again() {
    let again = [&PHASES[..], &PHASES[2..], &PHASES[2..4]].concat();
    let state = without_log(&uki(), &words(11, &again)).expect("accepted");
    assert_eq!(shown(&state, 11), again);
    // A kexec runs an initrd again: no log has what ran since.
    let kexec = [&PHASES[..], &["enter-initrd"]].concat();
    let given = pcrs(&uki(), &words(11, &kexec))[&11];
    assert_eq!(without_log(&uki(), &words(11, &kexec)), Err(EventLogError::BootPhase { given }));
}

#[test]
fn t59_phases_out_of_order_are_refused() {
    for phases in [
        &["leave-initrd"][..],
        &["enter-initrd", "enter-initrd"],
        &["enter-initrd", "sysinit"],
        &["ready"],
        &["sysinit", "final"],
        &["x"],
        &["enter-initrd", "leave-initrd", "x", "sysinit"],
    ] {
        let given = pcrs(&uki(), &words(11, phases))[&11];
        assert_eq!(without_log(&uki(), &words(11, phases)), Err(EventLogError::BootPhase { given }));
        let refused = without_log(&ubuntu(), &words(11, phases));
        assert_eq!(refused, Err(EventLogError::PcrWithoutEvents { pcr: 11 }), "{phases:?}");
    }
}

#[test]
fn t59_an_unknown_word_in_the_log_is_refused() {
    for (phases, entry, next) in [
        (&["enter-initrd", "custom"][..], 2, "leave-initrd"),
        (&["enter-initrd", "leave-initrd", "sysinit", "custom"], 4, "ready"),
        (&["sysinit", "custom", "ready"], 2, "ready"),
        (&["custom"], 1, "enter-initrd"),
    ] {
        let refused = with_log(&uki(), &words(11, phases));
        assert_eq!(refused, Err(EventLogError::UserspaceEntry { pcr: 11, entry, next }), "{phases:?}");
    }
    let extended = os_separator().word(13, "sysext");
    let refused = EventLogError::UserspaceEntry { pcr: 13, entry: 2, next: "nothing" };
    assert_eq!(with_log(&ubuntu(), &extended), Err(refused));
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

#[test]
fn t59_nv_pcrs_are_explained_by_the_measurement_log_alone() {
    let named = ["verity", "hardware", "cryptsetup", "login"];
    let initrd = UserspaceBuilder::initrd_262_with(&named);
    let state = with_log(&uki(), &initrd).expect("accepted");
    let expected: Vec<String> = named.iter().enumerate().map(|(at, name)| nv_pcr_init(name, at)).collect();
    assert_eq!(shown(&state, 9)[1..5], expected);
    assert_eq!((shown(&state, 9)[0], shown(&state, 9)[5]), ("os-separator", "nvpcr-separator"));
    // Without the log, or with one without entries for PCR 9.
    let needed = EventLogError::UserspaceLogNeeded { pcr: 9 };
    assert!(needed.to_string().contains("tpm2-measure.log"));
    assert_eq!(without_log(&uki(), &initrd), Err(needed.clone()));
    assert_eq!(check(&uki(), &pcrs(&uki(), &initrd), Some(&UserspaceBuilder::new())), Err(needed));
    // Without NvPCRs there are only constants.
    let state = without_log(&uki(), &UserspaceBuilder::initrd_262()).expect("accepted");
    assert_eq!(shown(&state, 9), ["os-separator", "nvpcr-separator"]);
}

#[test]
fn t59_nv_pcrs_of_systemd_259_come_without_os_separator() {
    let initrd = words(9, &[&nv_pcr_init("login", 3), "nvpcr-separator"]);
    assert_eq!(shown(&with_log(&uki(), &initrd).expect("accepted"), 9).len(), 2);
    let refused = without_log(&uki(), &initrd);
    assert!(matches!(refused, Err(EventLogError::PcrMismatch { pcr: 9, .. })), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("nvpcr-init"));
    // A quote before the separator, and an NvPCR that is initialised later.
    for initrd in [
        words(9, &[&nv_pcr_init("login", 3)]),
        words(9, &["nvpcr-separator", &nv_pcr_init("login", 3)]),
        words(9, &["nvpcr-separator"]),
    ] {
        assert!(with_log(&uki(), &initrd).is_ok());
    }
}

#[test]
fn t59_only_words_of_a_known_form_are_read_from_the_measurement_log() {
    // The last measurement of a boot loader could be dropped from the firmware's log and presented here.
    let name = format!("000b{}", "ab".repeat(32));
    for word in [
        "an initrd".to_owned(),
        "nvpcr-init:a".to_owned(),
        format!("nvpcr-init::0x1d10200:{name}"),
        format!("nvpcr-init:a b:0x1d10200:{name}"),
        format!("nvpcr-init:a:1d10200:{name}"),
        format!("nvpcr-init:a:0x:{name}"),
        format!("nvpcr-init:a:0x1D10200:{name}"),
        format!("nvpcr-init:a:0x123456789:{name}"),
        format!("nvpcr-init:a:0x1d10200:{}", &name[..66]),
        format!("nvpcr-init:a:0x1d10200:000d{}", &name[4..]),
        format!("nvpcr-init:a:0x1d10200:{name}\n"),
        format!("nvpcr-init:a:0x1d10200:{name}:x"),
        format!("x nvpcr-init:a:0x1d10200:{name}"),
        USER_DATA.to_owned(),
    ] {
        let initrd = os_separator().word(9, &word).word(9, "nvpcr-separator");
        let refused = EventLogError::UserspaceEntry { pcr: 9, entry: 2, next: "nvpcr-separator" };
        assert_eq!(with_log(&uki(), &initrd), Err(refused), "{word}");
    }
}

#[test]
fn t59_user_data_of_the_cloud_is_explained_by_the_measurement_log() {
    for userspace in [
        os_separator().word(12, USER_DATA),
        words(12, &[USER_DATA]).then(os_separator()),
        words(12, &[USER_DATA, USER_DATA]),
    ] {
        let state = with_log(&ubuntu(), &userspace).expect("accepted");
        assert!(shown(&state, 12).contains(&USER_DATA));
        assert!(without_log(&ubuntu(), &userspace).is_err());
    }
    let needed = EventLogError::UserspaceLogNeeded { pcr: 12 };
    assert_eq!(without_log(&ubuntu(), &os_separator().word(12, USER_DATA)), Err(needed));
    // A kernel option instead.
    for word in ["imds-userdata:init=/bin/sh:", "init=/bin/sh", &USER_DATA[..70], &format!("{USER_DATA} x")] {
        let refused = with_log(&ubuntu(), &os_separator().word(12, word)).expect_err("refused");
        assert!(
            matches!(refused, EventLogError::UserspaceEntry { pcr: 12, entry: 2, .. }),
            "{word}: {refused}"
        );
    }
}

#[test]
fn t59_a_forged_or_replayed_entry_explains_nothing() {
    let initrd = UserspaceBuilder::initrd_262_with(&["login"]);
    let given = pcrs(&uki(), &initrd);
    let refused = |log: &UserspaceBuilder| check(&uki(), &given, Some(log)).expect_err("refused");
    // An entry of another boot.
    let other = UserspaceBuilder::initrd_262_with(&["hardware"]);
    assert!(matches!(refused(&other), EventLogError::PcrMismatch { pcr: 9, .. }));
    // The right digest with another content: the content is not used.
    let mut forged = initrd;
    let entry = forged.entries.iter_mut().find(|entry| entry.content.starts_with("nvpcr-init")).unwrap();
    entry.measured = Some(std::mem::replace(&mut entry.content, nv_pcr_init("hardware", 0)).into_bytes());
    assert!(matches!(refused(&forged), EventLogError::UserspaceEntry { pcr: 9, entry: 2, .. }));
    // A forged firmware log, whose last file is presented as an entry.
    let mut booted = ubuntu();
    booted.insert_before_exit(BuiltEvent::file("/evil", b"evil initrd"));
    let given = booted.pcrs();
    let log = words(9, &["evil initrd"]);
    let refused = check(&ubuntu(), &given, Some(&log));
    assert_eq!(refused, Err(EventLogError::UserspaceEntry { pcr: 9, entry: 1, next: "os-separator" }));
}

#[test]
fn t30_entries_without_number_cost_little() {
    let names: Vec<String> = (0..200).map(|at| format!("n{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let log = UserspaceLog::parse(&UserspaceBuilder::initrd_262_with(&names).log()).expect("well-formed");
    let replayed = ReplayedLog::from_bytes(&uki().bytes()).expect("accepted").replayed;
    let mut values = pcrs(&uki(), &os_separator());
    values.insert(9, Digest32([9; 32]));
    let begun = std::time::Instant::now();
    for _ in 0..10 {
        let refused = replayed.check_against(&values, PcrRule::Release, Some(&log));
        assert!(matches!(refused, Err(EventLogError::PcrMismatch { pcr: 9, .. })), "{refused:?}");
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn a_measurement_log_says_nothing_where_constants_do() {
    // Missing entries, or more than were extended when the PCRs were quoted.
    let initrd = UserspaceBuilder::initrd_262();
    let values = pcrs(&uki(), &initrd);
    let honest = check(&uki(), &values, None);
    assert!(honest.is_ok());
    for log in [
        UserspaceBuilder::new(),
        words(9, &["something else"]),
        initrd.clone().then(UserspaceBuilder::after_switch_root()),
        initrd.nv_index("product-id:missing"),
    ] {
        assert_eq!(check(&uki(), &values, Some(&log)), honest);
    }
}

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
