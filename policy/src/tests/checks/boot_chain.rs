//! Boot chains: every part of a chain has to be determined, by a baseline or by conditions.

use super::*;

const EVERYTHING: [ChainPart; 3] = [ChainPart::Images, ChainPart::Files, ChainPart::CommandLine];

#[test]
fn t01_a_composite_needs_a_boot_chain() {
    assert_eq!(
        gaps(&with("principal in Baseline::\"prod/web\" &&", "")),
        [Gap::CompositeBootChain { open: EVERYTHING.to_vec() }]
    );
}

#[test]
fn t27_pcr_7_alone_is_refused() {
    let text = closed_vtpm().replace("principal in Baseline::\"prod/web\" &&", "");
    let everything = || vec![ChainPart::Images, ChainPart::Files, ChainPart::CommandLine];
    let alone = || [Gap::Pcr7Alone { open: everything() }];
    assert_eq!(gaps(&text), alone());
    let (enabled, verifies) =
        ("principal.vtpm.secure_boot.enabled", "!principal.vtpm.secure_boot.shim_validation_disabled");
    let pcr7 = format!("principal.vtpm has pcrs && principal.vtpm.pcrs.pcr7 == \"{}\"", "0".repeat(64));
    assert_eq!(gaps(&text.replace(enabled, &pcr7)), alone());
    let accepted = |text: &str| gaps(&text.replace("@for", "@accepts(\"pcr7-alone\") @for"));
    assert_eq!(accepted(&text), []);
    // The acknowledgement covers kernels signed by vendors, not a shim that verifies nothing.
    assert_eq!(accepted(&text.replace(&format!("{verifies} &&"), "")), [Gap::ShimValidation]);
    let inverted = text.replace(verifies, "principal.vtpm.secure_boot.shim_validation_disabled");
    assert_eq!(accepted(&inverted), [Gap::ShimValidation]);
    // The value of PCR 7 includes shim's switch, and so does a closed list of authorities.
    assert_eq!(accepted(&text.replace(enabled, &pcr7).replace(&format!("{verifies} &&"), "")), []);
    let authorities = format!(
        "principal.vtpm.secure_boot has authorities && [\"{}\"].containsAll(principal.vtpm.secure_boot.authorities)",
        "0".repeat(64)
    );
    assert_eq!(accepted(&text.replace(verifies, &authorities)), []);
    assert_eq!(gaps(&text.replace(&format!("{enabled} &&"), "")), [Gap::BootChain { open: everything() }]);
}

/// The policy on a vTPM alone, with this instead of a baseline.
fn with_chain(chain: &str) -> Vec<Gap> {
    let text = closed_vtpm().replace("principal.vtpm.secure_boot.enabled &&", "");
    gaps(&text.replace("principal in Baseline::\"prod/web\"", &format!("principal.vtpm has pcrs && {chain}")))
}

fn pcr(index: u8) -> String {
    format!("principal.vtpm.pcrs.pcr{index} == \"{}\"", "1".repeat(64))
}

fn only(claim: &str) -> String {
    let item = if claim == "stub_sections" { ".linux=" } else { "" };
    let item = format!("{item}{}", "0".repeat(64));
    format!("principal.vtpm has {claim} && [\"{item}\"].containsAll(principal.vtpm.{claim})")
}

/// Conditions that determine parts of a boot chain.
struct Conditions {
    images: String,
    files: String,
    sections: String,
    line: String,
    no_grub: String,
    no_extensions: String,
    two_images: String,
}

fn conditions() -> Conditions {
    let images = only("efi_applications");
    Conditions {
        two_images: images.replace("[\"", &format!("[\"{}\", \"", "1".repeat(64))),
        images,
        files: only("grub_files"),
        sections: only("stub_sections"),
        line: "principal.vtpm.command_line == \"k panic=-1\"".to_owned(),
        no_grub: unextended(8),
        no_extensions: unextended(13),
    }
}

fn unextended(index: u8) -> String {
    format!("principal.vtpm.pcrs.pcr{index} == \"{}\"", "0".repeat(64))
}

/// A policy with this chain leaves exactly these parts of it open.
fn assert_open<const N: usize>(chain: [&str; N], open: &[ChainPart]) {
    let expected = if open.is_empty() { vec![] } else { vec![Gap::BootChain { open: open.to_vec() }] };
    assert_eq!(with_chain(&chain.join(" && ")), expected, "{chain:?}");
}

