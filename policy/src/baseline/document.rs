//! A baseline as a document: what may be listed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vouchsafe_protocol::{Digest48, UnixTime, UpdateSigner};

use super::component::Component;
use super::digest::{BaselineLog, LogDigest};
use super::entries::ExpiringEntries;

/// A baseline in the form in which it is written, stored and compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Description, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Security version: policies can require a minimum.
    pub version: u32,
    /// Expiry: from this time on no VM is a member.
    pub ends_at: UnixTime,
    /// Technology of the VMs, such as `sev-snp`.
    pub technology: String,
    /// The log that its digests are from.
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
    /// Authenticode digests of the kernel, if the firmware measures it as an application.
    #[serde(default)]
    pub kernel_image: Vec<LogDigest>,
    /// Authenticode digests of images that may be started or loaded before the one that runs: those of boot
    /// options that returned, kernels that GRUB loaded earlier, further loaders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_images: Vec<LogDigest>,
    /// Authenticode digests of EFI drivers, which are optional.
    #[serde(default)]
    pub drivers: Vec<LogDigest>,
    /// Digests of the kernel's file, as GRUB measures it.
    #[serde(default)]
    pub kernel: Vec<LogDigest>,
    /// Digests of the initrd's file, as GRUB measures it; if one command loads several files, of the last.
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
    /// Kernel command lines as GRUB measures them, starting with the kernel's path.
    #[serde(default)]
    pub command_lines: Vec<String>,
    /// Kernel command lines of entries that GRUB may load before the one that runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_command_lines: Vec<String>,
    /// PE sections of a unified kernel image by name; each occurs exactly once.
    #[serde(default)]
    pub sections: BTreeMap<String, Vec<LogDigest>>,
    /// Digests of the load options that the kernel's EFI stub measures; at most once, and exactly once if the
    /// kernel is started neither by GRUB nor as a unified kernel image.
    #[serde(default)]
    pub load_options: Vec<LogDigest>,
    /// Digests of the initrd that the kernel's EFI stub measures; required as often as `load_options`.
    #[serde(default)]
    pub loaded_initrd: Vec<LogDigest>,
    /// How the initrd that systemd-stub composes is determined.
    #[serde(default, skip_serializing_if = "ComposedInitrd::is_listed")]
    pub composed_initrd: ComposedInitrd,
    /// Command lines that systemd-boot or systemd-stub measures into PCR 12: those of Type 1 entries, of
    /// which at least one must occur, or options and add-ons of a unified kernel image, all of which must
    /// occur.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Further events of PCR 12.
    #[serde(default)]
    pub pcr12: Vec<LogDigest>,
    /// Events of PCR 13.
    #[serde(default)]
    pub pcr13: Vec<LogDigest>,
    /// Events of PCR 2, 4, 8 and 9 that are neither images nor texts nor files, by PCR; they are optional.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_events: BTreeMap<u8, Vec<LogDigest>>,
    /// Words that user space extended after the log, by PCR: in a PCR with a list here each word must be
    /// listed; in any other, systemd's grammar applies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub userspace_words: BTreeMap<u8, Vec<String>>,
    /// CCEL: all events of register 1, including firmware configuration and ACPI tables. Not compared while
    /// empty, since some of them depend on the VM's size (T21).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub register1: Vec<LogDigest>,
    /// CCEL: events of register 2 that are neither images nor actions of the firmware.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub register2: Vec<LogDigest>,
    /// CCEL: further events of register 3, such as lists of machine owner keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub register3: Vec<LogDigest>,
    /// Entries that are allowed until a time, in addition to the lists above: what updates have replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub until: BTreeMap<UnixTime, ExpiringEntries>,
    /// Whose signed component lists approve updates that members propose. No approval changes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub update_signers: Vec<UpdateSigner>,
    /// Component lists of a lower version do not count: the highest version of a list that has approved an update.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub update_version: u32,
}

/// serde passes it by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(version: &u32) -> bool {
    *version == 0
}

/// The firmware that a baseline allows. An empty list is not compared.
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

/// What determines the initrd that the kernel was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComposedInitrd {
    /// Its digest, in `loaded_initrd`.
    #[default]
    Listed,
    /// The listed image, its sections, and PCR 12 and 13: systemd-stub composed it from these.
    BySections,
}

impl ComposedInitrd {
    /// serde passes it by reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn is_listed(&self) -> bool {
        *self == Self::Listed
    }
}

impl Baseline {
    /// The document.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("digests, texts and numbers are JSON")
    }

    /// Whether it determines a trust domain's firmware at `now`.
    pub(crate) fn knows_firmware(&self, mr_td: &Digest48, now: UnixTime) -> bool {
        now < self.ends_at && self.firmware.tdx_measurements.contains(mr_td)
    }

    /// The components in PCR 2 and 4, in boot order.
    pub(super) fn images(&self) -> Vec<(Component, &[LogDigest])> {
        vec![
            (Component::Driver, &self.drivers),
            (Component::OtherImage, &self.other_images),
            (Component::Shim, &self.shim),
            (Component::BootManager, &self.boot_manager),
            (Component::Grub, &self.grub),
            (Component::Uki, &self.uki),
            (Component::KernelImage, &self.kernel_image),
        ]
    }

    /// The components in PCR 9, in boot order.
    pub(super) fn files(&self) -> Vec<(Component, &[LogDigest])> {
        vec![
            (Component::Configuration, &self.configuration),
            (Component::Grubenv, &self.grubenv),
            (Component::OtherFile, &self.other_files),
            (Component::Kernel, &self.kernel),
            (Component::EarlyInitrd, &self.early_initrd),
            (Component::Initrd, &self.initrd),
            (Component::LoadOptions, &self.load_options),
            (Component::LoadedInitrd, &self.loaded_initrd),
        ]
    }
}
