//! The components of a boot.

use std::fmt;

use serde::Serialize;

/// A component of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// EFI driver.
    Driver,
    /// First boot loader.
    Shim,
    /// Boot manager, such as systemd-boot.
    BootManager,
    /// Boot loader.
    Grub,
    /// Unified kernel image.
    Uki,
    /// Kernel as an EFI application.
    KernelImage,
    /// An image that was started or loaded before the one that runs.
    OtherImage,
    /// What GRUB reads before the kernel.
    Configuration,
    /// GRUB's environment block.
    Grubenv,
    /// The kernel's file.
    Kernel,
    /// A file that GRUB loads before the initrd, such as microcode.
    EarlyInitrd,
    /// The initrd's file.
    Initrd,
    /// A kernel or initrd that GRUB loaded before those that run.
    OtherFile,
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
            Self::BootManager => "boot manager",
            Self::Grub => "grub",
            Self::Uki => "uki",
            Self::KernelImage => "kernel image",
            Self::OtherImage => "other image",
            Self::Configuration => "configuration",
            Self::Grubenv => "grubenv",
            Self::Kernel => "kernel",
            Self::EarlyInitrd => "early initrd",
            Self::Initrd => "initrd",
            Self::OtherFile => "other file",
            Self::LoadOptions => "load options",
            Self::LoadedInitrd => "loaded initrd",
            Self::CommandLine => "command line",
        })
    }
}

impl Component {
    /// Whether it may occur any number of times.
    pub(super) const fn is_unlimited(self) -> bool {
        matches!(
            self,
            Self::Driver | Self::OtherImage | Self::Configuration | Self::Grubenv | Self::OtherFile
        )
    }

    /// Configuration and environment may come in any order, but before the kernel; so may entries that
    /// failed.
    pub(super) const fn rank(self) -> Self {
        match self {
            Self::Grubenv | Self::OtherFile => Self::Configuration,
            _ => self,
        }
    }

    /// Whether a later component may have the same digest. The kernel's EFI stub measures the initrd after GRUB, and in CCEL its
    /// options after systemd-boot; what failed once may be tried again.
    pub(super) const fn may_recur_as(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Initrd, Self::LoadedInitrd)
                | (Self::Configuration, Self::LoadOptions)
                | (Self::OtherImage | Self::OtherFile, _)
        )
    }
}
