//! Initrds composed by systemd-stub, and words that user space extends: what may differ within a fleet, and
//! what must not.

use vouchsafe_attestation::event_log::{EventType, ReplayedLog, Technology};
use vouchsafe_attestation::test_util::event_log::presets::{application, content, content_digest};
use vouchsafe_attestation::test_util::event_log::userspace::{UserspaceBuilder, nv_pcr_init};
use vouchsafe_attestation::test_util::event_log::{BuiltEvent, EventLogBuilder};
use vouchsafe_protocol::Digest32;

use super::*;

const END: UnixTime = UnixTime(NOW.0 + 1000);

fn with_boot(log: &EventLogBuilder) -> Claims {
    let mut claims = claims();
    claims.vtpm.as_mut().unwrap().boot = ReplayedLog::from_bytes(&log.bytes()).unwrap().boot;
    claims
}

fn learned(log: &EventLogBuilder) -> Baseline {
    Baseline::capture(&with_boot(log), 1, END).unwrap()
}

fn chain(wanted: &str) -> EventLogBuilder {
    let chains = EventLogBuilder::all_chains(Technology::SevSnp);
    chains.into_iter().find(|(name, _)| *name == wanted).expect(wanted).1
}

fn unlisted(pcr: u8, what: &[u8]) -> BaselineMismatch {
    BaselineMismatch::Unlisted { pcr, digest: Digest32::of(what).into(), what: EventName::Unnamed {} }
}

#[test]
fn machines_that_differ_in_the_composed_initrd_share_a_baseline() {
    for images in [&["uki"][..], &["uki", "kernel"], &["shim", "uki"], &["shim", "uki", "kernel"]] {
        let log = EventLogBuilder::unified(Technology::SevSnp, images);
        let baseline = learned(&log.clone().with_composed_initrd("of one machine"));
        assert_eq!(baseline.composed_initrd, ComposedInitrd::BySections);
        assert_eq!(baseline.loaded_initrd, []);
        assert_eq!(Baseline::parse(&baseline.to_json()).as_ref(), Ok(&baseline));
        let other = with_boot(&log.clone().with_composed_initrd("of another machine"));
        assert_eq!(baseline.is_member(&other, NOW), Ok(()), "{images:?}");
        assert!(baseline.remarks(&other).contains("its digest is left"), "{}", baseline.remarks(&other));
        // If the kernel got the unchanged section, everything is pinned.
        let plain = learned(&log);
        assert_eq!(plain.loaded_initrd, [content_digest("initrd").into()]);
        assert_eq!(plain.remarks(&with_boot(&log)), "");
        assert!(plain.is_member(&other, NOW).is_err());
    }
}

/// systemd-boot passes the initrd of an entry that is not measured; GRUB runs modules.
#[test]
fn t49_behind_a_loader_the_composed_initrd_is_pinned() {
    for (name, list) in [
        ("systemd-boot, UKI", "boot_manager"),
        ("shim, systemd-boot, UKI", "boot_manager"),
        ("shim, GRUB, UKI", "grub"),
    ] {
        let log = chain(name).with_composed_initrd("of one machine");
        let baseline = learned(&log);
        assert_eq!(baseline.composed_initrd, ComposedInitrd::Listed, "{name}");
        assert_eq!(baseline.loaded_initrd, [content_digest("of one machine").into()], "{name}");
        assert_eq!(baseline.is_member(&with_boot(&log), NOW), Ok(()), "{name}");
        let other = chain(name).with_composed_initrd("evil");
        let found = baseline.is_member(&with_boot(&other), NOW).unwrap_err().unnamed();
        assert_eq!(found, unlisted(9, &content("evil")), "{name}");
        let remarks = baseline.remarks(&with_boot(&log));
        assert!(remarks.contains(&format!("pinned in loaded_initrd: {list} is listed")), "{remarks}");
    }
}

/// A driver runs before the image, and an event listed only by digest in PCR 2 or 4 may be one.
#[test]
fn t49_beside_drivers_the_composed_initrd_is_pinned() {
    let log = EventLogBuilder::unified(Technology::SevSnp, &["uki"]).with_composed_initrd("composed");
    let baseline = learned(&log);
    assert_eq!(baseline.composed_initrd, ComposedInitrd::BySections);
    let digest = || vec![Digest32::of(b"a driver").into()];
    let with_drivers = Baseline { drivers: digest(), ..baseline.clone() };
    let unnamed = |pcr| Baseline { other_events: [(pcr, digest())].into(), ..baseline.clone() };
    for (changed, list) in
        [(with_drivers, "drivers"), (unnamed(2), "other_events"), (unnamed(4), "other_events")]
    {
        let error = Baseline::parse(&changed.to_json()).unwrap_err();
        assert_eq!(error, BaselineError::ComposedInitrd(ComposedInitrdError::Loader(list)));
    }
    assert!(Baseline::parse(&unnamed(1).to_json()).is_ok());
}

