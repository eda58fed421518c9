//! One broker per database. SQLite keeps two writers of one file apart, but brokers also rely on what they have in memory: which
//! nonces are spent, which head of the log was seen last.
//!
//! The lock is on a file beside the database and not on the database itself: a process that closes any descriptor of an SQLite file
//! loses SQLite's own locks on it. The kernel gives it up when the process ends, however it ends. It does not reach
//! across machines on every network file system.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::files::beside;

/// Held while the database is open.
#[derive(Debug)]
pub(crate) struct DatabaseLock(File);

/// Why the lock was not taken.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it.
    Held {
        /// Its id, if it has written that down.
        process: Option<u32>,
    },
    Io(io::Error),
}

impl DatabaseLock {
    /// Takes the lock on the database at `path`, under whatever name or link it is given. It need not exist.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let file = beside(&real(path)?, LOCK_FILE);
        let no_link = OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(no_link);
        let file = options.open(file)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { process: holder(&file) }),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // For the message of another process only: a full disk is noticed elsewhere.
        let _unwritten = file.set_len(0).and_then(|()| writeln!(&file, "{}", std::process::id()));
        Ok(Self(file))
    }

    /// Gives the lock up before this is dropped.
    pub(crate) fn release(&self) {
        // The kernel gives it up in any case once the file is closed.
        let _closed = self.0.unlock();
    }
}

impl Drop for DatabaseLock {
    /// A child process may still have the descriptor, until it runs its program.
    fn drop(&mut self) {
        self.release();
    }
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The path without links.
fn real(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Ok(folder.unwrap_or(Path::new(".")).canonicalize()?.join(path.file_name().unwrap_or_default()))
        }
        found => found,
    }
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_TEXT).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

/// `keystore.db.lock` for `keystore.db`.
const LOCK_FILE: &str = ".lock";
/// Longer than any process id.
const MAX_TEXT: u64 = 32;
