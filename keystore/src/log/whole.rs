//! Reading the whole log: every leaf is there and authentic, and the tree over all of them is that of the head.

use std::cmp::Reverse;

use vouchsafe_protocol::{Checkpoint, Digest32, UnixTime};

use super::catch_up::check_count;
use super::head::{Head, StoredState, read_stored};
use super::leaf::read_leaf;
use super::tree::{LEAVES, Tree};
use crate::db::columns::{stored, tampered};
use crate::db::{Connection, StoreError};
use crate::keyring::Keyring;

/// A log, all of whose leaves were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifiedLog {
    pub(crate) head: Head,
    pub(crate) tree: Tree,
    /// Time of the newest record.
    pub(crate) newest_at: Option<UnixTime>,
    /// The checkpoints, of those that it was compared with, which are not larger and not of this log.
    pub(crate) others: Vec<Checkpoint>,
}

impl VerifiedLog {
    /// Root of the Merkle tree, RFC 6962 §2.1.
    pub(crate) fn root(&self) -> Digest32 {
        self.tree.root()
    }
}

/// Verifies every leaf, and whether these checkpoints are of this log. Nothing may write to the database meanwhile.
pub(crate) async fn verify_log(
    connection: &mut Connection,
    keyring: &Keyring,
    checkpoints: &[Checkpoint],
) -> Result<VerifiedLog, StoreError> {
    let StoredState { head, tree: of_head } = read_stored(connection, keyring).await?;
    check_count(connection, head).await?;
    let (mut tree, mut newest_at) = (Tree::default(), None);
    let mut checkpoints = BySize::new(checkpoints);
    let mut others = checkpoints.contradicted(&tree);
    while tree.size() < head.size {
        let rows = sqlx::query("SELECT * FROM log_leaves WHERE idx >= $1 ORDER BY idx LIMIT $2")
            .bind(stored(tree.size())?)
            .bind(LEAVES_AT_ONCE)
            .fetch_all(&mut *connection)
            .await?;
        if rows.is_empty() {
            return Err(tampered(LEAVES, &tree.size().to_string()));
        }
        for row in &rows {
            let leaf = read_leaf(keyring, row)?;
            if leaf.index != tree.size() {
                return Err(tampered(LEAVES, &tree.size().to_string()));
            }
            newest_at = Some(leaf.record.at());
            tree.push(leaf.hash);
            others.extend(checkpoints.contradicted(&tree));
        }
    }
    match of_head {
        Some(of_head) if of_head != tree => Err(tampered(LEAVES, "all")),
        _ => Ok(VerifiedLog { head, tree, newest_at, others }),
    }
}

/// Checkpoints that the log has not reached yet, the smallest last.
struct BySize(Vec<Checkpoint>);

impl BySize {
    fn new(checkpoints: &[Checkpoint]) -> Self {
        let mut sorted = checkpoints.to_vec();
        sorted.sort_unstable_by_key(|checkpoint| Reverse(checkpoint.size));
        Self(sorted)
    }

    /// Takes those of the tree's size; returns the ones with another root.
    fn contradicted(&mut self, tree: &Tree) -> Vec<Checkpoint> {
        let mut contradicted = Vec::new();
        while let Some(checkpoint) = self.0.pop_if(|checkpoint| checkpoint.size <= tree.size()) {
            if checkpoint.root != tree.root() {
                contradicted.push(checkpoint);
            }
        }
        contradicted
    }
}

const LEAVES_AT_ONCE: i64 = 512;
