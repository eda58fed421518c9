//! Why configfs-tsm gave no report.

use std::io;
use std::path::PathBuf;

/// What was done when configfs-tsm failed.
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

/// Why configfs-tsm gave no report.
#[derive(Debug, thiserror::Error)]
pub enum TsmError {
    /// The directory is not there.
    #[error("{} does not exist (configfs not mounted, or a kernel before 6.7)", root.display())]
    NoRoot {
        /// The directory.
        root: PathBuf,
    },
    /// The directory is there, but no hardware driver stands behind it.
    #[error("{}: no driver provides reports (is sev-guest or tdx_guest loaded?)", root.display())]
    NoProvider {
        /// The directory.
        root: PathBuf,
    },
    /// The hardware is of another kind.
    #[error("expected reports of {expected}, this VM has {found:?}")]
    Provider {
        /// What was asked for.
        expected: &'static str,
        /// What the kernel offers.
        found: String,
    },
    /// A file failed.
    #[error("{step:?} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was done.
        step: TsmStep,
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel took fewer bytes than were written.
    #[error("{}: the kernel took {written} of {length} bytes", path.display())]
    ShortWrite {
        /// The file.
        path: PathBuf,
        /// Bytes taken.
        written: usize,
        /// Bytes given.
        length: usize,
    },
    /// A file holds more than it can.
    #[error("{}: more than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A file that holds a number or a word holds something else.
    #[error("{}: not what the kernel documents", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The privilege level asked for is below what the kernel may ask for.
    #[error("privilege level {asked} is below this kernel's floor {floor}")]
    PrivilegeBelowFloor {
        /// The level asked for.
        asked: u8,
        /// The lowest possible.
        floor: u64,
    },
    /// The count of writes is not ours.
    #[error(
        "another process used the report directory, or the kernel refused the input: generation {found}, expected {expected}"
    )]
    Generation {
        /// Our own writes.
        expected: u64,
        /// The kernel's count.
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
