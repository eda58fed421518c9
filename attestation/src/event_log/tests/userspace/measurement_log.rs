//! What only systemd's measurement log explains: NvPCRs and user data.

use super::*;
use crate::test_util::event_log::userspace::nv_pcr_init;

const USER_DATA: &str =
    "imds-userdata:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08:I2Nsb3VkLWNvbmZpZw==";

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
