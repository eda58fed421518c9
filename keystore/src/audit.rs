//! Verifying the decision log of a database, and comparing it with checkpoints that were kept elsewhere.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::Connection as _;
use vouchsafe_protocol::{BrokerIdentity, Checkpoint, Succession};

use crate::backup::{BackupError, CopySummary, require_database, verify};
use crate::db::{Connection, StoreError, has_newest_tables, read_only};
use crate::keyring::Keyring;
use crate::log::record::LogRecord;
use crate::log::{NewestHead, StoredHead, read_leaf};
use crate::registry::identities::REMOVE;
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
    /// A checkpoint is newer than the key that has signed it.
    #[error(
        "the checkpoint of {checkpoint}, is signed by {signer}, whose key was erased when the log had {records} records: somebody else \
         has that key, from a backup for instance. Give only checkpoints of later identities, and those that you kept from before"
    )]
    Erased {
        /// The identity that signed it.
        signer: BrokerIdentity,
        /// Number of records when its key was erased.
        records: u64,
        /// The checkpoint.
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

/// A checkpoint whose signature was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The identity that signed it.
    pub signer: BrokerIdentity,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
}

/// Verifies every record of a database, which a broker may be using, and that these checkpoints, and the newest head in the
/// file beside it if there is one, are of its log. None may be newer than the removal of the identity that signed it.
///
/// # Errors
/// [`AuditError`].
pub async fn audit(
    database: &Path,
    keyring: &Keyring,
    signed: &[SignedCheckpoint],
) -> Result<CopySummary, AuditError> {
    require_database(database).await?;
    let mut checkpoints: Vec<_> = signed.iter().map(|signed| signed.checkpoint).collect();
    // Before the view: the file is never ahead of the database.
    checkpoints.extend(beside(database, keyring).map_err(BackupError::from)?);
    let mut connection = read_only(database).await.map_err(BackupError::from)?;
    // One state, also while a broker appends records.
    let mut view = connection.begin().await.map_err(BackupError::from)?;
    let log = verify(&mut view, database, keyring, &checkpoints).await?;
    let removed = removed(&mut view, keyring).await.map_err(BackupError::from)?;
    view.rollback().await.map_err(BackupError::from)?;
    for SignedCheckpoint { signer, checkpoint } in signed {
        if let Some(&records) = removed.get(&signer.to_string()).filter(|records| checkpoint.size > **records)
        {
            return Err(AuditError::Erased { signer: *signer, records, checkpoint: *checkpoint });
        }
    }
    if let Some(checkpoint) = log.others.first() {
        return Err(AuditError::Rewritten { checkpoint: *checkpoint });
    }
    if let Some(checkpoint) = checkpoints.iter().find(|checkpoint| checkpoint.size > log.head.size) {
        return Err(AuditError::CutOff { records: log.head.size, checkpoint: *checkpoint });
    }
    Ok(CopySummary::new(database, &log)?)
}

/// Removed identities, with the number of records before the removal. The log was verified.
async fn removed(
    connection: &mut Connection,
    keyring: &Keyring,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let query = "SELECT * FROM log_leaves WHERE kind = 'operator' AND record LIKE $1 ORDER BY idx";
    let rows = sqlx::query(query).bind(format!("%{REMOVE}%")).fetch_all(connection).await?;
    let mut removed = BTreeMap::new();
    for row in &rows {
        let leaf = read_leaf(keyring, row)?;
        if let LogRecord::Operator(step) = leaf.record
            && step.action == REMOVE
        {
            removed.insert(step.target, leaf.index);
        }
    }
    Ok(removed)
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
