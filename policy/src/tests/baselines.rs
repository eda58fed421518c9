//! Baselines: closed documents, closed sets.

use vouchsafe_attestation::event_log::{EventKind, Technology};
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::presets::{
    UBUNTU_KERNEL, application, content, content_digest,
};
use vouchsafe_attestation::test_util::event_log::{BuiltEvent, EventLogBuilder};
use vouchsafe_protocol::Digest32;

use super::*;

const END: UnixTime = UnixTime(NOW.0 + 1000);

fn booted(log: &EventLogBuilder) -> Claims {
    production(&SimulatedVm::booted(&AkCertificateSpec::default(), log))
}

fn ubuntu() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::SevSnp)
}

fn uki() -> EventLogBuilder {
    EventLogBuilder::gce_uki(Technology::SevSnp)
}

fn captured(log: &EventLogBuilder) -> Baseline {
    Baseline::capture(&booted(log), 3, END).unwrap()
}

/// The mismatch between the baseline of `original` and a boot that was changed.
fn mismatch(original: &EventLogBuilder, change: impl FnOnce(&mut EventLogBuilder)) -> BaselineMismatch {
    let baseline = captured(original);
    assert_eq!(baseline.is_member(&booted(original), NOW), Ok(()));
    let mut log = original.clone();
    change(&mut log);
    baseline.is_member(&booted(&log), NOW).unwrap_err().unnamed()
}

fn is_file(name: &str) -> impl Fn(&BuiltEvent) -> bool {
    let event = BuiltEvent::file(name, b"");
    move |other| other.pcr == 9 && other.data == event.data
}

fn digest(name: &str) -> LogDigest {
    content_digest(name).into()
}

fn unlisted(pcr: u8, what: &[u8]) -> BaselineMismatch {
    BaselineMismatch::Unlisted { pcr, digest: Digest32::of(what).into(), what: EventName::Unnamed {} }
}

fn repeated(component: Component, digest: LogDigest) -> BaselineMismatch {
    BaselineMismatch::Repeated { component, digest, what: EventName::Unnamed {} }
}

fn order((component, name): (Component, &str), (previous, before): (Component, &str)) -> BaselineMismatch {
    let what = EventName::Unnamed {};
    BaselineMismatch::Order {
        component,
        digest: digest(name),
        what,
        previous,
        previous_digest: Box::new(digest(before)),
    }
}

#[test]
fn a_captured_boot_has_its_components() {
    let baseline = captured(&ubuntu());
    assert_eq!((&baseline.shim[..], &baseline.grub[..]), (&[digest("shim")][..], &[digest("grub")][..]));
    assert_eq!(baseline.kernel, [digest("kernel")]);
    assert_eq!(
        (&baseline.initrd, &baseline.loaded_initrd),
        (&vec![digest("initrd")], &vec![digest("initrd")])
    );
    assert!(baseline.command_lines[0].starts_with(UBUNTU_KERNEL));
    assert_eq!(baseline.grubenv.len(), 1);
    let text = baseline.to_json();
    assert_eq!(Baseline::parse(&text), Ok(baseline));
    let baseline = captured(&uki());
    assert_eq!(baseline.uki, [digest("uki")]);
    assert_eq!(baseline.sections[".linux"], [digest("kernel")]);
}

#[test]
fn t49_another_kernel_beside_the_approved_one_is_refused() {
    let evil = BuiltEvent::file("/evil", b"evil kernel");
    let kernel = mismatch(&ubuntu(), |log| log.insert_before(is_file(UBUNTU_KERNEL), evil.clone()));
    assert_eq!(kernel, unlisted(9, b"evil kernel"));
    // With the name of the approved one, after it.
    let named = BuiltEvent::file("/initrd.img-6.8.0-1010-gcp", b"evil initrd");
    let initrd = mismatch(&ubuntu(), |log| log.insert_before_exit(named));
    assert_eq!(initrd, unlisted(9, b"evil initrd"));
}

#[test]
fn t49_components_occur_exactly_once_and_in_order() {
    let again = BuiltEvent::file(UBUNTU_KERNEL, &content("kernel"));
    let found = mismatch(&ubuntu(), |log| log.insert_before(is_file(UBUNTU_KERNEL), again));
    assert_eq!(found, repeated(Component::Kernel, digest("kernel")));
    let found = mismatch(&ubuntu(), |log| {
        let position = log.position(is_file(UBUNTU_KERNEL));
        log.events.remove(position);
    });
    assert_eq!(found, BaselineMismatch::Missing { component: Component::Kernel });
    let found = mismatch(&ubuntu(), |log| {
        let kernel = log.position(is_file(UBUNTU_KERNEL));
        let initrd = log.position(is_file("/initrd.img-6.8.0-1010-gcp"));
        log.events.swap(kernel, initrd);
    });
    assert_eq!(found, order((Component::Kernel, "kernel"), (Component::Initrd, "initrd")));
    // Configuration that is read after the kernel could replace it.
    let late = BuiltEvent::file("/grub.cfg", &content("esp grub.cfg"));
    let found = mismatch(&ubuntu(), |log| log.insert_before_exit(late));
    assert_eq!(found, order((Component::Configuration, "esp grub.cfg"), (Component::LoadedInitrd, "initrd")));
}

