//! The log's tables: appending leaves, reading them back, and the row versions they pin.
//!
//! Leaves are numbered without gaps and each carries a MAC; the head's MAC says how many there are and
//! what the epoch is. So an edited or reordered leaf is noticed when it is read, a removed one when the
//! keystore is opened, and a head or epoch put back while a broker runs by that broker. Filters trust
//! columns that only reading authenticates: an edited one can hide its leaf from a filtered list.
//! The Merkle tree over the leaf hashes and its signed checkpoints rest on the same rows.

use sqlx::{QueryBuilder, Row as _};
use vouchsafe_protocol::{DecisionId, Digest32, SecretPath, UnixTime};

use super::dialect::{self, Connection, Db, Pools, Row, Script};
use super::rows::{self, Head, Pins};
use super::{EPOCH, Keystore, StoreError, stored};
use crate::keyring::Keyring;
use crate::preimage::Preimage;
use crate::record::{LogRecord, Outcome};

/// A leaf that is ready to be stored.
pub(crate) struct Leaf {
    hash: Digest32,
    text: String,
    generation: i64,
    mac: Vec<u8>,
    kind: &'static str,
    id: String,
    instance: String,
    at: i64,
}

impl Leaf {
    pub(crate) fn new(keyring: &Keyring, index: u64, record: &LogRecord) -> Result<Self, StoreError> {
        let text = record.canonical();
        // C2SP tlog, RFC 6962 §2.1: a leaf's hash has the prefix 0x00.
        let hash = Digest32::of_parts(&[&[0], text.as_bytes()]);
        let primary = keyring.primary();
        Ok(Self {
            hash,
            generation: i64::from(primary.id),
            mac: primary.row().sign(&leaf_preimage(index, &hash)),
            kind: record.kind(),
            id: record.id().to_string(),
            instance: record.instance().unwrap_or_default().to_owned(),
            at: super::time(record.at())?,
            text,
        })
    }
}

/// Takes the lock of the log and gives its head.
pub(crate) async fn lock_head(
    connection: &mut Connection,
    keyring: &Keyring,
    pins: &Pins,
) -> Result<Head, StoreError> {
    // An update that changes nothing: the same text takes the lock on every database.
    sqlx::query("UPDATE log_head SET size = size + 0 WHERE id = 1").execute(&mut *connection).await?;
    read_head(connection, keyring, pins.seen()).await
}

/// As [`lock_head`] in a script, and moves the head on by so many leaves: a statement that fails when somebody else has
/// written since `seen` was the head.
pub(crate) fn claim_or_fail(
    script: &mut Script,
    keyring: &Keyring,
    seen: Head,
    leaves: usize,
) -> Result<Head, StoreError> {
    let (primary, next) = (keyring.primary(), seen.plus(leaves));
    // No number of leaves is NULL.
    script
        .statement()
        .push("UPDATE log_head SET size = CASE WHEN size = ")
        .push_bind(stored(seen.size)?)
        .push(" AND generation = ")
        .push_bind(i64::from(primary.id))
        .push(" AND mac = ")
        .push_bind(primary.row().sign(&head_preimage(seen)))
        .push(" AND EXISTS (SELECT 1 FROM epoch WHERE id = 1 AND value = ")
        .push_bind(stored(seen.epoch)?)
        .push(") THEN ")
        .push_bind(stored(next.size)?)
        .push(" ELSE NULL END, mac = ")
        .push_bind(primary.row().sign(&head_preimage(next)))
        .push(" WHERE id = 1");
    Ok(next)
}

/// The head of the log, which is not older than `seen`. That must come from before the view was taken.
pub(super) async fn read_head(
    connection: &mut Connection,
    keyring: &Keyring,
    seen: Head,
) -> Result<Head, StoreError> {
    let row = sqlx::query(
        "SELECT log_head.size, log_head.generation, log_head.mac, epoch.value FROM log_head, epoch \
         WHERE log_head.id = 1 AND epoch.id = 1",
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| rows::tampered(HEAD, "1"))?;
    let head = check_head(keyring, &row)?;
    if head.size < seen.size || head.epoch < seen.epoch {
        return Err(rows::tampered(HEAD, "1"));
    }
    Ok(head)
}

