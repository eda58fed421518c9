//! The boot chain: what must be determined before conditions prove what booted.
//!
//! A TPM measures digests, and root can later extend most registers further. So a register or a set
//! determines something only if it is compared as a whole: a PCR with its value, a set with a complete list
//! (`[…].containsAll(claim)`, `claim == […]`). That a digest is *among* the measured ones
//! (`claim.contains(…)`) proves nothing about what else was loaded (T49), and through every undetermined part
//! another kernel or initrd can be loaded (T53):
//!
//! | part | left open, an attacker boots | closed by, vTPM | by, CCEL |
//! |---|---|---|---|
//! | images | his own loader, which measures what he likes | `efi_applications`, or PCR 4 and PCR 2 | `efi_applications`, or RTMR 1 |
//! | files | the approved loader with his kernel and initrd | `grub_files`, or PCR 9 | `grub_files`, or RTMR 2 |
//! | command line | the approved files with `init=/bin/sh` | `command_line`, `grub_commands` or PCR 8 | the same with `grub_files`, or RTMR 2 |
//!
//! A unified kernel image contains its files and its command line, so the images determine them once it is
//! known that one of them was started, and nothing else:
//!
//! - its sections are closed, or PCR 11: the boot that the policy means is one of such an image. By itself
//!   this proves nothing, since any kernel can extend PCR 11;
//! - GRUB did not run (PCR 8 at its reset value): it would start a kernel that is not in PCR 4;
//! - the list has one image, or their order is determined (PCR 2 and 4), or the files are (PCR 9). With some
//!   stubs the kernel inside is measured as an image of its own: a list with both also accepts a boot of that
//!   kernel alone, with any initrd;
//! - nothing is loaded from outside of it: options and credentials (PCR 12; the claims `command_line` and
//!   `arguments` are only present if there are none), system extensions (PCR 13 at its reset value).
//!
//! A baseline determines all of it, whatever kind of boot it lists.
//!
//! A set has no order. If the kernel is among the images, the firmware may start it without its loader. The
//! set is then sufficient only if the kernel's EFI stub measures its initrd, which Linux before 6.1 may not
//! do. A policy that closes images as a set is accepted, with the note [`images_are_a_set`].

use super::facts::Facts;

/// A part of the boot chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainPart {
    /// EFI applications and drivers: shim, GRUB, a unified kernel image.
    Images,
    /// Files that GRUB loads: kernel, initrd, configuration.
    Files,
    /// The kernel's command line.
    CommandLine,
    /// GRUB, which may have started another kernel than the unified kernel image.
    Grub,
    /// The order of a list's images.
    Order,
    /// Options and credentials from outside of a unified kernel image.
    Options,
    /// System extensions from outside of a unified kernel image.
    Extensions,
}

impl ChainPart {
    /// What an attacker can do with it, and what closes it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Images => {
                "the images (another loader can boot anything and extend the other PCRs itself: require [\"…\"].containsAll(principal.vtpm.efi_applications), or compare PCR 2 and PCR 4)"
            }
            Self::Files => {
                "the files (the same GRUB can load an attacker's kernel or initrd: require [\"…\"].containsAll(principal.vtpm.grub_files), or compare PCR 9)"
            }
            Self::CommandLine => {
                "the command line (init=/bin/sh: compare principal.vtpm.command_line or PCR 8)"
            }
            Self::Grub => {
                "that GRUB did not run (it could start an attacker's kernel, which can extend PCR 11 itself: compare principal.vtpm.pcrs.pcr8 with 64 zeros)"
            }
            Self::Order => {
                "the order of the images (a listed kernel, started without its unified image, accepts an attacker's initrd: list one image only, or compare PCR 2 and PCR 4)"
            }
            Self::Extensions => {
                "system extensions from outside the unified kernel image (they add an attacker's programs to its initrd: compare principal.vtpm.pcrs.pcr13 with 64 zeros)"
            }
            Self::Options => {
                "what is loaded from outside the unified kernel image (options and credentials: compare principal.vtpm.command_line or PCR 12)"
            }
        }
    }
}

/// The parts that are not determined; empty if one usable log, or a baseline, determines all of them. Parts
/// from two logs are never combined: each may be of another boot.
pub(super) fn open_parts(facts: &Facts<'_>) -> Vec<ChainPart> {
    if facts.baselines().next().is_some() {
        return Vec::new();
    }
    let vtpm = if facts.counts("vtpm") { open_in_vtpm(facts) } else { EVERYTHING.to_vec() };
    let tdx = if facts.counts("tdx") { open_in_ccel(facts) } else { EVERYTHING.to_vec() };
    if tdx.len() < vtpm.len() { tdx } else { vtpm }
}