#[test]
fn t49_every_application_and_driver_is_listed() {
    for pcr in [2, 4] {
        let found = mismatch(&ubuntu(), |log| log.insert_before_exit(application(pcr, "evil", "/evil")));
        assert_eq!(found, unlisted(u8::try_from(pcr).unwrap(), &content("evil")));
    }
    let again = mismatch(&ubuntu(), |log| log.insert_before_exit(application(4, "grub", "/grub")));
    assert_eq!(again, repeated(Component::Grub, digest("grub")));
    let missing = mismatch(&ubuntu(), |log| {
        let position = log.position(|event| event.measured.as_deref() == Some(&content("shim")));
        log.events.remove(position);
    });
    assert_eq!(missing, BaselineMismatch::Missing { component: Component::Shim });
}

#[test]
fn t49_kernel_that_the_firmware_starts_by_itself_is_refused() {
    let is = |name: &str| {
        let measured = content(name);
        move |event: &BuiltEvent| event.pcr == 4 && event.measured.as_ref() == Some(&measured)
    };
    // Its loaders are extended after it, in the same register or in the other one.
    for register in [2, 4] {
        let found = mismatch(&ubuntu(), |log| {
            let mut kernel = log.events.remove(log.position(is("kernel")));
            kernel.pcr = register;
            log.insert_before(is("shim"), kernel);
        });
        assert_eq!(found, order((Component::Shim, "shim"), (Component::KernelImage, "kernel")), "{register}");
    }
}

#[test]
fn t53_kernel_that_measures_neither_options_nor_initrd_needs_a_loader_that_does() {
    let (_, mut log) = EventLogBuilder::all_chains(Technology::SevSnp)
        .into_iter()
        .find(|(name, _)| *name == "systemd-boot, Type 1 entry")
        .expect("a chain");
    assert!(Baseline::capture(&booted(&log), 3, END).is_ok());
    let is_initrd =
        |event: &BuiltEvent| event.pcr == 9 && event.measured.as_ref() == Some(&content("initrd"));
    // Without an initrd, the kernel's options show that there was none.
    log.events.retain(|event| !is_initrd(event));
    let without = Baseline::capture(&booted(&log), 3, END).unwrap();
    // An older kernel would have accepted any.
    log.events.retain(|event| event.pcr != 9);
    let found = Baseline::capture(&booted(&log), 3, END);
    assert_eq!(found, Err(CaptureError::Baseline(BaselineError::UnmeasuredInitrd)));
    let open = Baseline { load_options: Vec::new(), ..without };
    assert_eq!(Baseline::parse(&open.to_json()), Err(BaselineError::UnmeasuredInitrd));
}

#[test]
fn t22_a_relabelled_application_is_still_an_event() {
    let mut claims = booted(&ubuntu());
    let baseline = captured(&ubuntu());
    let boot = Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot);
    let event = boot.events.get_mut(&4).unwrap().last_mut().unwrap();
    (event.kind, event.digest) = (EventKind::Separator, Digest32::of(b"evil").into());
    let found = baseline.is_member(&claims, NOW).map_err(BaselineMismatch::unnamed);
    assert_eq!(found, Err(unlisted(4, b"evil")));
}

#[test]
fn t49_commands_and_command_lines_are_listed() {
    let command = BuiltEvent::grub("grub_cmd: ", "insmod evil");
    let found = mismatch(&ubuntu(), |log| {
        log.insert_before(|event| event.data.starts_with(b"grub_cmd: linux "), command);
    });
    assert_eq!(found, unlisted(8, b"insmod evil"));
    let baseline = captured(&ubuntu());
    let claims = booted(&ubuntu().with_kernel_arguments("ro init=/bin/sh"));
    assert!(matches!(baseline.is_member(&claims, NOW), Err(BaselineMismatch::Unlisted { pcr: 8, .. })));
    // The list has command lines, but the boot has none.
    let mut claims = booted(&ubuntu());
    let boot = Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot);
    boot.events.get_mut(&8).unwrap().retain(|event| event.kind != EventKind::KernelCommandLine);
    let missing = BaselineMismatch::Missing { component: Component::CommandLine };
    assert_eq!(baseline.is_member(&claims, NOW), Err(missing));
}

