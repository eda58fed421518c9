//! Verifying the decision log of a database, and comparing it with checkpoints that were kept elsewhere.

use std::path::Path;

use sqlx::Connection as _;
use vouchsafe_protocol::{Checkpoint, Succession};

use crate::backup::{BackupError, CopySummary, require_database, verify};
use crate::db::{has_newest_tables, read_only};
use crate::keyring::Keyring;
use crate::log::{NewestHead, StoredHead};
use crate::registry::identities::table::unverified_statements;
use crate::registry::open::OpenError;

/// Why the log is not whole.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database cannot be read, or a record in it does not verify.
    #[error(transparent)]
    Database(#[from] BackupError),
    /// Records are missing.
    #[error(
        "the newest records were cut off: the log has {records}, the checkpoint {checkpoint}. Either the database is an old copy, or \
         somebody removed records{AFTER_RESTORE}"
    )]
    CutOff {
        /// Number of records in the log.
        records: u64,
        /// The checkpoint that is ahead of it.
        checkpoint: Checkpoint,
    },
    /// The log has other records.
    #[error(
        "the log was rewritten: its first {} records are others than those of the checkpoint, {checkpoint}{AFTER_RESTORE}", checkpoint.size
    )]
    Rewritten {
        /// The checkpoint that it contradicts.
        checkpoint: Checkpoint,
    },
}

/// Verifies every record of a database, which a broker may be using, and that these checkpoints, and the newest head in the
/// file beside it if there is one, are of its log.
///
/// # Errors
/// [`AuditError`].
pub async fn audit(
    database: &Path,
    keyring: &Keyring,
    checkpoints: &[Checkpoint],
) -> Result<CopySummary, AuditError> {
    require_database(database).await?;
    let mut checkpoints = checkpoints.to_vec();
    // Before the view: the file is never ahead of the database.
    checkpoints.extend(beside(database, keyring).map_err(BackupError::from)?);
    let mut connection = read_only(database).await.map_err(BackupError::from)?;
    // One state, also while a broker appends records.
    let mut view = connection.begin().await.map_err(BackupError::from)?;
    let log = verify(&mut view, database, keyring, &checkpoints).await?;
    view.rollback().await.map_err(BackupError::from)?;
    if let Some(checkpoint) = log.others.first() {
        return Err(AuditError::Rewritten { checkpoint: *checkpoint });
    }
    if let Some(checkpoint) = checkpoints.iter().find(|checkpoint| checkpoint.size > log.head.size) {
        return Err(AuditError::CutOff { records: log.head.size, checkpoint: *checkpoint });
    }
    Ok(CopySummary::new(database, &log)?)
}

/// What the identities of a database have signed about their successors. A statement is as good as the identity that signed it, so
/// these need no keyring.
///
/// # Errors
/// When the database cannot be read.
pub async fn successions(database: &Path) -> Result<Vec<Succession>, BackupError> {
    require_database(database).await?;
    let mut connection = read_only(database).await?;
    // Tables of another version are reported by `audit`.
    let statements = if has_newest_tables(&mut connection).await? {
        unverified_statements(&mut connection).await?
    } else {
        Vec::new()
    };
    connection.close().await?;
    Ok(statements)
}

const AFTER_RESTORE: &str = ". If the log has a record `keystore.restore` (`vouchsafe decisions list --outcome operator`), a loss may have \
                             been accepted then: give the checkpoints since its time alone (`journalctl --since`)";

/// The newest head in the file beside a database.
fn beside(database: &Path, keyring: &Keyring) -> Result<Option<Checkpoint>, OpenError> {
    let newest = StoredHead::read(NewestHead::of(database).path())?;
    let newest = newest.map(|newest| newest.authenticate(keyring)).transpose()?;
    Ok(newest.and_then(|newest| newest.tree).map(|tree| tree.checkpoint()))
}
