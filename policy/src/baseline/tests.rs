//! Tests of baselines for CCEL logs: a vTPM boot as it would appear in a trust domain's registers.

use vouchsafe_attestation::event_log::{EventKind, ReplayedLog, Technology};
use vouchsafe_attestation::test_util::event_log::presets::{application, content};
use vouchsafe_attestation::test_util::event_log::{Bank, BuiltEvent, EventLogBuilder};
use vouchsafe_protocol::{Digest48, UnixTime};

use super::log::Log;
use super::*;

const END: UnixTime = UnixTime(1000);

fn ubuntu() -> EventLogBuilder {
    EventLogBuilder::gce_ubuntu(Technology::Tdx)
}

fn uki() -> EventLogBuilder {
    EventLogBuilder::gce_uki(Technology::Tdx)
}

fn ccel(builder: &EventLogBuilder) -> Log {
    let boot = ReplayedLog::from_bytes(&builder.bytes()).unwrap().boot;
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = builder
        .extends_of(Bank::Sha256)
        .into_iter()
        .zip(builder.extends_of(Bank::Sha384))
        .map(|((_, sha256), (_, sha384))| (sha256, sha384))
        .collect();
    let sha384 = |digest: &LogDigest| {
        let LogDigest::Sha256(known) = digest else { panic!("a digest of the vTPM's log") };
        let found = pairs.iter().find(|(sha256, _)| sha256 == known.as_bytes());
        // The log has a section's name apart from its content.
        let (_, sha384) = found.unwrap_or_else(|| panic!("{digest} was not measured"));
        Digest48(sha384.as_slice().try_into().unwrap()).into()
    };
    Log::read(BaselineLog::Vtpm, &boot).unwrap().as_ccel(sha384)
}

fn captured(builder: &EventLogBuilder) -> Baseline {
    let baseline = Baseline { technology: "tdx".to_owned(), ..Baseline::of_log(&ccel(builder), 3, END) };
    assert_eq!(Baseline::parse(&baseline.to_json()).as_ref(), Ok(&baseline));
    baseline
}

fn mismatch(original: &EventLogBuilder, change: impl FnOnce(&mut EventLogBuilder)) -> BaselineMismatch {
    let baseline = captured(original);
    assert_eq!(checked(&baseline, &ccel(original)), Ok(()));
    let mut changed = original.clone();
    change(&mut changed);
    baseline.check_log_events(&ccel(&changed)).unwrap_err().unnamed()
}

fn checked(baseline: &Baseline, log: &Log) -> Result<(), BaselineMismatch> {
    baseline.check_log_events(log).map_err(BaselineMismatch::unnamed)
}

fn unlisted(register: u8, what: &[u8]) -> BaselineMismatch {
    let digest = Digest48::of(what).into();
    BaselineMismatch::UnlistedRegister { register, digest, what: EventName::Unnamed {} }
}

fn repeated(component: Component, name: &str) -> BaselineMismatch {
    let digest = Digest48::of(&content(name)).into();
    BaselineMismatch::Repeated { component, digest, what: EventName::Unnamed {} }
}

#[test]
fn a_captured_boot_has_its_components() {
    let baseline = captured(&ubuntu());
    let digest = |name: &str| LogDigest::from(Digest48::of(&content(name)));
    assert_eq!((&baseline.shim, &baseline.grub), (&vec![digest("shim")], &vec![digest("grub")]));
    assert_eq!((&baseline.kernel, &baseline.initrd), (&vec![digest("kernel")], &vec![digest("initrd")]));
    assert_eq!((baseline.command_lines.len(), baseline.grubenv.len()), (1, 1));
    let baseline = captured(&uki());
    assert_eq!(baseline.sections[".linux"], [digest("kernel")]);
    assert_eq!(baseline.uki, [digest("uki")]);
}

#[test]
fn t49_every_event_of_register_2_is_listed() {
    let evil = application(4, "evil", "/evil");
    let found = mismatch(&ubuntu(), |log| log.insert_before_exit(evil));
    assert_eq!(found, unlisted(2, &content("evil")));
    let again = mismatch(&ubuntu(), |log| log.insert_before_exit(application(4, "grub", "/grub")));
    assert_eq!(again, repeated(Component::Grub, "grub"));
}

#[test]
fn t49_every_event_of_register_3_is_listed() {
    let file = mismatch(&ubuntu(), |log| log.insert_before_exit(BuiltEvent::file("/vmlinuz", b"evil")));
    assert_eq!(file, unlisted(3, b"evil"));
    let command = mismatch(&ubuntu(), |log| {
        let command = BuiltEvent::grub("grub_cmd: ", "insmod evil");
        log.insert_before(|event| event.data.starts_with(b"grub_cmd: linux "), command);
    });
    assert_eq!(command, unlisted(3, b"insmod evil"));
    let baseline = captured(&ubuntu());
    let other = ccel(&ubuntu().with_kernel_arguments("ro init=/bin/sh"));
    let found = checked(&baseline, &other);
    assert!(matches!(found, Err(BaselineMismatch::UnlistedRegister { register: 3, .. })), "{found:?}");
}

#[test]
fn t49_components_of_register_3_occur_once() {
    let baseline = captured(&ubuntu());
    let mut log = ccel(&ubuntu());
    let kernel = baseline.kernel[0];
    let again = log.events(3).iter().find(|event| event.digest == kernel).unwrap().clone();
    log.edit(3).push(again);
    let found = checked(&baseline, &log);
    assert_eq!(found, Err(repeated(Component::Kernel, "kernel")));
    log.edit(3).retain(|event| event.digest != kernel);
    let found = checked(&baseline, &log);
    assert_eq!(found, Err(BaselineMismatch::Missing { component: Component::Kernel }));
    let mut log = ccel(&ubuntu());
    log.edit(3).retain(|event| event.kind != EventKind::KernelCommandLine);
    let found = checked(&baseline, &log);
    assert_eq!(found, Err(BaselineMismatch::Missing { component: Component::CommandLine }));
}

