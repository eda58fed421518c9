//! Whether a boot is a member of a baseline.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use vouchsafe_attestation::claims::Claims;
use vouchsafe_attestation::event_log::{BootLog, EventKind, LoggedEvent};
use vouchsafe_protocol::{Digest32, UnixTime};

use super::Baseline;

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
    /// The VM has no vTPM claims.
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
        digest: Digest32,
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
        let boot = &claims.vtpm.as_ref().ok_or(BaselineMismatch::NoBootLog)?.boot;
        if claims.technology.is_none_or(|technology| technology.name() != self.technology) {
            return Err(BaselineMismatch::Technology);
        }
        self.check_firmware(claims, boot)?;
        self.check_images(boot)?;
        self.check_texts(boot)?;
        self.check_files(boot)?;
        self.check_sections(boot)?;
        check_listed(boot, 12, &self.pcr12)?;
        check_listed(boot, 13, &self.pcr13)
    }

    fn check_firmware(&self, claims: &Claims, boot: &BootLog) -> Result<(), BaselineMismatch> {
        let allowed = &self.firmware;
        let version = boot.firmware_version.as_ref();
        let version_fits =
            allowed.versions.is_empty() || version.is_some_and(|version| allowed.versions.contains(version));
        let measurement = claims.sev_snp.as_ref().map(|snp| snp.measurement);
        let measurement_fits = allowed.snp_measurements.is_empty()
            || measurement.is_some_and(|measurement| allowed.snp_measurements.contains(&measurement));
        if version_fits && measurement_fits { Ok(()) } else { Err(BaselineMismatch::Firmware) }
    }

    /// EFI applications and drivers: PCR 2 and 4.
    fn check_images(&self, boot: &BootLog) -> Result<(), BaselineMismatch> {
        let mut places = Places::new(&self.images());
        for event in events(boot, 2).iter().filter(|event| !is_firmware_action(event)) {
            // A partition table names no code, and its digest covers its data.
            if event.kind == EventKind::PartitionTable {
                continue;
            }
            places.take(2, &event.digest)?;
        }
        places.restart();
        for event in events(boot, 4).iter().filter(|event| !is_firmware_action(event)) {
            places.take(4, &event.digest)?;
        }
        places.finish(&[Component::Shim, Component::Grub, Component::Uki, Component::KernelImage])
    }

    /// GRUB's commands and the command line: PCR 8.
    fn check_texts(&self, boot: &BootLog) -> Result<(), BaselineMismatch> {
        let (commands, lines) = (text_digests(&self.grub_commands), text_digests(&self.command_lines));
        let mut count = 0;
        for event in events(boot, 8) {
            if event.kind == EventKind::KernelCommandLine && lines.contains(&event.digest) {
                count += 1;
            } else if event.kind == EventKind::KernelCommandLine || !commands.contains(&event.digest) {
                return Err(BaselineMismatch::Unlisted { pcr: 8, digest: event.digest });
            }
        }
        let component = Component::CommandLine;
        match (count, self.command_lines.is_empty()) {
            (0, true) | (1, false) => Ok(()),
            (0, false) => Err(BaselineMismatch::Missing { component }),
            _ => Err(BaselineMismatch::Repeated { component }),
        }
    }

    /// Files that GRUB read and what the kernel's EFI stub measured: PCR 9.
    fn check_files(&self, boot: &BootLog) -> Result<(), BaselineMismatch> {
        let mut places = Places::new(&self.files());
        for event in events(boot, 9) {
            places.take(9, &event.digest)?;
        }
        places.finish(&[Component::Kernel, Component::Initrd])
    }

    /// Sections of a unified kernel image: PCR 11. Names are measured, and each occurs once in a log.
    fn check_sections(&self, boot: &BootLog) -> Result<(), BaselineMismatch> {
        for section in &boot.stub_sections {
            let listed = self.sections.get(&section.name);
            if !listed.is_some_and(|digests| digests.contains(&section.digest)) {
                return Err(BaselineMismatch::Section { name: section.name.clone() });
            }
        }
        let occurs = |name: &String| boot.stub_sections.iter().any(|section| section.name == *name);
        match self.sections.keys().find(|name| !occurs(name)) {
            Some(name) => Err(BaselineMismatch::MissingSection { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// What is in PCR 2 and 4, in the order of a boot.
    pub(super) fn images(&self) -> Vec<(Component, &[Digest32])> {
        vec![
            (Component::Driver, &self.drivers),
            (Component::Shim, &self.shim),
            (Component::Grub, &self.grub),
            (Component::Uki, &self.uki),
            (Component::KernelImage, &self.kernel_image),
        ]
    }

    /// What is in PCR 9, in the order of a boot.
    pub(super) fn files(&self) -> Vec<(Component, &[Digest32])> {
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
    components: BTreeMap<Digest32, Vec<Component>>,
    listed: Vec<Component>,
    counts: BTreeMap<Component, usize>,
    last: Option<(Component, Digest32)>,
}

impl Places {
    fn new(allowed: &[(Component, &[Digest32])]) -> Self {
        let mut components: BTreeMap<Digest32, Vec<Component>> = BTreeMap::new();
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
    fn component(&self, digest: &Digest32) -> Option<Component> {
        let candidates = self.components.get(digest)?;
        let free = candidates.iter().find(|component| !self.counts.contains_key(component));
        free.or_else(|| candidates.first()).copied()
    }

    /// Another PCR begins: the order between PCRs is not measured.
    fn restart(&mut self) {
        self.last = None;
    }

    fn take(&mut self, pcr: u8, digest: &Digest32) -> Result<(), BaselineMismatch> {
        let component = self.component(digest).ok_or(BaselineMismatch::Unlisted { pcr, digest: *digest })?;
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

fn check_listed(boot: &BootLog, pcr: u8, allowed: &[Digest32]) -> Result<(), BaselineMismatch> {
    match events(boot, pcr).iter().find(|event| !allowed.contains(&event.digest)) {
        Some(event) => Err(BaselineMismatch::Unlisted { pcr, digest: event.digest }),
        None => Ok(()),
    }
}

fn events(boot: &BootLog, pcr: u8) -> &[LoggedEvent] {
    boot.events.get(&pcr).map_or(&[], Vec::as_slice)
}

/// A boot attempt or a separator, known by its digest.
fn is_firmware_action(event: &LoggedEvent) -> bool {
    let texts: [&[u8]; 3] = [b"Calling EFI Application from Boot Option", &[0; 4], &[0xff; 4]];
    matches!(event.kind, EventKind::BootAttempt | EventKind::Separator)
        && texts.iter().any(|text| Digest32::of(text) == event.digest)
}

/// Digests of texts as GRUB measures them; old versions include the NUL.
fn text_digests(texts: &[String]) -> Vec<Digest32> {
    let digest =
        |text: &String| [Digest32::of(text.as_bytes()), Digest32::of_parts(&[text.as_bytes(), b"\0"])];
    texts.iter().flat_map(digest).collect()
}
