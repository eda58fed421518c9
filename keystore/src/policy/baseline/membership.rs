//! Whether a boot is a member of a baseline.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::EventKind;
use vouchsafe_protocol::UnixTime;

use super::digest::LogDigest;
use super::log::{Log, Seen};
use super::{Baseline, BaselineLog};
use crate::policy::vm::is_firmware_endorsed;

/// A component of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// EFI driver.
    Driver,
    /// First boot loader.
    Shim,
    /// Boot loader.
    Grub,
    /// Unified kernel image.
    Uki,
    /// Kernel as an EFI application.
    KernelImage,
    /// What GRUB reads before the kernel.
    Configuration,
    /// GRUB's environment block.
    Grubenv,
    /// The kernel's file.
    Kernel,
    /// The initrd's file.
    Initrd,
    /// Load options of the kernel's EFI stub.
    LoadOptions,
    /// Initrd that the kernel's EFI stub loaded.
    LoadedInitrd,
    /// Kernel command line.
    CommandLine,
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driver => "driver",
            Self::Shim => "shim",
            Self::Grub => "grub",
            Self::Uki => "uki",
            Self::KernelImage => "kernel image",
            Self::Configuration => "configuration",
            Self::Grubenv => "grubenv",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::LoadOptions => "load options",
            Self::LoadedInitrd => "loaded initrd",
            Self::CommandLine => "command line",
        })
    }
}

/// Why a VM is no member of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "mismatch", rename_all = "kebab-case")]
pub enum BaselineMismatch {
    /// The baseline was revoked.
    #[error("it is revoked")]
    Revoked,
    /// Its end date has passed.
    #[error("it ended at {ends_at}")]
    Ended {
        /// When.
        ends_at: UnixTime,
    },
    /// The VM has no such log.
    #[error("there is no boot log")]
    NoBootLog,
    /// Another technology.
    #[error("the technology is another one")]
    Technology,
    /// Firmware that is not listed.
    #[error("the firmware is not listed")]
    Firmware,
    /// An event that is not listed.
    #[error("PCR {pcr} has an event that is not listed: {digest}")]
    Unlisted {
        /// The PCR.
        pcr: u8,
        /// What was measured.
        digest: LogDigest,
    },
    /// An event of a CCEL log that is not listed.
    #[error("register {register} has an event that is not listed: {digest}")]
    UnlistedRegister {
        /// The measurement register.
        register: u8,
        /// What was measured.
        digest: LogDigest,
    },
    /// A required component that did not occur.
    #[error("{component} is missing")]
    Missing {
        /// Which one.
        component: Component,
    },
    /// A component that occurred again.
    #[error("{component} occurs more than once")]
    Repeated {
        /// Which one.
        component: Component,
    },
    /// A component at the wrong place.
    #[error("{component} is out of order")]
    Order {
        /// Which one.
        component: Component,
    },
    /// A section that is not listed, or with other content.
    #[error("section {name} is not listed")]
    Section {
        /// Its name.
        name: String,
    },
    /// A listed section that did not occur.
    #[error("section {name} is missing")]
    MissingSection {
        /// Its name.
        name: String,
    },
}

impl Baseline {
    /// Whether the VM is a member at `now`.
    ///
    /// # Errors
    /// The first thing that is not as the baseline says.
    pub fn is_member(&self, claims: &Claims, now: UnixTime) -> Result<(), BaselineMismatch> {
        if now >= self.ends_at {
            return Err(BaselineMismatch::Ended { ends_at: self.ends_at });
        }
        let log = Log::of(claims, self.log).ok_or(BaselineMismatch::NoBootLog)?;
        if claims.technology.is_none_or(|technology| technology.name() != self.technology) {
            return Err(BaselineMismatch::Technology);
        }
        self.check_firmware(claims, &log)?;
        self.check_log_events(&log)
    }

    /// Every event of the registers that count is listed, and nothing is missing.
    pub(super) fn check_log_events(&self, log: &Log) -> Result<(), BaselineMismatch> {
        match self.log {
            BaselineLog::Vtpm => {
                self.check_images(log, &[2, 4])?;
                self.check_texts(log)?;
                self.check_files(log)?;
                self.check_sections(log)?;
                log.check_listed(12, &self.pcr12)?;
                log.check_listed(13, &self.pcr13)
            }
            BaselineLog::Ccel => {
                if !self.register1.is_empty() {
                    log.check_listed(1, &self.register1)?;
                }
                self.check_images(log, &[2])?;
                self.check_register3(log)?;
                self.check_sections(log)?;
                log.check_listed(4, &[])
            }
        }
    }

