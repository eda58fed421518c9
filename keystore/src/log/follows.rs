//! Whether a tree is the continuation of another one.

use vouchsafe_protocol::Digest32;

use super::tree::{LEAVES, Tree};
use crate::db::columns::{bytes, stored, tampered};
use crate::db::{Connection, StoreError};

/// Whether `earlier`, with the leaves that the database has after it, is `newest`, the tree of the head.
pub(super) async fn follows(
    connection: &mut Connection,
    earlier: &Tree,
    newest: &Tree,
) -> Result<bool, StoreError> {
    if earlier.size() == newest.size() {
        return Ok(earlier == newest);
    }
    let mut tree = earlier.clone();
    while tree.size() < newest.size() {
        advance(connection, &mut tree, newest.size()).await?;
    }
    Ok(tree == *newest)
}

/// Adds the leaves that the database has after the tree, up to a number of them and to this size.
pub(super) async fn advance(
    connection: &mut Connection,
    tree: &mut Tree,
    size: u64,
) -> Result<(), StoreError> {
    let rows = sqlx::query("SELECT hash FROM log_leaves WHERE idx >= $1 AND idx < $2 ORDER BY idx LIMIT $3")
        .bind(stored(tree.size())?)
        .bind(stored(size)?)
        .bind(HASHES_AT_ONCE)
        .fetch_all(connection)
        .await?;
    if rows.is_empty() {
        return Err(tampered(LEAVES, &tree.size().to_string()));
    }
    for row in &rows {
        let key = tree.size().to_string();
        // Not authenticated one by one: the tree of the head is.
        let hash = bytes(row, "hash", LEAVES, &key)?.try_into().map_err(|_| tampered(LEAVES, &key))?;
        tree.push(Digest32(hash));
    }
    Ok(())
}

const HASHES_AT_ONCE: i64 = 4_096;
