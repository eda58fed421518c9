//! Files and folders that other users must not be able to change, or to read.
//!
//! They have to belong to the user of this process or to root. [`open`] and [`read`] check the open file, so that it cannot be
//! exchanged between check and use; [`examine`] checks what has the name at that moment. Not looked at: the folders above,
//! access control lists, and what root may do.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What other users must not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Reading is harmless, changing is not.
    MayRead,
    /// Neither reading nor changing.
    MayNothing,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum TrustedFileError {
    /// It could not be opened or examined.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// It belongs to a user who is neither the caller nor root.
    #[error("{0}: belongs to user id {user}: it must be yours or root's: chown it to the user that runs this program", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        user: u32,
    },
    /// Its mode permits other users too much.
    #[error("{0}: has mode {mode:03o}, so other users may {1}: chmod {wanted:03o} {0}", path.display(), others.forbidden_act())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The same without those that others must not have.
        wanted: u32,
        /// What they must not be able to do.
        others: Others,
    },
}

/// Opens a file or folder for reading, and checks its owner and mode.
///
/// # Errors
/// [`TrustedFileError`].
pub fn open(path: &Path, others: Others) -> Result<File, TrustedFileError> {
    let failed = |source| TrustedFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    check(path, &file.metadata().map_err(failed)?, others)?;
    Ok(file)
}

/// Reads a whole file, whose owner and mode are checked first.
///
/// # Errors
/// [`TrustedFileError`].
pub fn read(path: &Path, others: Others) -> Result<Vec<u8>, TrustedFileError> {
    let mut bytes = Vec::new();
    open(path, others)?
        .read_to_end(&mut bytes)
        .map_err(|source| TrustedFileError::Io { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// The same for a text in UTF-8.
///
/// # Errors
/// [`TrustedFileError`].
pub fn read_text(path: &Path, others: Others) -> Result<String, TrustedFileError> {
    let invalid = |source| io::Error::new(io::ErrorKind::InvalidData, source);
    String::from_utf8(read(path, others)?)
        .map_err(|error| TrustedFileError::Io { path: path.to_owned(), source: invalid(error.utf8_error()) })
}

/// Checks owner and mode of a file or folder that is not opened here.
///
/// # Errors
/// [`TrustedFileError`].
pub fn examine(path: &Path, others: Others) -> Result<(), TrustedFileError> {
    let metadata =
        std::fs::metadata(path).map_err(|source| TrustedFileError::Io { path: path.to_owned(), source })?;
    check(path, &metadata, others)
}

/// Checks owner and mode of the open file at `path`.
///
/// # Errors
/// [`TrustedFileError::Owner`] or [`TrustedFileError::Mode`].
pub fn check(path: &Path, metadata: &Metadata, others: Others) -> Result<(), TrustedFileError> {
    let (user, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if user != 0 && user != rustix::process::geteuid().as_raw() {
        return Err(TrustedFileError::Owner { path: path.to_owned(), user });
    }
    let wanted = mode & !others.forbidden();
    if mode != wanted {
        return Err(TrustedFileError::Mode { path: path.to_owned(), mode, wanted, others });
    }
    Ok(())
}

impl Others {
    const fn forbidden(self) -> u32 {
        match self {
            Self::MayRead => 0o022,
            Self::MayNothing => 0o077,
        }
    }

    const fn forbidden_act(self) -> &'static str {
        match self {
            Self::MayRead => "change it",
            Self::MayNothing => "read or change it",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    #[test]
    fn a_file_that_others_may_change_or_own_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        let found = |mode, others| {
            set_permissions(path, Permissions::from_mode(mode)).unwrap();
            open(path, others).map_err(|error| error.to_string())
        };
        let name = path.display();
        for (mode, wanted) in [(0o664, 0o644), (0o602, 0o600), (0o777, 0o755)] {
            let expected = format!(
                "{name}: has mode {mode:03o}, so other users may change it: chmod {wanted:03o} {name}"
            );
            assert_eq!(found(mode, Others::MayRead).unwrap_err(), expected);
        }
        for (mode, wanted) in [(0o640, 0o600), (0o604, 0o600), (0o677, 0o600)] {
            let expected = format!(
                "{name}: has mode {mode:03o}, so other users may read or change it: chmod {wanted:03o} {name}"
            );
            assert_eq!(found(mode, Others::MayNothing).unwrap_err(), expected);
        }
        found(0o644, Others::MayRead).unwrap();
        found(0o600, Others::MayNothing).unwrap();
        // Only root can change the owner.
        if chown(path, Some(65_534), None).is_ok() {
            let expected = format!(
                "{name}: belongs to user id 65534: it must be yours or root's: chown it to the user that runs this program"
            );
            assert_eq!(found(0o600, Others::MayRead).unwrap_err(), expected);
        }
        let missing = open(Path::new("/nowhere"), Others::MayRead).unwrap_err();
        assert!(matches!(missing, TrustedFileError::Io { .. }), "{missing}");
    }
}