#[test]
fn t49_sections_of_a_unified_image_are_listed_and_complete() {
    let original = uki();
    let found = mismatch(&original, |log| {
        let position =
            log.position(|event| event.pcr == 11 && event.measured.as_deref() == Some(&content("initrd")));
        log.events[position].measured = Some(content("evil"));
    });
    assert_eq!(found, BaselineMismatch::Section { name: ".initrd".to_owned(), digest: digest("evil") });
    let extra = mismatch(&original, |log| {
        for event in BuiltEvent::stub_section(".splash", b"evil") {
            log.insert_before_exit(event);
        }
    });
    let digest = Digest32::of(b"evil").into();
    assert_eq!(extra, BaselineMismatch::Section { name: ".splash".to_owned(), digest });
    let missing = mismatch(&original, |log| {
        let at =
            log.position(|event| event.pcr == 11 && event.measured.as_deref() == Some(&content("initrd")));
        log.events.drain(at - 1..=at);
    });
    assert_eq!(missing, BaselineMismatch::MissingSection { name: ".initrd".to_owned() });
}

#[test]
fn t49_pcr_12_and_13_may_hold_only_listed_events() {
    use vouchsafe_attestation::event_log::EventType;
    for pcr in [12, 13] {
        let addon = BuiltEvent::measuring(pcr, EventType::IPL, b"addon".to_vec(), b"x\0".to_vec());
        let found = mismatch(&uki(), |log| log.insert_before_exit(addon.clone()));
        assert_eq!(found, unlisted(u8::try_from(pcr).unwrap(), b"addon"));
        let mut listing = uki();
        listing.insert_before_exit(addon);
        assert_eq!(captured(&listing).is_member(&booted(&listing), NOW), Ok(()));
    }
}

#[test]
fn technology_and_firmware_are_part_of_a_baseline() {
    let baseline = captured(&ubuntu());
    let mut claims = booted(&ubuntu());
    claims.technology = Some(Technology::Sev);
    let technology = BaselineMismatch::Technology { found: Some("sev") };
    assert_eq!(baseline.is_member(&claims, NOW), Err(technology));
    let firmware = |kind, found: Option<String>| BaselineMismatch::Firmware { kind, found };
    let mut claims = booted(&ubuntu());
    claims.sev_snp.as_mut().unwrap().measurement.0[0] ^= 1;
    let measured = claims.sev_snp.as_ref().unwrap().measurement.to_string();
    assert_eq!(baseline.is_member(&claims, NOW), Err(firmware("launch measurement", Some(measured))));
    claims.sev_snp = None;
    assert_eq!(baseline.is_member(&claims, NOW), Err(firmware("launch measurement", None)));
    let mut claims = booted(&ubuntu());
    Arc::make_mut(&mut claims.vtpm.as_mut().unwrap().boot).firmware_version = None;
    assert_eq!(baseline.is_member(&claims, NOW), Err(firmware("version", None)));
    claims.vtpm = None;
    assert_eq!(baseline.is_member(&claims, NOW), Err(BaselineMismatch::NoBootLog));
}

fn with_baseline(condition: &str, revoked: bool, now: UnixTime) -> Result<(), DenialReason> {
    let compiled = policy(&permitting(condition));
    let named = |text: &str, version| NamedBaseline {
        name: name(text),
        revoked,
        baseline: Ok(Arc::new(Baseline { version, ..captured(&ubuntu()) })),
    };
    let secret = SecretState::Active {
        version: 1,
        purpose: Purpose::App,
        policy: compiled,
        baselines: vec![named("prod/new", 5), named("prod/old", 3)],
    };
    let request = DecideRequest { now, ..request(vec![DecideItem { path: path("prod/a/x"), secret }]) };
    outcome(evaluate(&claims(), Suite::XWing, &request, &no_guardrails()))
}

#[test]
fn t28_an_ended_or_revoked_baseline_has_no_members() {
    let member = "principal in Baseline::\"prod/new\"";
    assert_eq!(with_baseline(member, false, NOW), Ok(()));
    assert_eq!(with_baseline(member, false, UnixTime(END.0 - 1)), Ok(()));
    let ended = refusal(with_baseline(member, false, END)).baselines;
    let mismatch = Some(BaselineMismatch::Ended { ends_at: END });
    assert_eq!(ended, [BaselineVerdict { name: name("prod/new"), mismatch }]);
    let revoked = refusal(with_baseline(member, true, NOW)).baselines;
    let mismatch = Some(BaselineMismatch::Revoked);
    assert_eq!(revoked, [BaselineVerdict { name: name("prod/new"), mismatch }]);
}

