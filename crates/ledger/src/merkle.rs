//! The RFC 9162 (Certificate Transparency) SHA-256 tree over every record of the log.
//!
//! A leaf is `SHA-256(0x00 || record)`, a node `SHA-256(0x01 || left || right)`, the root of nothing
//! `SHA-256("")`. [`Frontier`] grows the tree in logarithmic memory; [`inclusion`] and [`consistency`] name the
//! sub-trees a proof is made of, and [`ProofBuilder`] computes them from leaves that stream by, so that a proof
//! over ten million records needs no more memory than one over ten.

use sha2::{Digest, Sha256};

use crate::Hash;

/// Hash of a record as a leaf: `SHA-256(0x00 || record)`, RFC 9162 §2.1.1.
pub fn leaf_hash(record: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(record);
    Hash(hasher.finalize().into())
}

/// Hash of two sub-trees: `SHA-256(0x01 || left || right)`, RFC 9162 §2.1.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [0x01; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(bytes).into())
}

/// Root of the tree without leaves: `SHA-256("")`.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The right edge of a growing tree: the roots of its perfect sub-trees, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a saved frontier; `None` unless there is one peak for each one-bit of `size`.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Becomes a copy of another frontier and keeps its own memory.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.size = other.size;
        self.peaks.clone_from(&other.peaks);
    }

    /// Count of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect sub-trees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds one leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.push_subtree(0, leaf);
    }

    /// Adds a perfect sub-tree of `2^height` leaves.
    ///
    /// # Panics
    /// When the tree's size is no multiple of the sub-tree's: it would not be a node of the tree.
    pub(crate) fn push_subtree(&mut self, height: u32, root: Hash) {
        assert!(self.size.is_multiple_of(1 << height), "a sub-tree stands at a multiple of its size");
        let mut node = root;
        for _ in 0..(self.size >> height).trailing_ones() {
            let left = self.peaks.pop().expect("one peak for each one-bit of the size");
            node = node_hash(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1 << height;
    }

    /// Root over every leaf so far.
    pub fn root(&self) -> Hash {
        let Some((last, rest)) = self.peaks.split_last() else { return empty_root() };
        rest.iter().rev().fold(*last, |right, left| node_hash(left, &right))
    }
}

/// Leaves `start..end` whose tree hash is one element of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafRange {
    /// First leaf.
    pub start: u64,
    /// One past the last leaf.
    pub end: u64,
}

/// The sub-trees that prove leaf `index` to be in the tree of `size` leaves, in the proof's order
/// (RFC 9162 §2.1.3.1); `None` when there is no such leaf.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<LeafRange>> {
    if index >= size {
        return None;
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(LeafRange { start: middle, end });
            end = middle;
        } else {
            path.push(LeafRange { start, end: middle });
            start = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// The sub-trees that prove the tree of `old` leaves to be a prefix of the tree of `new`, in the proof's order
/// (RFC 9162 §2.1.4.1); `None` unless `0 < old <= new`. Equal sizes need no proof: the list is empty.
pub fn consistency(old: u64, new: u64) -> Option<Vec<LeafRange>> {
    if old == 0 || old > new {
        return None;
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, new);
    let mut whole = true;
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(LeafRange { start: middle, end });
            end = middle;
        } else {
            path.push(LeafRange { start, end: middle });
            start = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(LeafRange { start, end });
    }
    path.reverse();
    Some(path)
}

/// Largest power of two below `size`, which is at least two.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// Computes the hashes of a proof from leaves that are pushed in order from leaf 0.
#[derive(Debug, Clone)]
pub struct ProofBuilder {
    /// Disjoint ranges in leaf order, each with its place in the proof.
    pending: Vec<(LeafRange, usize)>,
    next_range: usize,
    next_leaf: u64,
    subtree: Frontier,
    proof: Vec<Hash>,
}

impl ProofBuilder {
    /// Starts on the sub-trees that [`inclusion`] or [`consistency`] named.
    pub fn new(ranges: &[LeafRange]) -> Self {
        let mut pending: Vec<_> = ranges.iter().copied().zip(0..).collect();
        pending.sort_by_key(|(range, _)| range.start);
        let proof = vec![Hash::ZERO; ranges.len()];
        Self { pending, next_range: 0, next_leaf: 0, subtree: Frontier::new(), proof }
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let at = self.next_leaf;
        self.next_leaf += 1;
        let Some((range, place)) = self.pending.get(self.next_range) else { return };
        if at < range.start {
            return;
        }
        self.subtree.push(leaf);
        if self.next_leaf == range.end {
            self.proof[*place] = self.subtree.root();
            self.subtree = Frontier::new();
            self.next_range += 1;
        }
    }

    /// The proof; `None` while leaves are missing.
    pub fn finish(self) -> Option<Vec<Hash>> {
        (self.next_range == self.pending.len()).then_some(self.proof)
    }
}

/// Whether `proof` shows that `leaf` is leaf `index` of the tree of `size` leaves with this root
/// (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut fn_, mut sn, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            hash = node_hash(step, &hash);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && hash == *root
}