fn check_head(keyring: &Keyring, row: &Row) -> Result<Head, StoreError> {
    let size = rows::number(row, "size", HEAD, "1")?;
    let head = Head { size, epoch: rows::number(row, "value", EPOCH, "1")? };
    let id = rows::generation(row, HEAD, "1")?;
    let generation = keyring.get(id).ok_or_else(|| StoreError::UnknownGeneration {
        table: HEAD,
        key: "1".to_owned(),
        id,
    })?;
    if generation.row().signed(&head_preimage(head), &rows::bytes(row, "mac", HEAD, "1")?) {
        Ok(head)
    } else {
        Err(rows::tampered(HEAD, "1"))
    }
}

/// Appends leaves to the log, whose lock this transaction has; gives the new head.
pub(crate) async fn append(
    connection: &mut Connection,
    keyring: &Keyring,
    head: Head,
    leaves: Vec<Leaf>,
) -> Result<Head, StoreError> {
    if leaves.is_empty() {
        return Ok(head);
    }
    let (next, count) = (head.plus(leaves.len()), leaves.len() as u64);
    let mut insert = QueryBuilder::new("");
    insert_leaves(&mut insert, head, leaves)?;
    let (_, written) = dialect::run(connection, insert.build()).await?;
    // A trigger that somebody put there may leave rows out without an error.
    if written != count {
        return Err(rows::tampered(LEAVES, "new"));
    }
    write_head(connection, keyring, next).await?;
    Ok(next)
}

/// The statement that appends leaves to a log with this head.
pub(crate) fn insert_leaves(
    insert: &mut QueryBuilder<Db>,
    head: Head,
    leaves: Vec<Leaf>,
) -> Result<(), StoreError> {
    let numbered = (stored(head.size)?..stored(head.plus(leaves.len()).size)?).zip(leaves);
    insert.push("INSERT INTO log_leaves (idx, hash, record, generation, mac, kind, id, instance, at) ");
    insert.push_values(numbered, |mut row, (index, leaf)| {
        row.push_bind(index)
            .push_bind(leaf.hash.0.to_vec())
            .push_bind(leaf.text)
            .push_bind(leaf.generation)
            .push_bind(leaf.mac)
            .push_bind(leaf.kind)
            .push_bind(leaf.id)
            .push_bind(leaf.instance)
            .push_bind(leaf.at);
    });
    Ok(())
}

async fn write_head(connection: &mut Connection, keyring: &Keyring, head: Head) -> Result<(), StoreError> {
    let primary = keyring.primary();
    let update = sqlx::query("UPDATE log_head SET size = $1, generation = $2, mac = $3 WHERE id = 1")
        .bind(stored(head.size)?)
        .bind(i64::from(primary.id))
        .bind(primary.row().sign(&head_preimage(head)));
    let (_, moved) = dialect::run(connection, update).await?;
    if moved == 1 { Ok(()) } else { Err(rows::tampered(HEAD, "1")) }
}

/// Reads from the log which change of each row is the last, and checks that no leaf is missing.
pub(super) async fn load_pins(pools: &Pools, keyring: &Keyring) -> Result<Pins, StoreError> {
    let pins = Pins::default();
    let mut tx = pools.readers.begin().await?;
    let head = read_head(&mut tx, keyring, Head::default()).await?;
    let count = sqlx::query(
        // SQLite also keeps fractions and NULL in a column of numbers: they stand for no leaf.
        "SELECT COUNT(CASE WHEN idx >= 0 AND idx = CAST(idx AS BIGINT) THEN 1 END) AS count, \
         COALESCE(MAX(idx) + 1, 0) AS next FROM log_leaves",
    )
    .fetch_one(&mut *tx)
    .await?;
    if [rows::number(&count, "count", LEAVES, "all")?, rows::number(&count, "next", LEAVES, "all")?]
        != [head.size, head.size]
    {
        return Err(rows::tampered(LEAVES, "all"));
    }
    catch_up(&mut tx, keyring, &pins, head).await?;
    Ok(pins)
}

