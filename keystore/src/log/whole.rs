//! Reading the whole log: every leaf is there and authentic, and the root of the tree over all of them.

use vouchsafe_protocol::{Digest32, UnixTime};

use super::catch_up::check_count;
use super::head::{Head, read_head};
use super::leaf::{LEAVES, read_leaf};
use crate::db::columns::{stored, tampered};
use crate::db::{Connection, StoreError};
use crate::keyring::Keyring;

/// The head of a log, all of whose leaves were verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VerifiedLog {
    pub(crate) head: Head,
    /// Root of the Merkle tree, RFC 6962 §2.1.
    pub(crate) root: Digest32,
    /// Time of the newest record.
    pub(crate) newest_at: Option<UnixTime>,
}

/// Verifies every leaf. Nothing may write to the database meanwhile.
pub(crate) async fn verify_log(
    connection: &mut Connection,
    keyring: &Keyring,
) -> Result<VerifiedLog, StoreError> {
    let head = read_head(connection, keyring, Head::default()).await?;
    check_count(connection, head).await?;
    let (mut tree, mut newest_at) = (Tree::default(), None);
    while tree.size < head.size {
        let rows = sqlx::query("SELECT * FROM log_leaves WHERE idx >= $1 ORDER BY idx LIMIT $2")
            .bind(stored(tree.size)?)
            .bind(LEAVES_AT_ONCE)
            .fetch_all(&mut *connection)
            .await?;
        if rows.is_empty() {
            return Err(tampered(LEAVES, &tree.size.to_string()));
        }
        for row in &rows {
            let leaf = read_leaf(keyring, row)?;
            if leaf.index != tree.size {
                return Err(tampered(LEAVES, &tree.size.to_string()));
            }
            newest_at = Some(leaf.record.at());
            tree.push(leaf.hash);
        }
    }
    Ok(VerifiedLog { head, root: tree.root(), newest_at })
}

/// The complete subtrees of a Merkle tree, the largest first.
#[derive(Default)]
struct Tree {
    size: u64,
    subtrees: Vec<Digest32>,
}

impl Tree {
    fn push(&mut self, leaf: Digest32) {
        let mut right = leaf;
        // One subtree per bit of the size: where the bit is set, two of the same height become one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                right = node(&left, &right);
            }
        }
        self.subtrees.push(right);
        self.size = self.size.saturating_add(1);
    }

    /// RFC 6962 §2.1: the tree over no leaves is the hash of nothing.
    fn root(self) -> Digest32 {
        let mut right = self.subtrees.into_iter().rev();
        let last = right.next().unwrap_or_else(|| Digest32::of(&[]));
        right.fold(last, |right, left| node(&left, &right))
    }
}

/// RFC 6962 §2.1: an inner node's hash has the prefix 0x01.
fn node(left: &Digest32, right: &Digest32) -> Digest32 {
    Digest32::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

const LEAVES_AT_ONCE: i64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves and roots of the reference implementation's tests (google/certificate-transparency).
    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let leaves = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        for (count, root) in roots.into_iter().enumerate() {
            let mut tree = Tree::default();
            for leaf in &leaves[..count] {
                tree.push(Digest32::of_parts(&[&[0], &hex::decode(leaf).unwrap()]));
            }
            assert_eq!(tree.root().to_string(), root, "{count} leaves");
        }
    }
}
