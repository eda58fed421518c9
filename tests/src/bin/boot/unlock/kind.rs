//! Which system boots, and how its kernel is started.

use crate::machine::Firmware;
use crate::suite::Suite;

/// A system and its way to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By the firmware, as a unified kernel image without Secure Boot; an initrd that only unlocks.
    Unified,
    /// By shim and GRUB, with Secure Boot; Debian 12 with initramfs-tools.
    Grub,
    /// The same, and Clevis opens the root file system.
    Clevis,
    /// By shim and GRUB, with Secure Boot; Debian 13 with dracut.
    Dracut,
    /// By the firmware, as a unified kernel image without Secure Boot; Debian's development version with dracut.
    Sid,
}

impl Kind {
    /// In the order in which they boot.
    pub(super) const ALL: [Self; 5] = [Self::Unified, Self::Grub, Self::Clevis, Self::Dracut, Self::Sid];

    pub(super) const fn suite(self) -> Suite {
        match self {
            Self::Unified | Self::Grub | Self::Clevis => Suite::Debian12,
            Self::Dracut => Suite::Debian13,
            Self::Sid => Suite::Sid,
        }
    }

    /// The installed system among the packages, as `scripts/setup root` names it.
    pub(super) const fn root(self) -> &'static str {
        match self {
            Self::Clevis => "12-clevis",
            _ => self.suite().name(),
        }
    }

    /// Its folder.
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::Grub => "grub",
            Self::Clevis => "clevis",
            Self::Dracut => "dracut",
            Self::Sid => "sid",
        }
    }

    /// Whether systemd's stub starts the kernel.
    pub(super) const fn is_unified(self) -> bool {
        matches!(self, Self::Unified | Self::Sid)
    }

    /// Whether systemd runs in the initrd, which dracut makes.
    pub(super) const fn is_dracut(self) -> bool {
        matches!(self, Self::Dracut | Self::Sid)
    }

    pub(super) const fn firmware(self) -> Firmware {
        if self.is_unified() { Firmware::Plain } else { Firmware::SecureBoot }
    }

    /// The kernel's command line.
    pub(super) const fn arguments(self) -> &'static str {
        if self.is_dracut() {
            "root=/dev/mapper/root ro console=ttyS0 rd.shell=0 rd.emergency=reboot"
        } else {
            "root=/dev/mapper/root ro console=ttyS0 panic=-1"
        }
    }

    /// What the initrd prints early.
    pub(super) const fn started(self) -> &'static str {
        if self.is_dracut() { "Running in initrd" } else { "Loading, please wait" }
    }

    /// What is in the line with which an initrd ends that fails: no shell, or the latch before it could open.
    pub(super) const fn ends(self) -> &'static [&'static str] {
        if self.is_dracut() {
            &["Finished", "vouchsafe-latch-failed"]
        } else {
            &["Rebooting automatically due to panic= boot argument"]
        }
    }

    /// The question for the passphrase of the root file system.
    pub(super) const fn prompt(self) -> &'static str {
        if self.is_dracut() { "Please enter passphrase for disk" } else { "Recovery passphrase of root" }
    }
}
