//! Reference values: what a boot will measure, computed from the files it will consist of.
//!
//! [`UnifiedBoot`] is a unified kernel image that the firmware starts, [`GrubBoot`] is shim, GRUB and a kernel. Both
//! give [`ReferenceValues`]: the events that are certain, the final PCR values that follow from them, and in plain
//! words what cannot be said. Nothing here is evidence, and nothing is decided on it: it is for a person who allows
//! the digests of an update before the VM starts from it.
//!
//! Pure: files come as bytes, the digests are of the SHA-256 bank.

mod grub;
mod image;
mod script;
mod unified;

#[cfg(test)]
mod tests;

use serde::Serialize;
use vouchsafe_protocol::Digest32;

pub use self::grub::GrubBoot;
pub use self::image::EfiImage;
pub use self::image::ImageError;
pub use self::script::ScriptError;
pub use self::unified::UnifiedBoot;
pub use self::unified::UnifiedError;

/// What a boot will measure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReferenceValues {
    /// Events, in order within each PCR.
    pub events: Vec<ReferenceEvent>,
    /// Final values.
    pub values: Vec<ReferenceValue>,
    /// What cannot be said, and why.
    pub unknown: Vec<Unknown>,
}

/// One event that the boot will measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReferenceEvent {
    /// The PCR.
    pub pcr: u8,
    /// What it is.
    #[serde(flatten)]
    pub component: ReferenceComponent,
    /// What will be extended.
    pub digest: Digest32,
}

/// What an event is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "component", rename_all = "kebab-case")]
pub enum ReferenceComponent {
    /// First boot loader.
    Shim,
    /// GRUB.
    Grub,
    /// Unified kernel image.
    Uki,
    /// The kernel, where it is started as an EFI application.
    KernelImage,
    /// A file that GRUB reads before the kernel.
    Configuration,
    /// The kernel's file.
    Kernel,
    /// The initrd's file.
    Initrd,
    /// A command of GRUB's.
    GrubCommand {
        /// Its text.
        text: String,
    },
    /// The kernel command line as GRUB measures it.
    CommandLine {
        /// Its text.
        text: String,
    },
    /// A section of a unified kernel image; its name is the event before.
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

/// Something that the files do not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// What it is, and why.
    pub text: String,
    /// The event whose digest it is, where it is that of one event.
    #[serde(flatten)]
    pub event: Option<UnknownEvent>,
}

/// An event that the boot will measure with a digest that does not follow from the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownEvent {
    /// The PCR.
    pub pcr: u8,
    /// What it is.
    #[serde(flatten)]
    pub component: ReferenceComponent,
}

/// The final value of a PCR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReferenceValue {
    /// The PCR.
    pub pcr: u8,
    /// Its value.
    pub value: Digest32,
    /// On what it depends; empty where it is certain.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub when: &'static str,
}

impl ReferenceValues {
    fn add(&mut self, pcr: u8, component: ReferenceComponent, digest: Digest32) {
        self.events.push(ReferenceEvent { pcr, component, digest });
    }

    fn value(&mut self, pcr: u8, when: &'static str, digests: impl IntoIterator<Item = Digest32>) {
        self.values.push(ReferenceValue { pcr, value: extended(digests), when });
    }

    fn cannot_say(&mut self, text: impl Into<String>) {
        self.unknown.push(Unknown { text: text.into(), event: None });
    }

    /// An event of which only PCR and kind are known.
    fn cannot_say_event(&mut self, pcr: u8, component: ReferenceComponent, text: &str) {
        let event = Some(UnknownEvent { pcr, component });
        self.unknown.push(Unknown { text: text.to_owned(), event });
    }

    /// The events of `pcr`.
    pub fn of_pcr(&self, pcr: u8) -> impl Iterator<Item = &ReferenceEvent> {
        self.events.iter().filter(move |event| event.pcr == pcr)
    }

    fn digests(&self, pcr: u8) -> Vec<Digest32> {
        self.of_pcr(pcr).map(|event| event.digest).collect()
    }
}

/// A PCR that starts at its reset value and takes these digests.
fn extended(digests: impl IntoIterator<Item = Digest32>) -> Digest32 {
    digests
        .into_iter()
        .fold(Digest32([0; 32]), |value, digest| Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()]))
}

/// What firmware measures into PCR 4 before the first application (PFP 1.06 §3.3.4.5): the attempt, then the
/// separator.
fn before_applications() -> [Digest32; 2] {
    [Digest32::of(b"Calling EFI Application from Boot Option"), Digest32::of(&[0; 4])]
}

/// UTF-16 as UEFI writes it, without a NUL.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
