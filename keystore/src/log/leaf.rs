//! Leaves: numbered without gaps, each with a MAC.

use sqlx::{QueryBuilder, Row as _};
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::hashing::Preimage;

use super::head::{LogState, write_head};
use super::record::LogRecord;
use super::tree::LEAVES;
use crate::db::columns::{self, stored, time};
use crate::db::grants::{LeafRow, insert_leaves};
use crate::db::{Connection, Row, StoreError, run};
use crate::keyring::Keyring;

/// A leaf ready to be stored.
pub(crate) struct Leaf {
    hash: Digest32,
    row: LeafRow,
}

impl Leaf {
    pub(crate) fn new(keyring: &Keyring, index: u64, record: &LogRecord) -> Result<Self, StoreError> {
        let text = record.canonical();
        // C2SP tlog, RFC 6962 §2.1: a leaf's hash has the prefix 0x00.
        let hash = Digest32::of_parts(&[&[0], text.as_bytes()]);
        let primary = keyring.primary();
        let row = LeafRow {
            hash: hash.0.to_vec(),
            generation: i64::from(primary.id),
            mac: primary.row().sign(&leaf_preimage(index, &hash)),
            kind: record.kind(),
            id: record.id().to_string(),
            instance: record.instance().unwrap_or_default().to_owned(),
            at: time(record.at())?,
            volume: volume_column(record),
            proposal: proposal_column(record),
            text,
        };
        Ok(Self { hash, row })
    }

    pub(crate) const fn hash(&self) -> Digest32 {
        self.hash
    }

    pub(crate) fn into_row(self) -> LeafRow {
        self.row
    }
}

/// An authenticated record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRecord {
    /// Its index in the log, from 0.
    pub index: u64,
    /// Its hash as a leaf.
    pub hash: Digest32,
    /// The record.
    pub record: LogRecord,
}

/// Appends leaves to the log, whose lock this transaction has; returns its new state.
pub(crate) async fn append(
    connection: &mut Connection,
    keyring: &Keyring,
    state: LogState,
    leaves: Vec<Leaf>,
) -> Result<LogState, StoreError> {
    if leaves.is_empty() {
        return Ok(state);
    }
    let (next, count) = (state.plus(leaves.iter().map(Leaf::hash)), leaves.len() as u64);
    let first = stored(state.size())?;
    let mut insert = QueryBuilder::new("");
    insert_leaves(&mut insert, first, leaves.into_iter().map(Leaf::into_row).collect());
    let (_, written) = run(connection, insert.build()).await?;
    // A trigger in the database could omit rows without an error.
    if written != count {
        return Err(columns::tampered(LEAVES, "new"));
    }
    write_head(connection, keyring, &next).await?;
    Ok(next)
}

pub(crate) fn read_leaf(keyring: &Keyring, row: &Row) -> Result<LoggedRecord, StoreError> {
    let index = columns::number(row, "idx", LEAVES, "?")?;
    let key = index.to_string();
    let id = columns::generation(row, LEAVES, &key)?;
    let text = columns::text(row, "record", LEAVES, &key)?;
    let hash = Digest32::of_parts(&[&[0], text.as_bytes()]);
    let generation = keyring.get(id).ok_or_else(|| StoreError::UnknownGeneration {
        table: LEAVES,
        key: key.clone(),
        id,
    })?;
    let mac = columns::bytes(row, "mac", LEAVES, &key)?;
    let stored_hash = columns::bytes(row, "hash", LEAVES, &key)?;
    if stored_hash != hash.0 || !generation.row().verifies(&leaf_preimage(index, &hash), &mac) {
        return Err(columns::tampered(LEAVES, &key));
    }
    let record: LogRecord = serde_json::from_str(&text).map_err(|_| columns::tampered(LEAVES, &key))?;
    let columns = [
        columns::text(row, "kind", LEAVES, &key)? == record.kind(),
        columns::text(row, "id", LEAVES, &key)? == record.id().to_string(),
        columns::text(row, "instance", LEAVES, &key)? == record.instance().unwrap_or_default(),
        columns::number(row, "at", LEAVES, &key)? == record.at().0,
        row.try_get::<Option<String>, _>("volume").is_ok_and(|volume| volume == volume_column(&record)),
        row.try_get::<Option<String>, _>("proposal").is_ok_and(|found| found == proposal_column(&record)),
    ];
    if columns.contains(&false) {
        return Err(columns::tampered(LEAVES, &key));
    }
    Ok(LoggedRecord { index, hash, record })
}

/// The number of this leaf, and what its MAC covers. The hash covers the record.
pub(crate) fn leaf_mac(row: &Row) -> Result<(u64, Preimage), StoreError> {
    let index = columns::number(row, "idx", LEAVES, "?")?;
    let key = index.to_string();
    let hash = Digest32::of_parts(&[&[0], columns::text(row, "record", LEAVES, &key)?.as_bytes()]);
    if columns::bytes(row, "hash", LEAVES, &key)? != hash.0 {
        return Err(columns::tampered(LEAVES, &key));
    }
    Ok((index, leaf_preimage(index, &hash)))
}

fn volume_column(record: &LogRecord) -> Option<String> {
    record.volume().map(|volume| volume.to_string())
}

fn proposal_column(record: &LogRecord) -> Option<String> {
    record.proposal().map(|proposal| proposal.to_string())
}

/// label || index || leaf hash, each length-prefixed.
fn leaf_preimage(index: u64, hash: &Digest32) -> Preimage {
    Preimage::new(LEAF_LABEL).number(index).field(hash.as_bytes())
}

const LEAF_LABEL: &[u8] = b"vouchsafe/v1 log leaf";
