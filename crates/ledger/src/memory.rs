//! Blocks in memory: for tests, and for programs that want a log and no disk.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::limits::{BLOCK_BYTES_MAX, PAGE_BYTES};
use crate::store::{Appended, BlockStore, MarkFacts, Tail, check_partition, refused};
use crate::{BlockNumber, Epoch, Error, Partition, Result};

/// What became of a block whose append is answered by [`Appended::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It was taken and the answer was lost.
    Taken,
    /// It never arrived.
    Lost,
}

/// A [`BlockStore`] in memory, for tests and for embedding where a log need not outlive its process.
///
/// A clone is another writer's handle on the same blocks: several may try, and the store lets the highest epoch append,
/// as a replicated engine does. It keeps the [`contract`](crate::contract) of every store. Nothing in it survives the
/// last handle.
///
/// # Example
/// ```
/// # fn main() -> switchyard_ledger::Result<()> {
/// use switchyard_ledger::{LedgerId, Log, MemoryStore, Options, Partition, RecordBatch};
///
/// let store = MemoryStore::new(Partition(0));
/// let options = Options::new(Partition(0), LedgerId([7; 16]), 0);
/// let (mut log, _) = Log::over(Box::new(store.clone()), &options)?;
/// let mut batch = RecordBatch::new();
/// batch.push_bytes(b"a fact")?;
/// log.append(&batch, 1)?;
///
/// // Another writer takes over; the first one finds out when it appends.
/// let (_, recovery) = Log::over(Box::new(store), &options)?;
/// assert_eq!((recovery.epoch.0, recovery.next_seq.0), (2, 1));
/// assert!(log.append(&batch, 2).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MemoryStore {
    partition: Partition,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    blocks: Vec<Vec<u8>>,
    epoch: Epoch,
    mark: Option<Tail>,
    doubt: Option<Doubt>,
    bytes: u64,
    bytes_max: Option<u64>,
}

impl MemoryStore {
    /// A store without blocks.
    pub fn new(partition: Partition) -> Self {
        Self { partition, shared: Arc::default() }
    }

    /// Makes the answer to the next append unknown.
    pub fn doubt_next(&self, doubt: Doubt) {
        self.lock().doubt = Some(doubt);
    }

    /// Refuses blocks with `NoSpace` that would take more than this in all; `None` takes every block.
    pub fn limit(&self, bytes_max: Option<u64>) {
        self.lock().bytes_max = bytes_max;
    }

    /// Count of blocks.
    pub fn blocks(&self) -> u64 {
        self.lock().blocks.len() as u64
    }

    /// A panic elsewhere leaves the blocks whole: each is pushed in one step.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl Shared {
    fn room(&self, length: u64) -> Result<()> {
        let free_bytes = self.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(self.bytes));
        if length <= free_bytes { Ok(()) } else { Err(Error::NoSpace { need_bytes: length, free_bytes }) }
    }

    fn push(&mut self, epoch: Epoch, image: &[u8]) {
        self.bytes += image.len() as u64;
        self.blocks.push(image.to_vec());
        self.epoch = epoch;
    }
}

impl BlockStore for MemoryStore {
    fn tail(&mut self, partition: Partition) -> Result<Option<Tail>> {
        check_partition(partition, self.partition)?;
        Ok(self.lock().mark.clone())
    }

    fn append(
        &mut self,
        partition: Partition,
        expected_block: BlockNumber,
        epoch: Epoch,
        image: &[u8],
    ) -> Result<Appended> {
        check_partition(partition, self.partition)?;
        let mut shared = self.lock();
        let blocks = (expected_block, BlockNumber(shared.blocks.len() as u64));
        if let Some(refused) = refused(blocks, (shared.epoch, epoch), image, BLOCK_BYTES_MAX)? {
            return Ok(refused);
        }
        shared.room(image.len() as u64)?;
        let doubt = shared.doubt.take();
        if doubt != Some(Doubt::Lost) {
            shared.push(epoch, image);
        }
        Ok(if doubt.is_some() { Appended::Unknown } else { Appended::Durable })
    }

    fn read(&mut self, partition: Partition, from: BlockNumber, image: &mut Vec<u8>) -> Result<bool> {
        check_partition(partition, self.partition)?;
        let shared = self.lock();
        let found = usize::try_from(from.0).ok().and_then(|index| shared.blocks.get(index));
        let Some(block) = found else { return Ok(false) };
        image.clear();
        image.extend_from_slice(block);
        Ok(true)
    }

    fn writable(&self) -> Result<()> {
        self.lock().room(PAGE_BYTES as u64)
    }

    fn image_bytes_max(&self) -> usize {
        BLOCK_BYTES_MAX
    }

    fn mark(&mut self, facts: &MarkFacts<'_>) -> Result<()> {
        // An old writer may still be on its way here; its mark is not behind the log as it is.
        let mut shared = self.lock();
        if facts.epoch == shared.epoch && facts.next_block.0 <= shared.blocks.len() as u64 {
            shared.mark = Some(Tail::from(facts));
        }
        Ok(())
    }
}
