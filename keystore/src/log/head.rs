//! The head of the log: the number of leaves, the epoch, and the lock that changes and grants share.

use serde::Serialize;
use vouchsafe_protocol::hashing::Preimage;

use crate::db::columns::{self, stored};
use crate::db::grants::HeadRow;
use crate::db::{Connection, Row, StoreError, run};
use crate::keyring::Keyring;

/// The state of the log: the number of its leaves, and the epoch, which is the number of changes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) epoch: u64,
}

impl Head {
    /// Whether the log had more leaves or changes at this head than at the other.
    pub(crate) const fn is_newer_than(self, other: Self) -> bool {
        self.size > other.size || self.epoch > other.epoch
    }

    /// The head after `leaves` more leaves.
    pub(crate) const fn plus(self, leaves: usize) -> Self {
        Self { size: self.size.saturating_add(leaves as u64), ..self }
    }
}

/// How much newer a known head is than that of a copy. The true head may be newer still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Records that are not in the copy.
    pub records: u64,
    /// Changes by operators that are not in the copy.
    pub changes: u64,
}

impl Loss {
    /// `None` if nothing is lost.
    pub(crate) fn of(copy: Head, known: Head) -> Option<Self> {
        let records = known.size.saturating_sub(copy.size);
        known.is_newer_than(copy).then_some(Self { records, changes: known.epoch.saturating_sub(copy.epoch) })
    }
}

/// Takes the log's lock and returns its head.
pub(crate) async fn lock_head(
    connection: &mut Connection,
    keyring: &Keyring,
    seen: Head,
) -> Result<Head, StoreError> {
    // An UPDATE without effect takes the lock, with the same statement on every database.
    sqlx::query("UPDATE log_head SET size = size + 0 WHERE id = 1").execute(&mut *connection).await?;
    read_head(connection, keyring, seen).await
}

/// The row of a head, with its MAC under the primary generation.
pub(crate) fn head_row(keyring: &Keyring, head: Head) -> Result<HeadRow, StoreError> {
    let primary = keyring.primary();
    Ok(HeadRow {
        size: stored(head.size)?,
        epoch: stored(head.epoch)?,
        generation: i64::from(primary.id),
        mac: primary.row().sign(&head_preimage(head)),
    })
}

/// Reads the head of the log, which must not be older than `seen`. The caller must have read `seen` before
/// this view was taken.
pub(crate) async fn read_head(
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
    .ok_or_else(|| columns::tampered(HEAD, "1"))?;
    let head = check_head(keyring, &row)?;
    if seen.is_newer_than(head) {
        return Err(columns::tampered(HEAD, "1"));
    }
    Ok(head)
}

fn check_head(keyring: &Keyring, row: &Row) -> Result<Head, StoreError> {
    let size = columns::number(row, "size", HEAD, "1")?;
    let head = Head { size, epoch: columns::number(row, "value", EPOCH, "1")? };
    let id = columns::generation(row, HEAD, "1")?;
    let generation = keyring.get(id).ok_or_else(|| StoreError::UnknownGeneration {
        table: HEAD,
        key: "1".to_owned(),
        id,
    })?;
    if generation.row().verifies(&head_preimage(head), &columns::bytes(row, "mac", HEAD, "1")?) {
        Ok(head)
    } else {
        Err(columns::tampered(HEAD, "1"))
    }
}

pub(super) async fn write_head(
    connection: &mut Connection,
    keyring: &Keyring,
    head: Head,
) -> Result<(), StoreError> {
    let row = head_row(keyring, head)?;
    let update = sqlx::query("UPDATE log_head SET size = $1, generation = $2, mac = $3 WHERE id = 1")
        .bind(row.size)
        .bind(row.generation)
        .bind(row.mac);
    let (_, updated) = run(connection, update).await?;
    if updated == 1 { Ok(()) } else { Err(columns::tampered(HEAD, "1")) }
}

/// label || number of leaves || epoch, each length-prefixed.
pub(crate) fn head_preimage(head: Head) -> Preimage {
    Preimage::new(HEAD_LABEL).number(head.size).number(head.epoch)
}

const HEAD: &str = "log_head";
pub(crate) const EPOCH: &str = "epoch";
const HEAD_LABEL: &[u8] = b"vouchsafe/v1 log head";
