//! The rows of a batch of grants, and the batch as one script, for a batch without exceptions.
//!
//! A statement of the script fails if it finds another writer's leaf, a changed epoch, a registered volume or a
//! spent nonce, and the transaction ends without effect. The same happens if it wrote fewer rows than expected, which is
//! checked before the commit.

use sqlx::QueryBuilder;

use super::columns::tampered;
use super::error::StoreError;
use super::sqlite::{Connection, Db, Script, is_constraint, run};

/// The head of the log as stored, with the epoch and the tree that its MAC covers.
pub(crate) struct HeadRow {
    pub(crate) size: i64,
    pub(crate) epoch: i64,
    pub(crate) generation: i64,
    pub(crate) mac: Vec<u8>,
    pub(crate) tree: Vec<u8>,
}

/// A leaf of the log as stored.
pub(crate) struct LeafRow {
    pub(crate) hash: Vec<u8>,
    pub(crate) text: String,
    pub(crate) generation: i64,
    pub(crate) mac: Vec<u8>,
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) instance: String,
    pub(crate) at: i64,
    pub(crate) volume: Option<String>,
    pub(crate) proposal: Option<String>,
}

/// A spent nonce as stored.
pub(crate) struct NonceRow {
    pub(crate) nonce: Vec<u8>,
    pub(crate) expires_at: i64,
}

/// A piece of evidence as stored.
pub(crate) struct EvidenceRow {
    pub(crate) digest: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// All rows of a batch, each grant with one nonce and one leaf.
pub(crate) struct GrantBatch {
    /// The expected head.
    pub(crate) seen: HeadRow,
    /// The head after the batch.
    pub(crate) next: HeadRow,
    /// The expected floor of the nonces, which those of the batch are above.
    pub(crate) floor: i64,
    pub(crate) nonces: Vec<NonceRow>,
    pub(crate) leaves: Vec<LeafRow>,
    pub(crate) evidence: Vec<EvidenceRow>,
    /// Volumes of which there must be no record.
    pub(crate) volumes: Vec<String>,
}

/// The result of trying a batch as one script.
pub(crate) enum BatchOutcome {
    /// All of it is committed.
    Committed,
    /// Nothing was written.
    Nothing,
    /// Nothing was written, and the connection must not be used again.
    Unsound,
    /// Whether anything was written is unknown.
    Failed(StoreError),
}

impl GrantBatch {
    /// Writes and commits the batch, from BEGIN to COMMIT.
    pub(crate) async fn commit(self, connection: &mut Connection) -> BatchOutcome {
        let grants = self.leaves.len();
        match self.script().run(connection).await {
            Ok(changed) => {
                if let Err(error) = check(&changed, grants) {
                    return BatchOutcome::Failed(error);
                }
            }
            Err(error) if is_constraint(&error) => return undone(connection, &error).await,
            Err(error) => return BatchOutcome::Failed(error.into()),
        }
        match run(connection, sqlx::query("COMMIT")).await {
            Ok(_) => BatchOutcome::Committed,
            Err(error) => BatchOutcome::Failed(error.into()),
        }
    }

