//! Reference values: predicts what a boot will measure from the files that it will consist of.
//!
//! [`UnifiedBoot`] is a unified kernel image that the firmware starts, [`GrubBoot`] is shim, GRUB and a
//! kernel. Both return [`ReferenceValues`]: the events that are certain, the final PCR values that follow
//! from them, and a description of what cannot be predicted. None of this is evidence, and no decision is
//! based on it: it helps an operator to allow the digests of an update before the VM boots it.
//!
//! Pure: files are passed as bytes; digests are of the SHA-256 bank.

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

/// The predicted measurements of a boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReferenceValues {
    /// Events, in order within each PCR.
    pub events: Vec<ReferenceEvent>,
    /// Final values.
    pub values: Vec<ReferenceValue>,
    /// What cannot be predicted, and why.
    pub unknown: Vec<Unknown>,
}

/// One event that the boot will measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// A description, with the reason.
    pub text: String,
    /// The event whose digest is unknown, if it is a single event.
    #[serde(flatten)]
    pub event: Option<UnknownEvent>,
}

/// An event whose digest does not follow from the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownEvent {
    /// The PCR.
    pub pcr: u8,
    /// The component.
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
    /// The condition for this value; empty if it is certain.
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

    /// Adds an event whose digest is unknown.
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

/// The value of a PCR after extending these digests from its reset value.
fn extended(digests: impl IntoIterator<Item = Digest32>) -> Digest32 {
    digests
        .into_iter()
        .fold(Digest32([0; 32]), |value, digest| Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()]))
}

/// What firmware measures into PCR 4 before the first application (PFP 1.06 §3.3.4.5): the boot attempt, then
/// the separator.
fn before_applications() -> [Digest32; 2] {
    [Digest32::of(b"Calling EFI Application from Boot Option"), Digest32::of(&[0; 4])]
}

/// UTF-16 as in UEFI, without a NUL.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
