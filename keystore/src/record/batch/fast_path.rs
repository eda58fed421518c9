//! The fast path: a batch as one script, see [`crate::db::grants`].

use std::collections::HashSet;

use vouchsafe_protocol::Digest32;

use super::{Batches, Pending, evidence_rows, nonce_rows};
use crate::db::columns::time;
use crate::db::grants::{BatchOutcome, GrantBatch};
use crate::db::{Connection, StoreError};
use crate::log::record::LogRecord;
use crate::log::{Leaf, LogState, head_row};
use crate::record::types::{NewGrant, RecordError};
use crate::record::volumes::volumes_of;
use crate::volumes::VolumeId;

/// The result of a batch on the fast path.
pub(super) enum FastPath {
    /// All of it is recorded.
    Done(Vec<Result<u64, RecordError>>),
    /// Nothing was written: the batch takes the slow path.
    SlowPath,
    /// The same, on another connection: this one must not be used again.
    SlowPathAnew,
    /// Whether anything was written is unknown.
    Failed(StoreError),
}

/// A batch, and the state after its commit.
struct Plan {
    batch: GrantBatch,
    next: LogState,
    pieces: Vec<Digest32>,
}

impl Batches {
    pub(super) async fn write_fast(&mut self, connection: &mut Connection, batch: &[Pending]) -> FastPath {
        let seen = self.log.pins.state();
        let volumes: Vec<VolumeId> = volumes(batch).collect();
        if !self.is_plain(batch, &seen, &volumes) {
            return FastPath::SlowPath;
        }
        let plan = match self.plan(batch, &seen, &volumes) {
            Ok(plan) => plan,
            Err(error) => return FastPath::Failed(error),
        };
        let timed = self.log.pools.timed("grants");
        let outcome = plan.batch.commit(connection).await;
        drop(timed);
        match outcome {
            BatchOutcome::Committed => {}
            BatchOutcome::Nothing => return FastPath::SlowPath,
            BatchOutcome::Unsound => return FastPath::SlowPathAnew,
            BatchOutcome::Failed(error) => return FastPath::Failed(error),
        }
        self.log.pins.saw(&plan.next);
        let results: Vec<_> = (seen.size()..plan.next.size()).map(Ok).collect();
        self.remember(batch, &results, self.pruned);
        self.kept.extend(plan.pieces);
        FastPath::Done(results)
    }

    /// Whether every grant is of this epoch, with a distinct nonce above the floor and not known to be spent, only known chips
    /// and no volume that is known to have records.
    fn is_plain(&self, batch: &[Pending], seen: &LogState, volumes: &[VolumeId]) -> bool {
        let mut nonces = HashSet::with_capacity(batch.len());
        let mut grants = batch.iter().map(|pending| &pending.grant);
        self.is_prune_due(batch).is_none()
            && self.chips.know(batch)
            && !volumes.iter().any(|volume| self.volumes.contains(volume))
            && grants.all(|NewGrant { record, nonce_expires_at, .. }| {
                record.epoch == seen.epoch
                    && *nonce_expires_at > self.pruned.floor
                    && !self.spent.contains_key(&record.nonce)
                    && nonces.insert(record.nonce)
            })
    }

    fn plan(&mut self, batch: &[Pending], seen: &LogState, volumes: &[VolumeId]) -> Result<Plan, StoreError> {
        let pieces = self.new_pieces(batch.iter().flat_map(|pending| &pending.grant.evidence).collect());
        let keyring = &self.log.keyring;
        let mut leaves = Vec::with_capacity(batch.len());
        for (Pending { grant, .. }, index) in batch.iter().zip(seen.size()..) {
            leaves.push(Leaf::new(keyring, index, &LogRecord::Grant(grant.record.clone()))?);
        }
        let next = seen.plus(leaves.iter().map(Leaf::hash));
        // Both heads under one generation. If another one has the stored head, the batch takes the slow path, which writes that
        // head under the primary generation.
        let primary = keyring.primary();
        let batch = GrantBatch {
            seen: head_row(&primary, seen)?,
            next: head_row(&primary, &next)?,
            floor: time(self.pruned.floor)?,
            nonces: nonce_rows(batch)?,
            leaves: leaves.into_iter().map(Leaf::into_row).collect(),
            evidence: evidence_rows(&pieces),
            volumes: volumes.iter().map(ToString::to_string).collect(),
        };
        Ok(Plan { batch, next, pieces: pieces.iter().map(|piece| piece.bytes.digest()).collect() })
    }
}

fn volumes(batch: &[Pending]) -> impl Iterator<Item = VolumeId> {
    batch.iter().flat_map(|pending| volumes_of(&pending.grant.record))
}
