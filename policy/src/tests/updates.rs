//! Updates: the old and the new boot are members, a third is not; documents with comments.

use std::collections::BTreeMap;

use vouchsafe_attestation::event_log::{EventType, Technology};
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::event_log::presets::{UBUNTU_ARGUMENTS, UBUNTU_KERNEL, content};
use vouchsafe_attestation::test_util::event_log::{BuiltEvent, EventLogBuilder};
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent, ReferenceValues};
use vouchsafe_reference_values::test_util::ImageBuilder;
use vouchsafe_reference_values::{EfiImage, GrubBoot, UnifiedBoot};

use super::*;

const END: UnixTime = UnixTime(NOW.0 + 1000);

fn booted(log: &EventLogBuilder) -> Claims {
    production(&SimulatedVm::booted(&AkCertificateSpec::default(), log))
}

fn captured(log: &EventLogBuilder) -> Baseline {
    Baseline::capture(&booted(log), 3, END).unwrap()
}

fn kernel(of: &str) -> ImageBuilder {
    ImageBuilder::program(format!("kernel of {of}").as_bytes())
}

/// A unified kernel image of an operating system with this name.
fn unified(of: &str) -> ImageBuilder {
    ImageBuilder::stub_of(252, &[".linux", ".osrel", ".cmdline", ".initrd", ".pcrsig"])
        .section(".osrel", format!("VERSION_ID={of}\n").as_bytes())
        .section(".cmdline", format!("os={of}").as_bytes())
        .section(".initrd", format!("initrd of {of}").as_bytes())
        .section(".linux", &kernel(of).bytes())
}

fn unified_values(of: &str) -> ReferenceValues {
    UnifiedBoot::parse(&unified(of).bytes()).unwrap().reference_values()
}

fn application(image: &ImageBuilder) -> BuiltEvent {
    BuiltEvent::measuring(4, EventType::EFI_BOOT_SERVICES_APPLICATION, image.covered(), [0; 32])
}

/// The log of a boot from `unified(of)`, made without parsing the image.
fn unified_boot(of: &str) -> EventLogBuilder {
    let mut log = EventLogBuilder::gce_uki(Technology::SevSnp);
    log.events.retain(|event| {
        !matches!(event.pcr, 9 | 11) && event.event_type != EventType::EFI_BOOT_SERVICES_APPLICATION
    });
    log.insert_before_exit(application(&unified(of)));
    let image = unified(of);
    for name in [".linux", ".osrel", ".cmdline", ".initrd"] {
        let (_, content) = image.sections.iter().find(|(other, _)| other == name).unwrap();
        BuiltEvent::stub_section(name, content).into_iter().for_each(|event| log.insert_before_exit(event));
    }
    log.insert_before_exit(application(&kernel(of)));
    let options: Vec<u8> = format!("os={of}\0").encode_utf16().flat_map(u16::to_le_bytes).collect();
    log.insert_before_exit(BuiltEvent::tagged(0x8f3b_22ed, "LOADED_IMAGE::LoadOptions", &options));
    let initrd = format!("initrd of {of}");
    log.insert_before_exit(BuiltEvent::tagged(0x8f3b_22ec, "Linux initrd", initrd.as_bytes()));
    log
}

fn unlisted(pcr: u8, digest: LogDigest) -> BaselineMismatch {
    BaselineMismatch::Unlisted { pcr, digest, what: EventName::Unnamed {} }
}

#[test]
fn t49_t28_an_update_of_a_unified_image_allows_two_boots_and_no_third() {
    let today = captured(&unified_boot("12"));
    let both = today.allow_update(&unified_values("13")).unwrap();
    assert!(today.is_member(&booted(&unified_boot("13")), NOW).is_err());
    for of in ["12", "13"] {
        assert_eq!(both.is_member(&booted(&unified_boot(of)), NOW), Ok(()), "{of}");
    }
    let third = both.is_member(&booted(&unified_boot("14")), NOW).unwrap_err().unnamed();
    assert_eq!(third, unlisted(4, unified("14").digest().into()));
    // Version and expiry are left for a person to raise.
    assert_eq!((both.version, both.ends_at), (today.version, today.ends_at));
    // Once more changes nothing.
    assert_eq!(both.allow_update(&unified_values("13")).as_ref(), Ok(&both));
}

const ARGUMENTS: &str = "root=/dev/sda1 ro";

