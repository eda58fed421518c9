//! Releases of Debian, and the differences between their boots.

use clap::ValueEnum;

/// A release of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Bookworm: systemd 252, GRUB 2.06, Linux 6.1.
    #[value(name = "12")]
    Debian12,
    /// Trixie: systemd 257, GRUB 2.12, Linux 6.12.
    #[value(name = "13")]
    Debian13,
    /// Debian's development version.
    Sid,
}

/// The initrd that the kernel of a unified kernel image loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Initrd {
    /// The section .initrd.
    AsInImage,
    /// Composed by the stub, the same wherever the image boots.
    OfImage,
    /// Composed by the stub with a secret of the machine.
    OfMachine,
}

impl Suite {
    /// All of them, oldest first.
    pub(crate) const ALL: [Self; 3] = [Self::Debian12, Self::Debian13, Self::Sid];

    /// Its version, or its name if it has none.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Debian12 => "12",
            Self::Debian13 => "13",
            Self::Sid => "sid",
        }
    }

    /// What its systemd makes of the initrd.
    pub(crate) const fn initrd(self) -> Initrd {
        match self {
            Self::Debian12 => Initrd::AsInImage,
            Self::Debian13 => Initrd::OfImage,
            Self::Sid => Initrd::OfMachine,
        }
    }

    /// Whether its systemd extends the words os-separator and nvpcr-separator in the initrd of a unified
    /// kernel image (since 261).
    pub(crate) const fn measures_in_initrd(self) -> bool {
        matches!(self, Self::Sid)
    }

    /// The commands that its signed GRUB runs before it reads its configuration from the disk's only
    /// partition.
    pub(crate) const fn grub_start(self) -> &'static str {
        match self {
            Self::Debian12 => DEBIAN_12_GRUB,
            Self::Debian13 | Self::Sid => "",
        }
    }
}

const DEBIAN_12_GRUB: &str = "[ -z (hd0,gpt1)/EFI/debian -o ! -e (hd0,gpt1)/EFI/debian ]\n\
    [ -e (hd0,gpt1)/EFI/debian/x86_64-efi/grub.cfg ]\n\
    [ -e (hd0,gpt1)/EFI/debian/grub.cfg ]\n\
    source (hd0,gpt1)/EFI/debian/grub.cfg\n";