/// Whether `proof` shows that the tree of `old` leaves is a prefix of the tree of `new` (RFC 9162 §2.1.4.2).
/// The tree without leaves is a prefix of every tree, and its proof is empty.
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    let (mut fn_, mut sn) = (old - 1, new - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    // A perfect old tree is itself the first element, and the proof leaves it out.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        let Some((first, rest)) = proof.split_first() else { return false };
        (first, rest)
    };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for step in rest {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(split(many.len() as u64) as usize);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        let (mut path, other) = if index < left.len() {
            (naive_path(index, left), right)
        } else {
            (naive_path(index - left.len(), right), left)
        };
        path.push(naive_root(other));
        path
    }

    fn naive_subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![naive_root(leaves)] };
        }
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        let (mut path, other) = if old <= left.len() {
            (naive_subproof(old, left, whole), right)
        } else {
            (naive_subproof(old - left.len(), right, false), left)
        };
        path.push(naive_root(other));
        path
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_le_bytes())).collect()
    }

    fn root_of(leaves: &[Hash]) -> Hash {
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        frontier.root()
    }

    fn build(ranges: &[LeafRange], leaves: &[Hash]) -> Vec<Hash> {
        let mut builder = ProofBuilder::new(ranges);
        leaves.iter().for_each(|leaf| builder.push(*leaf));
        builder.finish().unwrap()
    }

    /// The eight inputs and roots that the Certificate Transparency implementations test themselves with.
    #[test]
    fn certificate_transparency_roots_are_met() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
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
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root().to_string(), roots[0]);
        for (input, root) in inputs.iter().zip(&roots[1..]) {
            frontier.push(leaf_hash(input));
            assert_eq!(frontier.root().to_string(), *root);
        }
    }

    #[test]
    fn every_small_tree_proves_every_leaf_and_every_prefix() {
        for size in 1..=33 {
            let leaves = leaves(size);
            let root = root_of(&leaves);
            assert_eq!(root, naive_root(&leaves));
            for index in 0..size {
                let proof = build(&inclusion(index as u64, size as u64).unwrap(), &leaves);
                assert_eq!(proof, naive_path(index, &leaves));
                assert!(verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root));
            }
            for old in 1..=size {
                let proof = build(&consistency(old as u64, size as u64).unwrap(), &leaves);
                assert_eq!(proof, naive_subproof(old, &leaves, true));
                let old_root = root_of(&leaves[..old]);
                assert!(verify_consistency(old as u64, &old_root, size as u64, &root, &proof));
            }
        }
    }

    #[test]
    fn proofs_of_nothing_are_refused() {
        assert_eq!(inclusion(0, 0), None);
        assert_eq!(inclusion(3, 3), None);
        assert_eq!(consistency(0, 3), None);
        assert_eq!(consistency(4, 3), None);
        assert!(verify_consistency(0, &empty_root(), 3, &root_of(&leaves(3)), &[]));
        assert!(!verify_consistency(0, &Hash::ZERO, 3, &root_of(&leaves(3)), &[]));
        assert!(Frontier::from_peaks(3, vec![Hash::ZERO]).is_none());
    }

    proptest! {
        #[test]
        fn a_changed_proof_proves_nothing(size in 2usize..300, pick in any::<prop::sample::Index>(), bit in 0usize..256, extra in any::<bool>()) {
            let leaves = leaves(size);
            let root = root_of(&leaves);
            let index = pick.index(size);
            let proof = build(&inclusion(index as u64, size as u64).unwrap(), &leaves);
            prop_assert_eq!(&proof, &naive_path(index, &leaves));
            let mut bad = proof.clone();
            if extra { bad.push(Hash::ZERO) } else { bad[pick.index(proof.len())].0[bit / 8] ^= 1 << (bit % 8) }
            prop_assert!(!verify_inclusion(&leaves[index], index as u64, size as u64, &bad, &root));
            prop_assert!(!verify_inclusion(&leaves[(index + 1) % size], index as u64, size as u64, &proof, &root));
        }

        #[test]
        fn a_changed_history_is_not_consistent(new in 2usize..300, pick in any::<prop::sample::Index>(), bit in 0usize..256) {
            let leaves = leaves(new);
            let old = 1 + pick.index(new - 1);
            let (old_root, root) = (root_of(&leaves[..old]), root_of(&leaves));
            let proof = build(&consistency(old as u64, new as u64).unwrap(), &leaves);
            prop_assert!(verify_consistency(old as u64, &old_root, new as u64, &root, &proof));
            let mut other = old_root;
            other.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency(old as u64, &other, new as u64, &root, &proof));
            let mut bad = proof.clone();
            if bad.is_empty() { bad.push(Hash::ZERO) } else { bad[pick.index(proof.len())].0[bit / 8] ^= 1 << (bit % 8) }
            prop_assert!(!verify_consistency(old as u64, &old_root, new as u64, &root, &bad));
        }
    }
}
