//! Follows the blocks of a store that hands them out one by one, and checks that each continues the one before.

use crate::block;
use crate::log::Options;
use crate::merkle::Frontier;
use crate::store::Tail;
use crate::walk::Cursor;
use crate::{Error, LedgerId, Partition, Result};

/// The end of a log as far as it was followed. There are no segments here: a finding names the block alone.
#[derive(Debug)]
pub(crate) struct Follow {
    /// Ledger and partition, from the store or the first block; those of the options for a log that is new.
    pub(crate) owner: (LedgerId, Partition),
    pub(crate) cursor: Cursor,
    pub(crate) frontier: Frontier,
    pub(crate) blocks_read: u64,
    owner_known: bool,
}

impl Follow {
    /// Goes on where the store knows the log to stand, or from its first block.
    pub(crate) fn new(options: &Options, tail: Option<Tail>) -> Self {
        let start = Self {
            owner: (options.ledger_id, options.partition),
            cursor: Cursor::START,
            frontier: Frontier::new(),
            blocks_read: 0,
            owner_known: false,
        };
        let Some(tail) = tail else { return start };
        let cursor = Cursor {
            block: tail.next_block,
            seq: tail.next_seq,
            epoch: tail.epoch,
            hash: tail.hash,
            ..Cursor::START
        };
        Self {
            owner: tail.owner,
            cursor,
            frontier: tail.frontier,
            blocks_read: tail.blocks_read,
            owner_known: true,
        }
    }

    /// Takes the next block in: its bytes, its place, the hash of the one before, and its Merkle root.
    pub(crate) fn accept(&mut self, image: &[u8]) -> Result<()> {
        let block = block::decode(image).map_err(|what| Error::Corrupt(self.cursor.finding(what)))?;
        let header = block.header;
        if !std::mem::replace(&mut self.owner_known, true) {
            self.owner = (header.ledger_id, header.partition);
        }
        let admitted = self.cursor.admits(self.owner, &header);
        if let Err(what) = admitted.and_then(|()| block.grow(&mut self.frontier)) {
            return Err(Error::Corrupt(self.cursor.finding(what)));
        }
        self.cursor = self.cursor.after(&header, block.hash, 0);
        self.blocks_read += 1;
        Ok(())
    }
}
