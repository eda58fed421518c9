//! Baselines: closed sets of what a boot may consist of.
//!
//! A VM is a member when every measured event of PCR 4, 8, 9 and 11, every EFI application and driver of
//! PCR 2, and whatever is in PCR 12 and 13 is listed, each required component occurs exactly once, and in
//! its place. Events are recognised by PCR and digest alone: types and file names are the word of whoever
//! wrote the log (T22, T49).
//!
//! What was started or loaded before that (a boot option that returned, an entry of GRUB whose kernel did not start) has lists
//! of its own, `other_…`. That it failed is not measured: whoever lists a kernel there allows it to run.
//!
//! A baseline is of the vTPM's log or of CCEL. There, register 2 stands for PCR 2 to 6 and register 3 for PCR 8 to 15, every
//! event of both is listed, and the firmware that measured them is known: endorsed by Google or listed here.
//!
//! Does not say what the listed files do. PCR 0, 1, 3, 5, 7 and 14 are not looked at: policies have claims for those.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{Digest48, UnixTime};

mod capture;
mod composed;
mod digest;
mod log;
mod membership;
mod mismatch;
mod places;
#[cfg(test)]
mod tests;
mod text;
mod update;

pub use capture::CaptureError;
pub use composed::{ComposedInitrd, ComposedInitrdError};
pub use digest::{LogDigest, LogDigestError};
pub use membership::Component;
pub use mismatch::{BaselineMismatch, EventName};
pub use update::UpdateError;

/// Bytes of a baseline document.
pub const MAX_BASELINE: usize = 256 * 1024;

/// A baseline as it is written, stored and compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Security version: policies have floors for it.
    pub version: u32,
    /// From this time on nothing is a member.
    pub ends_at: UnixTime,
    /// Technology of the VMs: `sev-snp` and the like.
    pub technology: String,
    /// Which log its digests are of.
    #[serde(default, skip_serializing_if = "BaselineLog::is_vtpm")]
    pub log: BaselineLog,
    /// Firmware.
    #[serde(default)]
    pub firmware: FirmwareSet,
    /// Authenticode digests of shim.
    #[serde(default)]
    pub shim: Vec<LogDigest>,
    /// Authenticode digests of a boot manager such as systemd-boot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boot_manager: Vec<LogDigest>,
    /// Authenticode digests of GRUB.
    #[serde(default)]
    pub grub: Vec<LogDigest>,
    /// Authenticode digests of the unified kernel image.
    #[serde(default)]
    pub uki: Vec<LogDigest>,
    /// Authenticode digests of the kernel, where the firmware measures it as an application.
    #[serde(default)]
    pub kernel_image: Vec<LogDigest>,
    /// Authenticode digests of images that may be started or loaded before the one that runs: those of boot options that
    /// returned, kernels that GRUB loaded before, further loaders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_images: Vec<LogDigest>,
    /// Authenticode digests of EFI drivers; they may occur or not.
    #[serde(default)]
    pub drivers: Vec<LogDigest>,
    /// Digests of the kernel's file, as GRUB measures it.
    #[serde(default)]
    pub kernel: Vec<LogDigest>,
    /// Digests of the initrd's file, as GRUB measures it; of several files that one command loads, the last.
    #[serde(default)]
    pub initrd: Vec<LogDigest>,
    /// Digests of the files that the same command loads before it, such as microcode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub early_initrd: Vec<LogDigest>,
    /// Digests of kernels and initrds that GRUB may load before those that run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_files: Vec<LogDigest>,
    /// Digests of what GRUB reads before the kernel: configuration, modules, fonts.
    #[serde(default)]
    pub configuration: Vec<LogDigest>,
    /// Digests of GRUB's environment block.
    #[serde(default)]
    pub grubenv: Vec<LogDigest>,
    /// Commands of GRUB.
    #[serde(default)]
    pub grub_commands: Vec<String>,
    /// Kernel command lines as GRUB measures them, the kernel's path first.
    #[serde(default)]
    pub command_lines: Vec<String>,
    /// Kernel command lines of entries that GRUB may load before the one that runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_command_lines: Vec<String>,
    /// PE sections of a unified kernel image by name; each occurs exactly once.
    #[serde(default)]
    pub sections: BTreeMap<String, Vec<LogDigest>>,
    /// Digests of the load options that the kernel's EFI stub measures; at most once, and exactly once where neither GRUB nor
    /// a unified kernel image has the kernel.
    #[serde(default)]
    pub load_options: Vec<LogDigest>,
    /// Digests of the initrd that the kernel's EFI stub measures; as often as `load_options`.
    #[serde(default)]
    pub loaded_initrd: Vec<LogDigest>,
    /// What vouches for the initrd that systemd-stub composes.
    #[serde(default, skip_serializing_if = "ComposedInitrd::is_listed")]
    pub composed_initrd: ComposedInitrd,
    /// Command lines that systemd-boot or systemd-stub measures into PCR 12: those of Type 1 entries, of which at least one
    /// occurs, or options and add-ons of a unified kernel image, of which each occurs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Further events of PCR 12.
    #[serde(default)]
    pub pcr12: Vec<LogDigest>,
    /// Events of PCR 13.
    #[serde(default)]
    pub pcr13: Vec<LogDigest>,
    /// Events of PCR 2, 4, 8 and 9 that are neither images nor texts nor files, by PCR; they may occur or not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_events: BTreeMap<u8, Vec<LogDigest>>,
    /// Words that user space extended after the log, by PCR: in a PCR that has a list here each of them is listed, in any other
    /// they are those of systemd's grammar.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub userspace_words: BTreeMap<u8, Vec<String>>,
    /// CCEL: all events of register 1, firmware configuration and ACPI tables among them. Not looked at while empty, since
    /// some of them depend on the VM's size (T21).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub register1: Vec<LogDigest>,
    /// CCEL: events of register 2 that are neither images nor words of the firmware.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub register2: Vec<LogDigest>,
    /// CCEL: further events of register 3, such as lists of machine owner keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub register3: Vec<LogDigest>,
}

