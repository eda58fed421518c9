//! A learned baseline contains its boot, and no boot that differs in one digest or text: for every captured
//! log and every simulated chain.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vouchsafe_attestation::event_log::{BootLog, EventType, ReplayedCcel, ReplayedLog, Technology};
use vouchsafe_attestation::test_util::event_log::presets::{application, content, content_digest};
use vouchsafe_attestation::test_util::event_log::{BuiltEvent, EventLogBuilder};
use vouchsafe_protocol::Digest32;

use super::*;

const END: UnixTime = UnixTime(NOW.0 + 1000);

/// The claims of a VM with this log of this kind.
fn with_boot(boot: Arc<BootLog>, log: BaselineLog) -> Claims {
    let mut claims = if log == BaselineLog::Ccel { kinds::tdx_both() } else { claims() };
    match log {
        BaselineLog::Vtpm => {
            claims.technology = boot.technology.or(Some(Technology::SevSnp));
            claims.vtpm.as_mut().expect("a vTPM").boot = boot;
        }
        BaselineLog::Ccel => claims.tdx.as_mut().expect("a trust domain").unconfirmed_boot = Some(boot),
    }
    claims
}

/// Every captured log that is accepted, with its name.
fn captured_logs() -> Vec<(String, BaselineLog, Arc<BootLog>)> {
    let Some(folder) = vouchsafe_captured::folder() else { return Vec::new() };
    let mut files = Vec::new();
    for part in
        ["gce/vtpm/eventlogs", "gce/vtpm/eventlogs-legacy", "gce/tdx/ccel", "lab", "lab-boot", "field"]
    {
        add_files(&folder.join(part), &mut files);
    }
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a file");
        let name = path.strip_prefix(&folder).expect("below it").display().to_string();
        let vtpm = ReplayedLog::from_bytes(&bytes).map(|log| (BaselineLog::Vtpm, log.boot));
        let found =
            vtpm.ok().or_else(|| Some((BaselineLog::Ccel, ReplayedCcel::from_bytes(&bytes).ok()?.boot)));
        found.map(|(log, boot)| (name, log, boot))
    };
    files.into_iter().filter_map(read).collect()
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            add_files(&path, files);
        } else {
            files.push(path);
        }
    }
    files.sort();
}

/// The paths and values of all digests and texts in a document.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{number}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if !["technology", "log", "description", "composed_initrd"].contains(&name.as_str()) {
                    leaves(member, &format!("{path}/{name}"), found);
                }
            }
        }
        _ => {}
    }
}

