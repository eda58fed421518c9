//! Unified kernel images.

use crate::test_util::ImageBuilder;
use crate::{ImageError, UnifiedBoot, UnifiedError};
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::reference_values::{ReferenceComponent, ReferenceEvent, ReferenceValues};

const KNOWN: [&str; 8] =
    [".linux", ".osrel", ".cmdline", ".initrd", ".splash", ".dtb", ".pcrsig", ".pcrpkey"];

fn kernel() -> ImageBuilder {
    ImageBuilder::program(b"kernel")
}

/// Sections in an order other than the measured one.
fn unified() -> ImageBuilder {
    unified_of(252)
}

/// With the stub of this version of systemd.
fn unified_of(version: u32) -> ImageBuilder {
    with_sections(ImageBuilder::stub_of(version, &KNOWN))
}

fn with_sections(stub: ImageBuilder) -> ImageBuilder {
    stub.section(".osrel", b"ID=test\n")
        .section(".cmdline", b"console=ttyS0 quiet\n")
        .section(".initrd", b"initrd")
        .section(".linux", &kernel().bytes())
}

fn values(image: &ImageBuilder) -> ReferenceValues {
    UnifiedBoot::parse(&image.bytes()).expect("a unified kernel image").reference_values()
}

fn refusal(image: &ImageBuilder) -> UnifiedError {
    UnifiedBoot::parse(&image.bytes()).expect_err("refused")
}

fn sections(values: &ReferenceValues) -> Vec<(String, Digest32)> {
    let section = |event: &ReferenceEvent| match &event.component {
        ReferenceComponent::Section { name } => Some((name.clone(), event.digest)),
        _ => None,
    };
    values.events.iter().filter_map(section).collect()
}

fn digest_of(values: &ReferenceValues, component: &ReferenceComponent) -> Option<Digest32> {
    values.events.iter().find(|event| event.component == *component).map(|event| event.digest)
}

#[test]
fn sections_are_measured_by_name_and_content_in_the_order_of_the_stub() {
    let values = values(&unified());
    let expected: Vec<(String, Digest32)> = [
        (".linux", kernel().bytes()),
        (".osrel", b"ID=test\n".to_vec()),
        (".cmdline", b"console=ttyS0 quiet\n".to_vec()),
        (".initrd", b"initrd".to_vec()),
    ]
    .map(|(name, content)| (name.to_owned(), Digest32::of(&content)))
    .into();
    assert_eq!(sections(&values), expected);
    let mut pcr = [0; 32];
    for (name, digest) in &expected {
        for digest in [Digest32::of(format!("{name}\0").as_bytes()), *digest] {
            pcr = Digest32::of_parts(&[&pcr, digest.as_bytes()]).0;
        }
    }
    let last = values.values.iter().find(|value| value.pcr == 11).expect("PCR 11");
    assert_eq!(last.value, Digest32(pcr));
}

#[test]
fn image_and_kernel_are_applications() {
    let values = values(&unified());
    let applications: Vec<Digest32> = values.of_pcr(4).map(|event| event.digest).collect();
    assert_eq!(applications, [unified().digest(), kernel().digest()]);
}

#[test]
fn the_kernel_is_handed_the_command_line_without_its_end() {
    let found = digest_of(&values(&unified()), &ReferenceComponent::LoadOptions).expect("known");
    let text: Vec<u8> = "console=ttyS0 quiet\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(found, Digest32::of(&text));
    let initrd = digest_of(&values(&unified()), &ReferenceComponent::LoadedInitrd);
    assert_eq!(initrd, Some(Digest32::of(b"initrd")));
}

#[test]
fn a_section_that_the_stub_does_not_know_is_not_measured() {
    let image = unified().section(".uname", b"6.1").section(".sbat", b"sbat");
    let names = |image: &ImageBuilder| -> Vec<String> {
        sections(&values(image)).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(&image), [".linux", ".osrel", ".cmdline", ".initrd"]);
    let mut known = ImageBuilder::stub_of(252, &[&KNOWN[..], &[".uname", ".sbat"]].concat());
    known.sections.extend(image.sections.into_iter().skip(3));
    assert_eq!(names(&known), [".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat"]);
}

#[test]
fn unpredictable_measurements_are_reported() {
    use ReferenceComponent::{LoadOptions, LoadedInitrd};
    let composed = values(&unified().section(".pcrsig", b"{}"));
    assert_eq!(digest_of(&composed, &LoadedInitrd), None);
    assert!(composed.values.iter().all(|value| value.pcr != 9));
    assert_eq!(unknown_events(&composed), [(9, LoadedInitrd)]);
    assert!(says(&composed, "composes"), "{:?}", composed.unknown);
    // The signature is about PCR 11 and not measured into it.
    assert!(sections(&composed).iter().all(|(name, _)| name != ".pcrsig"));
    let mut bare = unified();
    bare.sections.retain(|(name, _)| name != ".cmdline");
    let bare = values(&bare);
    assert_eq!(digest_of(&bare, &LoadOptions), None);
    assert_eq!(unknown_events(&bare), [(9, LoadOptions)]);
    assert!(bare.values.iter().all(|value| value.pcr != 9));
}

