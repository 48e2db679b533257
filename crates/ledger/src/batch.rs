//! Records on their way into the log.

use std::fmt;

use crate::error::Measure;
use crate::limits::{BLOCK_BYTES_MAX, PAGE_BYTES, RECORD_BYTES_MAX};
use crate::merkle::{Frontier, leaf_hash, node_hash};
use crate::{Error, Hash, Result, Sequence};

/// Bytes before each record: its length as u32, little endian.
pub(crate) const PREFIX_BYTES: usize = 4;

/// Longest batch, so that one batch always fits one block.
const BATCH_BYTES_MAX: usize = BLOCK_BYTES_MAX - PAGE_BYTES;

/// Records that become durable together, framed and hashed by their producer so that the committer need not.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RecordBatch {
    bytes: Vec<u8>,
    leaves: Vec<Hash>,
    /// Where the producer says the first record will stand.
    start: Option<Sequence>,
    /// With a start: the roots of the perfect sub-trees over the records, each with its height, in order.
    subtrees: Vec<(u32, Hash)>,
}

impl fmt::Debug for RecordBatch {
    /// Counts only: what a record holds is nothing for a log file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, leaves, .. } = self;
        f.debug_struct("RecordBatch").field("count", &leaves.len()).field("bytes", &bytes.len()).finish()
    }
}

impl RecordBatch {
    /// A batch without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch with room for `count` records of `bytes` in all.
    pub fn with_capacity(count: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes + count * PREFIX_BYTES),
            leaves: Vec::with_capacity(count),
            ..Self::default()
        }
    }

    /// A batch whose first record will have this sequence, as the one writer of a log knows beforehand.
    ///
    /// The producer then hashes the inner nodes of the Merkle tree too, and the committer joins a few sub-trees where
    /// it would hash a node for each record. A wrong start costs that gain and nothing else.
    pub fn starting_at(start: Sequence) -> Self {
        Self { start: Some(start), ..Self::default() }
    }

    /// Makes room for `count` records more of `bytes` in all.
    pub fn reserve(&mut self, count: usize, bytes: usize) {
        self.bytes.reserve(bytes + count * PREFIX_BYTES);
        self.leaves.reserve(count);
    }

    /// Adds the record that `write` appends to the buffer it is given; it must not touch what stands there.
    ///
    /// # Errors
    /// `TooLarge` when the record is over [`RECORD_BYTES_MAX`] or the batch would not fit one block; the batch
    /// is then as it was.
    ///
    /// # Panics
    /// When `write` shortens the buffer.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; PREFIX_BYTES]);
        write(&mut self.bytes);
        let body = start + PREFIX_BYTES;
        assert!(self.bytes.len() >= body, "a record writer may only append");
        let have = self.bytes.len() - body;
        let refused = if have > RECORD_BYTES_MAX {
            Some((Measure::RecordBytes, have, RECORD_BYTES_MAX))
        } else if self.bytes.len() > BATCH_BYTES_MAX {
            Some((Measure::BlockBytes, self.bytes.len(), BATCH_BYTES_MAX))
        } else {
            None
        };
        if let Some((what, have, max)) = refused {
            self.bytes.truncate(start);
            return Err(Error::TooLarge { what, have: have as u64, max: max as u64 });
        }
        self.bytes[start..body].copy_from_slice(&(have as u32).to_le_bytes());
        let leaf = leaf_hash(&self.bytes[body..]);
        if let Some(start) = self.start {
            self.grow_subtrees(start.0.wrapping_add(self.leaves.len() as u64), leaf);
        }
        self.leaves.push(leaf);
        Ok(())
    }

    /// Joins a leaf with the sub-trees to its left that it completes.
    fn grow_subtrees(&mut self, index: u64, leaf: Hash) {
        let (mut height, mut node) = (0, leaf);
        while let Some((left_height, left)) = self.subtrees.last() {
            if *left_height != height || (index >> height) & 1 == 0 {
                break;
            }
            node = node_hash(left, &node);
            height += 1;
            self.subtrees.pop();
        }
        self.subtrees.push((height, node));
    }

    /// Adds the records to the tree that they follow.
    pub(crate) fn grow(&self, tree: &mut Frontier) {
        if self.start == Some(Sequence(tree.size())) {
            self.subtrees.iter().for_each(|(height, root)| tree.push_subtree(*height, *root));
        } else {
            self.leaves.iter().for_each(|leaf| tree.push(*leaf));
        }
    }

    /// Adds one record.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_bytes(&mut self, record: &[u8]) -> Result<()> {
        self.push(|buffer| buffer.extend_from_slice(record))
    }

    /// Count of records.
    pub fn count(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The records as they stand in a block, each behind its length.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Leaf hashes of the records, in order.
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// Empties the batch and keeps its memory; where it starts is open again.
    pub fn clear(&mut self) {
        self.start = None;
        self.subtrees.clear();
        self.bytes.clear();
        self.leaves.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_over_its_limit_leaves_the_batch_as_it_was() {
        let mut batch = RecordBatch::new();
        batch.push_bytes(b"one").unwrap();
        let before = batch.clone();
        let long = vec![7; RECORD_BYTES_MAX + 1];
        assert!(matches!(batch.push_bytes(&long), Err(Error::TooLarge { what: Measure::RecordBytes, .. })));
        assert_eq!(batch, before);
        batch.push_bytes(&long[1..]).unwrap();
        assert_eq!((batch.count(), batch.bytes().len()), (2, 4 + 3 + 4 + RECORD_BYTES_MAX));
    }

    #[test]
    fn a_batch_never_outgrows_a_block() {
        let mut batch = RecordBatch::new();
        let record = vec![7; RECORD_BYTES_MAX];
        while batch.push_bytes(&record).is_ok() {}
        assert!(batch.bytes().len() <= BATCH_BYTES_MAX);
        assert!(batch.bytes().len() > BATCH_BYTES_MAX - RECORD_BYTES_MAX - PREFIX_BYTES);
    }

    #[test]
    fn sub_trees_of_the_producer_give_the_same_tree_whatever_the_start() {
        for size in 0..40u64 {
            for hint in [Some(size), Some(size + 1), None] {
                for count in 0..40u8 {
                    let mut tree = Frontier::new();
                    (0..size).for_each(|n| tree.push(leaf_hash(&n.to_le_bytes())));
                    let mut expected = tree.clone();
                    let mut batch =
                        hint.map_or_else(RecordBatch::new, |seq| RecordBatch::starting_at(Sequence(seq)));
                    (0..count).for_each(|n| batch.push_bytes(&[n]).unwrap());
                    batch.grow(&mut tree);
                    batch.leaves().iter().for_each(|leaf| expected.push(*leaf));
                    assert_eq!(tree, expected, "{count} records at {size}");
                }
            }
        }
    }
}
