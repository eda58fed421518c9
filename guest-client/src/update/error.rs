//! Why what the next boot will measure cannot be told.

use std::io;
use std::path::PathBuf;

use vouchsafe_reference_values::{BootLogError, ImageError, ScriptError, UnifiedError};

/// Why a prediction is not possible.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The running boot's log cannot be read.
    #[error(transparent)]
    Log(#[from] BootLogError),
    /// Neither GRUB nor a unified kernel image was started.
    #[error(
        "this boot's log shows neither GRUB nor a unified kernel image, so what the next boot measures is unknown"
    )]
    OtherLoader,
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// A file is larger than any that is measured at boot.
    #[error("{} is too large for a file of a boot", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file that the boot reads is not mounted.
    #[error("{name}, which the boot reads, is in none of /, /boot, /boot/efi and /efi")]
    NotFound {
        /// The name that GRUB or the firmware has for it.
        name: String,
    },
    /// Two files differ, and either may be the one that GRUB reads.
    #[error("{name}, which the boot reads, may be {} or {}", one.display(), other.display())]
    Ambiguous {
        /// GRUB's name.
        name: String,
        /// One file.
        one: PathBuf,
        /// Another.
        other: PathBuf,
    },
    /// A file is not an EFI image.
    #[error("{}: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: ImageError,
    },
    /// A unified kernel image is one whose measurements cannot be predicted.
    #[error("{}: {source}", path.display())]
    Unified {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: UnifiedError,
    },
    /// GRUB's configuration and the files do not fit.
    #[error(transparent)]
    Script(#[from] ScriptError),
}
