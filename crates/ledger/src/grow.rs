//! Grows the Merkle tree over a log from its first record, for checkpoints, proofs and restores.

use std::path::Path;

use crate::error::Fault;
use crate::mark::Mark;
use crate::merkle::{Frontier, leaf_hash};
use crate::{Error, Finding, Hash, LedgerId, Partition, Reader, Result, Sequence};

/// A record on its way into the tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    pub(crate) seq: Sequence,
    pub(crate) record: &'a [u8],
    pub(crate) hash: Hash,
    /// Time of its block.
    pub(crate) time_micros: u64,
    /// The tree up to and with this record.
    pub(crate) tree: &'a Frontier,
}

/// The tree over a log.
#[derive(Debug, Clone)]
pub(crate) struct Grown {
    pub(crate) owner: (LedgerId, Partition),
    /// Over every record that was read, up to the end of the block that holds the last one asked for.
    pub(crate) tree: Frontier,
    /// Over the records that are durable beyond doubt: without the last block, unless the mark is behind it.
    pub(crate) durable: Frontier,
}

/// Reads a log from its first record on, compares the root of each block, and hands the records to `visit`, the
/// first `until` of them or all. A block's records are handed over before its root is compared: whoever keeps them
/// waits for the end.
pub(crate) fn grow(
    dir: &Path,
    until: Option<u64>,
    mut visit: impl FnMut(&Leaf<'_>) -> Result<()>,
) -> Result<Grown> {
    let mut reader = Reader::open(dir)?;
    let owner = (reader.ledger_id(), reader.partition());
    let until = until.unwrap_or(u64::MAX);
    let mut tree = Frontier::new();
    let mut durable = Frontier::new();
    while tree.size() < until {
        let Some(block) = reader.next_block()? else { break };
        let header = block.header;
        durable.copy_from(&tree);
        for (seq, record) in block.records() {
            let hash = leaf_hash(record);
            tree.push(hash);
            if seq.0 < until {
                visit(&Leaf { seq, record, hash, time_micros: header.time_micros, tree: &tree })?;
            }
        }
        if tree.root() != header.root {
            let (segment, offset, _) = reader.found();
            return Err(Error::Corrupt(Finding { segment, offset, block: header.block, what: Fault::Root }));
        }
    }
    if Mark::read(dir)?.is_some_and(|mark| mark.next_block >= reader.next_number()) {
        durable.copy_from(&tree);
    }
    Ok(Grown { owner, tree, durable })
}