    fn script(self) -> Script {
        let Self { seen, next, floor, nonces, leaves, evidence, volumes } = self;
        let mut script = Script::new();
        script.statement().push("BEGIN");
        let first = seen.size;
        claim_or_fail(script.statement(), seen, next, floor, volumes);
        insert_nonces(script.statement(), nonces);
        insert_leaves(script.statement(), first, leaves);
        let mut evidence = evidence.into_iter().peekable();
        while evidence.peek().is_some() {
            insert_evidence(script.statement(), evidence.by_ref().take(MAX_PIECES));
        }
        script
    }
}

/// Advances the head: the statement fails if another writer has written since the head was `seen`, if the floor of the nonces
/// is another one, or if there is a record of one of these volumes.
fn claim_or_fail(
    statement: &mut QueryBuilder<Db>,
    seen: HeadRow,
    next: HeadRow,
    floor: i64,
    volumes: Vec<String>,
) {
    // NULL is never a valid number of leaves.
    statement
        .push("UPDATE log_head SET size = CASE WHEN size = ")
        .push_bind(seen.size)
        .push(" AND generation = ")
        .push_bind(seen.generation)
        .push(" AND mac = ")
        .push_bind(seen.mac)
        .push(" AND EXISTS (SELECT 1 FROM epoch WHERE id = 1 AND value = ")
        .push_bind(seen.epoch)
        .push(") AND COALESCE((SELECT value FROM nonce_floor WHERE id = 1), 0) = ")
        .push_bind(floor);
    if !volumes.is_empty() {
        statement.push(" AND NOT EXISTS (SELECT 1 FROM log_leaves WHERE volume IN (");
        let mut values = statement.separated(", ");
        for volume in volumes {
            values.push_bind(volume);
        }
        statement.push("))");
    }
    statement
        .push(" THEN ")
        .push_bind(next.size)
        .push(" ELSE NULL END, generation = ")
        .push_bind(next.generation)
        .push(", mac = ")
        .push_bind(next.mac)
        .push(", tree = ")
        .push_bind(next.tree)
        .push(" WHERE id = 1");
}

/// The statement that spends nonces.
pub(crate) fn insert_nonces(insert: &mut QueryBuilder<Db>, nonces: Vec<NonceRow>) {
    insert.push("INSERT INTO spent_nonces (nonce, expires_at) ");
    insert.push_values(nonces, |mut row, NonceRow { nonce, expires_at }| {
        row.push_bind(nonce).push_bind(expires_at);
    });
}

/// The statement that appends leaves to a log with `first` leaves.
pub(crate) fn insert_leaves(insert: &mut QueryBuilder<Db>, first: i64, leaves: Vec<LeafRow>) {
    insert
        .push("INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at, volume, proposal) ");
    insert.push_values((first..).zip(leaves), |mut row, (index, leaf)| {
        row.push_bind(index)
            .push_bind(leaf.hash)
            .push_bind(leaf.text)
            .push_bind(leaf.generation)
            .push_bind(leaf.mac)
            .push_bind(leaf.kind)
            .push_bind(leaf.id)
            .push_bind(leaf.instance)
            .push_bind(leaf.at)
            .push_bind(leaf.volume)
            .push_bind(leaf.proposal);
    });
}

/// Stores pieces of evidence that are not stored yet.
pub(crate) async fn keep_evidence(
    connection: &mut Connection,
    evidence: Vec<EvidenceRow>,
) -> Result<(), StoreError> {
    let mut evidence = evidence.into_iter().peekable();
    while evidence.peek().is_some() {
        let mut insert = QueryBuilder::new("");
        insert_evidence(&mut insert, evidence.by_ref().take(MAX_PIECES));
        run(connection, insert.build()).await?;
    }
    Ok(())
}

fn insert_evidence(insert: &mut QueryBuilder<Db>, evidence: impl Iterator<Item = EvidenceRow>) {
    insert.push("INSERT INTO evidence (digest, bytes) ");
    insert
        .push_values(evidence, |mut row, EvidenceRow { digest, bytes }| {
            row.push_bind(digest).push_bind(bytes);
        })
        .push(" ON CONFLICT (digest) DO NOTHING");
}

async fn undone(connection: &mut Connection, error: &sqlx::Error) -> BatchOutcome {
    tracing::debug!(event = "record.in_steps", %error);
    match run(connection, sqlx::query("ROLLBACK")).await {
        Ok(_) => BatchOutcome::Nothing,
        Err(_) => BatchOutcome::Unsound,
    }
}

/// A trigger in the database could omit rows without an error.
fn check(changed: &[u64], grants: usize) -> Result<(), StoreError> {
    let grants = grants as u64;
    match changed {
        [_begin, 1, nonces, leaves, ..] if [*nonces, *leaves] == [grants, grants] => Ok(()),
        _ => Err(tampered("log_leaves", "new")),
    }
}

/// SQLite accepts 32766 values per statement; a batch of 256 grants may have more pieces than half of that.
const MAX_PIECES: usize = 8_192;
