//! One transaction for many grants. Either all grants that it reports as recorded are on disk, or none.
//!
//! The fast path is one script, for batches without exceptions; the slow path goes step by step. Order: the
//! log's lock, with the new head; the epoch; the floor of the nonces; nonces, sorted, where only those that RETURNING yields were
//! spent by this call; the headers of volumes; new evidence; leaves; new chips; commit. A grant of another epoch spends nothing and
//! must be decided again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sqlx::{QueryBuilder, Row as _};
use vouchsafe_protocol::challenge::CLOCK_SKEW;
use vouchsafe_protocol::{Digest32, Nonce, UnixTime};

use super::chips::Chips;
use super::pending::Pending;
use super::types::{Clock, NewRefusal, RecordError};
use crate::chips::ChipWatch;
use crate::db::columns::{number, tampered, time};
use crate::db::grants::{self, EvidenceRow, NonceRow};
use crate::db::{Connection, StoreError, WriterConnection, run};
use crate::log::record::{EvidencePiece, LogRecord};
use crate::log::{Leaf, Log, append, lock_head};
use crate::volumes::VolumeId;
use fast_path::FastPath;
use floor::write_floor;
pub(crate) use floor::{floor_mac, read_floor};

mod action;
mod fast_path;
mod floor;
mod proposal;
mod slow_path;
mod volume;

/// Writes batches, and remembers which evidence is already in the database.
pub(super) struct Batches {
    log: Log,
    /// The writer's connection, kept while no other caller wants it and after no error on it.
    connection: Option<WriterConnection>,
    kept: HashSet<Digest32>,
    chips: Chips,
    /// Volumes with records: a grant for one takes the slow path at once.
    volumes: HashSet<VolumeId>,
    /// Nonces that this process has spent recently: removing their rows does not make them valid again here.
    spent: BTreeMap<Nonce, UnixTime>,
    pruned: Pruned,
}

/// Which nonces have been removed.
#[derive(Clone, Copy, Debug)]
struct Pruned {
    /// When, for the last time.
    at: UnixTime,
    /// The latest expiry among them, see [`floor`].
    floor: UnixTime,
}

impl Batches {
    pub(super) fn new(log: Log, chips: Arc<ChipWatch>) -> Self {
        Self {
            log,
            connection: None,
            kept: HashSet::new(),
            chips: Chips::new(chips),
            volumes: HashSet::new(),
            spent: BTreeMap::new(),
            pruned: Pruned { at: UnixTime(0), floor: UnixTime(0) },
        }
    }

    /// Waits until another caller may be waiting for the writer's connection.
    pub(super) async fn wanted(&self) {
        self.log.pools.writer.wanted().await;
    }

    /// Gives the connection up.
    pub(super) fn let_go(&mut self) {
        self.connection = None;
    }

