//! A copy: what can go wrong with one, what is in it, and verifying it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vouchsafe_protocol::{Checkpoint, Digest32, UnixTime};

use crate::age::{DecryptError, EncryptError};
use crate::db::{
    Connection, StoreError, copy_into, create_file, has_newest_tables, has_tables, is_sound, read_only,
};
use crate::keyring::Keyring;
use crate::log::{Loss, VerifiedLog, verify_log};
use crate::registry::open::{OpenError, check_keyring};

/// Why a copy was not made or not put in place.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target exists.
    #[error("{} already exists and is not overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system's error.
    #[error(
        "{}: {source}{}",
        path.display(),
        if source.kind() == io::ErrorKind::PermissionDenied { NOT_OURS } else { "" }
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The database could not be copied.
    #[error("cannot copy {}: {source}", path.display())]
    Copy {
        /// The database that was to be copied.
        path: PathBuf,
        /// The database's error.
        source: sqlx::Error,
    },
    /// The pages contradict one another.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The database, or the one that was copied.
        path: PathBuf,
    },
    /// Another version of the broker has written the tables.
    #[error(
        "the tables of {} are those of another version of vouchsafe: use the program of the version that serves it",
        path.display()
    )]
    OtherVersion {
        /// The database.
        path: PathBuf,
    },
    /// A newer head of the log is known than that of the copy.
    #[error("{}", older(path, loss))]
    Older {
        /// The copy.
        path: PathBuf,
        /// What would be lost.
        loss: Loss,
    },
    /// The log of the copy is not a continuation of one that is known.
    #[error("{}", other_branch(path))]
    OtherBranch {
        /// The copy.
        path: PathBuf,
    },
    /// Another process is making an encrypted copy of the same database.
    #[error("another encrypted backup of {} is being made: run this again when it has ended", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// The copy could not be encrypted.
    #[error("cannot encrypt the copy to {}: {source}", path.display())]
    Encrypt {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: EncryptError,
    },
    /// What was written is not what the disk returns.
    #[error("{}: what was written cannot be read again: check the disk", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
    },
    /// The copy is encrypted, and there is no identity to decrypt it with.
    #[error("{} is encrypted with age: give the identity of one of its recipients with --identity FILE", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// There is an identity, and the copy is not encrypted.
    #[error("{} is not encrypted with age: if it is the copy that you mean, leave --identity out", path.display())]
    NotEncrypted {
        /// The file.
        path: PathBuf,
    },
    /// The copy could not be decrypted.
    #[error("cannot decrypt {}: {source}", path.display())]
    Decrypt {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: DecryptError,
    },
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its content fails a check.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a verified copy contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CopySummary {
    /// Size of the file.
    pub bytes: u64,
    /// Number of records in the decision log.
    pub records: u64,
    /// Number of changes by operators.
    pub epoch: u64,
    /// Root of the Merkle tree over all records, RFC 6962.
    pub root: Digest32,
    /// Time of the newest record.
    pub newest_at: Option<UnixTime>,
}

impl CopySummary {
    pub(crate) fn new(path: &Path, log: &VerifiedLog) -> Result<Self, BackupError> {
        let metadata = fs::metadata(path).map_err(|source| io_error(path, source))?;
        let (root, &VerifiedLog { head, newest_at, .. }) = (log.root(), log);
        Ok(Self { bytes: metadata.len(), records: head.size, epoch: head.epoch, root, newest_at })
    }
}

pub(super) async fn copy_and_check(
    database: &Path,
    keyring: &Keyring,
    out: &Path,
) -> Result<CopySummary, BackupError> {
    copy(database, out).await?;
    let log = verify(&mut read_only(out).await?, database, keyring, &[]).await?;
    CopySummary::new(out, &log)
}

/// Verifies the pages and every record of a database, or of a copy of `database`. Nothing may write to it meanwhile.
pub(crate) async fn verify(
    connection: &mut Connection,
    database: &Path,
    keyring: &Keyring,
    checkpoints: &[Checkpoint],
) -> Result<VerifiedLog, BackupError> {
    if !is_sound(connection).await? {
        return Err(BackupError::Damaged { path: database.to_owned() });
    }
    if !has_newest_tables(connection).await? {
        return Err(BackupError::OtherVersion { path: database.to_owned() });
    }
    check_keyring(database, connection, keyring).await?;
    Ok(verify_log(connection, keyring, checkpoints).await?)
}

/// Checks that there is a database with tables.
pub(crate) async fn require_database(path: &Path) -> Result<(), BackupError> {
    let path = path.to_owned();
    if !path.exists() {
        return Err(OpenError::Missing { path }.into());
    }
    if has_tables(&path).await? { Ok(()) } else { Err(OpenError::NoTables { path }.into()) }
}

pub(super) fn new_file(path: &Path) -> Result<(), BackupError> {
    create_file(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { path: path.to_owned() },
        _ => io_error(path, source),
    })
}

pub(super) async fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    copy_into(from, to).await.map_err(|source| BackupError::Copy { path: from.to_owned(), source })
}

pub(super) fn io_error(path: &Path, source: io::Error) -> BackupError {
    BackupError::Io { path: path.to_owned(), source }
}

/// The message of a refusal.
fn older(path: &Path, loss: &Loss) -> String {
    let Loss { records, changes } = loss;
    format!(
        "{} is older than what this broker has recorded. Newer records that it lacks: at least {records}; changes by operators \
         among them: {changes}. Restore a newer backup, or accept the loss with --accept-loss: then changes that revoked \
         access are undone, and secrets that were destroyed are back",
        path.display()
    )
}

/// The message of a refusal.
fn other_branch(path: &Path) -> String {
    format!(
        "{} is of another branch: the records that this broker had recorded are not in it, others are. So it is when a keystore \
         went on after an older copy was restored. Restore a backup of the last branch, or accept the loss with --accept-loss: \
         then the changes of that branch are undone",
        path.display()
    )
}

const NOT_OURS: &str = "; the user who runs this has to have access to it: `chown USER` a file, and make a folder for copies with `install -d \
                        -m 700 -o USER FOLDER`";
