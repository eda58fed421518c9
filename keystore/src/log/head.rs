//! The head of the log: the number of leaves, the epoch, the tree over the leaves, and the lock that changes and grants share.

use serde::Serialize;
use sqlx::Row as _;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::hashing::Preimage;

use super::follows::follows;
use super::tree::Tree;
use crate::db::columns::{self, stored};
use crate::db::grants::HeadRow;
use crate::db::{Connection, Row, StoreError, run};
use crate::keyring::{Generation, Keyring};

/// How far the log has got: the number of its leaves, and the epoch, which is the number of changes so far.
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

/// The log at a head, with all that is needed to append to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) epoch: u64,
    pub(crate) tree: Tree,
}

impl LogState {
    pub(crate) const fn head(&self) -> Head {
        Head { size: self.tree.size(), epoch: self.epoch }
    }

    /// The index of the next leaf.
    pub(crate) const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The state after these leaves.
    pub(crate) fn plus(&self, leaves: impl IntoIterator<Item = Digest32>) -> Self {
        Self { epoch: self.epoch, tree: self.tree.plus(leaves) }
    }
}

/// A state as stored. One written by an earlier version lacks the tree.
#[derive(Debug)]
pub(crate) struct StoredState {
    pub(crate) head: Head,
    pub(crate) tree: Option<Tree>,
}

/// Takes the log's lock and returns its state.
pub(crate) async fn lock_head(
    connection: &mut Connection,
    keyring: &Keyring,
    seen: &LogState,
) -> Result<LogState, StoreError> {
    // An UPDATE without effect takes the lock, with the same statement on every database.
    sqlx::query("UPDATE log_head SET size = size + 0 WHERE id = 1").execute(&mut *connection).await?;
    read_head(connection, keyring, seen).await
}

/// The row of a head, with its MAC under this generation.
pub(crate) fn head_row(primary: &Generation, state: &LogState) -> Result<HeadRow, StoreError> {
    let tree = state.tree.to_bytes();
    Ok(HeadRow {
        size: stored(state.size())?,
        epoch: stored(state.epoch)?,
        generation: i64::from(primary.id),
        mac: primary.row().sign(&head_preimage(state.head(), &tree)),
        tree,
    })
}

/// Reads the state of the log, which has to be `seen` or to continue it. The caller must have read `seen` before
/// this view was taken.
pub(crate) async fn read_head(
    connection: &mut Connection,
    keyring: &Keyring,
    seen: &LogState,
) -> Result<LogState, StoreError> {
    let state = read_first(&mut *connection, keyring).await?;
    if seen.head().is_newer_than(state.head()) || !follows(connection, &seen.tree, &state.tree).await? {
        return Err(columns::tampered(HEAD, "1"));
    }
    Ok(state)
}

/// Reads the state of a log of which this process has seen nothing yet.
pub(super) async fn read_first(
    connection: &mut Connection,
    keyring: &Keyring,
) -> Result<LogState, StoreError> {
    let StoredState { head, tree } = read_stored(connection, keyring).await?;
    let tree = tree.ok_or_else(|| columns::tampered(HEAD, "1"))?;
    Ok(LogState { epoch: head.epoch, tree })
}

/// Reads the state of a log that an earlier version may have written.
pub(crate) async fn read_stored(
    connection: &mut Connection,
    keyring: &Keyring,
) -> Result<StoredState, StoreError> {
    let row = sqlx::query(
        "SELECT log_head.*, epoch.value FROM log_head, epoch WHERE log_head.id = 1 AND epoch.id = 1",
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| columns::tampered(HEAD, "1"))?;
    check_head(keyring, &row)
}

fn check_head(keyring: &Keyring, row: &Row) -> Result<StoredState, StoreError> {
    let size = columns::number(row, "size", HEAD, "1")?;
    let head = Head { size, epoch: columns::number(row, "value", EPOCH, "1")? };
    let id = columns::generation(row, HEAD, "1")?;
    let generation = keyring.get(id).ok_or_else(|| StoreError::UnknownGeneration {
        table: HEAD,
        key: "1".to_owned(),
        id,
    })?;
    if !generation.row().verifies(&head_mac(row)?, &columns::bytes(row, "mac", HEAD, "1")?) {
        return Err(columns::tampered(HEAD, "1"));
    }
    let Some(tree) = stored_tree(row) else { return Ok(StoredState { head, tree: None }) };
    let tree = Tree::from_bytes(size, &tree).ok_or_else(|| columns::tampered(HEAD, "1"))?;
    Ok(StoredState { head, tree: Some(tree) })
}

pub(super) async fn write_head(
    connection: &mut Connection,
    keyring: &Keyring,
    state: &LogState,
) -> Result<(), StoreError> {
    let row = head_row(&keyring.primary(), state)?;
    let update =
        sqlx::query("UPDATE log_head SET size = $1, generation = $2, mac = $3, tree = $4 WHERE id = 1")
            .bind(row.size)
            .bind(row.generation)
            .bind(row.mac)
            .bind(row.tree);
    let (_, updated) = run(connection, update).await?;
    if updated == 1 { Ok(()) } else { Err(columns::tampered(HEAD, "1")) }
}

/// What the MAC of this row covers, which also has the epoch as `value`.
pub(crate) fn head_mac(row: &Row) -> Result<Preimage, StoreError> {
    let size = columns::number(row, "size", HEAD, "1")?;
    let head = Head { size, epoch: columns::number(row, "value", EPOCH, "1")? };
    Ok(stored_tree(row).map_or_else(|| head_preimage_v1(head), |tree| head_preimage(head, &tree)))
}

/// The column is missing in the tables of an earlier version.
fn stored_tree(row: &Row) -> Option<Vec<u8>> {
    row.try_get::<Option<Vec<u8>>, _>("tree").unwrap_or_default()
}

/// label || number of leaves || epoch || roots of the complete subtrees, each length-prefixed.
pub(crate) fn head_preimage(head: Head, tree: &[u8]) -> Preimage {
    Preimage::new(HEAD_LABEL).number(head.size).number(head.epoch).field(tree)
}

/// label || number of leaves || epoch, each length-prefixed.
fn head_preimage_v1(head: Head) -> Preimage {
    Preimage::new(HEAD_LABEL_V1).number(head.size).number(head.epoch)
}

const HEAD: &str = "log_head";
pub(crate) const EPOCH: &str = "epoch";
const HEAD_LABEL: &[u8] = b"vouchsafe/v2 log head";
const HEAD_LABEL_V1: &[u8] = b"vouchsafe/v1 log head";
