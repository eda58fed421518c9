//! The tables of chips: reading, adding and listing rows.
//!
//! Every row has a MAC, and the head's MAC covers the number of rows: an edited row is detected when it is
//! read, a removed one when the keystore is opened. In a list each row must also match the grant's leaf. If
//! the head and the newest rows are rolled back together while no broker runs, that cannot be detected from
//! these tables; the records of the grants still have the chips.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sqlx::{QueryBuilder, Row as _};
use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::hashing::Preimage;
use vouchsafe_protocol::{DecisionId, UnixTime};

use super::handle::Registry;
use super::rows::{self, MacInput};
use crate::chips::{FirstSeen, Subject};
use crate::db::columns::{self, parameter, stored, time};
use crate::db::{Connection, Db, Pools, Reader, Row, StoreError, run};
use crate::keyring::Keyring;
use crate::log::record::LogRecord;
use crate::log::{LoggedRecord, numbered};

/// A row ready to be stored.
#[derive(Debug)]
pub(crate) struct NewChip {
    pub(crate) subject: Subject,
    pub(crate) chip: Chip,
    pub(crate) first_seen_at: UnixTime,
    pub(crate) decision: DecisionId,
    pub(crate) leaf: u64,
}

/// An authenticated chip of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenChip {
    /// Its index, from 0, in the order in which chips were first seen.
    pub index: u64,
    /// The chip, its subject, and the previous chip.
    pub seen: FirstSeen,
    /// When.
    pub first_seen_at: UnixTime,
    /// The first grant on it.
    pub grant: LoggedRecord,
}

/// Which chips to list. A member that is `None` does not filter.
#[derive(Clone, Debug, Default)]
pub struct ChipFilter {
    /// Of this subject.
    pub subject: Option<Subject>,
    /// Only chips before this index: the page after one that ended there.
    pub before: Option<u64>,
    /// At most this many, 1 to 1000; default: 100.
    pub limit: Option<u32>,
}

impl ChipFilter {
    /// The largest page.
    pub(crate) const MAX_PAGE: u32 = 1000;

    /// How many chips it asks for.
    pub(crate) fn limit(&self) -> usize {
        usize::try_from(self.clamped()).unwrap_or(usize::MAX)
    }

    fn clamped(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_PAGE).clamp(1, Self::MAX_PAGE)
    }
}

impl Registry {
    /// Chips by subject, newest first.
    pub(crate) async fn chips(&self, filter: &ChipFilter) -> Result<Vec<SeenChip>, StoreError> {
        let mut tx = self.log.pools.read(Reader::Records, "chips").await?;
        let rows = filter_query(filter)?.build().fetch_all(&mut *tx).await?;
        let rows: Vec<_> = rows.iter().map(|row| read(self.keyring(), row)).collect::<Result<_, _>>()?;
        let mut grants = HashMap::new();
        for row in &rows {
            if let Entry::Vacant(place) = grants.entry(row.leaf) {
                let grant = numbered(&mut tx, self.keyring(), row.leaf).await?;
                place.insert(grant.ok_or_else(|| row.tampered())?);
            }
        }
        let seen = rows.into_iter().map(|row| {
            let grant = grants.get(&row.leaf).cloned().ok_or_else(|| row.tampered())?;
            row.with(grant)
        });
        seen.collect()
    }
}

fn filter_query(filter: &ChipFilter) -> Result<QueryBuilder<Db>, StoreError> {
    let mut query = QueryBuilder::<Db>::new("SELECT * FROM chips WHERE 1 = 1");
    if let Some(subject) = &filter.subject {
        query.push(" AND subject = ").push_bind(subject.to_string());
    }
    if let Some(before) = filter.before {
        query.push(" AND idx < ").push_bind(parameter("before", before)?);
    }
    query.push(" ORDER BY idx DESC LIMIT ").push_bind(i64::from(filter.clamped()));
    Ok(query)
}

