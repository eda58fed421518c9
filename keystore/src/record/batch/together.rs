//! A batch as one script, for the case that nothing stands in the way of any of its grants.
//!
//! Every statement of the script either does what is expected or fails, and then the transaction ends without a trace:
//! another writer's leaf, an epoch that moved, a nonce that is spent.

use std::collections::HashSet;

use super::{Batches, MAX_PIECES, Pending, insert_evidence, insert_nonces};
use crate::record::{LogRecord, RecordError};
use crate::store::dialect::{self, Connection, Script, Stopped};
use crate::store::rows::Head;
use crate::store::{StoreError, log, rows};
use vouchsafe_protocol::Digest32;

/// What became of a batch that was tried as one script.
pub(super) enum Together {
    /// All of it is recorded.
    Done(Vec<Result<u64, RecordError>>),
    /// Nothing was written: step by step, then.
    Nothing,
    /// Nothing was written, and the connection is not to be used again.
    Unsound,
    /// What was written is not known.
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
        let commit = script.len().saturating_sub(1);
        match script.run(connection).await {
            Ok(changed) => match self.check(&changed, batch.len()) {
                Ok(()) => {
                    self.pins.saw(next);
                    let results: Vec<_> = (seen.size..next.size).map(Ok).collect();
                    self.remember(batch, &results, self.pruned_at);
                    self.kept.extend(pieces);
                    Together::Done(results)
                }
                Err(error) => Together::Failed(error),
            },
            // Whether a commit that failed is on disk is not known.
            Err(Stopped { done, error }) if done >= commit => Together::Failed(error.into()),
            Err(Stopped { done, error }) => {
                tracing::debug!(event = "record.in_steps", done, %error);
                // SQLite may have ended the transaction by itself.
                match dialect::run(connection, sqlx::query("ROLLBACK")).await {
                    Ok(_) => Together::Nothing,
                    Err(_) => Together::Unsound,
                }
            }
        }
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
        script.statement().push("COMMIT");
        Ok(Plan { script, next, pieces: pieces.iter().map(|piece| piece.digest).collect() })
    }

    /// A trigger that somebody put there may leave rows out without an error.
    fn check(&self, changed: &[u64], grants: usize) -> Result<(), StoreError> {
        let grants = grants as u64;
        match changed {
            [_begin, 1, nonces, leaves, ..] if [*nonces, *leaves] == [grants, grants] => Ok(()),
            _ => Err(rows::tampered("log_leaves", "new")),
        }
    }
}
