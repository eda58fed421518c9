//! Entries that expire: what an update has replaced is allowed until a time, and not afterwards.

use std::collections::BTreeMap;

use vouchsafe_attestation::event_log::Technology;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::presets::content;

use super::*;

const SOON: UnixTime = UnixTime(NOW.0 + 100);
const LATER: UnixTime = UnixTime(NOW.0 + 200);
const END: UnixTime = UnixTime(NOW.0 + 1000);

fn booted(log: &EventLogBuilder) -> Claims {
    production(&SimulatedVm::booted(&AkCertificateSpec::default(), log))
}

/// The same boot with another content of this file.
fn with(log: &EventLogBuilder, file: &str, of: &str) -> EventLogBuilder {
    let mut log = log.clone();
    for event in &mut log.events {
        if event.pcr == 9 && event.measured == Some(content(file)) {
            event.measured = Some(format!("{file} of {of}").into_bytes());
        }
    }
    log
}

fn digest(file: &str, of: &str) -> LogDigest {
    vouchsafe_protocol::Digest32::of(format!("{file} of {of}").as_bytes()).into()
}

fn today() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::SevSnp)
}

fn captured(log: &EventLogBuilder) -> Baseline {
    Baseline::capture(&booted(log), 3, END).unwrap()
}

fn entries(change: impl FnOnce(&mut ExpiringEntries)) -> ExpiringEntries {
    let mut entries = ExpiringEntries::default();
    change(&mut entries);
    entries
}

/// The baseline of a new initrd and configuration, where those of today expire one after the other.
fn updated() -> (Baseline, [EventLogBuilder; 3]) {
    let new = with(&with(&today(), "initrd", "new"), "kernel", "new");
    let (old, mixed) = (today(), with(&today(), "kernel", "new"));
    let before = captured(&old);
    let mut baseline = captured(&new);
    let initrd = entries(|entries| {
        entries.initrd.clone_from(&before.initrd);
        entries.loaded_initrd.clone_from(&before.loaded_initrd);
    });
    let kernel = entries(|entries| entries.kernel.clone_from(&before.kernel));
    baseline.until = [(LATER, initrd), (SOON, kernel)].into();
    (baseline, [old, mixed, new])
}

#[test]
fn t28_what_an_update_replaced_is_allowed_until_it_expires() {
    let (baseline, [old, mixed, new]) = updated();
    let verdicts =
        |now: UnixTime| [&old, &mixed, &new].map(|log| baseline.is_member(&booted(log), now).is_ok());
    assert_eq!(verdicts(NOW), [true, true, true], "mixtures too");
    assert_eq!(verdicts(UnixTime(SOON.0 - 1)), [true, true, true]);
    assert_eq!(verdicts(SOON), [false, true, true]);
    assert_eq!(verdicts(UnixTime(LATER.0 - 1)), [false, true, true]);
    assert_eq!(verdicts(LATER), [false, false, true]);
    assert_eq!(baseline.next_expiry(NOW), Some(SOON));
    assert_eq!(baseline.next_expiry(SOON), Some(LATER));
    assert_eq!(baseline.next_expiry(LATER), None);
}

#[test]
fn t28_a_refused_boot_says_until_when_it_was_allowed() {
    let (baseline, [old, mixed, _]) = updated();
    let refused = |log: &EventLogBuilder, now| baseline.is_member(&booted(log), now).unwrap_err();
    let [kernel, initrd] = [captured(&old).kernel[0], captured(&old).initrd[0]];
    let expired = |until, digest| BaselineMismatch::Expired {
        until,
        because: Box::new(BaselineMismatch::Unlisted { pcr: 9, digest, what: EventName::Unnamed {} }),
    };
    assert_eq!(refused(&old, SOON).unnamed(), expired(SOON, kernel));
    assert_eq!(refused(&old, LATER).unnamed(), expired(SOON, kernel), "the first of its entries to expire");
    assert_eq!(refused(&mixed, LATER).unnamed(), expired(LATER, initrd));
    assert!(refused(&mixed, LATER).to_string().ends_with(&format!("; it was allowed until {LATER}")));
    let json = serde_json::to_value(refused(&mixed, LATER)).unwrap();
    assert_eq!((&json["until"], &json["because"]["digest"]), (&LATER.0.into(), &initrd.to_string().into()));
    // A boot that never was a member is refused as without expiries.
    let stranger = with(&today(), "initrd", "strangers");
    let unlisted = BaselineMismatch::Unlisted {
        pcr: 9,
        digest: digest("initrd", "strangers"),
        what: EventName::Unnamed {},
    };
    assert_eq!(refused(&with(&stranger, "kernel", "new"), LATER).unnamed(), unlisted);
    assert_eq!(refused(&old, END), BaselineMismatch::Ended { ends_at: END });
}