    fn check_firmware(&self, claims: &Claims, log: &Log) -> Result<(), BaselineMismatch> {
        let allowed = &self.firmware;
        let version = log.firmware_version.as_ref();
        let version_fits =
            allowed.versions.is_empty() || version.is_some_and(|version| allowed.versions.contains(version));
        let measurement = claims.sev_snp.as_ref().map(|snp| snp.measurement);
        let snp_fits = allowed.snp_measurements.is_empty()
            || measurement.is_some_and(|measurement| allowed.snp_measurements.contains(&measurement));
        let tdx_fits = match &claims.tdx {
            // Whoever chose the firmware chose what it measures: without a list it must be Google's.
            Some(tdx) if self.log == BaselineLog::Ccel && allowed.tdx_measurements.is_empty() => {
                is_firmware_endorsed(tdx)
            }
            Some(tdx) if !allowed.tdx_measurements.is_empty() => {
                allowed.tdx_measurements.contains(&tdx.mr_td)
            }
            Some(_) => true,
            None => allowed.tdx_measurements.is_empty(),
        };
        if version_fits && snp_fits && tdx_fits { Ok(()) } else { Err(BaselineMismatch::Firmware) }
    }

    /// EFI applications and drivers. The order between PCRs is not measured, that within a register is.
    fn check_images(&self, log: &Log, registers: &[u8]) -> Result<(), BaselineMismatch> {
        let mut places = Places::new(&self.images());
        for register in registers {
            places.restart();
            for event in log.events(*register) {
                // A partition table names no code, and its digest covers its data.
                let passes = log.is_firmware_action(event)
                    || event.kind == EventKind::PartitionTable && *register == 2;
                if !passes && !self.register2.contains(&event.digest) {
                    places.take(log, *register, &event.digest)?;
                }
            }
        }
        places.finish(&[Component::Shim, Component::Grub, Component::Uki, Component::KernelImage])
    }

    /// GRUB's commands and the command line: PCR 8.
    fn check_texts(&self, log: &Log) -> Result<(), BaselineMismatch> {
        let mut texts = Texts::new(self, log);
        for event in log.events(8) {
            if !texts.take(event) {
                return Err(log.unlisted(8, event.digest));
            }
        }
        texts.finish()
    }

    /// Files that GRUB read and what the kernel's EFI stub measured: PCR 9.
    fn check_files(&self, log: &Log) -> Result<(), BaselineMismatch> {
        let mut places = Places::new(&self.files());
        for event in log.events(9) {
            places.take(log, 9, &event.digest)?;
        }
        places.finish(&[Component::Kernel, Component::Initrd])
    }

    /// What PCR 8 to 15 have, in one sequence: texts, files, sections and what else is listed.
    fn check_register3(&self, log: &Log) -> Result<(), BaselineMismatch> {
        let (mut texts, mut places) = (Texts::new(self, log), Places::new(&self.files()));
        for event in log.events(3) {
            if self.is_section(log, event) || self.register3.contains(&event.digest) || texts.take(event) {
                continue;
            }
            places.take(log, 3, &event.digest)?;
        }
        texts.finish()?;
        places.finish(&[Component::Kernel, Component::Initrd])
    }

    /// A listed section's name or content. That each content is its own name's is the business of
    /// [`Self::check_sections`].
    fn is_section(&self, log: &Log, event: &Seen) -> bool {
        match event.kind {
            EventKind::StubSectionName => self
                .sections
                .keys()
                .any(|name| LogDigest::of_parts(log.log, &[name.as_bytes(), b"\0"]) == event.digest),
            EventKind::StubSection => self.sections.values().flatten().any(|digest| *digest == event.digest),
            _ => false,
        }
    }

