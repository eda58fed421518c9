//! The copy from which an encrypted one is made: a private file beside the database, which nobody else uses meanwhile and which
//! is gone afterwards.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::files::{beside, remove_database};

/// An empty file beside the database, locked.
pub(crate) struct Staged {
    path: PathBuf,
    file: Option<File>,
}

impl Staged {
    /// A new file, or the emptied one that an interrupted backup has left; none while another process has it.
    pub(crate) fn new(database: &Path) -> io::Result<Option<Self>> {
        let path = beside(database, END);
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)?;
            match lock(&file, &path) {
                Ok(true) => {
                    let staged = Self { path, file: Some(file) };
                    staged.empty()?;
                    return Ok(Some(staged));
                }
                // The name went to another file, or to none, before the lock was there.
                Ok(false) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn empty(&self) -> io::Result<()> {
        for end in JOURNALS {
            match fs::remove_file(beside(&self.path, end)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file.as_ref().map_or(Ok(()), |file| file.set_len(0))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file without its name: whatever ends this process, it is gone.
    pub(crate) fn into_unnamed(mut self) -> io::Result<File> {
        remove_database(&self.path);
        // Taken once, here.
        self.file.take().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.file.is_some() {
            remove_database(&self.path);
        }
    }
}

/// Removes the copy that an interrupted backup has left: secrets destroyed since then are still in it.
pub(crate) fn remove_leftover(database: &Path) {
    let path = beside(database, END);
    let Ok(file) =
        OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&path)
    else {
        return;
    };
    if lock(&file, &path) == Ok(true) {
        tracing::warn!(event = "keystore.backup_leftover", path = %path.display(), "removing the copy of an interrupted backup");
        remove_database(&path);
    }
}

/// Locks the file, and tells whether it still has the name.
fn lock(file: &File, path: &Path) -> Result<bool, Errno> {
    flock(file, FlockOperation::NonBlockingLockExclusive)?;
    let (Ok(locked), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else { return Ok(false) };
    Ok((locked.dev(), locked.ino()) == (named.dev(), named.ino()))
}

/// What follows the database's name.
const END: &str = ".backing-up";
const JOURNALS: [&str; 3] = ["-journal", "-wal", "-shm"];