#[test]
fn t49_files_outside_of_the_image_are_still_refused() {
    let log = EventLogBuilder::unified(Technology::SevSnp, &["shim", "uki"]).with_composed_initrd("composed");
    let baseline = learned(&log);
    let found = |change: &dyn Fn(&mut EventLogBuilder)| {
        let mut changed = log.clone();
        change(&mut changed);
        baseline.is_member(&with_boot(&changed), NOW).unwrap_err().unnamed()
    };
    let kernel = |event: &BuiltEvent| event.pcr == 9;
    // Credentials, configuration extensions and add-ons; system extensions.
    for pcr in [12, 13] {
        let file = BuiltEvent::measuring(u32::from(pcr), EventType::IPL, b"evil".to_vec(), b"x\0".to_vec());
        let refused = found(&|log| log.insert_before(kernel, file.clone()));
        assert_eq!(refused, unlisted(pcr, b"evil"));
    }
    let add_on = found(&|log| *log = log.clone().with_options(&["init=/bin/sh"]));
    assert!(matches!(add_on, BaselineMismatch::Unlisted { pcr: 12, .. }), "{add_on}");
    // Another section, another image, a loader before it.
    let section = found(&|log| {
        let initrd = |event: &BuiltEvent| event.pcr == 11 && event.measured == Some(content("initrd"));
        let position = log.position(initrd);
        log.events[position].measured = Some(b"evil".to_vec());
    });
    let evil = Digest32::of(b"evil").into();
    assert_eq!(section, BaselineMismatch::Section { name: ".initrd".to_owned(), digest: evil });
    let is_uki = |event: &BuiltEvent| event.measured == Some(content("uki"));
    let image = found(&|log| {
        let position = log.position(is_uki);
        log.events[position] = application(4, "evil", "evil");
    });
    assert_eq!(image, unlisted(4, &content("evil")));
    let loader = found(&|log| log.insert_before(is_uki, application(4, "systemd-boot", "systemd-boot")));
    assert_eq!(loader, unlisted(4, &content("systemd-boot")));
}

/// Any digest is accepted, so its position must show its origin: only the kernel measures at the end of PCR
/// 9.
#[test]
fn t49_the_composed_initrd_is_one_event_and_the_last_of_pcr_9() {
    let log = EventLogBuilder::unified(Technology::SevSnp, &["uki"]).with_composed_initrd("composed");
    let baseline = learned(&log);
    let found = |change: &dyn Fn(&mut EventLogBuilder)| {
        let mut changed = log.clone();
        change(&mut changed);
        baseline.is_member(&with_boot(&changed), NOW).unwrap_err().unnamed()
    };
    let missing = BaselineMismatch::Missing { component: Component::LoadedInitrd };
    let file = || BuiltEvent::file("/evil", b"evil");
    let initrd = |event: &BuiltEvent| event.measured == Some(content("composed"));
    assert_eq!(found(&|log| log.insert_before(|event| event.pcr == 9, file())), unlisted(9, b"evil"));
    assert_eq!(found(&|log| log.insert_before(initrd, file())), unlisted(9, b"evil"));
    assert_eq!(found(&|log| log.insert_before_exit(file())), missing);
    assert_eq!(found(&|log| log.events.retain(|event| !initrd(event))), missing);
}