/// Takes over the changes up to `head`, also those of other processes, so that no row can be put back
/// behind any of them.
pub(super) async fn catch_up(
    connection: &mut Connection,
    keyring: &Keyring,
    pins: &Pins,
    head: Head,
) -> Result<(), StoreError> {
    let mut taken = pins.changes();
    while taken.epoch < head.epoch {
        let leaves = sqlx::query(
            "SELECT * FROM log_leaves WHERE kind = 'operator' AND idx >= $1 AND idx < $2 ORDER BY idx LIMIT $3",
        )
        .bind(stored(taken.size)?)
        .bind(stored(head.size)?)
        .bind(CHANGES_AT_ONCE)
        .fetch_all(&mut *connection)
        .await?;
        let before = taken;
        for row in &leaves {
            let LoggedRecord { index, record, .. } = read_leaf(keyring, row)?;
            let LogRecord::Operator(change) = record else { return Err(rows::tampered(LEAVES, "?")) };
            // Every change raised the epoch by one and left one leaf.
            if change.epoch != taken.epoch.saturating_add(1) || change.epoch > head.epoch {
                return Err(rows::tampered(EPOCH, "1"));
            }
            pins.apply(index, &change);
            taken = Head { size: index.saturating_add(1), epoch: change.epoch };
        }
        if taken == before {
            return Err(rows::tampered(EPOCH, "1"));
        }
    }
    pins.saw(head);
    Ok(())
}

/// A record of the log, authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRecord {
    /// Its number in the log, from 0.
    pub index: u64,
    /// Its hash as a leaf.
    pub hash: Digest32,
    /// What it says.
    pub record: LogRecord,
}

/// Which records to list. Everything that is `None` is not looked at.
#[derive(Clone, Debug, Default)]
pub struct DecisionFilter {
    /// Granted, refused, or done by an operator.
    pub outcome: Option<Outcome>,
    /// Concerns this path.
    pub path: Option<SecretPath>,
    /// Concerns this instance, written `project number/instance id`.
    pub instance: Option<String>,
    /// Not earlier.
    pub since: Option<UnixTime>,
    /// Earlier than this.
    pub until: Option<UnixTime>,
    /// Comes before this number in the log: the next page after one that ended there.
    pub before: Option<u64>,
    /// At most so many, 1 to 1000; 100 when `None`.
    pub limit: Option<u32>,
    /// Names something in one of these namespaces. It may name things in others too.
    pub namespaces: Option<Vec<String>>,
}

impl Keystore {
    /// Records of the log, the newest first.
    ///
    /// # Errors
    /// When the database fails or a leaf was changed.
    pub async fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<LoggedRecord>, StoreError> {
        let mut query = filter_query(filter)?;
        let rows = query.build().fetch_all(&self.0.pools.readers).await?;
        rows.iter().map(|row| read_leaf(&self.0.keyring, row)).collect()
    }

    /// The record with this id.
    ///
    /// # Errors
    /// When the database fails or the leaf was changed.
    pub async fn decision(&self, id: DecisionId) -> Result<Option<LoggedRecord>, StoreError> {
        let row = sqlx::query("SELECT * FROM log_leaves WHERE id = $1 ORDER BY idx LIMIT 1")
            .bind(id.to_string())
            .fetch_optional(&self.0.pools.readers)
            .await?;
        row.map(|row| read_leaf(&self.0.keyring, &row)).transpose()
    }

    /// A piece of evidence by its digest.
    ///
    /// # Errors
    /// When the database fails or the piece was changed.
    pub async fn evidence(&self, digest: Digest32) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("SELECT bytes FROM evidence WHERE digest = $1")
            .bind(digest.0.to_vec())
            .fetch_optional(&self.0.pools.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let bytes: Vec<u8> = row.try_get("bytes")?;
        if Digest32::of(&bytes) != digest {
            return Err(rows::tampered("evidence", &digest.to_string()));
        }
        Ok(Some(bytes))
    }
}

