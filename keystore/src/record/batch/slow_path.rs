//! The slow path: a batch step by step, for one with exceptions, new chips or registered volumes.

use std::collections::HashSet;

use vouchsafe_protocol::{Nonce, UnixTime};

use super::{Batches, Pending, evidence_rows, nonce_rows, spend};
use crate::db::grants;
use crate::db::{Connection, StoreError};
use crate::log::record::{EvidencePiece, LogRecord};
use crate::log::{Head, Leaf, Log, append, lock_head};
use crate::record::chips::{Chips, Round};
use crate::record::types::RecordError;
use crate::record::volumes::BatchVolumes;

/// What the grants of a batch add so far.
struct Steps<'b> {
    head: Head,
    /// Challenges that expired by then are spent.
    floor: UnixTime,
    spent_now: HashSet<Nonce>,
    chips: Round,
    volumes: BatchVolumes,
    leaves: Vec<Leaf>,
    pieces: Vec<&'b EvidencePiece>,
}

impl Batches {
    pub(super) async fn write_slow(
        &mut self,
        connection: &mut Connection,
        batch: &[Pending],
    ) -> Result<Vec<Result<u64, RecordError>>, StoreError> {
        let mut tx = self.log.pools.write_on(connection, "grants-slow").await?;
        let state = lock_head(&mut tx, &self.log.keyring, &self.log.pins.state()).await?;
        let mut steps = self.look_up(&mut tx, state.head(), batch).await?;
        let results = batch.iter().map(|pending| self.take(&mut steps, pending));
        let results = results.collect::<Result<Vec<_>, _>>()?;
        let Steps { floor, chips, volumes, leaves, pieces, .. } = steps;
        let new = self.new_pieces(pieces);
        grants::keep_evidence(&mut tx, evidence_rows(&new)).await?;
        let state = append(&mut tx, &self.log.keyring, state, leaves).await?;
        Chips::write(&mut tx, &self.log.keyring, &chips).await?;
        let pruned = self.prune(&mut tx, batch, floor).await?;
        tx.commit().await?;
        self.log.pins.saw(&state);
        self.remember(batch, &results, pruned);
        self.chips.committed(chips);
        self.note_volumes(volumes.into_ids());
        self.kept.extend(new.iter().map(|piece| piece.bytes.digest()));
        Ok(results)
    }

    /// Spends the nonces of the grants of this epoch, and reads what these grants depend on.
    async fn look_up<'b>(
        &self,
        connection: &mut Connection,
        head: Head,
        batch: &[Pending],
    ) -> Result<Steps<'b>, StoreError> {
        let is_current = |pending: &&Pending| pending.grant.record.epoch == head.epoch;
        let current: Vec<_> = batch.iter().filter(is_current).collect();
        let floor = self.floor(connection).await?;
        let above = current.iter().copied().filter(|pending| pending.grant.nonce_expires_at > floor);
        Ok(Steps {
            head,
            floor,
            spent_now: spend(connection, nonce_rows(above)?).await?,
            chips: self.chips.look_up(connection, &self.log.keyring, &current).await?,
            volumes: BatchVolumes::look_up(connection, &self.log, &current).await?,
            leaves: Vec::with_capacity(current.len()),
            pieces: Vec::new(),
        })
    }

    /// Adds the leaves of one grant, or says why it is not recorded.
    fn take<'b>(
        &self,
        steps: &mut Steps<'b>,
        pending: &'b Pending,
    ) -> Result<Result<u64, RecordError>, StoreError> {
        let grant = &pending.grant;
        let (epoch, nonce) = (steps.head.epoch, &grant.record.nonce);
        if grant.record.epoch != epoch {
            return Ok(Err(RecordError::EpochMoved { epoch }));
        }
        let spent_now = steps.spent_now.remove(nonce);
        if self.spent.contains_key(nonce) {
            if spent_now {
                tracing::error!(event = "record.nonce_removed", %nonce);
            }
            return Ok(Err(RecordError::NonceSpent));
        }
        if !Chips::can_judge(&steps.chips, pending) {
            return Ok(Err(RecordError::Unknown));
        }
        if !spent_now {
            return Ok(Err(RecordError::NonceSpent));
        }
        // A grant that is refused here leaves its nonce spent: the guest starts over in any case.
        let promoted = match steps.volumes.admit(&grant.record) {
            Ok(promoted) => promoted,
            Err(refused) => return Ok(Err(refused)),
        };
        let index = steps.next_index();
        let mut record = grant.record.clone();
        record.chips = self.chips.first_seen(&mut steps.chips, pending, index);
        steps.append(&self.log, &LogRecord::Grant(record))?;
        for record in promoted {
            steps.append(&self.log, &LogRecord::Volume(record))?;
        }
        steps.pieces.extend(&grant.evidence);
        Ok(Ok(index))
    }
}

impl Steps<'_> {
    /// The index of the next leaf.
    const fn next_index(&self) -> u64 {
        self.head.size.saturating_add(self.leaves.len() as u64)
    }

    fn append(&mut self, log: &Log, record: &LogRecord) -> Result<(), StoreError> {
        let index = self.next_index();
        self.leaves.push(Leaf::new(&log.keyring, index, record)?);
        Ok(())
    }
}
