//! The log of one partition: opened by one writer, appended to in group commits.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::RecordBatch;
use crate::block::{self, BlockHeader, Kind, image_bytes};
use crate::error::Measure;
use crate::file::{FileLayer, OsFiles};
use crate::follow::Follow;
use crate::limits::{
    BLOCK_BYTES_MAX, FREE_BYTES_MIN, PAGE_BYTES, SEGMENT_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
    ZERO_AHEAD_BYTES, ZERO_STEP_BYTES,
};
use crate::merkle::Frontier;
use crate::prepare::Plan;
use crate::recover::Scan;
use crate::store::{Appended, BlockStore, MarkFacts, SegmentStore, check_partition};
use crate::{BlockNumber, Epoch, Error, Hash, LedgerId, Partition, Result, SegmentNumber, Sequence};

/// How the blocks of segments are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMethod {
    /// A write and an `fdatasync` for each block. Every file system has it.
    #[default]
    Fdatasync,
    /// One write for each block through `O_DIRECT | O_DSYNC`. [`Log::open`] says `NoDirect` where the file system
    /// refuses it.
    Direct,
}

/// How to open a log.
#[derive(Debug, Clone)]
pub struct Options {
    /// Partition the directory holds or will hold.
    pub partition: Partition,
    /// Sixteen random bytes for a log that does not exist yet; an existing one keeps its own.
    pub ledger_id: LedgerId,
    /// The caller's clock, microseconds since 1970.
    pub now_micros: u64,
    /// Size of segments started from now on: [`SEGMENT_BYTES_MIN`]`..=`[`SEGMENT_BYTES_MAX`], whole pages.
    pub segment_bytes: u64,
    /// How much is zeroed and synced at a time, whole pages. A new log waits for this much.
    pub zero_step_bytes: u64,
    /// How far ahead of the write position the segment in use is kept zeroed; at least a block is.
    pub zero_ahead_bytes: u64,
    /// Free space left to others on the disk.
    pub free_bytes_min: u64,
    /// How a block is made durable.
    pub sync: SyncMethod,
    /// How much of an existing log is read.
    pub scan: Scan,
    /// The operating system, or what stands in for it.
    pub files: Arc<dyn FileLayer>,
}

impl Options {
    /// The usual sizes.
    pub fn new(partition: Partition, ledger_id: LedgerId, now_micros: u64) -> Self {
        Self {
            partition,
            ledger_id,
            now_micros,
            segment_bytes: SEGMENT_BYTES,
            zero_step_bytes: ZERO_STEP_BYTES,
            zero_ahead_bytes: ZERO_AHEAD_BYTES,
            free_bytes_min: FREE_BYTES_MIN,
            sync: SyncMethod::default(),
            scan: Scan::default(),
            files: Arc::new(OsFiles),
        }
    }

    pub(crate) fn plan(&self, dir: &Path) -> Result<Plan> {
        let page = PAGE_BYTES as u64;
        let checks = [
            ("segment_bytes", self.segment_bytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
            ("zero_step_bytes", self.zero_step_bytes, page, SEGMENT_BYTES_MAX),
        ];
        for (name, have, min, max) in checks {
            if !(min..=max).contains(&have) || !have.is_multiple_of(page) {
                return Err(Error::BadOption { name, have, min, max });
            }
        }
        Ok(Plan {
            dir: dir.to_path_buf(),
            segment_bytes: self.segment_bytes,
            step_bytes: self.zero_step_bytes,
            // Less than a block ahead and the writer would wait for ever.
            ahead_bytes: self.zero_ahead_bytes.max(BLOCK_BYTES_MAX as u64),
            free_bytes_min: self.free_bytes_min,
            sync: self.sync,
            files: Arc::clone(&self.files),
        })
    }
}

/// What an opening found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the log is new.
    pub created: bool,
    /// The ledger's id.
    pub ledger_id: LedgerId,
    /// Epoch of this writer, one above the last.
    pub epoch: Epoch,
    /// Sequence of the next record.
    pub next_seq: Sequence,
    /// Merkle root over all records.
    pub root: Hash,
    /// A torn block that was cut; the caller records it. The log has it in the block that opened this epoch.
    pub cut: Option<Cut>,
    /// Whether the last writer closed the log in good order.
    pub clean: bool,
    /// Whether a log that was there had no high-water mark, so that a shorter end could not have been noticed.
    pub mark_missing: bool,
    /// Blocks that were read.
    pub blocks_read: u64,
}

/// The remains of a write that a crash cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Segment it stood in.
    pub segment: SegmentNumber,
    /// Offset of its first byte.
    pub offset: u64,
    /// Bytes up to the last that was not zero.
    pub bytes: u64,
    /// File that keeps what was cut.
    pub kept_in: PathBuf,
}

/// Where an append ended up. It is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Block that holds the records.
    pub block: BlockNumber,
    /// Sequence of the first record.
    pub first_seq: Sequence,
    /// Sequence after the last record.
    pub next_seq: Sequence,
    /// Merkle root of the whole log up to here.
    pub root: Hash,
}