/// The log that a baseline is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BaselineLog {
    /// The vTPM's: PCRs, SHA-256.
    #[default]
    Vtpm,
    /// The trust domain's own: registers 1 to 4, SHA-384.
    Ccel,
}

impl BaselineLog {
    /// Taken by reference for serde.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_vtpm(&self) -> bool {
        *self == Self::Vtpm
    }
}

/// Firmware that a baseline allows. What is not listed is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FirmwareSet {
    /// Versions by the log.
    pub versions: Vec<String>,
    /// Launch measurements of SEV-SNP.
    pub snp_measurements: Vec<Digest48>,
    /// MRTDs of TDX.
    pub tdx_measurements: Vec<Digest48>,
}

/// Why a document is no baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Too long.
    #[error("the document has {length} bytes, at most {MAX_BASELINE} are read")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not JSON of this form; unknown members count.
    #[error("not a baseline: {detail}")]
    Syntax {
        /// The parser's words.
        detail: String,
    },
    /// A technology that does not exist.
    #[error("unknown technology {name:?}")]
    UnknownTechnology {
        /// Its name.
        name: String,
    },
    /// Neither a kernel's file nor a unified kernel image with a kernel.
    #[error("no kernel is listed")]
    NoKernel,
    /// No command line.
    #[error("no kernel command line is listed")]
    NoCommandLine,
    /// The kernel is started without GRUB or a unified kernel image, and its EFI stub measured neither options nor initrd.
    #[error(
        "nothing measures the initrd: neither GRUB nor a unified kernel image, nor the kernel (Linux before 6.1 may not)"
    )]
    UnmeasuredInitrd,
    /// Its commands load an initrd and none is listed.
    #[error("an initrd is loaded, and none is listed")]
    NoInitrd,
    /// GRUB's kernel without GRUB's own image, or a section without its image.
    #[error("what loads the kernel is not listed: grub or uki")]
    NoLoader,
    /// A section that is listed without a digest.
    #[error("section {name:?} has no digest")]
    EmptySection {
        /// Its name.
        name: String,
    },
    /// The same digest stands for two things in one PCR, so that one could take the other's place.
    #[error("digest {digest} is listed for two components of one PCR")]
    AmbiguousDigest {
        /// The digest.
        digest: LogDigest,
    },
    /// A digest that the baseline's log cannot have.
    #[error("digest {digest} is not of the kind that the baseline's log has")]
    ForeignDigest {
        /// The digest.
        digest: LogDigest,
    },
    /// A list of the other log.
    #[error("{list} is not a list of the baseline's log")]
    ForeignList {
        /// The list.
        list: &'static str,
    },
    /// A list for a PCR in which there never are words to compare.
    #[error("userspace_words has a list for PCR {pcr}: words are known of PCR 0 to 7, 9 and 11 to 14")]
    NoWords {
        /// The PCR.
        pcr: u8,
    },
    /// Sections cannot vouch for the composed initrd of such a boot.
    #[error("composed_initrd is \"by-sections\", and {0}")]
    ComposedInitrd(ComposedInitrdError),
    /// A CCEL log of something else than TDX.
    #[error("only TDX has a CCEL log")]
    NoCcel,
}

impl Baseline {
    /// Reads a document and checks that it is closed. It is JSON in which a line that begins with `//` is a comment.
    ///
    /// # Errors
    /// One variant for each reason.
    pub fn parse(json: &str) -> Result<Self, BaselineError> {
        if json.len() > MAX_BASELINE {
            return Err(BaselineError::TooLong { length: json.len() });
        }
        let baseline: Self = serde_json::from_str(&text::without_comments(json))
            .map_err(|error| BaselineError::Syntax { detail: error.to_string() })?;
        baseline.check()?;
        Ok(baseline)
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("digests, texts and numbers are JSON")
    }

