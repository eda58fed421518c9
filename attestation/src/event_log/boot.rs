//! What a boot log says, as claims: only what a measured digest covers, except where the name says `untrusted`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::digest::EventDigest;
use crate::technology::Technology;
use crate::withheld::Withheld;

/// What the firmware log of one boot says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BootLog {
    /// `None` when the firmware is not Google's, and for CCEL, where the quote tells.
    pub technology: Option<Technology>,
    /// Version of the firmware, when it is a text; `GCE Virtual Firmware v2` for one.
    pub firmware_version: Option<String>,
    /// Version of the firmware in lower-case hex, when it is not a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_version_hex: Option<String>,
    /// State of UEFI Secure Boot.
    pub secure_boot: SecureBoot,
    /// The firmware says that it does not protect itself from DMA.
    pub dma_protection_disabled: bool,
    /// Authenticode digests of EFI applications in PCR 2 and 4, in the order of the log; the order is measured within
    /// each PCR only. On GCE's TDX firmware a UKI is measured into PCR 2.
    /// In PCR 2 the log can call an application a driver: a closed set has to hold both lists.
    pub efi_applications: Vec<EventDigest>,
    /// Authenticode digests of EFI drivers, PCR 2.
    pub efi_drivers: Vec<EventDigest>,
    /// The kernel's command line, where what the boot loader measured has one reading. From GRUB, with the kernel's path
    /// as first word, as measured. From systemd-boot (Type 1 entries, PCR 12), where nothing else is in that PCR. From
    /// systemd-stub, where the log carries the text and PCR 12 is empty. Otherwise `withheld` has the reason.
    pub kernel_command_line: Option<String>,
    /// The kernel's file, the first word of GRUB's command line. A name, not a measurement.
    pub kernel_path: Option<String>,
    /// The arguments as the kernel splits them, quotes removed, without `kernel_path`. The kernel stops at `--`: what
    /// follows is not among them, though init and scripts in an initrd may read it.
    pub kernel_arguments: Vec<String>,
    /// The command line split at every space and stripped of all quotes, as shell scripts in an initrd
    /// see it, what follows `--` included: to look here for what must *not* be there.
    pub kernel_words: Vec<String>,
    /// Commands that GRUB ran, PCR 8: every text but the command line that is a claim. Withheld as a whole where one of
    /// them is no text.
    pub grub_commands: Vec<String>,
    /// All digests of PCR 9: files that GRUB read, initrd and options that the kernel's EFI stub loaded. No digest
    /// covers which is which. Of CCEL: all digests of register 3 that the log gives neither as a text of GRUB's nor as
    /// a section; where the log gives one as a text, another may be a text that it hides (module docs of
    /// [`ReplayedCcel`](super::ReplayedCcel)).
    pub grub_files: Vec<EventDigest>,
    /// PE sections that systemd-stub measured, PCR 11.
    pub stub_sections: Vec<StubSection>,
    /// Every event that extended PCR 0 to 9 and 11 to 14, by PCR and in order, separators included. Of CCEL: by measurement
    /// register, 1 to 3, which are RTMR0 to RTMR2.
    pub events: BTreeMap<u8, Vec<LoggedEvent>>,
    /// Claims that the log held something for and that are absent, with the reason; named as policies name them below
    /// the log's own claims.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
}

impl BootLog {
    /// Applications and drivers together. Types are not measured, so that in PCR 2 a log can call an application a driver:
    /// only a closed set over both says what ran.
    pub fn efi_images(&self) -> impl Iterator<Item = &EventDigest> {
        self.efi_applications.iter().chain(&self.efi_drivers)
    }
}

/// UEFI Secure Boot, PCR 7, and whether shim carries it on. Digests are those of the events; a variable that is absent or
/// empty has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SecureBoot {
    /// The firmware's part: the variable is 1, PK, KEK and db have content, and an authority is logged.
    pub enabled: bool,
    /// shim was told not to verify what it starts (`MokSBState`), so that any loader or kernel may have run although `enabled`
    /// is true. By PCR 7, and by PCR 14 for shims that measure it there alone (releases 10 to 12).
    pub shim_validation_disabled: bool,
    /// Platform key.
    pub pk: Option<EventDigest>,
    /// Key exchange keys.
    pub kek: Option<EventDigest>,
    /// Allowed signers and images.
    pub db: Option<EventDigest>,
    /// Forbidden signers and images.
    pub dbx: Option<EventDigest>,
    /// What let images pass, in order.
    pub authorities: Vec<Authority>,
}

/// One entry that let an image pass, or a variable that shim measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authority {
    /// Name of the variable: `db`, `Shim`, `SbatLevel` and the like.
    pub name: String,
    /// Digest of the event.
    pub digest: EventDigest,
    /// False when the digest leaves out the last logged byte, as some versions of shim do.
    pub data_covered: bool,
}

/// One PE section of a UKI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StubSection {
    /// Its name; the name is measured.
    pub name: String,
    /// Digest of its content.
    pub digest: EventDigest,
}

/// One event that extended a PCR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedEvent {
    /// Position in the log. Only the order within a register is measured.
    pub number: usize,
    /// Type by number, as the log states it.
    pub event_type: u32,
    /// The type's name in the specification.
    pub event_name: &'static str,
    /// What was extended.
    pub digest: EventDigest,
    /// What it is for this crate.
    pub kind: EventKind,
    /// Name of a variable or section, or a text of GRUB or systemd-boot, covered by a digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A file name or a description that no digest covers: for people, never for decisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untrusted_name: Option<String>,
}

/// What an event is. Where its digest does not tell, this is the log's word; digests decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// End of the firmware's own measurements.
    Separator,
    /// Version of the firmware.
    FirmwareVersion,
    /// `GCE NonHostInfo`.
    NonHostInfo,
    /// A variable that configures Secure Boot.
    SecureBootVariable,
    /// What let an image pass.
    Authority,
    /// The firmware does not protect itself from DMA.
    DmaProtectionDisabled,
    /// A boot option was started.
    BootAttempt,
    /// The firmware was left, or could not be left yet.
    ExitBootServices,
    /// An EFI application.
    EfiApplication,
    /// An EFI driver.
    EfiDriver,
    /// A partition table.
    PartitionTable,
    /// A command of GRUB's.
    GrubCommand,
    /// The kernel command line that GRUB passed.
    KernelCommandLine,
    /// The command line of a module that GRUB loaded.
    GrubModuleCommandLine,
    /// A file that GRUB read, or a device's content: PCR 9.
    GrubFile,
    /// The load options that the kernel's EFI stub was given.
    KernelLoadOptions,
    /// The initrd that the kernel's EFI stub loaded.
    KernelInitrd,
    /// Name of a section of a UKI.
    StubSectionName,
    /// Content of the section named before.
    StubSection,
    /// Lists of machine owner keys, PCR 14.
    MachineOwnerKeys,
    /// Anything else.
    Other,
}
