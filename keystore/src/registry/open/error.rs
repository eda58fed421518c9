//! Why a keystore could not be created or opened, and what to do.

use std::path::PathBuf;

use crate::db::{RESTORE_KEYRING, StoreError};
use crate::keyring::GenerationId;
use crate::log::{Loss, NewestHeadError};

/// Why a keystore could not be created or opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It already exists.
    #[error("{} already exists: point the broker at it, or choose an empty folder", path.display())]
    Exists {
        /// The database.
        path: PathBuf,
    },
    /// It does not exist.
    #[error(
        "there is no keystore at {}: if this broker existed before, restore a backup with `vouchsafe restore` \
         (docs/operations.md); a new broker is created by `vouchsafe init`",
        path.display()
    )]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// The system's error.
    #[error("keystore {}: {source}", path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "the keystore at {} is in use by {}: stop it first; one broker at a time can use a database",
        path.display(), process.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The process, if it is known.
        process: Option<u32>,
    },
    /// The file is empty, or a database without tables.
    #[error(
        "there are no tables in the keystore at {}: if this broker existed before, restore a backup with `vouchsafe \
         restore` (docs/operations.md); if `vouchsafe init` was interrupted, remove the file and run it again",
        path.display()
    )]
    NoTables {
        /// The database.
        path: PathBuf,
    },
    /// Creating it was interrupted: it has tables, and all of them are empty.
    #[error(
        "the keystore at {} was never finished, all of its tables are empty: remove it and run `vouchsafe init` again",
        path.display()
    )]
    Unfinished {
        /// The database.
        path: PathBuf,
    },
    /// The row that proves the keyring is gone, and other rows are there.
    #[error(
        "the keystore at {} lacks row keyring of table meta, but has other rows: it is damaged, and not a new one; \
         restore a backup with `vouchsafe restore` (docs/operations.md)",
        path.display()
    )]
    MetaLost {
        /// The database.
        path: PathBuf,
    },
    /// The keyring belongs to another keystore.
    #[error("the keyring is not the one of the keystore at {}: give the keyring file that `vouchsafe init` made with it", path.display())]
    WrongKeyring {
        /// The database.
        path: PathBuf,
    },
    /// The keyring lacks the generation with which this keystore was created.
    #[error(
        "the keystore at {} needs generation {id} of the keyring, which is not in the file given{RESTORE_KEYRING}",
        path.display()
    )]
    MissingGeneration {
        /// The database.
        path: PathBuf,
        /// The generation.
        id: GenerationId,
    },
    /// The file with the newest head, which the database says it has, is missing.
    #[error(
        "{} is a copy without {}: it may be an old one; put it in place with `vouchsafe restore` (docs/operations.md)",
        path.display(), newest.display()
    )]
    BareCopy {
        /// The database.
        path: PathBuf,
        /// The missing file.
        newest: PathBuf,
    },
    /// The database has fewer records than the file with the newest head says.
    #[error(
        "the keystore at {} is an old copy. Records that it lacks: at least {}; changes by operators among them: {}. Restore \
         the newest backup with `vouchsafe restore` (docs/operations.md)",
        path.display(), loss.records, loss.changes
    )]
    OldCopy {
        /// The database.
        path: PathBuf,
        /// What it lacks.
        loss: Loss,
    },
    /// Its log has other records than the newest known head is of.
    #[error(
        "the log of the keystore at {} is of another branch: its first {size} records are not those that this broker had \
         recorded. Restore the newest backup with `vouchsafe restore` (docs/operations.md)",
        path.display()
    )]
    OtherBranch {
        /// The database.
        path: PathBuf,
        /// Number of records at the newest known head.
        size: u64,
    },
    /// The file with the newest head cannot be used.
    #[error("{0}; restore the newest backup with `vouchsafe restore` (docs/operations.md)")]
    Newest(#[from] NewestHeadError),
    /// Its content fails a check.
    #[error(transparent)]
    Store(#[from] StoreError),
}
