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
