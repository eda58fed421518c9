//! A batch as one script, for the case that nothing stands in the way of any of its grants.
//!
//! A statement of the script that finds another writer's leaf, an epoch that moved or a nonce that is spent fails, and
//! the transaction ends without a trace. So it does when fewer rows were written than there should be: the commit comes after
//! that was checked.

use std::collections::HashSet;

use sqlx::error::{DatabaseError, ErrorKind};
use vouchsafe_protocol::Digest32;

use super::{Batches, MAX_PIECES, Pending, insert_evidence, insert_nonces};
use crate::record::{LogRecord, RecordError};
use crate::store::dialect::{self, Connection, Script};
use crate::store::rows::Head;
use crate::store::{StoreError, log, rows};

/// What became of a batch that was tried as one script.
pub(super) enum Together {
    /// All of it is recorded.
    Done(Vec<Result<u64, RecordError>>),
    /// Nothing was written: step by step, then.
    Nothing,
    /// Nothing was written, and the connection is not to be used again.
    Unsound,
    /// Whether anything was written is not known.
    Failed(StoreError),
}

/// A script and what is true once it has run.
struct Plan {
    script: Script,
    next: Head,
    pieces: Vec<Digest32>,
}

impl Batches {
    pub(super) async fn write_together(
        &mut self,
        connection: &mut Connection,
        batch: &[Pending],
    ) -> Together {
        let seen = self.pins.seen();
        if !self.is_plain(batch, seen) {
            return Together::Nothing;
        }
        let Plan { script, next, pieces } = match self.plan(batch, seen) {
            Ok(plan) => plan,
            Err(error) => return Together::Failed(error),
        };
        match script.run(connection).await {
            Ok(changed) => {
                if let Err(error) = check(&changed, batch.len()) {
                    return Together::Failed(error);
                }
            }
            Err(error) if is_constraint(&error) => return in_steps(connection, &error).await,
            Err(error) => return Together::Failed(error.into()),
        }
        if let Err(error) = dialect::run(connection, sqlx::query("COMMIT")).await {
            return Together::Failed(error.into());
        }
        self.pins.saw(next);
        let results: Vec<_> = (seen.size..next.size).map(Ok).collect();
        self.remember(batch, &results, self.pruned_at);
        self.kept.extend(pieces);
        Together::Done(results)
    }

    /// Whether every grant is of this epoch, with a nonce of its own that is not known to be spent and chips that are known.
    fn is_plain(&self, batch: &[Pending], seen: Head) -> bool {
        let mut nonces = HashSet::with_capacity(batch.len());
        let mut records = batch.iter().map(|pending| &pending.grant.record);
        self.is_prune_due(batch).is_none()
            && self.chips.know(batch)
            && records.all(|record| {
                record.epoch == seen.epoch
                    && !self.spent.contains_key(&record.nonce)
                    && nonces.insert(record.nonce)
            })
    }

    fn plan(&mut self, batch: &[Pending], seen: Head) -> Result<Plan, StoreError> {
        let pieces = self.new_pieces(batch.iter().flat_map(|pending| &pending.grant.evidence).collect());
        let mut leaves = Vec::with_capacity(batch.len());
        for (Pending { grant, .. }, index) in batch.iter().zip(seen.size..) {
            leaves.push(log::Leaf::new(&self.keyring, index, &LogRecord::Grant(grant.record.clone()))?);
        }
        let mut script = Script::new();
        script.statement().push("BEGIN");
        let next = log::claim_or_fail(&mut script, &self.keyring, seen, batch.len())?;
        insert_nonces(script.statement(), batch)?;
        log::insert_leaves(script.statement(), seen, leaves)?;
        for pieces in pieces.chunks(MAX_PIECES) {
            insert_evidence(script.statement(), pieces);
        }
        Ok(Plan { script, next, pieces: pieces.iter().map(|piece| piece.digest).collect() })
    }
}

/// Whether the database holds something else than was expected. Any other error says nothing about that.
fn is_constraint(error: &sqlx::Error) -> bool {
    let kind = error.as_database_error().map(DatabaseError::kind);
    matches!(kind, Some(ErrorKind::UniqueViolation | ErrorKind::NotNullViolation))
}

async fn in_steps(connection: &mut Connection, error: &sqlx::Error) -> Together {
    tracing::debug!(event = "record.in_steps", %error);
    match dialect::run(connection, sqlx::query("ROLLBACK")).await {
        Ok(_) => Together::Nothing,
        Err(_) => Together::Unsound,
    }
}

/// A trigger that somebody put there may leave rows out without an error.
fn check(changed: &[u64], grants: usize) -> Result<(), StoreError> {
    let grants = grants as u64;
    match changed {
        [_begin, 1, nonces, leaves, ..] if [*nonces, *leaves] == [grants, grants] => Ok(()),
        _ => Err(rows::tampered("log_leaves", "new")),
    }
}
