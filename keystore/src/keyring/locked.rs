//! Changes of a keyring's file: one process at a time, from reading it to the replacement.
//!
//! The lock is on the file itself, which only its owner can open, and goes with it when it is replaced. Who waits for the service
//! that unwraps root keys holds it meanwhile.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::Keyring;
use super::file::{self, Document};
use super::file_error::{KeyringFileError, io_error};
use super::wrapped::{StoredKeyring, WrappedKeyring, Wrapper};

/// A keyring's file that no other process changes, as long as all use this.
#[derive(Debug)]
pub struct LockedFile {
    path: PathBuf,
    file: File,
}

impl LockedFile {
    /// Locks the file; does not wait for another process.
    ///
    /// # Errors
    /// [`KeyringFileError::Busy`], and those of [`StoredKeyring::load`].
    pub fn lock(path: &Path) -> Result<Self, KeyringFileError> {
        for _ in 0..ATTEMPTS {
            let file = file::open_private(path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => break,
                Err(error) => return Err(io_error(path, error.into())),
            }
            // It may have been replaced after it was opened.
            if is_at(path, &file)? {
                return Ok(Self { path: path.to_owned(), file });
            }
        }
        Err(KeyringFileError::Busy { path: path.to_owned() })
    }

    /// Reads it.
    ///
    /// # Errors
    /// Those of [`StoredKeyring::read`].
    pub fn read(&self) -> Result<StoredKeyring, KeyringFileError> {
        StoredKeyring::read(&self.path, &self.file)
    }

    /// Writes what shall replace the file, durably, beside it: whatever can fail for want of space or of permissions has
    /// failed by then.
    ///
    /// # Errors
    /// [`KeyringFileError::TooLarge`], and those of the operating system.
    pub fn prepare(self, next: &Keyring) -> Result<Replacement, KeyringFileError> {
        self.prepare_document(&Document::of(next))
    }

    /// The same with wrapped root keys.
    ///
    /// # Errors
    /// As [`LockedFile::prepare`].
    pub fn prepare_wrapped(self, next: &WrappedKeyring) -> Result<Replacement, KeyringFileError> {
        self.prepare_document(next)
    }

    fn prepare_document(self, document: &impl Serialize) -> Result<Replacement, KeyringFileError> {
        // A fixed name: what a killed process left there is gone after the next change.
        let temporary = file::beside(&self.path, "new");
        match fs::remove_file(&temporary) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&temporary, source));
            }
            _ => {}
        }
        file::write(&temporary, document)?;
        Ok(Replacement { locked: self, temporary: Some(temporary) })
    }
}

/// Whether the path leads to this file.
fn is_at(path: &Path, file: &File) -> Result<bool, KeyringFileError> {
    let opened = file.metadata().map_err(|source| io_error(path, source))?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(source) => Err(io_error(path, source)),
    }
}

/// A keyring that is written and not in place yet. Dropping it removes what was written.
#[derive(Debug)]
pub struct Replacement {
    locked: LockedFile,
    temporary: Option<PathBuf>,
}

impl Replacement {
    /// Replaces the file, atomically and durably.
    ///
    /// # Errors
    /// [`KeyringFileError::NotDurable`]: it is replaced all the same. Otherwise those of the operating system.
    pub fn put_in_place(mut self) -> Result<(), KeyringFileError> {
        let path = &self.locked.path;
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, path).map_err(|source| io_error(path, source))?;
            self.temporary = None;
        }
        let not_durable = |source| KeyringFileError::NotDurable { path: path.clone(), source };
        file::sync_folder(path).map_err(not_durable)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            file::discard(temporary);
        }
    }
}

/// The file of a keyring that is in use, and what wraps its root keys, if they are.
#[derive(Clone)]
pub struct KeyringFile {
    path: PathBuf,
    wrapper: Option<Arc<dyn Wrapper>>,
}