fn is_digest(text: &str) -> bool {
    matches!(text.len(), 64 | 96) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The same document with one leaf changed.
fn changed(document: &Value, path: &str, text: &str) -> Baseline {
    let mut document = document.clone();
    let flipped = if text.starts_with('0') { "1" } else { "0" };
    let other = if is_digest(text) { format!("{flipped}{}", &text[1..]) } else { format!("{text} more") };
    *document.pointer_mut(path).expect("there") = Value::String(other);
    serde_json::from_value(document).expect("a baseline")
}

/// Asserts that it contains the boot, and that with one digest or text changed it does not, with a reason
/// that names the event.
fn check(name: &str, baseline: &Baseline, claims: &Claims) -> usize {
    assert_eq!(Baseline::parse(&baseline.to_json()).as_ref(), Ok(baseline), "{name}");
    assert_eq!(baseline.is_member(claims, NOW), Ok(()), "{name}");
    let document = serde_json::to_value(baseline).expect("JSON");
    let mut found = Vec::new();
    leaves(&document, "", &mut found);
    for (path, text) in &found {
        let mismatch = changed(&document, path, text).is_member(claims, NOW);
        let reason = mismatch.expect_err(&format!("{name}: {path}: {text}")).to_string();
        let start: String = format!("{text:?}").trim_matches('"').chars().take(60).collect();
        let component = path.split('/').nth(1).unwrap_or_default().replace('_', " ");
        assert!(
            reason.contains(&start) || reason == format!("{component} is missing"),
            "{name}: {path}: {text}: {reason}"
        );
    }
    found.len()
}

#[test]
fn t49_a_baseline_learned_from_a_captured_boot_contains_only_that() {
    // Firmware that measures no image at all; a kernel whose command line was not measured. The error says
    // what is missing.
    let refused = [
        ("field/sdboot-fedora37-empty-secureboot.log.bin", CaptureError::NoKernel, "which kernel ran"),
        ("field/ccel-gcp.bin", CaptureError::NoCommandLine, "the kernel's command line"),
    ];
    let logs = captured_logs();
    let (found, mut by_sections) = (!logs.is_empty(), BTreeSet::new());
    for (name, log, boot) in logs {
        let claims = with_boot(boot, log);
        match Baseline::capture_log(&claims, log, 1, END) {
            Ok(baseline) => {
                println!("{name}: {} digests and texts", check(&name, &baseline, &claims));
                if baseline.composed_initrd == ComposedInitrd::BySections {
                    by_sections.insert(name);
                }
            }
            Err(error) => {
                let expected = refused.iter().find(|(file, ..)| *file == name);
                let (_, expected, missing) = expected.unwrap_or_else(|| panic!("{name}: {error}"));
                assert_eq!(error, *expected, "{name}");
                assert!(
                    error.to_string().starts_with(&format!("the log does not show {missing}")),
                    "{error}"
                );
            }
        }
    }
    for folder in ["lab/trixie257-uki/", "lab/sid262-uki/", "lab/sid262-uki-secboot-capable/"] {
        assert!(
            !found || by_sections.iter().any(|name| name.starts_with(folder)),
            "{folder}: {by_sections:?}"
        );
    }
}

#[test]
fn t49_a_baseline_learned_from_a_simulated_boot_contains_only_that() {
    for (name, log) in EventLogBuilder::all_chains(Technology::SevSnp) {
        let boot =
            ReplayedLog::from_bytes(&log.bytes()).unwrap_or_else(|error| panic!("{name}: {error}")).boot;
        let claims = with_boot(boot, BaselineLog::Vtpm);
        let baseline = Baseline::capture_log(&claims, BaselineLog::Vtpm, 1, END);
        check(name, &baseline.unwrap_or_else(|error| panic!("{name}: {error}")), &claims);
    }
    for (name, mut log) in EventLogBuilder::all_chains(Technology::Tdx) {
        // systemd-boot measures loader.conf only into a TPM.
        log.events.retain(|event| event.pcr != 5 || event.event_type != EventType::EVENT_TAG);
        let log = log.into_ccel();
        let boot =
            ReplayedCcel::from_bytes(&log.bytes()).unwrap_or_else(|error| panic!("{name}: {error}")).boot;
        let claims = with_boot(boot, BaselineLog::Ccel);
        let baseline = Baseline::capture_log(&claims, BaselineLog::Ccel, 1, END);
        check(name, &baseline.unwrap_or_else(|error| panic!("{name}: {error}")), &claims);
    }
}

#[test]
fn chains_are_learned_with_their_components() {
    let learned = |wanted: &str| {
        let chains = EventLogBuilder::all_chains(Technology::SevSnp);
        let (_, log) = chains.into_iter().find(|(name, _)| *name == wanted).expect(wanted);
        let boot = ReplayedLog::from_bytes(&log.bytes()).expect("accepted").boot;
        Baseline::capture_log(&with_boot(boot, BaselineLog::Vtpm), BaselineLog::Vtpm, 1, END)
            .expect("learned")
    };
    let digest = |name: &str| vec![LogDigest::from(content_digest(name))];
    let none = Vec::new;
    let images = |baseline: &Baseline| {
        let Baseline { shim, boot_manager, grub, uki, kernel_image, other_images, .. } = baseline.clone();
        (shim, boot_manager, grub, uki, kernel_image, other_images)
    };
    for (chain, expected) in [
        ("shim, UKI", (digest("shim"), none(), none(), digest("uki"), digest("kernel"), none())),
        ("UKI in PCR 4, inner kernel not measured", (none(), none(), none(), digest("uki"), none(), none())),
        (
            "systemd-boot, UKI",
            (none(), digest("systemd-boot"), none(), digest("uki"), digest("kernel"), none()),
        ),
        (
            "shim, systemd-boot, UKI",
            (digest("shim"), digest("systemd-boot"), none(), digest("uki"), none(), none()),
        ),
        (
            "shim, GRUB, UKI",
            (digest("shim"), none(), digest("grub"), digest("uki"), digest("kernel"), none()),
        ),
        ("shim, GRUB of RHEL 8", (digest("shim"), none(), digest("grub"), none(), digest("kernel"), none())),
        (
            "shim, GRUB of RHEL 9, kernel measured twice",
            (digest("shim"), none(), digest("grub"), none(), digest("kernel"), none()),
        ),
        (
            "systemd-boot, Type 1 entry",
            (none(), digest("systemd-boot"), none(), none(), digest("kernel"), none()),
        ),
    ] {
        assert_eq!(images(&learned(chain)), expected, "{chain}");
    }
    let rhel = learned("shim, GRUB of RHEL 8");
    assert_eq!((rhel.kernel, rhel.initrd, rhel.configuration), (digest("kernel"), digest("initrd"), none()));
    let fallback = learned("shim, GRUB, second entry");
    assert_eq!((fallback.kernel, fallback.initrd), (digest("kernel"), digest("initrd")));
    let failed = ["broken kernel", "broken initrd"].map(|name| digest(name)[0]);
    assert_eq!((&fallback.other_files[..], fallback.other_command_lines.len()), (&failed[..], 1));
    assert_eq!(fallback.command_lines.len(), 1);
    let entry = learned("systemd-boot, Type 1 entry");
    assert_eq!(entry.options, ["root=LABEL=root ro console=ttyS0 panic=-1"]);
    assert_eq!((entry.loaded_initrd, entry.load_options.len()), (digest("initrd"), 1));
    let without = learned("shim, GRUB, kernel without initrd");
    assert!(without.initrd.is_empty() && without.loaded_initrd.is_empty());
}

/// Changes one event of a boot: the measured data, and its text with it.
fn with_other_content(log: &EventLogBuilder, at: usize) -> Option<(EventLogBuilder, String)> {
    let mut log = log.clone();
    let event = log.events.get_mut(at)?;
    let measured = event.measured.clone()?;
    if event.pcr == 8 {
        let text = String::from_utf8(measured).ok()?;
        let text = text.trim_end_matches('\0');
        *event = BuiltEvent::grub("grub_cmd: ", &format!("{text} evil"));
        return Some((log, format!("{text:?}").trim_matches('"').chars().take(60).collect()));
    }
    if event.data == measured {
        return None;
    }
    event.measured = Some([&measured[..], b"evil"].concat());
    let digest = Digest32::of(event.measured.as_deref()?);
    Some((log, digest.to_string()))
}

#[test]
fn t49_one_other_event_is_named_in_the_refusal() {
    for (name, log) in EventLogBuilder::all_chains(Technology::SevSnp) {
        let boot = |log: &EventLogBuilder| ReplayedLog::from_bytes(&log.bytes()).map(|log| log.boot);
        let claims = with_boot(boot(&log).expect("accepted"), BaselineLog::Vtpm);
        let baseline = Baseline::capture_log(&claims, BaselineLog::Vtpm, 1, END).expect("learned");
        let mut refused = BTreeSet::new();
        for at in 0..log.events.len() {
            if ![2, 4, 8, 9, 11, 12, 13].contains(&log.events[at].pcr) {
                continue;
            }
            let Some((other, named)) = with_other_content(&log, at) else { continue };
            // The changed section name is not valid any more.
            let Ok(boot) = boot(&other) else { continue };
            let other = with_boot(boot, BaselineLog::Vtpm);
            let is_initrd = log.events[at].measured.as_deref() == Some(&content("composed"));
            if is_initrd && baseline.composed_initrd == ComposedInitrd::BySections {
                assert_eq!(baseline.is_member(&other, NOW), Ok(()), "{name}");
                continue;
            }
            let reason = baseline.is_member(&other, NOW).expect_err(name).to_string();
            assert!(reason.contains(&named), "{name}: {reason}");
            refused.insert(log.events[at].pcr);
        }
        assert!(refused.contains(&4) || refused.contains(&2), "{name}");
        assert!(refused.contains(&8) || refused.contains(&11) || refused.contains(&9), "{name}");
        let mut other = claims.clone();
        let measurement = &mut other.sev_snp.as_mut().expect("a report").measurement;
        measurement.0[0] ^= 1;
        let named = measurement.to_string();
        assert!(baseline.is_member(&other, NOW).expect_err(name).to_string().contains(&named));
    }
}

fn vtpm(log: &EventLogBuilder) -> Claims {
    with_boot(ReplayedLog::from_bytes(&log.bytes()).expect("accepted").boot, BaselineLog::Vtpm)
}

fn learned(log: &EventLogBuilder) -> Baseline {
    Baseline::capture_log(&vtpm(log), BaselineLog::Vtpm, 1, END).expect("learned")
}

fn mismatch(baseline: &Baseline, log: &EventLogBuilder) -> BaselineMismatch {
    baseline.is_member(&vtpm(log), NOW).expect_err("no member").unnamed()
}

fn missing(component: Component) -> BaselineMismatch {
    BaselineMismatch::Missing { component }
}

/// The first component out of order, and the one before it.
fn order((component, name): (Component, &str), (previous, before): (Component, &str)) -> BaselineMismatch {
    let digest = content_digest(name).into();
    let previous_digest = Box::new(content_digest(before).into());
    BaselineMismatch::Order { component, digest, what: EventName::Unnamed {}, previous, previous_digest }
}

#[test]
fn t49_a_kernel_that_failed_is_allowed_only_before_the_one_that_runs() {
    let failed = EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_failed_entry();
    let plain = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    let baseline = learned(&failed);
    // The entry may work again, except for the commands of the one that failed.
    assert_eq!(baseline.is_member(&vtpm(&plain), NOW), Ok(()));
    assert!(learned(&plain).is_member(&vtpm(&failed), NOW).is_err());
    // Loaded after the kernel that runs, another one would replace it.
    let mut after = plain.clone();
    after.insert_before_exit(BuiltEvent::file("/vmlinuz-broken", &content("broken kernel")));
    assert_eq!(
        mismatch(&baseline, &after),
        order((Component::OtherFile, "broken kernel"), (Component::LoadedInitrd, "initrd"))
    );
    let mut after = plain;
    after.insert_before_exit(BuiltEvent::grub("kernel_cmdline: ", "/vmlinuz-broken ro"));
    let digest = Digest32::of(b"/vmlinuz-broken ro").into();
    let component = Component::CommandLine;
    let repeated = BaselineMismatch::Repeated { component, digest, what: EventName::Unnamed {} };
    assert_eq!(mismatch(&baseline, &after), repeated);
    // The one that runs must occur.
    let mut only = failed;
    only.events.retain(|event| event.pcr != 9 || event.measured != Some(content("kernel")));
    assert_eq!(mismatch(&baseline, &only), missing(Component::Kernel));
}

#[test]
fn t49_an_image_of_a_boot_option_that_returned_is_listed_by_itself() {
    let plain = EventLogBuilder::unified(Technology::SevSnp, &["shim", "uki"]);
    let baseline = learned(&plain);
    // Nothing of a boot option that failed ran.
    assert_eq!(baseline.is_member(&vtpm(&plain.clone().with_failed_option()), NOW), Ok(()));
    // An approved image that ran and returned is not the one that runs: here systemd-boot returned, and
    // another boot option was started.
    let entry = EventLogBuilder::type_1(Technology::SevSnp, &["systemd-boot", "kernel"]);
    let mut returned = entry.clone();
    let kernel = |event: &BuiltEvent| event.pcr == 4 && event.measured == Some(content("kernel"));
    returned.insert_before(kernel, BuiltEvent::action(4, "Returning from EFI Application from Boot Option"));
    returned.insert_before(kernel, BuiltEvent::action(4, "Calling EFI Application from Boot Option"));
    let found = mismatch(&learned(&entry), &returned);
    let digest = content_digest("systemd-boot").into();
    assert_eq!(found, BaselineMismatch::Unlisted { pcr: 4, digest, what: EventName::Unnamed {} });
    assert_eq!(learned(&returned).other_images, [digest]);
    assert_eq!(learned(&returned).is_member(&vtpm(&returned), NOW), Ok(()));
    // Another image after the one that runs.
    let mut listed = baseline;
    listed.other_images = vec![content_digest("other").into()];
    let mut before = plain.clone();
    let uki = |event: &BuiltEvent| event.measured == Some(content("uki"));
    before.insert_before(uki, application(4, "other", "other"));
    assert_eq!(listed.is_member(&vtpm(&before), NOW), Ok(()));
    let mut after = plain;
    after.insert_before_exit(application(4, "other", "other"));
    assert_eq!(mismatch(&listed, &after), order((Component::OtherImage, "other"), (Component::Uki, "uki")));
}

#[test]
fn t49_a_type_1_entry_needs_its_options_its_initrd_and_its_boot_manager() {
    let log = EventLogBuilder::type_1(Technology::SevSnp, &["systemd-boot", "kernel"]);
    let baseline = learned(&log);
    let without = |wanted: &dyn Fn(&BuiltEvent) -> bool| {
        let mut log = log.clone();
        log.events.retain(|event| !wanted(event));
        mismatch(&baseline, &log)
    };
    let manager = content("systemd-boot");
    assert_eq!(without(&|event| event.measured.as_ref() == Some(&manager)), missing(Component::BootManager));
    assert_eq!(without(&|event| event.pcr == 12), missing(Component::CommandLine));
    assert_eq!(without(&|event| event.pcr == 9), missing(Component::LoadOptions));
    let initrd = content("initrd");
    assert_eq!(without(&|event| event.measured.as_ref() == Some(&initrd)), missing(Component::LoadedInitrd));
    let kernel = content("kernel");
    assert_eq!(without(&|event| event.measured.as_ref() == Some(&kernel)), missing(Component::KernelImage));
    let other = log.clone().with_options(&["init=/bin/sh"]);
    let found = baseline.is_member(&vtpm(&other), NOW).expect_err("no member").to_string();
    assert!(found.contains("\"init=/bin/sh\""), "{found}");
}

#[test]
fn t53_an_add_on_that_is_left_out_is_noticed() {
    let plain = EventLogBuilder::unified(Technology::SevSnp, &["uki"]);
    let baseline = learned(&plain.clone().with_options(&["panic=-1"]));
    assert_eq!(mismatch(&baseline, &plain), missing(Component::CommandLine));
    // One of several, too.
    let both = learned(&plain.clone().with_options(&["quiet", "rd.shell=0 rd.emergency=reboot"]));
    let one = plain.with_options(&["quiet"]);
    assert_eq!(mismatch(&both, &one), missing(Component::CommandLine));
    // Entries of systemd-boot are alternatives.
    let entry = EventLogBuilder::type_1(Technology::SevSnp, &["systemd-boot", "kernel"]);
    let mut entries = learned(&entry);
    entries.options.push("root=LABEL=root single".to_owned());
    assert_eq!(entries.is_member(&vtpm(&entry), NOW), Ok(()));
}

#[test]
fn several_files_of_one_initrd_command_are_members() {
    let mut log = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    let name = "initrd /initrd.img-6.8.0-1010-gcp";
    *log.event_with(&format!("grub_cmd: {name}")) =
        BuiltEvent::grub("grub_cmd: ", "initrd /ucode.img /early.img /initrd.img-6.8.0-1010-gcp");
    let initrd = |event: &BuiltEvent| event.pcr == 9 && event.data.starts_with(b"/initrd.img");
    log.insert_before(initrd, BuiltEvent::file("/ucode.img", &content("microcode")));
    log.insert_before(initrd, BuiltEvent::file("/early.img", &content("early")));
    let baseline = learned(&log);
    let digests = ["microcode", "early"].map(|name| LogDigest::from(content_digest(name)));
    assert_eq!(baseline.early_initrd, digests);
    assert_eq!(baseline.is_member(&vtpm(&log), NOW), Ok(()));
    let mut again = log.clone();
    again.insert_before(initrd, BuiltEvent::file("/early.img", &content("early")));
    let repeated = |component, name: &str| {
        let digest = content_digest(name).into();
        BaselineMismatch::Repeated { component, digest, what: EventName::Unnamed {} }
    };
    assert_eq!(mismatch(&baseline, &again), repeated(Component::EarlyInitrd, "early"));
    let mut late = log.clone();
    late.events.retain(|event| event.measured != Some(content("microcode")));
    late.insert_before_exit(BuiltEvent::file("/ucode.img", &content("microcode")));
    assert_eq!(
        mismatch(&baseline, &late),
        order((Component::EarlyInitrd, "microcode"), (Component::LoadedInitrd, "initrd"))
    );
}

#[test]
fn a_refusal_shows_the_measured_text_or_the_name_in_the_log() {
    let log = EventLogBuilder::gce_ubuntu(Technology::SevSnp);
    let baseline = learned(&log);
    let reason = |event: BuiltEvent| {
        let mut other = log.clone();
        other.insert_before(|event| event.data.starts_with(b"grub_cmd: linux "), event);
        baseline.is_member(&vtpm(&other), NOW).expect_err("no member").to_string()
    };
    let text = reason(BuiltEvent::grub("grub_cmd: ", "insmod evil"));
    let digest = Digest32::of(b"insmod evil");
    assert_eq!(text, format!("PCR 8 has an event that is not listed: {digest} (\"insmod evil\")"));
    let file = reason(BuiltEvent::file("/evil\u{202e}.img", b"evil"));
    let digest = Digest32::of(b"evil");
    let named = "(named \"/evil\\u{202e}.img\" in the log, which is not measured)";
    assert_eq!(file, format!("PCR 9 has an event that is not listed: {digest} {named}"));
    let image = reason(application(4, "evil", r"\EFI\evil.efi"));
    assert!(image.ends_with(r#" (named "\\EFI\\evil.efi" in the log, which is not measured)"#), "{image}");
    // A long menu entry is shortened.
    let long = reason(BuiltEvent::grub("grub_cmd: ", &format!("menuentry {}", "x".repeat(5000))));
    assert!(long.len() < 600 && long.contains("xxx…"), "{long}");
}