/// The one writer of a log.
///
/// # Example
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use switchyard_ledger::{LedgerId, Log, Options, Partition, RecordBatch};
///
/// let dir = tempfile::tempdir()?;
/// let mut options = Options::new(Partition(0), LedgerId([7; 16]), 0);
/// options.segment_bytes = 1 << 20;
/// let (mut log, recovery) = Log::open(dir.path(), &options)?;
/// assert!(recovery.created);
///
/// let mut batch = RecordBatch::new();
/// batch.push_bytes(b"a fact")?;
/// let position = log.append(&batch, 1)?;
/// assert_eq!(position.next_seq.0, 1);
/// log.close(2)?;
/// # Ok(())
/// # }
/// ```
pub struct Log {
    store: Box<dyn BlockStore>,
    ledger_id: LedgerId,
    partition: Partition,
    epoch: Epoch,
    next_block: BlockNumber,
    next_seq: Sequence,
    hash: Hash,
    root: Hash,
    frontier: Frontier,
    scratch: Frontier,
    image: Vec<u8>,
    poisoned: bool,
}

impl fmt::Debug for Log {
    /// Where the log stands; its buffer holds records, and those are nothing for a log file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Log");
        text.field("ledger_id", &self.ledger_id)
            .field("partition", &self.partition)
            .field("epoch", &self.epoch);
        text.field("next_block", &self.next_block)
            .field("next_seq", &self.next_seq)
            .field("root", &self.root);
        text.field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log in a directory for writing, and makes it when there is none: [`SegmentStore::open`], then
    /// [`over`](Self::over).
    ///
    /// # Errors
    /// `Locked`, `Corrupt`, `NoSpace`, `WrongPartition`, `BadOption`, `Backup` and `Io`.
    pub fn open(dir: &Path, options: &Options) -> Result<(Self, Recovery)> {
        Self::over(Box::new(SegmentStore::open(dir, options)?), options)
    }

    /// Takes up the log that a store holds, whatever engine is behind it. Of the options only partition, ledger id and
    /// clock matter here.
    ///
    /// What the store does not know of its own end is read and checked block by block. Then a block of kind
    /// [`Open`](Kind::Open) is appended: it starts the new epoch, fences every writer before, holds the length of a
    /// cut, and shows that the store takes writes. Nothing that was read counts as durable before that block is.
    ///
    /// # Errors
    /// `Conflict` when another writer was quicker, `Corrupt`, `NoSpace`, `WrongPartition` and what the store returns.
    pub fn over(mut store: Box<dyn BlockStore>, options: &Options) -> Result<(Self, Recovery)> {
        let tail = store.tail(options.partition)?;
        let marked = tail.as_ref().is_some_and(|tail| tail.marked);
        let clean = tail.as_ref().is_some_and(|tail| tail.clean);
        let cut = tail.as_ref().and_then(|tail| tail.cut.clone());
        let mut follow = Follow::new(options, tail);
        let mut image = Vec::new();
        let known = follow.cursor.block;
        while store.read(options.partition, follow.cursor.block, &mut image)? {
            follow.accept(&image)?;
        }
        let created = follow.cursor.block == BlockNumber(0);
        let (ledger_id, partition) = follow.owner;
        check_partition(options.partition, partition)?;
        let blocks_read = follow.blocks_read;
        // A block behind the mark means that the writer did not end where it said.
        let clean = clean && follow.cursor.block == known;
        let mut log = Self::attach(store, follow);
        log.append_bare(Kind::Open, cut.as_ref().map_or(0, |cut| cut.bytes), options.now_micros)?;
        log.mark(false)?;
        let recovery = Recovery {
            created,
            ledger_id,
            epoch: log.epoch,
            next_seq: log.next_seq,
            root: log.root,
            clean,
            mark_missing: !created && !marked,
            cut,
            blocks_read,
        };
        Ok((log, recovery))
    }

    fn attach(store: Box<dyn BlockStore>, end: Follow) -> Self {
        Self {
            store,
            ledger_id: end.owner.0,
            partition: end.owner.1,
            epoch: Epoch(end.cursor.epoch.0 + 1),
            next_block: end.cursor.block,
            next_seq: end.cursor.seq,
            hash: end.cursor.hash,
            root: end.frontier.root(),
            frontier: end.frontier,
            scratch: Frontier::new(),
            image: Vec::new(),
            poisoned: false,
        }
    }

    /// Appends a batch as one block and returns when it is durable.
    ///
    /// # Errors
    /// `TooLarge` and `NoSpace` leave the log as it was. After any other error nobody knows what is on disk: the
    /// log answers `Poisoned` from then on.
    pub fn append(&mut self, batch: &RecordBatch, now_micros: u64) -> Result<Position> {
        self.append_group(std::iter::once(batch), now_micros)
    }