/// A GRUB with this name. Its version determines how the kernel's options are measured.
fn grub(of: &str) -> ImageBuilder {
    let sbat = b"sbat,1,SBAT Version,sbat,1,url\ngrub,5,Free Software Foundation,grub,2.12,url\n";
    ImageBuilder::program(format!("grub of {of}").as_bytes()).section(".sbat", sbat)
}

/// Ubuntu's boot with files with this name.
fn ubuntu_boot(of: &str, arguments: &str) -> EventLogBuilder {
    let mut log = EventLogBuilder::gce_ubuntu(Technology::SevSnp).with_kernel_arguments(arguments);
    for event in &mut log.events {
        let measured = event.measured.clone().unwrap_or_default();
        if measured == content("shim") {
            *event = application(&ImageBuilder::program(format!("shim of {of}").as_bytes()));
        } else if measured == content("grub") {
            *event = application(&grub(of));
        } else if measured == content("kernel") && event.pcr == 4 {
            *event = application(&kernel(of));
        } else if measured == content("kernel") {
            event.measured = Some(kernel(of).bytes());
        } else if measured == content("initrd") {
            event.measured = Some(format!("initrd of {of}").into_bytes());
        }
    }
    log
}

fn ubuntu_values(of: &str, arguments: &str) -> ReferenceValues {
    let file = |what: &str| ImageBuilder::program(format!("{what} of {of}").as_bytes()).bytes();
    let (shim, grub, kernel) = (file("shim"), grub(of).bytes(), file("kernel"));
    GrubBoot {
        shim: Some(EfiImage::parse(&shim).unwrap()),
        grub: EfiImage::parse(&grub).unwrap(),
        kernel: EfiImage::parse(&kernel).unwrap(),
        kernel_file: &kernel,
        initrds: vec![format!("initrd of {of}").as_bytes()],
        command_line: Some(&format!("{UBUNTU_KERNEL} {arguments}")),
        configuration: Vec::new(),
        first_commands: None,
        earlier: None,
    }
    .reference_values()
    .unwrap()
}

#[test]
fn t49_t28_an_update_through_grub_allows_two_boots_and_no_third() {
    let (old, new) = (ubuntu_boot("22.04", UBUNTU_ARGUMENTS), ubuntu_boot("24.04", ARGUMENTS));
    let today = captured(&old);
    let both = today.allow_update(&ubuntu_values("24.04", ARGUMENTS)).unwrap();
    assert!(today.is_member(&booted(&new), NOW).is_err());
    for log in [&old, &new] {
        assert_eq!(both.is_member(&booted(log), NOW), Ok(()));
    }
    assert_eq!(both.kernel_image, [kernel("22.04").digest().into(), kernel("24.04").digest().into()]);
    let refused = |log: &EventLogBuilder| both.is_member(&booted(log), NOW).unwrap_err().unnamed();
    let shim = ImageBuilder::program(b"shim of 26.04").digest();
    assert_eq!(refused(&ubuntu_boot("26.04", ARGUMENTS)), unlisted(4, shim.into()));
    let other = ubuntu_boot("24.04", "root=/dev/sda1 ro init=/bin/sh");
    assert!(matches!(refused(&other), BaselineMismatch::Unlisted { pcr: 8, .. }));
}

#[test]
fn the_kernel_is_asked_for_as_an_application_only_where_it_is_one_today() {
    let without = |of: &str| {
        let mut log = ubuntu_boot(of, ARGUMENTS);
        log.events.retain(|event| event.pcr != 4 || event.measured != Some(kernel(of).covered()));
        log
    };
    let both = captured(&without("22.04")).allow_update(&ubuntu_values("24.04", ARGUMENTS)).unwrap();
    assert!(both.kernel_image.is_empty());
    assert_eq!(both.is_member(&booted(&without("24.04")), NOW), Ok(()));
    let digest = kernel("24.04").digest().into();
    let refused = both.is_member(&booted(&ubuntu_boot("24.04", ARGUMENTS)), NOW).unwrap_err();
    assert_eq!(refused.unnamed(), unlisted(4, digest));
}