    /// Gives up the connection for good.
    pub(super) async fn end(mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(event = "record.close_failed", %error);
        }
    }

    /// The previous batch's connection, unless another caller waits for it.
    async fn connection(&mut self) -> Result<WriterConnection, StoreError> {
        if self.log.pools.writer.is_wanted() {
            self.let_go();
        }
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.log.pools.writer.hold().await?),
        }
    }

    /// Keeps a connection whose transaction is committed, unless another caller waits for it (one that starts
    /// to wait later is noticed by `wanted`). Any other connection is closed, which ends its transaction
    /// whatever its state.
    fn give_back(&mut self, mut connection: WriterConnection, committed: bool) {
        if !committed {
            connection.close_on_drop();
        } else if !self.log.pools.writer.is_wanted() {
            self.connection = Some(connection);
        }
    }

    pub(super) async fn grants(&mut self, mut batch: Vec<Pending>) {
        if batch.is_empty() {
            return;
        }
        // Two brokers with the same nonces must not deadlock.
        batch.sort_by_key(|pending| pending.grant.record.nonce);
        let results = match self.write_grants(&batch).await {
            Ok(results) => results,
            Err(error) => {
                tracing::error!(event = "record.failed", grants = batch.len(), %error);
                vec![Err(RecordError::Unknown); batch.len()]
            }
        };
        for (pending, result) in batch.into_iter().zip(results) {
            pending.answer.give(result);
        }
    }

    async fn write_grants(&mut self, batch: &[Pending]) -> Result<Vec<Result<u64, RecordError>>, StoreError> {
        let mut connection = self.connection().await?;
        let results = match self.write_fast(&mut connection, batch).await {
            FastPath::Done(results) => Ok(results),
            FastPath::Failed(error) => Err(error),
            FastPath::SlowPath => self.write_slow(&mut connection, batch).await,
            FastPath::SlowPathAnew => {
                self.give_back(connection, false);
                connection = self.connection().await?;
                self.write_slow(&mut connection, batch).await
            }
        };
        self.give_back(connection, results.is_ok());
        results
    }

    pub(super) async fn refusals(&mut self, batch: &mut Vec<NewRefusal>) {
        let batch = std::mem::take(batch);
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.write_refusals(&batch).await {
            tracing::error!(event = "record.refusals_failed", refusals = batch.len(), %error);
        }
    }

    async fn write_refusals(&mut self, batch: &[NewRefusal]) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let written = self.write_refusals_on(&mut connection, batch).await;
        self.give_back(connection, written.is_ok());
        written
    }

    async fn write_refusals_on(
        &mut self,
        connection: &mut Connection,
        batch: &[NewRefusal],
    ) -> Result<(), StoreError> {
        let mut tx = self.log.pools.write_on(connection, "refusals").await?;
        let state = lock_head(&mut tx, &self.log.keyring, &self.log.pins.state()).await?;
        let mut leaves = Vec::with_capacity(batch.len());
        for (refusal, index) in batch.iter().zip(state.size()..) {
            leaves.push(Leaf::new(&self.log.keyring, index, &LogRecord::Refusal(refusal.record.clone()))?);
        }
        let new = self.new_pieces(batch.iter().flat_map(|refusal| &refusal.evidence).collect());
        grants::keep_evidence(&mut tx, evidence_rows(&new)).await?;
        let state = append(&mut tx, &self.log.keyring, state, leaves).await?;
        tx.commit().await?;
        self.log.pins.saw(&state);
        self.kept.extend(new.iter().map(|piece| piece.bytes.digest()));
        Ok(())
    }

    /// Pieces that this process has not written yet, without duplicates, sorted.
    fn new_pieces<'a>(&mut self, pieces: Vec<&'a EvidencePiece>) -> Vec<&'a EvidencePiece> {
        if self.kept.len() > MAX_KEPT {
            self.kept.clear();
        }
        let new: HashMap<_, _> = pieces
            .into_iter()
            .filter(|piece| !self.kept.contains(&piece.bytes.digest()))
            .map(|piece| (piece.bytes.digest(), piece))
            .collect();
        let mut new: Vec<_> = new.into_values().collect();
        new.sort_by_key(|piece| piece.bytes.digest());
        new
    }

    /// Remembers the spent nonces for as long as their challenges are accepted.
    fn remember(&mut self, batch: &[Pending], results: &[Result<u64, RecordError>], pruned: Pruned) {
        if pruned.at != self.pruned.at {
            self.spent.retain(|_, expires_at| expires_at.plus(2 * CLOCK_SKEW) >= pruned.at);
        }
        self.pruned = pruned;
        let recorded = batch.iter().zip(results).filter(|(_, result)| result.is_ok());
        let room = MAX_SPENT.saturating_sub(self.spent.len());
        self.spent.extend(
            recorded
                .take(room)
                .map(|(Pending { grant, .. }, _)| (grant.record.nonce, grant.nonce_expires_at)),
        );
    }

    /// Notes volumes with records.
    fn note_volumes(&mut self, volumes: impl IntoIterator<Item = VolumeId>) {
        if self.volumes.len() > MAX_VOLUMES {
            self.volumes.clear();
        }
        self.volumes.extend(volumes);
    }

    /// The time of the batch, if pruning is due. A clock that was set since the broker was started removes nothing.
    fn is_prune_due(&self, batch: &[Pending]) -> Option<UnixTime> {
        let steady = batch.iter().filter(|pending| pending.grant.clock == Clock::Steady);
        let now = steady.map(|pending| pending.grant.record.at).max()?;
        (now.0.abs_diff(self.pruned.at.0) >= PRUNE_EVERY).then_some(now)
    }

    /// The floor of the nonces. It never falls, whatever the database says.
    async fn floor(&self, connection: &mut Connection) -> Result<UnixTime, StoreError> {
        Ok(read_floor(connection, &self.log.keyring).await?.max(self.pruned.floor))
    }

    /// Removes nonces whose challenges are no longer accepted, and raises the floor, which is `floor` by now.
    async fn prune(
        &self,
        connection: &mut Connection,
        batch: &[Pending],
        floor: UnixTime,
    ) -> Result<Pruned, StoreError> {
        let unchanged = Pruned { floor, ..self.pruned };
        let Some(now) = self.is_prune_due(batch) else { return Ok(unchanged) };
        let before = time(UnixTime(now.0.saturating_sub(PRUNE_MARGIN)))?;
        // A few at a time, so that no grant waits for long.
        let delete = sqlx::query(
            "DELETE FROM spent_nonces WHERE nonce IN \
             (SELECT nonce FROM spent_nonces WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) RETURNING expires_at",
        );
        let (removed, _) = run(connection, delete.bind(before).bind(PRUNE_AT_ONCE.cast_signed())).await?;
        let mut highest = floor;
        for row in &removed {
            highest = highest.max(UnixTime(number(row, "expires_at", "spent_nonces", "?")?));
        }
        if highest > floor {
            write_floor(connection, &self.log.keyring, highest).await?;
        }
        let all = (removed.len() as u64) < PRUNE_AT_ONCE;
        Ok(Pruned { at: if all { now } else { self.pruned.at }, floor: highest })
    }
}