/// Creates the first head: no rows.
pub(super) async fn initialise(connection: &mut Connection, keyring: &Keyring) -> Result<(), StoreError> {
    let primary = keyring.primary();
    sqlx::query("INSERT INTO chips_head (id, size, generation, mac) VALUES (1, 0, $1, $2)")
        .bind(i64::from(primary.id))
        .bind(primary.row().sign(&head_preimage(0)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Checks that no row is missing.
pub(super) async fn check_count(pools: &Pools, keyring: &Keyring) -> Result<(), StoreError> {
    let mut tx = pools.read(Reader::Release, "count-chips").await?;
    let size = head(&mut tx, keyring).await?;
    let count = sqlx::query(
        // As for the log: a row with a fraction or NULL is ignored.
        "SELECT COUNT(CASE WHEN idx >= 0 AND idx = CAST(idx AS BIGINT) THEN 1 END) AS count, \
         COALESCE(MAX(idx) + 1, 0) AS next FROM chips",
    )
    .fetch_one(&mut *tx)
    .await?;
    let found =
        [columns::number(&count, "count", CHIPS, "all")?, columns::number(&count, "next", CHIPS, "all")?];
    if found == [size, size] { Ok(()) } else { Err(columns::tampered(CHIPS, "all")) }
}

/// How many rows there are.
pub(crate) async fn head(connection: &mut Connection, keyring: &Keyring) -> Result<u64, StoreError> {
    let query = sqlx::query("SELECT size, generation, mac FROM chips_head WHERE id = 1");
    let (found, _) = run(connection, query).await?;
    let row = found.first().ok_or_else(|| columns::tampered(HEAD, "1"))?;
    let size = columns::number(row, "size", HEAD, "1")?;
    check(keyring, row, HEAD, "1", &head_preimage(size))?;
    Ok(size)
}

/// The chips of these subjects, in the order in which they were first seen; `None` for a subject with an
/// unreadable row, so that it does not affect others.
pub(crate) async fn of_subjects(
    connection: &mut Connection,
    keyring: &Keyring,
    subjects: Vec<Subject>,
) -> Result<HashMap<Subject, Option<Vec<Chip>>>, StoreError> {
    let mut found: HashMap<_, Option<Vec<_>>> = HashMap::with_capacity(subjects.len());
    for subjects in subjects.chunks(SUBJECTS_AT_ONCE) {
        let mut query = QueryBuilder::<Db>::new("SELECT * FROM chips WHERE subject IN (");
        let mut values = query.separated(", ");
        for subject in subjects {
            values.push_bind(subject.to_string());
        }
        query.push(") ORDER BY idx");
        let (rows, _) = run(connection, query.build()).await?;
        found.extend(subjects.iter().map(|subject| (subject.clone(), Some(Vec::new()))));
        for row in &rows {
            let named: String = row.try_get("subject")?;
            let Some(chips) = named.parse().ok().and_then(|subject: Subject| found.get_mut(&subject)) else {
                return Err(columns::tampered(CHIPS, "?"));
            };
            match (read(keyring, row), chips) {
                (Ok(ChipRow { chip, .. }), Some(chips)) => chips.push(chip),
                (Ok(_), None) => {}
                (Err(error), chips) => {
                    tracing::error!(event = "chips.unreadable", subject = named, %error);
                    *chips = None;
                }
            }
        }
    }
    Ok(found)
}

/// Adds rows after the existing `size` rows.
pub(crate) async fn append(
    connection: &mut Connection,
    keyring: &Keyring,
    size: u64,
    new: &[NewChip],
) -> Result<(), StoreError> {
    let (mut next, primary) = (size, keyring.primary());
    for new in new.chunks(ROWS_AT_ONCE) {
        let (first, count) = (next, new.len() as u64);
        next = first.saturating_add(count);
        let mut values = Vec::with_capacity(new.len());
        for (chip, index) in new.iter().zip(first..) {
            let decision = chip.decision.to_string();
            let mac = primary.row().sign(&row_preimage(index, chip, &decision));
            values.push((stored(index)?, chip, time(chip.first_seen_at)?, decision, stored(chip.leaf)?, mac));
        }
        let generation = i64::from(primary.id);
        let mut insert = QueryBuilder::<Db>::new(
            "INSERT INTO chips (idx, subject, chip, first_seen_at, decision, leaf, generation, mac) ",
        );
        insert.push_values(values, |mut row, (index, chip, at, decision, leaf, mac)| {
            row.push_bind(index)
                .push_bind(chip.subject.to_string())
                .push_bind(chip.chip.as_str().to_owned())
                .push_bind(at)
                .push_bind(decision)
                .push_bind(leaf)
                .push_bind(generation)
                .push_bind(mac);
        });
        let (_, written) = run(connection, insert.build()).await?;
        // A trigger in the database could omit rows without an error.
        if written != count {
            return Err(columns::tampered(CHIPS, "new"));
        }
    }
    write_head(connection, keyring, next).await
}

async fn write_head(connection: &mut Connection, keyring: &Keyring, size: u64) -> Result<(), StoreError> {
    let primary = keyring.primary();
    let update = sqlx::query("UPDATE chips_head SET size = $1, generation = $2, mac = $3 WHERE id = 1")
        .bind(stored(size)?)
        .bind(i64::from(primary.id))
        .bind(primary.row().sign(&head_preimage(size)));
    let (_, moved) = run(connection, update).await?;
    if moved == 1 { Ok(()) } else { Err(columns::tampered(HEAD, "1")) }
}

/// A row whose MAC has been verified.
struct ChipRow {
    index: u64,
    subject: Subject,
    chip: Chip,
    first_seen_at: UnixTime,
    decision: DecisionId,
    leaf: u64,
}

impl ChipRow {
    fn tampered(&self) -> StoreError {
        columns::tampered(CHIPS, &self.index.to_string())
    }

    /// The leaf's grant must match the row.
    fn with(self, grant: LoggedRecord) -> Result<SeenChip, StoreError> {
        let LogRecord::Grant(record) = &grant.record else { return Err(self.tampered()) };
        let same = |seen: &&FirstSeen| seen.subject == self.subject && seen.chip == self.chip;
        let seen = record.chips.iter().find(same).cloned().ok_or_else(|| self.tampered())?;
        if (record.decision, record.at) != (self.decision, self.first_seen_at) {
            return Err(self.tampered());
        }
        Ok(SeenChip { index: self.index, seen, first_seen_at: self.first_seen_at, grant })
    }
}

fn read(keyring: &Keyring, row: &Row) -> Result<ChipRow, StoreError> {
    let (index, new, decision) = stored_row(row)?;
    check(keyring, row, CHIPS, &index.to_string(), &row_preimage(index, &new, &decision))?;
    let NewChip { subject, chip, first_seen_at, decision, leaf } = new;
    Ok(ChipRow { index, subject, chip, first_seen_at, decision, leaf })
}

/// What the MAC of this row of `chips` covers.
pub(crate) fn chip_mac(row: &Row) -> Result<MacInput, StoreError> {
    let (index, new, decision) = stored_row(row)?;
    Ok(MacInput { key: index.to_string(), preimage: row_preimage(index, &new, &decision) })
}

/// What the MAC of the row of `chips_head` covers.
pub(crate) fn head_mac(row: &Row) -> Result<MacInput, StoreError> {
    let size = columns::number(row, "size", HEAD, "1")?;
    Ok(MacInput { key: "1".to_owned(), preimage: head_preimage(size) })
}

/// Its index, its content, and the text of its decision.
fn stored_row(row: &Row) -> Result<(u64, NewChip, String), StoreError> {
    let index = columns::number(row, "idx", CHIPS, "?")?;
    let key = index.to_string();
    let unreadable = || columns::tampered(CHIPS, &key);
    let decision = columns::text(row, "decision", CHIPS, &key)?;
    let new = NewChip {
        subject: columns::text(row, "subject", CHIPS, &key)?.parse().map_err(|_| unreadable())?,
        chip: Chip::stored(columns::text(row, "chip", CHIPS, &key)?),
        first_seen_at: UnixTime(columns::number(row, "first_seen_at", CHIPS, &key)?),
        decision: decision.parse().map_err(|_| unreadable())?,
        leaf: columns::number(row, "leaf", CHIPS, &key)?,
    };
    Ok((index, new, decision))
}

fn check(
    keyring: &Keyring,
    row: &Row,
    table: &'static str,
    key: &str,
    preimage: &Preimage,
) -> Result<(), StoreError> {
    let id = columns::generation(row, table, key)?;
    let generation =
        keyring.get(id).ok_or_else(|| StoreError::UnknownGeneration { table, key: key.to_owned(), id })?;
    let mac: Vec<u8> = row.try_get("mac").map_err(|_| columns::tampered(table, key))?;
    if generation.row().verifies(preimage, &mac) { Ok(()) } else { Err(columns::tampered(table, key)) }
}

/// label || number of rows, each length-prefixed.
fn head_preimage(size: u64) -> Preimage {
    Preimage::new(HEAD_LABEL).number(size)
}

/// label || table || number || subject || chip || first seen at || decision || leaf, each length-prefixed.
fn row_preimage(index: u64, chip: &NewChip, decision: &str) -> Preimage {
    rows::fields(CHIPS)
        .number(index)
        .text(&chip.subject.to_string())
        .text(chip.chip.as_str())
        .number(chip.first_seen_at.0)
        .text(decision)
        .number(chip.leaf)
}

const CHIPS: &str = "chips";
const HEAD: &str = "chips_head";
const HEAD_LABEL: &[u8] = b"vouchsafe/v1 chips head";
const DEFAULT_PAGE: u32 = 100;
/// SQLite accepts 32766 values per statement.
const SUBJECTS_AT_ONCE: usize = 8_192;
const ROWS_AT_ONCE: usize = 2_048;