/// Whether one of the unpredictable items is described with these words.
fn says(values: &ReferenceValues, words: &str) -> bool {
    values.unknown.iter().any(|unknown| unknown.text.contains(words))
}

/// The events reported with an unknown digest.
fn unknown_events(values: &ReferenceValues) -> Vec<(u8, ReferenceComponent)> {
    let events = values.unknown.iter().filter_map(|unknown| unknown.event.clone());
    events.map(|event| (event.pcr, event.component)).collect()
}

/// The components of a PCR's events.
fn kinds(values: &ReferenceValues, pcr: u8) -> Vec<ReferenceComponent> {
    values.of_pcr(pcr).map(|event| event.component.clone()).collect()
}

/// The predicted final values of a PCR, with their conditions.
fn finals(values: &ReferenceValues, pcr: u8) -> Vec<(Digest32, &str)> {
    let of = values.values.iter().filter(|value| value.pcr == pcr);
    of.map(|value| (value.value, value.when.as_str())).collect()
}

#[test]
fn the_stub_tells_which_version_measures_what() {
    use ReferenceComponent::{KernelImage, LoadOptions, LoadedInitrd, Uki};
    let old = values(&unified_of(252));
    assert_eq!((kinds(&old, 4), kinds(&old, 9)), (vec![Uki, KernelImage], vec![LoadOptions, LoadedInitrd]));
    assert_eq!((finals(&old, 4).len(), finals(&old, 9).len()), (1, 1));
    // systemd 257 adds the os-release to the initrd, 261 a secret of the machine.
    let trixie = values(&unified_of(257));
    assert_eq!((kinds(&trixie, 4), kinds(&trixie, 9)), (vec![Uki, KernelImage], vec![LoadOptions]));
    assert_eq!(finals(&trixie, 4).len(), 1);
    assert!(finals(&trixie, 9).is_empty() && says(&trixie, "composes it from .initrd"));
    let sid = values(&unified_of(262));
    assert_eq!((kinds(&sid, 4), kinds(&sid, 9)), (vec![Uki], vec![LoadOptions]));
    assert_eq!(finals(&sid, 4).len(), 1);
    assert!(finals(&sid, 9).is_empty() && says(&sid, "differs on each"));
    // For versions in between it is unknown, and both values are reported.
    for image in [unified_of(259), with_sections(ImageBuilder::stub(&KNOWN))] {
        let between = values(&image);
        assert_eq!(finals(&between, 4).len(), 2);
        assert!(says(&between, "may do either") && finals(&between, 9).is_empty());
        assert!(says(&between, "the initrd that the kernel loads"));
    }
}

#[test]
fn values_of_pcr_4_follow_from_the_events() {
    let image = unified_of(262);
    let before = [Digest32::of(b"Calling EFI Application from Boot Option"), Digest32::of(&[0; 4])];
    let value = |images: &[Digest32]| {
        let extend =
            |value: Digest32, digest: &Digest32| Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()]);
        before.iter().chain(images).fold(Digest32([0; 32]), extend)
    };
    assert_eq!(finals(&values(&image), 4)[0].0, value(&[image.digest()]));
    let older = unified_of(257);
    assert_eq!(finals(&values(&older), 4)[0].0, value(&[older.digest(), kernel().digest()]));
}

#[test]
fn an_image_that_is_not_unified_is_refused_by_name() {
    assert_eq!(refusal(&kernel()), UnifiedError::NotUnified);
    assert_eq!(refusal(&unified().section(".osrel", b"x")), UnifiedError::SecondSection { name: ".osrel" });
    assert_eq!(
        refusal(&unified().section(".profile", b"ID=a")),
        UnifiedError::Alternatives { name: ".profile" }
    );
    let other = ImageBuilder::program(b"stub").section(".linux", &kernel().bytes());
    assert_eq!(refusal(&other), UnifiedError::OtherStub);
    let odd = ImageBuilder::stub(&KNOWN).section(".linux", b"no kernel");
    assert_eq!(refusal(&odd), UnifiedError::Kernel(ImageError::NotPe));
    assert_eq!(UnifiedBoot::parse(b"MZ").unwrap_err(), UnifiedError::Image(ImageError::NotPe));
    // .osrel is longer in memory than in the file.
    let mut bytes = unified().bytes();
    let header = bytes.windows(8).position(|window| window == b".osrel\0\0").expect("there");
    bytes.splice(header + 8..header + 12, 0x201_u32.to_le_bytes());
    let found = UnifiedBoot::parse(&bytes).unwrap_err();
    assert_eq!(found, UnifiedError::SectionNotInFile { name: ".osrel" });
}