fn open_in_vtpm(facts: &Facts<'_>) -> Vec<ChainPart> {
    let pcr = |index: u8| facts.is_one_of(&format!("vtpm.pcrs.pcr{index}"));
    let is_reset = |value: &str| value.bytes().all(|digit| digit == b'0');
    let unextended = |index: u8| facts.each(&format!("vtpm.pcrs.pcr{index}"), is_reset);
    let extended = |index: u8| facts.each(&format!("vtpm.pcrs.pcr{index}"), |value| !is_reset(value));
    let closed = |claim: &str| facts.closed(&format!("vtpm.{claim}"));
    let text = closed("grub_commands") || facts.is_one_of("vtpm.command_line");
    let in_order = pcr(4) && pcr(2);
    let files = closed("grub_files") || pcr(9);
    let boot = Determined {
        images: closed("efi_applications") || in_order,
        files,
        command_line: text || extended(8),
        unified: closed("stub_sections") || extended(11),
        no_grub: unextended(8),
        order: in_order || files || facts.closed_to_one("vtpm.efi_applications"),
        no_options: has_command_line(facts, "vtpm") || pcr(12),
        no_extensions: pcr(13),
    };
    boot.open()
}

/// Register 3 is one sequence of texts, files and sections with unmeasured labels: its texts and sections are
/// proved only together with a closed list of the files.
fn open_in_ccel(facts: &Facts<'_>) -> Vec<ChainPart> {
    let rtmr = |index: u8| facts.is_one_of(&format!("tdx.rtmrs.rtmr{index}"));
    let closed = |claim: &str| facts.closed(&format!("tdx.boot.{claim}"));
    let files = closed("grub_files");
    let text = closed("grub_commands") || facts.is_one_of("tdx.boot.command_line");
    let boot = Determined {
        images: closed("efi_applications") || rtmr(1),
        files: files || rtmr(2),
        command_line: (files && text) || rtmr(2),
        // Anything that GRUB, another initrd or an extension adds to the register is among the files.
        unified: files && closed("stub_sections"),
        no_grub: true,
        order: true,
        no_options: has_command_line(facts, "tdx.boot"),
        no_extensions: true,
    };
    boot.open()
}

/// The images are closed as a set of several, and their order is not determined.
pub(super) fn images_are_a_set(facts: &Facts<'_>) -> bool {
    let ordered = facts.baselines().next().is_some()
        || ["vtpm.pcrs.pcr2", "vtpm.pcrs.pcr4"].iter().all(|pcr| facts.is_one_of(pcr))
        || facts.is_one_of("tdx.rtmrs.rtmr1");
    let several =
        |kind: &str, claim: &str| facts.counts(kind) && facts.closed(claim) && !facts.closed_to_one(claim);
    !ordered && (several("vtpm", "vtpm.efi_applications") || several("tdx", "tdx.boot.efi_applications"))
}

fn has_command_line(facts: &Facts<'_>, boot: &str) -> bool {
    ["command_line", "arguments"].iter().any(|claim| facts.is_present(&format!("{boot}.{claim}")))
}

/// The texts of the CCEL log prove what booted only if everything in register 3 is listed (T49): see
/// [`open_in_ccel`].
pub(super) fn closes_rtmr2(facts: &Facts<'_>) -> bool {
    facts.baselines().next().is_some()
        || facts.is_one_of("tdx.rtmrs.rtmr2")
        || facts.closed("tdx.boot.grub_files")
}

struct Determined {
    images: bool,
    files: bool,
    command_line: bool,
    /// The policy means the boot of a unified kernel image.
    unified: bool,
    no_grub: bool,
    order: bool,
    no_options: bool,
    no_extensions: bool,
}

impl Determined {
    fn open(&self) -> Vec<ChainPart> {
        let missing = |parts: &[(bool, ChainPart)]| -> Vec<ChainPart> {
            parts.iter().filter(|(determined, _)| !determined).map(|(_, part)| *part).collect()
        };
        let grub = missing(&[
            (self.images, ChainPart::Images),
            (self.files, ChainPart::Files),
            (self.command_line, ChainPart::CommandLine),
        ]);
        if !self.unified {
            return grub;
        }
        let unified = missing(&[
            (self.images, ChainPart::Images),
            (self.no_grub, ChainPart::Grub),
            (self.order || !self.images, ChainPart::Order),
            (self.no_options, ChainPart::Options),
            (self.no_extensions, ChainPart::Extensions),
        ]);
        if unified.len() <= grub.len() { unified } else { grub }
    }
}

const EVERYTHING: [ChainPart; 3] = [ChainPart::Images, ChainPart::Files, ChainPart::CommandLine];