#[test]
fn t53_every_part_of_a_grub_boot_has_to_be_determined() {
    use ChainPart::{CommandLine, Files, Images};
    let Conditions { images, files, line, no_grub, no_extensions, .. } = &conditions();
    let commands =
        "principal.vtpm has grub_commands && [\"linux /k\"].containsAll(principal.vtpm.grub_commands)";
    let [pcr2, pcr4, pcr8, pcr9, pcr12] = &[2, 4, 8, 9, 12].map(pcr);
    // A single part: another kernel with an attacker's initrd passes.
    assert_open([line], &[Images, Files]);
    assert_open([pcr8], &[Images, Files]);
    assert_open([pcr9], &[Images, CommandLine]);
    assert_open([files], &[Images, CommandLine]);
    assert_open([images], &[Files, CommandLine]);
    assert_open([pcr4], &EVERYTHING);
    // Two of them.
    assert_open([images, files], &[CommandLine]);
    assert_open([images, line], &[Files]);
    assert_open([files, line], &[Images]);
    // Drivers and, on TDX firmware, unified kernel images are in PCR 2.
    assert_open([pcr4, pcr8, pcr9], &[Images]);
    // All of it.
    assert_open([images, files, line], &[]);
    assert_open([images, pcr9, pcr8], &[]);
    assert_open([pcr4, pcr2, pcr9, pcr8], &[]);
    assert_open([images, files, commands], &[]);
    // PCR 8 at its reset value is not a command line, and does not indicate a unified kernel image.
    assert_open([images, files, no_grub, pcr12], &[CommandLine]);
    assert_open([images, no_grub, no_extensions], &[Files, CommandLine]);
}

#[test]
fn t53_every_part_of_a_unified_kernel_image_has_to_be_determined() {
    use ChainPart::{CommandLine, Extensions, Files, Grub, Images, Order};
    let Conditions { images, files, sections, no_grub, no_extensions, two_images, .. } = &conditions();
    let [pcr2, pcr4, pcr11] = &[2, 4, 11].map(pcr);
    // Any kernel can extend PCR 11 with any section, even one started by GRUB: only the image shows that
    // it was the stub.
    assert_open([sections], &[Images, Grub, Extensions]);
    assert_open([pcr11], &[Images, Grub, Extensions]);
    assert_open([&unextended(11), images, no_grub, no_extensions], &[Files, CommandLine]);
    assert_open([images, sections], &[Grub, Extensions]);
    assert_open([images, sections, no_grub], &[Extensions]);
    assert_open([images, sections, no_extensions], &[Grub]);
    assert_open([files, sections], &[Images, CommandLine]);
    // One of two images may be the kernel inside the other.
    assert_open([two_images, sections, no_grub, no_extensions], &[Order]);
    assert_open([two_images, pcr4, sections, no_grub, no_extensions], &[Order]);
    // All of it.
    assert_open([images, sections, no_grub, no_extensions], &[]);
    assert_open([images, pcr11, no_grub, no_extensions], &[]);
    assert_open([two_images, files, sections, no_grub, no_extensions], &[]);
    assert_open([pcr2, pcr4, sections, no_grub, no_extensions], &[]);
}

#[test]
fn t53_options_from_outside_a_unified_kernel_image_have_to_be_ruled_out() {
    // A known command line proves that there are none.
    let Conditions { images, sections, no_grub, no_extensions, .. } = conditions();
    let text = closed_vtpm()
        .replace("principal.vtpm.secure_boot.enabled &&", "")
        .replace("principal.vtpm has command_line &&\n  principal.vtpm.command_line like \"*\" &&", "")
        .replace("principal.vtpm has arguments &&", "")
        .replace("principal.vtpm.arguments.contains(\"panic=-1\")", "true")
        .replace("@for", "@accepts(\"failure-shell\") @for");
    let chain = |chain: &str| {
        let conditions = format!("principal.vtpm has pcrs && {chain}");
        gaps(&text.replace("principal in Baseline::\"prod/web\"", &conditions))
    };
    let unified = format!("{images} && {sections} && {no_grub} && {no_extensions}");
    assert_eq!(chain(&unified), [Gap::BootChain { open: vec![ChainPart::Options] }]);
    assert_eq!(chain(&format!("{unified} && {}", pcr(12))), []);
}

#[test]
fn t49_that_a_digest_is_among_those_measured_says_nothing() {
    let digest = "0".repeat(64);
    let open = [Gap::BootChain { open: EVERYTHING.to_vec() }];
    for among in [
        format!("principal.vtpm has grub_files && principal.vtpm.grub_files.contains(\"{digest}\")"),
        format!("principal.vtpm has grub_files && principal.vtpm.grub_files.containsAll([\"{digest}\"])"),
        format!("principal.vtpm has grub_files && [\"{digest}\"].containsAny(principal.vtpm.grub_files)"),
        "principal.vtpm has grub_files && principal.vtpm has efi_applications && \
             principal.vtpm.grub_files.containsAll(principal.vtpm.efi_applications)"
            .to_owned(),
        format!("!({})", pcr(4)),
    ] {
        assert_eq!(with_chain(&among), open, "{among}");
    }
    // Equality of sets leaves no other members.
    let equal =
        |claim: &str| format!("principal.vtpm has {claim} && principal.vtpm.{claim} == [\"{digest}\"]");
    let all = format!("{} && {} && {}", equal("efi_applications"), equal("grub_files"), pcr(8));
    assert_eq!(with_chain(&all), []);
}