#[test]
fn t22_a_relabelled_event_is_still_an_event() {
    let baseline = captured(&uki());
    for kind in [EventKind::StubSection, EventKind::StubSectionName, EventKind::MachineOwnerKeys] {
        let mut log = ccel(&uki());
        let mut event = log.events(3)[0].clone();
        (event.kind, event.digest) = (kind, Digest48::of(b"evil").into());
        log.edit(3).push(event);
        assert_eq!(checked(&baseline, &log), Err(unlisted(3, b"evil")));
    }
    let mut log = ccel(&uki());
    let mut event = log.events(2)[0].clone();
    (event.kind, event.digest) = (EventKind::Separator, Digest48::of(b"evil").into());
    log.edit(2).push(event);
    assert_eq!(checked(&baseline, &log), Err(unlisted(2, b"evil")));
}

#[test]
fn t49_sections_are_listed_and_complete() {
    let found = mismatch(&uki(), |log| {
        for event in BuiltEvent::stub_section(".splash", b"evil") {
            log.insert_before_exit(event);
        }
    });
    assert_eq!(found, unlisted(3, b".splash\0"));
    let missing = mismatch(&uki(), |log| {
        let initrd =
            |event: &BuiltEvent| event.pcr == 11 && event.measured.as_deref() == Some(&content("initrd"));
        let at = log.position(initrd);
        log.events.drain(at - 1..=at);
    });
    assert_eq!(missing, BaselineMismatch::MissingSection { name: ".initrd".to_owned() });
}

#[test]
fn register_4_is_empty_and_owner_keys_are_listed() {
    let baseline = captured(&ubuntu());
    let mut log = ccel(&ubuntu());
    let mut event = log.events(3)[0].clone();
    event.digest = Digest48::of(b"late").into();
    log.edit(4).push(event);
    assert_eq!(checked(&baseline, &log), Err(unlisted(4, b"late")));
    let mut keys = captured(&ubuntu());
    assert!(!keys.register3.is_empty());
    keys.register3.push(Digest48::of(b"keys").into());
    let mut log = ccel(&ubuntu());
    let mut event = log.events(3)[0].clone();
    (event.kind, event.digest) = (EventKind::MachineOwnerKeys, Digest48::of(b"keys").into());
    log.edit(3).push(event);
    assert_eq!(checked(&keys, &log), Ok(()));
    assert_eq!(checked(&baseline, &log), Err(unlisted(3, b"keys")));
}

#[test]
fn t21_acpi_tables_are_compared_where_the_baseline_lists_register_1() {
    let mut log = ccel(&ubuntu());
    let listed: Vec<LogDigest> = log.events(1).iter().map(|event| event.digest).collect();
    let baseline = Baseline { register1: listed, ..captured(&ubuntu()) };
    assert_eq!(checked(&baseline, &log), Ok(()));
    let mut table = log.events(1)[0].clone();
    table.digest = Digest48::of(b"evil DSDT").into();
    log.edit(1).push(table);
    assert_eq!(checked(&baseline, &log), Err(unlisted(1, b"evil DSDT")));
    assert_eq!(checked(&captured(&ubuntu()), &log), Ok(()));
}

fn parse_error(change: impl FnOnce(&mut Baseline)) -> BaselineError {
    let mut baseline = captured(&ubuntu());
    change(&mut baseline);
    Baseline::parse(&baseline.to_json()).unwrap_err()
}

#[test]
fn t38_lists_and_digests_belong_to_one_log() {
    let sha256 = LogDigest::from(vouchsafe_protocol::Digest32([1; 32]));
    let sha384 = LogDigest::from(Digest48([1; 48]));
    let foreign = BaselineError::ForeignDigest { digest: sha256 };
    assert_eq!(parse_error(|baseline| baseline.kernel.push(sha256)), foreign);
    assert_eq!(parse_error(|baseline| baseline.register3.push(sha256)), foreign);
    assert_eq!(
        parse_error(|baseline| baseline.pcr12.push(sha384)),
        BaselineError::ForeignList { list: "pcr12" }
    );
    assert_eq!(parse_error(|baseline| baseline.technology = "sev-snp".to_owned()), BaselineError::NoCcel);
    let vtpm = |baseline: &mut Baseline| {
        baseline.log = BaselineLog::Vtpm;
        baseline.register3 = vec![sha384];
    };
    assert_eq!(parse_error(vtpm), BaselineError::ForeignList { list: "register3" });
    let capitals = format!("{:?}", "AB".repeat(48));
    let text = captured(&ubuntu()).to_json().replacen(
        &format!("\"{}\"", captured(&ubuntu()).kernel[0]),
        &capitals,
        1,
    );
    assert!(matches!(Baseline::parse(&text), Err(BaselineError::Syntax { .. })));
}

/// Its register also contains credentials and add-ons, which could use an unconstrained digest.
#[test]
fn t49_sections_do_not_determine_an_initrd_in_ccel() {
    let baseline = captured(&uki().with_composed_initrd("composed"));
    assert_eq!(baseline.composed_initrd, ComposedInitrd::Listed);
    assert_eq!(baseline.loaded_initrd, [Digest48::of(&content("composed")).into()]);
    let free =
        Baseline { composed_initrd: ComposedInitrd::BySections, loaded_initrd: Vec::new(), ..baseline };
    let refused = BaselineError::ComposedInitrd(ComposedInitrdError::OtherLog);
    assert_eq!(Baseline::parse(&free.to_json()), Err(refused));
}
