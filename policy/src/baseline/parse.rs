//! Reads a baseline and checks that it is closed.

use std::collections::BTreeMap;

use vouchsafe_protocol::UpdateSigner;

use super::composed::ComposedInitrdError;
use super::digest::{BaselineLog, LogDigest};
use super::document::{Baseline, ComposedInitrd};

/// Upper limit of a baseline document in bytes.
pub const MAX_BASELINE: usize = 256 * 1024;

/// Upper limit of times at which entries of one baseline expire.
pub(super) const MAX_EXPIRIES: usize = 64;

/// Upper limit of signers of one baseline.
pub(super) const MAX_SIGNERS: usize = 8;

/// Why a document is not a valid baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// The text is too long.
    #[error("the document has {length} bytes, at most {MAX_BASELINE} are read")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not JSON of this form, or it has unknown members.
    #[error("not a baseline: {detail}")]
    Syntax {
        /// The parser's message.
        detail: String,
    },
    /// A technology that does not exist.
    #[error("unknown technology {name:?}")]
    UnknownTechnology {
        /// Its name.
        name: String,
    },
    /// It lists neither a kernel's file nor a unified kernel image with a kernel.
    #[error("no kernel is listed")]
    NoKernel,
    /// It lists no command line.
    #[error("no kernel command line is listed")]
    NoCommandLine,
    /// The kernel is started without GRUB or a unified kernel image, and its EFI stub measured neither
    /// options nor initrd.
    #[error(
        "nothing measures the initrd: neither GRUB nor a unified kernel image, nor the kernel (Linux before 6.1 may not)"
    )]
    UnmeasuredInitrd,
    /// Its commands load an initrd, but none is listed.
    #[error("an initrd is loaded, but none is listed")]
    NoInitrd,
    /// GRUB's kernel is listed without GRUB's image, or sections without their image.
    #[error("what loads the kernel is not listed: grub or uki")]
    NoLoader,
    /// A section is listed without a digest.
    #[error("section {name:?} has no digest")]
    EmptySection {
        /// Its name.
        name: String,
    },
    /// The same digest is listed for two components in one PCR, so one could replace the other.
    #[error("digest {digest} is listed for two components of one PCR")]
    AmbiguousDigest {
        /// The digest.
        digest: LogDigest,
    },
    /// A digest is not of the kind in the baseline's log.
    #[error("digest {digest} is not of the kind that the baseline's log has")]
    ForeignDigest {
        /// The digest.
        digest: LogDigest,
    },
    /// A list belongs to the other kind of log.
    #[error("{list} is not a list of the baseline's log")]
    ForeignList {
        /// The list.
        list: &'static str,
    },
    /// A list for a PCR without known words.
    #[error("userspace_words has a list for PCR {pcr}: words are known of PCR 0 to 7, 9 and 11 to 14")]
    NoWords {
        /// The PCR.
        pcr: u8,
    },
    /// Sections cannot determine the composed initrd of such a boot.
    #[error("composed_initrd is \"by-sections\", and {0}")]
    ComposedInitrd(ComposedInitrdError),
    /// Too many times at which entries expire.
    #[error("until has {count} times, at most {MAX_EXPIRIES} are read")]
    TooManyExpiries {
        /// Their number.
        count: usize,
    },
    /// A component is only listed until a time, so a boot without it would be refused until then, and one with it later.
    #[error("until has entries of {list}, of which the baseline lists none that stays")]
    OnlyUntil {
        /// The list.
        list: String,
    },
    /// Too many signers.
    #[error("update_signers has {count} keys, at most {MAX_SIGNERS} are read")]
    TooManySigners {
        /// Their number.
        count: usize,
    },
    /// Anyone could sign for this key.
    #[error("anyone can sign for the key {signer} in update_signers: it is a point of small order")]
    WeakSigner {
        /// The key.
        signer: UpdateSigner,
    },
    /// A CCEL log with a technology other than TDX.
    #[error("only TDX has a CCEL log")]
    NoCcel,
}

impl Baseline {
    /// Parses a document and checks that it is closed. It is JSON in which a line that starts with `//` is a
    /// comment.
    ///
    /// # Errors
    /// One variant for each reason.
    pub fn parse(json: &str) -> Result<Self, BaselineError> {
        if json.len() > MAX_BASELINE {
            return Err(BaselineError::TooLong { length: json.len() });
        }
        let baseline: Self = serde_json::from_str(&without_comments(json))
            .map_err(|error| BaselineError::Syntax { detail: error.to_string() })?;
        baseline.check()?;
        Ok(baseline)
    }

    pub(super) fn check(&self) -> Result<(), BaselineError> {
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
        self.check_ambiguity()?;
        self.check_signers()?;
        self.check_until()
    }

    fn check_signers(&self) -> Result<(), BaselineError> {
        if self.update_signers.len() > MAX_SIGNERS {
            return Err(BaselineError::TooManySigners { count: self.update_signers.len() });
        }
        match self.update_signers.iter().find(|signer| signer.is_weak()) {
            Some(signer) => Err(BaselineError::WeakSigner { signer: *signer }),
            None => Ok(()),
        }
    }

    fn check_composed_initrd(&self) -> Result<(), BaselineError> {
        match self.composed_initrd {
            ComposedInitrd::Listed if !self.is_initrd_measured() => Err(BaselineError::UnmeasuredInitrd),
            ComposedInitrd::Listed => Ok(()),
            ComposedInitrd::BySections => self.sections_vouch().map_err(BaselineError::ComposedInitrd),
        }
    }

    /// Checks that kernel, command line and initrd are determined: by GRUB's files and texts, by the sections
    /// of a unified kernel image, or by the kernel's own image and its measurements of options and initrd.
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

    /// Checks that lists and digests are all for the same log.
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
            ("update_signers", self.update_signers.is_empty()),
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
                    if other.is_some_and(|other| other != component && !other.may_recur_as(component)) {
                        return Err(BaselineError::AmbiguousDigest { digest: *digest });
                    }
                }
            }
        }
        Ok(())
    }
}

/// The document without its comments. A JSON string contains no line break, so no line within one starts like
/// a comment.
fn without_comments(text: &str) -> String {
    let kept = text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    kept.collect::<Vec<_>>().join("\n")
}

/// The arguments of a GRUB command that loads an initrd.
pub(super) fn initrd_arguments(command: &str) -> Option<impl Iterator<Item = &str>> {
    let mut words = command.split(' ');
    matches!(words.next(), Some("initrd" | "initrdefi" | "initrd16")).then_some(words)
}

const TECHNOLOGIES: [&str; 5] = ["none", "sev", "sev-es", "tdx", "sev-snp"];
