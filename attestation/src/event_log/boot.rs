//! The boot claims of a log: only data that a measured digest covers, except where the name says `untrusted`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::digest::EventDigest;
use crate::technology::Technology;
use crate::withheld::Withheld;

/// Claims from the firmware log of one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BootLog {
    /// `None` for firmware other than Google's, and for CCEL, where the quote has it.
    pub technology: Option<Technology>,
    /// Version of the firmware, if it is a text, such as `GCE Virtual Firmware v2`.
    pub firmware_version: Option<String>,
    /// Version of the firmware in lower-case hex, if it is not a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_version_hex: Option<String>,
    /// State of UEFI Secure Boot.
    pub secure_boot: SecureBoot,
    /// The firmware reports that its DMA protection is disabled.
    pub dma_protection_disabled: bool,
    /// Authenticode digests of EFI applications in PCR 2 and 4, in the order of the log; only the order
    /// within each PCR is measured. GCE's TDX firmware measures a UKI into PCR 2. In PCR 2 the log can label
    /// an application as a driver, so a closed set must cover both lists.
    pub efi_applications: Vec<EventDigest>,
    /// Authenticode digests of EFI drivers, PCR 2.
    pub efi_drivers: Vec<EventDigest>,
    /// The kernel's command line, if what the boot loader measured has exactly one reading. From GRUB: with
    /// the kernel's path as first word, as measured. From systemd-boot (Type 1 entries, PCR 12): if nothing
    /// else is in that PCR. From systemd-stub: if the log carries the text and PCR 12 is empty. Otherwise
    /// `withheld` has the reason.
    pub kernel_command_line: Option<String>,
    /// The kernel's file, the first word of GRUB's command line. A name, not a measurement.
    pub kernel_path: Option<String>,
    /// The arguments as the kernel splits them, quotes removed, without `kernel_path`. The kernel stops at
    /// `--`, so what follows is not included, although init and scripts in an initrd may read it.
    pub kernel_arguments: Vec<String>,
    /// The command line split at every space and stripped of all quotes, as shell scripts in an initrd see
    /// it, including what follows `--`. For checking that a word is *not* there.
    pub kernel_words: Vec<String>,
    /// Commands that GRUB ran, PCR 8: every text except the command line that is a claim. Withheld as a whole
    /// if one of them is not text.
    pub grub_commands: Vec<String>,
    /// All digests of PCR 9: files that GRUB read, and the initrd and options loaded by the kernel's EFI
    /// stub. Their labels are not measured. For CCEL: all digests of register 3 that are neither GRUB texts
    /// nor sections according to the log; a log can label a digest as a text to hide another one (module docs
    /// of [`ReplayedCcel`](super::ReplayedCcel)).
    pub grub_files: Vec<EventDigest>,
    /// PE sections that systemd-stub measured, PCR 11.
    pub stub_sections: Vec<StubSection>,
    /// Every event that extended PCR 0 to 9 and 11 to 14, by PCR and in order, separators included. For CCEL:
    /// by measurement register, 1 to 3 for RTMR0 to RTMR2.
    pub events: BTreeMap<u8, Vec<LoggedEvent>>,
    /// Claims that are absent although the log held data for them, with the reason; named as policies name
    /// them below the log's own claims.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
}

impl BootLog {
    /// Applications and drivers together. Types are not measured, so in PCR 2 a log can label an application
    /// as a driver: only a closed set over both lists says what ran.
    pub fn efi_images(&self) -> impl Iterator<Item = &EventDigest> {
        self.efi_applications.iter().chain(&self.efi_drivers)
    }
}

/// UEFI Secure Boot, PCR 7, and whether shim continues it. Digests are those of the events; absent and empty
/// variables have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SecureBoot {
    /// The firmware's part: the variable is 1, PK, KEK and db are not empty, and an authority is logged.
    pub enabled: bool,
    /// shim was told not to verify what it starts (`MokSBState`), so any loader or kernel may have run
    /// although `enabled` is true. From PCR 7, or from PCR 14 for shims that measure it only there (releases
    /// 10 to 12).
    pub shim_validation_disabled: bool,
    /// Platform key.
    pub pk: Option<EventDigest>,
    /// Key exchange keys.
    pub kek: Option<EventDigest>,
    /// Allowed signers and images.
    pub db: Option<EventDigest>,
    /// Forbidden signers and images.
    pub dbx: Option<EventDigest>,
    /// The db entries and shim variables that authorised images, in order.
    pub authorities: Vec<Authority>,
}

/// A db entry that authorised an image, or a variable that shim measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authority {
    /// Name of the variable: `db`, `Shim`, `SbatLevel` and the like.
    pub name: String,
    /// Digest of the event.
    pub digest: EventDigest,
    /// False if the digest omits the last logged byte, as with some versions of shim.
    pub data_covered: bool,
}

/// One PE section of a UKI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StubSection {
    /// Its name, which is measured.
    pub name: String,
    /// Digest of its content.
    pub digest: EventDigest,
}

/// One event that extended a PCR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedEvent {
    /// Position in the log. Only the order within a register is measured.
    pub number: usize,
    /// Numeric type, as the log states it.
    pub event_type: u32,
    /// The type's name in the specification.
    pub event_name: &'static str,
    /// The extended digest.
    pub digest: EventDigest,
    /// This crate's classification.
    pub kind: EventKind,
    /// Name of a variable or section, or a text of GRUB or systemd-boot, covered by a digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A file name or description that no digest covers: for display, never for decisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untrusted_name: Option<String>,
}

/// What an event is. If its digest does not determine that, it is asserted by the log; digests decide.
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
    /// The authority for an image.
    Authority,
    /// The firmware's DMA protection is disabled.
    DmaProtectionDisabled,
    /// A boot option was started.
    BootAttempt,
    /// A call of ExitBootServices, or its result.
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
    /// Content of the section named by the previous event.
    StubSection,
    /// Lists of machine owner keys, PCR 14.
    MachineOwnerKeys,
    /// Anything else.
    Other,
}
