//! The Merkle tree over the leaves of the log, RFC 6962 §2.1, as far as it is needed to append and to know the root.

use vouchsafe_protocol::{Checkpoint, Digest32};

/// The roots of the complete subtrees of a Merkle tree, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    size: u64,
    subtrees: Vec<Digest32>,
}

impl Tree {
    /// Number of leaves.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn push(&mut self, leaf: Digest32) {
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

    /// The tree with these leaves added.
    pub(crate) fn plus(&self, leaves: impl IntoIterator<Item = Digest32>) -> Self {
        let mut tree = self.clone();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }

    /// RFC 6962 §2.1: the tree over no leaves is the hash of nothing.
    pub(crate) fn root(&self) -> Digest32 {
        let mut right = self.subtrees.iter().rev();
        let last = right.next().copied().unwrap_or_else(|| Digest32::of(&[]));
        right.fold(last, |right, left| node(left, &right))
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { size: self.size, root: self.root() }
    }

    /// The roots of the subtrees, one after the other.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.subtrees.iter().flat_map(|subtree| subtree.0).collect()
    }

    /// `None` if the bytes are not as many as a tree of this size has.
    pub(crate) fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (subtrees, rest) = bytes.as_chunks::<32>();
        let subtrees: Vec<_> = subtrees.iter().map(|subtree| Digest32(*subtree)).collect();
        (rest.is_empty() && subtrees.len() == size.count_ones() as usize).then_some(Self { size, subtrees })
    }
}

/// RFC 6962 §2.1: an inner node's hash has the prefix 0x01.
fn node(left: &Digest32, right: &Digest32) -> Digest32 {
    Digest32::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The table of the leaves.
pub(super) const LEAVES: &str = "log_leaves";

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
            assert_eq!(Tree::from_bytes(tree.size(), &tree.to_bytes()), Some(tree));
        }
    }

    #[test]
    fn a_tree_has_one_subtree_per_bit_of_its_size() {
        let tree = Tree::default().plus((0..6).map(|leaf| Digest32([leaf; 32])));
        let bytes = tree.to_bytes();
        assert_eq!((tree.size(), bytes.len()), (6, 64));
        assert_eq!(Tree::from_bytes(5, &bytes).map(|tree| tree.size()), Some(5));
        for (size, bytes) in [(7, &bytes[..]), (6, &bytes[..63]), (6, &bytes[..32]), (0, &bytes), (1, &[])] {
            assert_eq!(Tree::from_bytes(size, bytes), None);
        }
    }
}