    /// Whether it vouches for a trust domain's firmware at `now`.
    pub(super) fn knows_firmware(&self, mr_td: &Digest48, now: UnixTime) -> bool {
        now < self.ends_at && self.firmware.tdx_measurements.contains(mr_td)
    }

    fn check(&self) -> Result<(), BaselineError> {
        if !TECHNOLOGIES.contains(&self.technology.as_str()) {
            return Err(BaselineError::UnknownTechnology { name: self.technology.clone() });
        }
        self.check_log()?;
        if let Some(pcr) = self.userspace_words.keys().find(|pcr| !matches!(pcr, 0..=7 | 9 | 11..=14)) {
            return Err(BaselineError::NoWords { pcr: *pcr });
        }
        if let Some((name, _)) = self.sections.iter().find(|(_, digests)| digests.is_empty()) {
            return Err(BaselineError::EmptySection { name: name.clone() });
        }
        self.check_kernel()?;
        self.check_composed_initrd()?;
        self.check_ambiguity()
    }

    /// Kernel, command line and initrd are determined: by GRUB's files and texts, by the sections of a unified kernel image,
    /// or by the kernel's own image and what it measures of its options and initrd.
    fn check_kernel(&self) -> Result<(), BaselineError> {
        let has_section = |name: &str| self.sections.contains_key(name);
        let has_image = !self.kernel_image.is_empty() && self.grub.is_empty();
        if self.kernel.is_empty() && !has_section(".linux") && !has_image {
            return Err(BaselineError::NoKernel);
        }
        let from_grub = !self.kernel.is_empty();
        let has_line = if from_grub {
            !self.command_lines.is_empty()
        } else {
            has_section(".cmdline") || !self.options.is_empty() || !self.load_options.is_empty()
        };
        if !has_line {
            return Err(BaselineError::NoCommandLine);
        }
        let loads_initrd = |command: &String| initrd_arguments(command).is_some();
        if from_grub
            && self.initrd.is_empty()
            && (self.grub_commands.iter().any(loads_initrd) || !self.loaded_initrd.is_empty())
        {
            return Err(BaselineError::NoInitrd);
        }
        if (from_grub && self.grub.is_empty()) || (!self.sections.is_empty() && self.uki.is_empty()) {
            return Err(BaselineError::NoLoader);
        }
        Ok(())
    }

    /// Lists and digests are of one log.
    fn check_log(&self) -> Result<(), BaselineError> {
        let ccel = self.log == BaselineLog::Ccel;
        if ccel && self.technology != "tdx" {
            return Err(BaselineError::NoCcel);
        }
        let lists = [
            ("pcr12", &self.pcr12, false),
            ("pcr13", &self.pcr13, false),
            ("register1", &self.register1, true),
            ("register2", &self.register2, true),
            ("register3", &self.register3, true),
        ];
        if let Some((list, ..)) = lists.iter().find(|(_, digests, of)| !digests.is_empty() && *of != ccel) {
            return Err(BaselineError::ForeignList { list });
        }
        let components = [self.images(), self.files()].concat();
        let digests = components.into_iter().flat_map(|(_, digests)| digests);
        let of_vtpm = [
            ("options", self.options.is_empty()),
            ("other_events", self.other_events.is_empty()),
            ("userspace_words", self.userspace_words.is_empty()),
        ];
        if let Some((list, _)) = of_vtpm.iter().find(|(_, is_empty)| ccel && !is_empty) {
            return Err(BaselineError::ForeignList { list });
        }
        let others = lists.iter().flat_map(|(_, digests, _)| digests.iter());
        let others = others.chain(self.other_events.values().flatten());
        let mut all = digests.chain(others).chain(self.sections.values().flatten());
        match all.find(|digest| digest.log() != self.log) {
            Some(digest) => Err(BaselineError::ForeignDigest { digest: *digest }),
            None => Ok(()),
        }
    }

    fn check_ambiguity(&self) -> Result<(), BaselineError> {
        for components in [self.images(), self.files()] {
            let mut seen = BTreeMap::new();
            for (component, digests) in components {
                for digest in digests {
                    let other = seen.insert(*digest, component);
                    if other.is_some_and(|other| other != component && !same_content(other, component)) {
                        return Err(BaselineError::AmbiguousDigest { digest: *digest });
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a command of GRUB's loads as initrd.
fn initrd_arguments(command: &str) -> Option<impl Iterator<Item = &str>> {
    let mut words = command.split(' ');
    matches!(words.next(), Some("initrd" | "initrdefi" | "initrd16")).then_some(words)
}

/// The kernel's EFI stub measures the initrd after GRUB, and in CCEL its options after systemd-boot; what failed once may be
/// tried again.
const fn same_content(one: Component, other: Component) -> bool {
    matches!(
        (one, other),
        (Component::Initrd, Component::LoadedInitrd)
            | (Component::Configuration, Component::LoadOptions)
            | (Component::OtherImage | Component::OtherFile, _)
    )
}

const TECHNOLOGIES: [&str; 5] = ["none", "sev", "sev-es", "tdx", "sev-snp"];
