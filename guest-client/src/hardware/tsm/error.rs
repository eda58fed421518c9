//! Why configfs-tsm gave no report.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The operation that failed in configfs-tsm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsmStep {
    /// Making the directory.
    Make,
    /// Reading a file.
    Read,
    /// Writing a file.
    Write,
    /// Removing the directory.
    Remove,
}

impl fmt::Display for TsmStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Make => "cannot make",
            Self::Read => "cannot read",
            Self::Write => "cannot write",
            Self::Remove => "cannot remove",
        })
    }
}

/// Why configfs-tsm returned no report.
#[derive(Debug, thiserror::Error)]
pub enum TsmError {
    /// The directory does not exist.
    #[error("{} does not exist (configfs not mounted, or a kernel before 6.7)", root.display())]
    NoRoot {
        /// The directory.
        root: PathBuf,
    },
    /// The directory exists, but no hardware driver is registered.
    #[error("{}: no driver provides reports (is sev-guest or tdx_guest loaded?)", root.display())]
    NoProvider {
        /// The directory.
        root: PathBuf,
    },
    /// The hardware is of another kind.
    #[error("expected reports of {expected}, this VM has {found:?}")]
    Provider {
        /// The expected provider.
        expected: &'static str,
        /// The kernel's provider.
        found: String,
    },
    /// A file failed.
    #[error("{step} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// The operation.
        step: TsmStep,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The kernel took fewer bytes than were written.
    #[error("{}: the kernel took {written} of {length} bytes", path.display())]
    ShortWrite {
        /// The file.
        path: PathBuf,
        /// Number of bytes written.
        written: usize,
        /// Number of bytes.
        length: usize,
    },
    /// A file exceeds its limit.
    #[error("{}: more than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A file with a number or a word has other content.
    #[error("{}: not what the kernel documents", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The requested privilege level is below the kernel's minimum.
    #[error("privilege level {asked} is below this kernel's floor {floor}")]
    PrivilegeBelowFloor {
        /// The requested level.
        asked: u8,
        /// The lowest possible.
        floor: u64,
    },
    /// The count of writes is not that of our own writes.
    #[error(
        "another process used the report directory, or the kernel refused the input: generation {found}, expected {expected}"
    )]
    Generation {
        /// The number of our own writes.
        expected: u64,
        /// The kernel's count of writes.
        found: u64,
    },
}

impl TsmError {
    pub(super) fn is_busy(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock)
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => " (only root may ask for reports)",
        io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock => " (the host throttles requests)",
        io::ErrorKind::TimedOut => " (the host did not answer; it throttles requests)",
        io::ErrorKind::InvalidInput => " (the kernel has no input for this report)",
        _ => "",
    }
}