/// Spends the unspent nonces; returns those that this call spent.
async fn spend(connection: &mut Connection, nonces: Vec<NonceRow>) -> Result<HashSet<Nonce>, StoreError> {
    if nonces.is_empty() {
        return Ok(HashSet::new());
    }
    let mut insert = QueryBuilder::new("");
    grants::insert_nonces(&mut insert, nonces);
    insert.push(" ON CONFLICT (nonce) DO NOTHING RETURNING nonce");
    let (rows, _) = run(connection, insert.build()).await?;
    let mut spent = HashSet::with_capacity(rows.len());
    for row in rows {
        let nonce: Vec<u8> = row.try_get("nonce")?;
        spent.insert(Nonce(nonce.try_into().map_err(|_| tampered("spent_nonces", "?"))?));
    }
    Ok(spent)
}

fn nonce_rows<'a>(batch: impl IntoIterator<Item = &'a Pending>) -> Result<Vec<NonceRow>, StoreError> {
    let row = |Pending { grant, .. }: &Pending| {
        let nonce = grant.record.nonce.0.to_vec();
        time(grant.nonce_expires_at).map(|expires_at| NonceRow { nonce, expires_at })
    };
    batch.into_iter().map(row).collect()
}

fn evidence_rows(pieces: &[&EvidencePiece]) -> Vec<EvidenceRow> {
    let row = |piece: &&EvidencePiece| EvidenceRow {
        digest: piece.bytes.digest().0.to_vec(),
        bytes: piece.bytes.to_vec(),
    };
    pieces.iter().map(row).collect()
}

const MAX_KEPT: usize = 65_536;
const PRUNE_EVERY: u64 = 60;
/// More than a batch can add.
const PRUNE_AT_ONCE: u64 = 1024;
/// Clocks of brokers may differ: a challenge expires long before its nonce is removed.
const PRUNE_MARGIN: u64 = 300;
const _: () = assert!(PRUNE_MARGIN >= 2 * CLOCK_SKEW, "protocol::challenge::CLOCK_SKEW says why");
const MAX_SPENT: usize = 262_144;
/// Some 200 bytes each.
const MAX_VOLUMES: usize = 65_536;