    /// Appends several batches in order as one block.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_group<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a RecordBatch> + Clone,
        now_micros: u64,
    ) -> Result<Position> {
        self.check_size(batches.clone().map(|batch| batch.bytes().len()).sum())?;
        self.scratch.copy_from(&self.frontier);
        batches.clone().for_each(|batch| batch.grow(&mut self.scratch));
        let mut header = self.header(Kind::Records, now_micros);
        header.count = batches.clone().map(|batch| batch.count() as u32).sum();
        header.root = self.scratch.root();
        self.write(&header, batches.map(RecordBatch::bytes))?;
        std::mem::swap(&mut self.frontier, &mut self.scratch);
        Ok(Position {
            block: header.block,
            first_seq: header.first_seq,
            next_seq: self.next_seq,
            root: header.root,
        })
    }

    /// Puts what was appended out of doubt: a block behind it, and the high-water mark. For idle gaps and
    /// snapshots.
    ///
    /// # Errors
    /// As [`append`](Self::append); when only the mark cannot be written the blocks are durable all the same.
    pub fn seal(&mut self, now_micros: u64) -> Result<()> {
        self.append_bare(Kind::Seal, 0, now_micros)?;
        self.mark(false)
    }

    /// Ends in good order: seals, and marks the log as closed.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn close(mut self, now_micros: u64) -> Result<()> {
        self.append_bare(Kind::Seal, 0, now_micros)?;
        self.mark(true)
    }

    /// Whether the log takes more: the server refuses new work (response code 96) when it does not.
    ///
    /// # Errors
    /// `NoSpace` or `Poisoned`.
    pub fn writable(&self) -> Result<()> {
        if self.poisoned { Err(Error::Poisoned) } else { self.store.writable() }
    }

    /// Most record bytes, length prefixes included, that one append takes.
    pub fn payload_bytes_max(&self) -> usize {
        self.store.image_bytes_max() - block::HEADER_BYTES
    }

    /// Ledger this log belongs to.
    pub fn ledger_id(&self) -> LedgerId {
        self.ledger_id
    }

    /// Epoch of this writer.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// End of the log: the last block, and nothing behind it.
    pub fn position(&self) -> Position {
        Position {
            block: BlockNumber(self.next_block.0.saturating_sub(1)),
            first_seq: self.next_seq,
            next_seq: self.next_seq,
            root: self.root,
        }
    }

    /// The Merkle tree over all records, for checkpoints and snapshots.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    fn check_size(&self, payload_bytes: usize) -> Result<()> {
        let (have, max) = (image_bytes(payload_bytes), self.store.image_bytes_max());
        if have <= max && payload_bytes <= block::PAYLOAD_BYTES_MAX {
            return Ok(());
        }
        Err(Error::TooLarge { what: Measure::BlockBytes, have: have as u64, max: max as u64 })
    }

    fn header(&self, kind: Kind, time_micros: u64) -> BlockHeader {
        BlockHeader {
            kind,
            ledger_id: self.ledger_id,
            partition: self.partition,
            epoch: self.epoch,
            block: self.next_block,
            first_seq: self.next_seq,
            count: 0,
            time_micros,
            cut_bytes: 0,
            previous: self.hash,
            root: self.root,
        }
    }

    fn append_bare(&mut self, kind: Kind, cut_bytes: u64, now_micros: u64) -> Result<()> {
        let header = BlockHeader { cut_bytes, ..self.header(kind, now_micros) };
        self.write(&header, std::iter::empty())
    }

    fn write<'a>(&mut self, header: &BlockHeader, payload: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let hash = block::encode(header, payload, &mut self.image);
        let refused = match self.store.append(self.partition, header.block, self.epoch, &self.image) {
            Ok(Appended::Durable) => None,
            Ok(Appended::Conflict { epoch }) => Some(Error::Conflict { epoch }),
            Ok(Appended::Unknown) => Some(Error::Poisoned),
            Err(error @ (Error::NoSpace { .. } | Error::TooLarge { .. })) => return Err(error),
            Err(error) => Some(error),
        };
        if let Some(error) = refused {
            self.poisoned = true;
            return Err(error);
        }
        self.next_block = header.block.next();
        self.next_seq = header.next_seq();
        self.hash = hash;
        self.root = header.root;
        Ok(())
    }

    fn mark(&mut self, clean: bool) -> Result<()> {
        self.store.mark(&MarkFacts {
            owner: (self.ledger_id, self.partition),
            epoch: self.epoch,
            next_block: self.next_block,
            next_seq: self.next_seq,
            hash: self.hash,
            frontier: &self.frontier,
            clean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_hands_back_any_block() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(Partition(1), LedgerId([1; 16]), 0);
        options.segment_bytes = 4 * PAGE_BYTES as u64;
        let (mut log, _) = Log::open(dir.path(), &options).unwrap();
        let mut images = vec![log.image.clone()];
        for n in 0..10u8 {
            let mut batch = RecordBatch::new();
            batch.push_bytes(&[n]).unwrap();
            log.append(&batch, 1).unwrap();
            images.push(log.image.clone());
        }
        let mut image = Vec::new();
        for number in [0, 1, 2, 9, 10, 3, 4, 10] {
            assert!(log.store.read(Partition(1), BlockNumber(number), &mut image).unwrap());
            assert_eq!(image, images[number as usize], "block {number}");
        }
        assert!(!log.store.read(Partition(1), BlockNumber(11), &mut image).unwrap());
        assert!(log.store.read(Partition(2), BlockNumber(0), &mut image).is_err());
    }
}