#[test]
fn t38_sections_suffice_only_if_nothing_else_can_pass_an_initrd() {
    let log = EventLogBuilder::unified(Technology::SevSnp, &["shim", "uki"]).with_composed_initrd("composed");
    let parsed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut document = serde_json::to_value(learned(&log)).unwrap();
        change(&mut document);
        Baseline::parse(&document.to_string())
    };
    assert!(parsed(&|_| ()).is_ok());
    let digest = || serde_json::json!(["ab".repeat(32)]);
    let refused = |change: &dyn Fn(&mut serde_json::Value)| match parsed(change) {
        Err(BaselineError::ComposedInitrd(error)) => error,
        other => panic!("{other:?}"),
    };
    for list in ["boot_manager", "grub", "other_images"] {
        let error = refused(&|document| document[list] = digest());
        assert_eq!(error, ComposedInitrdError::Loader(list));
        let text = BaselineError::ComposedInitrd(error).to_string();
        assert!(text.contains(&format!("{list} is listed")) && text.contains("loaded_initrd"), "{text}");
    }
    assert_eq!(refused(&|document| document["loaded_initrd"] = digest()), ComposedInitrdError::AlsoListed);
    let section = |document: &mut serde_json::Value| {
        document["sections"].as_object_mut().unwrap().remove(".initrd");
    };
    assert_eq!(refused(&section), ComposedInitrdError::NoSection);
    assert!(Baseline::parse(&learned(&log).to_json().replace("by-sections", "sections")).is_err());
}

/// A VM whose initrd measured NvPCRs.
fn with_nv_pcrs(names: &[&str]) -> Claims {
    let mut vm = SimulatedVm::new();
    vm.measure(&UserspaceBuilder::initrd_262_with(names));
    production(&vm)
}

#[test]
fn words_of_user_space_are_compared_where_they_are_listed() {
    let claims = with_nv_pcrs(&["hardware", "login"]);
    let any = Baseline::capture(&claims, 1, END).unwrap();
    assert!(any.userspace_words.is_empty());
    for names in [&["hardware", "login"][..], &["other"], &[]] {
        assert_eq!(any.is_member(&with_nv_pcrs(names), NOW), Ok(()), "{names:?}");
    }
    let words = ["os-separator", "nvpcr-separator"].map(str::to_owned).into_iter();
    let words = words.chain([nv_pcr_init("hardware", 0), nv_pcr_init("login", 1)]).collect();
    let listed = Baseline { userspace_words: [(9, words)].into(), ..any.clone() };
    assert_eq!(Baseline::parse(&listed.to_json()).as_ref(), Ok(&listed));
    for names in [&["hardware", "login"][..], &["hardware"], &[]] {
        assert_eq!(listed.is_member(&with_nv_pcrs(names), NOW), Ok(()), "{names:?}");
    }
    let word = nv_pcr_init("other", 0);
    let refused = listed.is_member(&with_nv_pcrs(&["other"]), NOW).unwrap_err();
    assert!(refused.to_string().contains(&word), "{refused}");
    assert_eq!(refused, BaselineMismatch::UserspaceWord { pcr: 9, word });
    // Before user space extended anything it is a member; an empty list allows nothing.
    assert_eq!(listed.is_member(&super::claims(), NOW), Ok(()));
    let none = Baseline { userspace_words: [(9, Vec::new())].into(), ..any.clone() };
    assert_eq!(none.is_member(&super::claims(), NOW), Ok(()));
    let word = "os-separator".to_owned();
    assert_eq!(none.is_member(&claims, NOW), Err(BaselineMismatch::UserspaceWord { pcr: 9, word }));
    // The remark contains the list to write.
    let remarks = any.remarks(&claims);
    let (_, text) = remarks.split_once("\"userspace_words\": ").expect("a remark");
    let proposed: std::collections::BTreeMap<u8, Vec<String>> = serde_json::from_str(text).unwrap();
    let proposed = Baseline { userspace_words: proposed, ..any };
    assert_eq!(proposed.is_member(&claims, NOW), Ok(()));
    assert!(proposed.is_member(&with_nv_pcrs(&["other"]), NOW).is_err());
}

#[test]
fn t38_words_are_listed_only_where_some_can_be() {
    let baseline = |log, words: &[u8]| {
        let words = words.iter().map(|pcr| (*pcr, Vec::new())).collect();
        let technology = "tdx".to_owned();
        let mut baseline = learned(&EventLogBuilder::gce_ubuntu(Technology::SevSnp));
        baseline = Baseline { log, technology, userspace_words: words, ..baseline };
        Baseline::parse(&baseline.to_json())
    };
    for pcr in [0, 7, 9, 11, 12, 14] {
        assert!(baseline(BaselineLog::Vtpm, &[pcr]).is_ok(), "{pcr}");
    }
    for pcr in [8, 10, 15, 24] {
        assert_eq!(baseline(BaselineLog::Vtpm, &[pcr]), Err(BaselineError::NoWords { pcr }));
    }
    let list = "userspace_words";
    assert_eq!(baseline(BaselineLog::Ccel, &[9]), Err(BaselineError::ForeignList { list }));
}