fn filter_query(filter: &DecisionFilter) -> Result<QueryBuilder<Db>, StoreError> {
    let mut query = QueryBuilder::<Db>::new("SELECT * FROM log_leaves WHERE 1 = 1");
    if let Some(outcome) = filter.outcome {
        query.push(" AND kind = ").push_bind(outcome.kind());
    }
    if let Some(path) = &filter.path {
        let pattern = format!("%\"{}\"%", escaped(path.as_str()));
        query.push(" AND record LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
    }
    if let Some(namespaces) = &filter.namespaces {
        query.push(" AND (1 = 0");
        for namespace in namespaces {
            let pattern = format!("%\"{}/%", escaped(namespace));
            query.push(" OR record LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
        }
        query.push(")");
    }
    if let Some(instance) = &filter.instance {
        query.push(" AND instance = ").push_bind(instance.clone());
    }
    if let Some(since) = filter.since {
        query.push(" AND at >= ").push_bind(super::time(since)?);
    }
    if let Some(until) = filter.until {
        query.push(" AND at < ").push_bind(super::time(until)?);
    }
    if let Some(before) = filter.before {
        query.push(" AND idx < ").push_bind(stored(before)?);
    }
    let limit = filter.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    query.push(" ORDER BY idx DESC LIMIT ").push_bind(i64::from(limit));
    Ok(query)
}

/// A path or a namespace as LIKE takes it: of a-z, 0-9, `.`, `_`, `-`, `/` only `_` means something there.
fn escaped(name: &str) -> String {
    name.replace('_', "\\_")
}

pub(super) fn read_leaf(keyring: &Keyring, row: &Row) -> Result<LoggedRecord, StoreError> {
    let index = rows::number(row, "idx", LEAVES, "?")?;
    let key = index.to_string();
    let id = rows::generation(row, LEAVES, &key)?;
    let text = rows::text(row, "record", LEAVES, &key)?;
    let hash = Digest32::of_parts(&[&[0], text.as_bytes()]);
    let generation = keyring.get(id).ok_or_else(|| StoreError::UnknownGeneration {
        table: LEAVES,
        key: key.clone(),
        id,
    })?;
    let mac = rows::bytes(row, "mac", LEAVES, &key)?;
    let stored_hash = rows::bytes(row, "hash", LEAVES, &key)?;
    if stored_hash != hash.0 || !generation.row().signed(&leaf_preimage(index, &hash), &mac) {
        return Err(rows::tampered(LEAVES, &key));
    }
    let record: LogRecord = serde_json::from_str(&text).map_err(|_| rows::tampered(LEAVES, &key))?;
    let columns = [
        rows::text(row, "kind", LEAVES, &key)? == record.kind(),
        rows::text(row, "id", LEAVES, &key)? == record.id().to_string(),
        rows::text(row, "instance", LEAVES, &key)? == record.instance().unwrap_or_default(),
        rows::number(row, "at", LEAVES, &key)? == record.at().0,
    ];
    if columns.contains(&false) {
        return Err(rows::tampered(LEAVES, &key));
    }
    Ok(LoggedRecord { index, hash, record })
}

/// label || number of leaves || epoch, each length-prefixed.
pub(super) fn head_preimage(head: Head) -> Preimage {
    Preimage::new(HEAD_LABEL).number(head.size).number(head.epoch)
}

/// label || index || leaf hash, each length-prefixed.
fn leaf_preimage(index: u64, hash: &Digest32) -> Preimage {
    Preimage::new(LEAF_LABEL).number(index).field(hash.as_bytes())
}

const HEAD: &str = "log_head";
const LEAVES: &str = "log_leaves";
const HEAD_LABEL: &[u8] = b"vouchsafe/v1 log head";
const LEAF_LABEL: &[u8] = b"vouchsafe/v1 log leaf";
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;
const CHANGES_AT_ONCE: i64 = 512;
