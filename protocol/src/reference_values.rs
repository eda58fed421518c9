//! What a boot is expected to measure, computed from the files that it will consist of.
//!
//! None of this is evidence. It names digests that an operator may allow before a VM boots them. Digests are of
//! the SHA-256 bank.

use serde::{Deserialize, Serialize};

use crate::digest::Digest32;

/// The predicted measurements of a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceValues {
    /// Events, in order within each PCR.
    pub events: Vec<ReferenceEvent>,
    /// Final values.
    pub values: Vec<ReferenceValue>,
    /// What cannot be predicted, and why.
    pub unknown: Vec<Unknown>,
}

/// One event that the boot will measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceEvent {
    /// The PCR.
    pub pcr: u8,
    /// The component.
    #[serde(flatten)]
    pub component: ReferenceComponent,
    /// The predicted digest.
    pub digest: Digest32,
}

/// The component that an event measures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "component", rename_all = "kebab-case")]
pub enum ReferenceComponent {
    /// First boot loader.
    Shim,
    /// GRUB.
    Grub,
    /// Unified kernel image.
    Uki,
    /// The kernel, if it is started as an EFI application.
    KernelImage,
    /// A file that GRUB reads before the kernel.
    Configuration,
    /// The kernel's file.
    Kernel,
    /// The initrd's file.
    Initrd,
    /// A GRUB command.
    GrubCommand {
        /// Its text.
        text: String,
    },
    /// The kernel command line as GRUB measures it.
    CommandLine {
        /// Its text.
        text: String,
    },
    /// A section of a unified kernel image; the preceding event has its name.
    Section {
        /// Its name.
        name: String,
    },
    /// Name of a section.
    SectionName {
        /// The name.
        name: String,
    },
    /// Load options that the kernel's EFI stub measures.
    LoadOptions,
    /// Initrd that the kernel's EFI stub measures.
    LoadedInitrd,
}

/// Something that does not follow from the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// A description, with the reason.
    pub text: String,
    /// The event whose digest is unknown, if it is a single event.
    #[serde(flatten)]
    pub event: Option<UnknownEvent>,
}

/// An event whose digest does not follow from the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownEvent {
    /// The PCR.
    pub pcr: u8,
    /// The component.
    #[serde(flatten)]
    pub component: ReferenceComponent,
}

/// The final value of a PCR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceValue {
    /// The PCR.
    pub pcr: u8,
    /// Its value.
    pub value: Digest32,
    /// The condition for this value; empty if it is certain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub when: String,
}

impl ReferenceValues {
    /// The events of `pcr`.
    pub fn of_pcr(&self, pcr: u8) -> impl Iterator<Item = &ReferenceEvent> {
        self.events.iter().filter(move |event| event.pcr == pcr)
    }
}

impl ReferenceComponent {
    /// The component with this name and these members; `None` if there is none, or it has other members.
    #[must_use]
    pub fn of(component: &str, text: Option<String>, name: Option<String>) -> Option<Self> {
        Some(match (component, text, name) {
            ("shim", None, None) => Self::Shim,
            ("grub", None, None) => Self::Grub,
            ("uki", None, None) => Self::Uki,
            ("kernel-image", None, None) => Self::KernelImage,
            ("configuration", None, None) => Self::Configuration,
            ("kernel", None, None) => Self::Kernel,
            ("initrd", None, None) => Self::Initrd,
            ("grub-command", Some(text), None) => Self::GrubCommand { text },
            ("command-line", Some(text), None) => Self::CommandLine { text },
            ("section", None, Some(name)) => Self::Section { name },
            ("section-name", None, Some(name)) => Self::SectionName { name },
            ("load-options", None, None) => Self::LoadOptions,
            ("loaded-initrd", None, None) => Self::LoadedInitrd,
            _ => return None,
        })
    }

    /// The name in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Shim => "shim",
            Self::Grub => "grub",
            Self::Uki => "uki",
            Self::KernelImage => "kernel-image",
            Self::Configuration => "configuration",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::GrubCommand { .. } => "grub-command",
            Self::CommandLine { .. } => "command-line",
            Self::Section { .. } => "section",
            Self::SectionName { .. } => "section-name",
            Self::LoadOptions => "load-options",
            Self::LoadedInitrd => "loaded-initrd",
        }
    }

    /// The text of a command or command line, or the name of a section; otherwise empty.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::GrubCommand { text } | Self::CommandLine { text } => text,
            Self::Section { name } | Self::SectionName { name } => name,
            _ => "",
        }
    }

    /// Whether a baseline lists its text instead of the digest.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::GrubCommand { .. } | Self::CommandLine { .. } | Self::SectionName { .. })
    }
}
