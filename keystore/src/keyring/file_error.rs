//! Why a keyring's file could not be read or written.

use std::io;
use std::path::{Path, PathBuf};

use super::KeyringError;
use crate::primitives::RandomError;

/// The error of a [`Wrapper`](super::wrapped::Wrapper).
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WrapperError(pub Box<dyn std::error::Error + Send + Sync>);

/// Why a keyring's file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFileError {
    /// The system's error.
    #[error(
        "keyring {}: {source}{}",
        path.display(),
        advice(source.kind())
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file already exists.
    #[error("keyring {} exists already and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process changes it.
    #[error("keyring {} is being changed by another command or by the broker: try again when that has ended", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It was replaced, which a loss of power may undo.
    #[error(
        "keyring {} was replaced, but that is not on the disk yet: {source}. Look at the disk, and whether the file is the new \
         one (`vouchsafe keyring status`)",
        path.display()
    )]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A folder, a device or a symbolic link.
    #[error("keyring {} is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Others can read or write it.
    #[error("keyring {} has mode {mode:03o}: others may read it; chmod 600 it, and rotate the keyring if they could", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("keyring {} belongs to user {uid}: run this as that user, such as with `runuser -u USER -- vouchsafe …`", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Larger than any keyring, or one that would be.
    #[error(
        "keyring {} has {size} bytes, which is more than {MAX_FILE}: remove generations that nothing needs \
         (`vouchsafe keyring status`)",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// Not JSON of the expected form. Only the position is reported, since the text is secret.
    #[error("keyring {} is malformed at line {line}, column {column}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The path.
        line: usize,
        /// The path.
        column: usize,
    },
    /// Its root keys are wrapped, where they are needed.
    #[error("keyring {} is wrapped by {kms}: name the broker's configuration with --config, whose section [kms] says how that is reached", path.display())]
    Wrapped {
        /// The file.
        path: PathBuf,
        /// The key that wraps them.
        kms: String,
    },
    /// Its root keys could not be wrapped or unwrapped.
    #[error(transparent)]
    Wrapper(#[from] WrapperError),
    /// Well-formed, but no keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// No randomness for a temporary name.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl KeyringFileError {
    pub(super) fn is_existing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }
}

pub(super) fn io_error(path: &Path, source: io::Error) -> KeyringFileError {
    let path = path.to_owned();
    // open(2) with O_NOFOLLOW returns ELOOP for a symbolic link.
    if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return KeyringFileError::NotAFile { path };
    }
    KeyringFileError::Io { path, source }
}

const fn advice(fault: io::ErrorKind) -> &'static str {
    match fault {
        io::ErrorKind::NotFound => ABSENT,
        io::ErrorKind::PermissionDenied => FOREIGN,
        _ => "",
    }
}

/// The largest file, in bytes.
pub(super) const MAX_FILE: usize = 64 * 1024;
const ABSENT: &str = "; if this broker existed before, put back the keyring from its backup, without which the database \
                      cannot be read (docs/operations.md); `vouchsafe init` creates a keyring with a new broker";
const FOREIGN: &str =
    "; it belongs to another user: if root has put it back, give it to the broker's user, with `chown USER`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_root_has_put_back_is_told_apart_from_a_lost_one() {
        let said = |kind: io::ErrorKind| io_error(Path::new("keyring.json"), kind.into()).to_string();
        for (kind, advice) in [
            (
                io::ErrorKind::PermissionDenied,
                "; it belongs to another user: if root has put it back, give it to the broker's user",
            ),
            (
                io::ErrorKind::NotFound,
                "; if this broker existed before, put back the keyring from its backup",
            ),
        ] {
            assert!(said(kind).contains(advice), "{}", said(kind));
        }
        assert_eq!(said(io::ErrorKind::Interrupted).matches(';').count(), 0);
    }
}