    /// Sections of a unified kernel image: PCR 11. Names are measured, and each occurs once in a log.
    fn check_sections(&self, log: &Log) -> Result<(), BaselineMismatch> {
        for (name, digest) in &log.sections {
            if !self.sections.get(name).is_some_and(|digests| digests.contains(digest)) {
                return Err(BaselineMismatch::Section { name: name.clone() });
            }
        }
        let occurs = |name: &String| log.sections.iter().any(|(other, _)| other == name);
        match self.sections.keys().find(|name| !occurs(name)) {
            Some(name) => Err(BaselineMismatch::MissingSection { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// What is in PCR 2 and 4, in the order of a boot.
    pub(super) fn images(&self) -> Vec<(Component, &[LogDigest])> {
        vec![
            (Component::Driver, &self.drivers),
            (Component::Shim, &self.shim),
            (Component::Grub, &self.grub),
            (Component::Uki, &self.uki),
            (Component::KernelImage, &self.kernel_image),
        ]
    }

    /// What is in PCR 9, in the order of a boot.
    pub(super) fn files(&self) -> Vec<(Component, &[LogDigest])> {
        vec![
            (Component::Configuration, &self.configuration),
            (Component::Grubenv, &self.grubenv),
            (Component::Kernel, &self.kernel),
            (Component::Initrd, &self.initrd),
            (Component::LoadOptions, &self.load_options),
            (Component::LoadedInitrd, &self.loaded_initrd),
        ]
    }
}

/// Takes events one by one and keeps count and order of the components they are.
struct Places {
    components: BTreeMap<LogDigest, Vec<Component>>,
    listed: Vec<Component>,
    counts: BTreeMap<Component, usize>,
    last: Option<(Component, LogDigest)>,
}

impl Places {
    fn new(allowed: &[(Component, &[LogDigest])]) -> Self {
        let mut components: BTreeMap<LogDigest, Vec<Component>> = BTreeMap::new();
        for (component, digests) in allowed {
            for digest in *digests {
                components.entry(*digest).or_default().push(*component);
            }
        }
        let listed = allowed.iter().filter(|(_, digests)| !digests.is_empty());
        Self {
            components,
            listed: listed.map(|(component, _)| *component).collect(),
            counts: BTreeMap::new(),
            last: None,
        }
    }

    /// What an event is. A digest that stands for the initrd twice is GRUB's first, the kernel's then.
    fn component(&self, digest: &LogDigest) -> Option<Component> {
        let candidates = self.components.get(digest)?;
        let free = candidates.iter().find(|component| !self.counts.contains_key(component));
        free.or_else(|| candidates.first()).copied()
    }

    /// Another PCR begins: the order between PCRs is not measured.
    fn restart(&mut self) {
        self.last = None;
    }

    fn take(&mut self, log: &Log, register: u8, digest: &LogDigest) -> Result<(), BaselineMismatch> {
        let component = self.component(digest).ok_or_else(|| log.unlisted(register, *digest))?;
        let repeats = matches!(component, Component::Driver | Component::Configuration | Component::Grubenv)
            // Shim and GRUB both measure a kernel that both have a hand in: one image, twice in a row.
            || self.last == Some((Component::KernelImage, *digest));
        let count = self.counts.entry(component).or_insert(0);
        *count += 1;
        if *count > 1 && !repeats {
            return Err(BaselineMismatch::Repeated { component });
        }
        // Configuration and environment come in any order, but before the kernel.
        let rank =
            |component| if component == Component::Grubenv { Component::Configuration } else { component };
        if self.last.is_some_and(|(last, _)| rank(last) > rank(component)) {
            return Err(BaselineMismatch::Order { component });
        }
        self.last = Some((component, *digest));
        Ok(())
    }

    fn finish(&self, required: &[Component]) -> Result<(), BaselineMismatch> {
        let missing = self
            .listed
            .iter()
            .find(|component| required.contains(component) && !self.counts.contains_key(component));
        match missing {
            Some(component) => Err(BaselineMismatch::Missing { component: *component }),
            None => Ok(()),
        }
    }
}

/// Takes what GRUB ran, and counts the command lines.
struct Texts {
    commands: Vec<LogDigest>,
    lines: Vec<LogDigest>,
    count: usize,
}

impl Texts {
    fn new(baseline: &Baseline, log: &Log) -> Self {
        let commands = log.text_digests(&baseline.grub_commands);
        Self { commands, lines: log.text_digests(&baseline.command_lines), count: 0 }
    }

    /// Whether the event is a listed text.
    fn take(&mut self, event: &Seen) -> bool {
        if event.kind != EventKind::KernelCommandLine {
            return self.commands.contains(&event.digest);
        }
        let listed = self.lines.contains(&event.digest);
        self.count += usize::from(listed);
        listed
    }

    fn finish(self) -> Result<(), BaselineMismatch> {
        let component = Component::CommandLine;
        match (self.count, self.lines.is_empty()) {
            (0, true) | (1, false) => Ok(()),
            (0, false) => Err(BaselineMismatch::Missing { component }),
            _ => Err(BaselineMismatch::Repeated { component }),
        }
    }
}
