//! Baselines learned from a boot: the components that they list, and the boots that are not members.

mod exact;
mod failed;

use vouchsafe_attestation::event_log::{BootLog, ReplayedLog, Technology};
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