#[test]
fn t28_policies_have_a_floor_for_the_security_version() {
    let floor = |baselines: &str, version: u32| {
        let condition = format!(
            "principal in [{baselines}] && context has baseline_version && context.baseline_version >= {version}"
        );
        with_baseline(&condition, false, NOW).is_ok()
    };
    assert!(floor("Baseline::\"prod/new\"", 5));
    assert!(!floor("Baseline::\"prod/new\"", 6));
    assert!(floor("Baseline::\"prod/old\"", 3));
    assert!(!floor("Baseline::\"prod/old\"", 4));
    // The lowest among those that have the VM as a member.
    assert!(!floor("Baseline::\"prod/new\", Baseline::\"prod/old\"", 4));
    assert!(floor("Baseline::\"prod/new\", Baseline::\"prod/old\"", 3));
}

#[test]
fn only_baselines_that_the_policy_names_count() {
    let refused = refusal(with_baseline("principal in Baseline::\"prod/other\"", false, NOW));
    assert_eq!(refused.baselines, [BaselineVerdict { name: name("prod/other"), mismatch: None }]);
}

fn parse_error(change: impl FnOnce(&mut serde_json::Value)) -> BaselineError {
    let mut json = serde_json::to_value(captured(&ubuntu())).unwrap();
    change(&mut json);
    Baseline::parse(&json.to_string()).unwrap_err()
}

#[test]
fn t49_a_baseline_that_is_not_closed_is_refused() {
    let empty = || serde_json::json!([]);
    assert_eq!(parse_error(|json| json["kernel"] = empty()), BaselineError::NoKernel);
    assert_eq!(parse_error(|json| json["command_lines"] = empty()), BaselineError::NoCommandLine);
    assert_eq!(parse_error(|json| json["initrd"] = empty()), BaselineError::NoInitrd);
    assert_eq!(parse_error(|json| json["grub"] = empty()), BaselineError::NoLoader);
    let section = |json: &mut serde_json::Value| json["sections"] = serde_json::json!({".linux": []});
    assert_eq!(parse_error(section), BaselineError::EmptySection { name: ".linux".to_owned() });
    let digest = content_digest("kernel");
    let ambiguous = |json: &mut serde_json::Value| json["configuration"] = serde_json::json!([digest]);
    assert_eq!(parse_error(ambiguous), BaselineError::AmbiguousDigest { digest: digest.into() });
}

#[test]
fn t38_documents_are_read_strictly() {
    let syntax = |error| assert!(matches!(error, BaselineError::Syntax { .. }), "{error:?}");
    syntax(parse_error(|json| json["kernels"] = serde_json::json!([])));
    syntax(parse_error(|json| json["kernel"] = serde_json::json!(["AB"])));
    syntax(parse_error(|json| json["ends_at"] = serde_json::Value::Null));
    syntax(parse_error(|json| json["version"] = serde_json::json!(-1)));
    let unknown = BaselineError::UnknownTechnology { name: "snp".to_owned() };
    assert_eq!(parse_error(|json| json["technology"] = serde_json::json!("snp")), unknown);
    let long = " ".repeat(MAX_BASELINE + 1);
    assert_eq!(Baseline::parse(&long), Err(BaselineError::TooLong { length: MAX_BASELINE + 1 }));
}

/// The boot of a captured log, with the simulated VM's other claims.
fn captured_log(file: &str) -> Option<Claims> {
    let bytes = vouchsafe_captured::read(file)?;
    let mut claims = claims();
    let vtpm = claims.vtpm.as_mut().unwrap();
    vtpm.boot = vouchsafe_attestation::event_log::ReplayedLog::from_bytes(&bytes).unwrap().boot;
    claims.technology = vtpm.boot.technology;
    Some(claims)
}

#[test]
fn t49_a_real_boot_of_ubuntu_is_a_member_of_its_own_baseline_only() {
    let Some(claims) = captured_log("gce/vtpm/eventlogs/ubuntu-2404-amd-sevsnp.bin") else { return };
    let baseline = Baseline::capture(&claims, 1, END).unwrap();
    assert_eq!(baseline.is_member(&claims, NOW), Ok(()));
    assert_eq!((baseline.kernel.len(), baseline.initrd.len(), baseline.grubenv.len()), (1, 0, 1));
    assert!(baseline.is_member(&booted(&ubuntu()), NOW).is_err());
    assert!(captured(&ubuntu()).is_member(&claims, NOW).is_err());
}

#[test]
fn t49_a_real_boot_of_a_unified_image_is_a_member_of_its_own_baseline_only() {
    let Some(claims) = captured_log("gce/vtpm/eventlogs/dstack-uki-intel-tdx-gce.bin") else { return };
    let baseline = Baseline::capture(&claims, 1, END).unwrap();
    assert_eq!(baseline.is_member(&claims, NOW), Ok(()));
    assert!(baseline.sections.contains_key(".linux") && baseline.uki.len() == 1);
    assert!(captured(&uki()).is_member(&claims, NOW).is_err());
}