/// A keyring's file that is being changed, with the keyring in it.
#[derive(Debug)]
pub struct OpenKeyring {
    /// The keyring as the file has it.
    pub keyring: Keyring,
    locked: LockedFile,
    /// What wraps the root keys, and the name of the key, if they are wrapped.
    wrapper: Option<(Arc<dyn Wrapper>, String)>,
}

impl KeyringFile {
    /// The file at `path`, whose root keys are not wrapped.
    #[must_use]
    pub const fn plain(path: PathBuf) -> Self {
        Self { path, wrapper: None }
    }

    /// The file at `path`, whose root keys may be wrapped.
    #[must_use]
    pub fn new(path: PathBuf, wrapper: Arc<dyn Wrapper>) -> Self {
        Self { path, wrapper: Some(wrapper) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Locks and reads it. Blocks, for as long as unwrapping takes.
    ///
    /// # Errors
    /// [`KeyringFileError`] says what to do about it.
    pub fn open(&self) -> Result<OpenKeyring, KeyringFileError> {
        let locked = LockedFile::lock(&self.path)?;
        let wrapped = match locked.read()? {
            StoredKeyring::Plain(keyring) => return Ok(OpenKeyring { keyring, locked, wrapper: None }),
            StoredKeyring::Wrapped(wrapped) => wrapped,
        };
        let kms = wrapped.kms().to_owned();
        let Some(wrapper) = self.wrapper.clone() else {
            return Err(KeyringFileError::Wrapped { path: self.path.clone(), kms });
        };
        Ok(OpenKeyring { keyring: wrapper.open(&wrapped)?, locked, wrapper: Some((wrapper, kms)) })
    }
}

impl OpenKeyring {
    /// Writes what shall replace the file, in the same form. Blocks, for as long as wrapping takes.
    ///
    /// # Errors
    /// [`KeyringFileError`] says what to do about it.
    pub fn prepare(self, next: &Keyring) -> Result<Replacement, KeyringFileError> {
        match self.wrapper {
            None => self.locked.prepare(next),
            Some((wrapper, kms)) => self.locked.prepare_wrapped(&wrapper.wrap(next, &kms)?),
        }
    }
}

impl fmt::Debug for KeyringFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyringFile").field(&self.path).finish()
    }
}

impl fmt::Debug for dyn Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapper")
    }
}

/// So often a file may be replaced while it is being locked.
const ATTEMPTS: usize = 8;

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::UnixTime;

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn saved() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.json");
        Keyring::generate(NOW).unwrap().create(&path).unwrap();
        (folder, path)
    }

    #[test]
    fn two_changes_at_once_do_not_write_over_each_other() {
        let (_folder, path) = saved();
        let file = KeyringFile::plain(path);
        let first = file.open().unwrap();
        let refused = file.open().unwrap_err();
        assert!(matches!(refused, KeyringFileError::Busy { .. }), "{refused}");
        assert!(
            refused.to_string().contains("is being changed by another command or by the broker"),
            "{refused}"
        );
        let (next, _) = first.keyring.with_pending(NOW).unwrap();
        let replacement = first.prepare(&next).unwrap();
        assert!(matches!(file.open().unwrap_err(), KeyringFileError::Busy { .. }));
        replacement.put_in_place().unwrap();
        // The second one goes on from what the first one wrote.
        assert!(file.open().unwrap().keyring.is_same(&next));
        assert!(file.open().unwrap().keyring.with_pending(NOW).is_err());
    }

    #[test]
    fn a_file_that_was_replaced_while_it_was_opened_is_not_the_one() {
        let (_folder, path) = saved();
        let opened = File::open(&path).unwrap();
        assert!(is_at(&path, &opened).unwrap());
        let locked = KeyringFile::plain(path.clone()).open().unwrap();
        let (next, _) = locked.keyring.with_pending(NOW).unwrap();
        locked.prepare(&next).unwrap().put_in_place().unwrap();
        assert!(!is_at(&path, &opened).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(matches!(is_at(&path, &opened), Err(KeyringFileError::Io { .. })));
    }
}