#[test]
fn a_baseline_without_expiring_entries_is_written_as_before() {
    let baseline = captured(&today());
    assert!(!baseline.to_json().contains("until"));
    let (updated, _) = updated();
    assert_eq!(Baseline::parse(&updated.to_json()).as_ref(), Ok(&updated));
    let commented = updated.to_commented("", &BTreeMap::new());
    assert_eq!(Baseline::parse(&commented).as_ref(), Ok(&updated), "{commented}");
}

#[test]
fn t29_nothing_is_required_only_until_a_time() {
    let parsed_of = |log: &EventLogBuilder, change: fn(&mut ExpiringEntries)| {
        let until = [(SOON, entries(change))].into();
        Baseline::parse(&Baseline { until, ..captured(log) }.to_json()).map(drop)
    };
    let parsed = |change| parsed_of(&today(), change);
    let only = |list: &str| Err(BaselineError::OnlyUntil { list: list.to_owned() });
    assert_eq!(parsed(|entries| entries.uki = vec![digest("uki", "old")]), only("uki"));
    let image = EventLogBuilder::gce_uki(Technology::SevSnp);
    assert_eq!(parsed_of(&image, |entries| entries.kernel = vec![digest("kernel", "old")]), only("kernel"));
    let section = |entries: &mut ExpiringEntries| {
        entries.sections = [(".linux".to_owned(), vec![digest("linux", "old")])].into();
    };
    assert_eq!(parsed(section), only("sections \".linux\""));
    assert_eq!(parsed(|entries| entries.grub_commands = vec!["set old".to_owned()]), Ok(()));
}

#[test]
fn t49_expiring_entries_are_checked_like_the_others() {
    let baseline = captured(&today());
    let parsed = |until: BTreeMap<UnixTime, ExpiringEntries>| {
        Baseline::parse(&Baseline { until, ..baseline.clone() }.to_json()).map(drop)
    };
    let kernel = |digest| entries(|entries| entries.kernel = vec![digest]);
    let digest = baseline.initrd[0];
    assert_eq!(parsed([(SOON, kernel(digest))].into()), Err(BaselineError::AmbiguousDigest { digest }));
    let digest: LogDigest = Digest48([7; 48]).into();
    assert_eq!(parsed([(SOON, kernel(digest))].into()), Err(BaselineError::ForeignDigest { digest }));
    // Ambiguous only together.
    let [one, two] = [0, 1].map(|n| UnixTime(SOON.0 + n));
    let digest = self::digest("kernel", "old");
    let initrd = entries(|entries| entries.initrd = vec![digest]);
    let both = [(one, kernel(digest)), (two, initrd)].into();
    assert_eq!(parsed(both), Err(BaselineError::AmbiguousDigest { digest }));
    let many = |count: u64| (0..count).map(|n| (UnixTime(n), ExpiringEntries::default())).collect();
    assert_eq!(parsed(many(64)), Ok(()));
    assert_eq!(parsed(many(65)), Err(BaselineError::TooManyExpiries { count: 65 }));
    let unknown = baseline.to_json().replacen('{', "{ \"until\": { \"1\": { \"kernels\": [] } },", 1);
    assert!(matches!(Baseline::parse(&unknown), Err(BaselineError::Syntax { .. })));
    let dated = baseline.to_json().replacen('{', "{ \"until\": { \"tomorrow\": {} },", 1);
    assert!(matches!(Baseline::parse(&dated), Err(BaselineError::Syntax { .. })));
}