#[test]
fn boots_of_another_kind_are_not_merged() {
    let baseline = captured(&unified_boot("12"));
    let refused = baseline.allow_update(&ubuntu_values("24.04", ARGUMENTS));
    let found = UpdateError::OtherBoot { component: Component::Shim, in_baseline: false };
    assert_eq!(refused, Err(found));
    let mut without = ubuntu_values("24.04", ARGUMENTS);
    without.events.retain(|event| event.component != ReferenceComponent::Initrd);
    let found = UpdateError::OtherBoot { component: Component::Initrd, in_baseline: true };
    assert_eq!(captured(&ubuntu_boot("22.04", ARGUMENTS)).allow_update(&without), Err(found));
    let mut more = unified_values("13");
    let name = ".uname".to_owned();
    let section = ReferenceComponent::Section { name: name.clone() };
    let digest = Digest32::of(b"6.1");
    more.events.push(ReferenceEvent { pcr: 11, component: section, digest });
    assert_eq!(baseline.allow_update(&more), Err(UpdateError::OtherSections { name }));
    let mut fewer = unified_values("13");
    fewer.events.retain(|event| event.digest != Digest32::of(b"VERSION_ID=13\n"));
    assert_eq!(baseline.allow_update(&fewer), Err(UpdateError::OtherSections { name: ".osrel".to_owned() }));
}

#[test]
fn t49_a_digest_that_stands_for_two_components_is_not_merged() {
    let baseline = captured(&ubuntu_boot("22.04", ARGUMENTS));
    let mut values = ubuntu_values("24.04", ARGUMENTS);
    // The new kernel's file has the digest of the current GRUB configuration.
    let digest = baseline.configuration[0];
    for event in &mut values.events {
        if event.component == ReferenceComponent::Kernel {
            event.digest = digest.to_string().parse().unwrap();
        }
    }
    let found = UpdateError::Baseline(BaselineError::AmbiguousDigest { digest });
    assert_eq!(baseline.allow_update(&values), Err(found));
}

#[test]
fn t49_a_kernel_that_shim_and_grub_measure_counts_once_another_does_not() {
    let mut log = ubuntu_boot("12", ARGUMENTS);
    log.insert_before_exit(application(&kernel("12")));
    let baseline = captured(&log);
    assert_eq!(baseline.kernel_image, [kernel("12").digest().into()]);
    assert_eq!(baseline.is_member(&booted(&log), NOW), Ok(()));
    let both = Baseline {
        kernel_image: vec![kernel("12").digest().into(), kernel("13").digest().into()],
        ..baseline
    };
    let mut second = log.clone();
    second.insert_before_exit(application(&kernel("13")));
    let (component, digest) = (Component::KernelImage, kernel("13").digest().into());
    let repeated = BaselineMismatch::Repeated { component, digest, what: EventName::Unnamed {} };
    assert_eq!(both.is_member(&booted(&second), NOW).unwrap_err().unnamed(), repeated);
}

#[test]
fn comments_say_what_members_are_and_change_nothing() {
    let claims = booted(&ubuntu_boot("22.04", ARGUMENTS));
    let baseline = captured(&ubuntu_boot("22.04", ARGUMENTS));
    let names = Baseline::untrusted_names(&claims.vtpm.as_ref().unwrap().boot);
    let text = baseline.to_commented("One\nboot", &names);
    assert!(text.starts_with("// One\n// boot\n{\n"), "{text}");
    assert!(text.contains(&format!("    // {UBUNTU_KERNEL}\n    \"{}\"", baseline.kernel[0])), "{text}");
    assert_eq!(Baseline::parse(&text), Ok(baseline.clone()));
    // A name from the log cannot escape from a comment.
    let evil = BTreeMap::from([(baseline.kernel[0], "x\n\"version\": 9,".to_owned())]);
    assert_eq!(Baseline::parse(&baseline.to_commented("", &evil)), Ok(baseline));
}

#[test]
fn t38_a_comment_is_a_whole_line() {
    let json = captured(&ubuntu_boot("22.04", ARGUMENTS)).to_json();
    for text in [
        json.replacen('{', "{ // comment", 1),
        json.replacen('{', "{ /* comment */", 1),
        format!("# x\n{json}"),
    ] {
        assert!(matches!(Baseline::parse(&text), Err(BaselineError::Syntax { .. })), "{text}");
    }
    // Within a string it is kept.
    let named = json.replacen("\"version\"", "\"description\": \"// x\",\n\"version\"", 1);
    assert_eq!(Baseline::parse(&named).map(|baseline| baseline.description), Ok("// x".to_owned()));
}
