//! Where blocks are kept: the seam behind which a replicated engine may stand, and the segments on this disk.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::{self, Kind};
use crate::direct::DirectWriter;
use crate::error::Measure;
use crate::file::{FileLayer, for_writing};
use crate::limits::{BLOCK_BYTES_MAX, PAGE_BYTES};
use crate::log::{Cut, SyncMethod};
use crate::mark::Mark;
use crate::merkle::Frontier;
use crate::prepare::{Plan, Prepared, Preparer};
use crate::recover::End;
use crate::segment::{self, SegmentHeader};
use crate::{BlockNumber, Epoch, Error, Hash, LedgerId, Partition, Reader, Result, SegmentNumber, Sequence};

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Appended {
    /// The block is durable.
    Durable,
    /// Another writer holds the log; the block was not taken.
    Conflict {
        /// Its epoch.
        epoch: Epoch,
    },
    /// The store cannot say. Nothing that was read counts as durable until a later append is.
    Unknown,
}

/// The end of the log as the store is asked to mark it.
#[derive(Debug, Clone, Copy)]
pub struct MarkFacts<'a> {
    /// Ledger and partition.
    pub owner: (LedgerId, Partition),
    /// Epoch of the writer.
    pub epoch: Epoch,
    /// Number of the next block; the block before it is durable.
    pub next_block: BlockNumber,
    /// Sequence of the next record.
    pub next_seq: Sequence,
    /// Hash of the last block.
    pub hash: Hash,
    /// The Merkle tree up to here.
    pub frontier: &'a Frontier,
    /// Whether the writer ends in good order.
    pub clean: bool,
}

/// A durable position from which a log is taken up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Ledger and partition.
    pub owner: (LedgerId, Partition),
    /// Epoch of the last block.
    pub epoch: Epoch,
    /// Number of the next block.
    pub next_block: BlockNumber,
    /// Sequence of the next record.
    pub next_seq: Sequence,
    /// Hash of the last block.
    pub hash: Hash,
    /// The Merkle tree up to here.
    pub frontier: Frontier,
    /// Whether the writer before ended in good order.
    pub clean: bool,
    /// Whether this was marked by a writer, so that a shorter log would have been noticed.
    pub marked: bool,
    /// What a crash left of a block, and was cut.
    pub cut: Option<Cut>,
    /// Blocks that were read to find it.
    pub blocks_read: u64,
}

impl From<&MarkFacts<'_>> for Tail {
    fn from(facts: &MarkFacts<'_>) -> Self {
        Self {
            owner: facts.owner,
            epoch: facts.epoch,
            next_block: facts.next_block,
            next_seq: facts.next_seq,
            hash: facts.hash,
            frontier: facts.frontier.clone(),
            clean: facts.clean,
            marked: true,
            cut: None,
            blocks_read: 0,
        }
    }
}

/// A durable, fenced append and a read: all that the log asks of storage.
///
/// The fence is in the log itself. A writer takes over by appending a block of kind [`Open`](block::Kind::Open)
/// with an epoch above the last one at the next position; from then on appends under the old epoch are a conflict.
/// Whoever writes an engine holds it to [`contract`](crate::contract).
pub trait BlockStore: fmt::Debug + Send {
    /// What the store knows of the end of the log; the log reads and checks what stands behind it, and everything when
    /// there is `None`.
    ///
    /// # Errors
    /// `Corrupt` and `Io`.
    fn tail(&mut self, partition: Partition) -> Result<Option<Tail>>;

    /// Appends one block image (whole pages, as [`block::encode`] makes it) and returns when its fate is known.
    ///
    /// The block is taken if `expected_block` is the next one and `epoch` is that of the last block, or above it when
    /// the image is of kind [`Open`](block::Kind::Open). Everything else is a conflict and changes nothing.
    ///
    /// # Errors
    /// `NoSpace` before anything was written. Any other error poisons the store: every later call answers
    /// `Poisoned`, for nobody knows what of the block is on disk.
    fn append(
        &mut self,
        partition: Partition,
        expected_block: BlockNumber,
        epoch: Epoch,
        image: &[u8],
    ) -> Result<Appended>;

    /// Reads the image of one block into `image`; `false` when the log ends before it.
    ///
    /// # Errors
    /// `Corrupt` and `Io`.
    fn read(&mut self, partition: Partition, from: BlockNumber, image: &mut Vec<u8>) -> Result<bool>;

    /// Whether the store would take another block; the server refuses new work when it would not.
    ///
    /// # Errors
    /// `NoSpace` or `Poisoned`.
    fn writable(&self) -> Result<()>;

    /// Longest image that [`append`](Self::append) takes.
    fn image_bytes_max(&self) -> usize;

    /// Remembers a durable position for the next recovery.
    ///
    /// # Errors
    /// `Io`; the blocks are not touched by it.
    fn mark(&mut self, facts: &MarkFacts<'_>) -> Result<()>;
}

/// Segment files on this machine's disk, held by an exclusive lock.
///
/// A block is written with one `pwrite` and one `fdatasync`, or one direct write, into space that was zeroed and synced
/// before. A failed write or sync is never tried again.
#[derive(Debug)]
pub struct SegmentStore {
    dir: PathBuf,
    files: Arc<dyn FileLayer>,
    partition: Partition,
    epoch: Epoch,
    segment_bytes: u64,
    /// With [`SyncMethod::Direct`].
    direct: Option<DirectWriter>,
    next_block: BlockNumber,
    /// What recovery found, until something is appended.
    tail: Option<Tail>,
    current: Option<Current>,
    last: Option<(SegmentNumber, u64)>,
    poisoned: bool,
    reader: Option<Reader>,
    preparer: Preparer,
    /// Released by the operating system when the file is closed, last of all.
    _lock: WriterLock,
}

#[derive(Debug)]
struct Current {
    segment: Prepared,
    write_at: u64,
}

impl SegmentStore {
    /// Goes on at the end that recovery found; the lock is held and what was torn is cut.
    pub(crate) fn start(plan: Plan, lock: WriterLock, tail: Tail, end: &End) -> Result<Self> {
        let (dir, files, segment_bytes) = (plan.dir.clone(), Arc::clone(&plan.files), plan.segment_bytes);
        let cursor = end.cursor;
        let current =
            if cursor.offset == 0 { None } else { Some(take_up(&dir, cursor.segment, cursor.offset)?) };
        let next = if current.is_some() { SegmentNumber(cursor.segment.0 + 1) } else { cursor.segment };
        let prepared = current.as_ref().map(|current| current.segment.clone());
        let direct = match plan.sync {
            SyncMethod::Fdatasync => None,
            SyncMethod::Direct => Some(DirectWriter::default()),
        };
        let preparer = Preparer::start(plan, prepared, cursor.offset, next)?;
        Ok(Self {
            dir,
            files,
            partition: tail.owner.1,
            epoch: tail.epoch,
            segment_bytes,
            direct,
            next_block: cursor.block,
            tail: Some(tail),
            current,
            last: end.last,
            poisoned: false,
            reader: None,
            preparer,
            _lock: lock,
        })
    }

    fn try_append(&mut self, image: &[u8]) -> Result<()> {
        let length = image.len() as u64;
        let fits = |current: &Current| current.write_at + length <= current.segment.capacity_bytes;
        if !self.current.as_ref().is_some_and(fits) {
            self.roll(image)?;
        }
        let current = self.current.as_mut().expect("the roll made a segment current");
        let end = current.write_at + length;
        self.preparer.wait_ready(end)?;
        let Prepared { file, path, .. } = &current.segment;
        let durable = match &mut self.direct {
            Some(direct) => {
                direct.write(&self.files, (current.segment.number, path), image, current.write_at)
            }
            None => {
                let written = self.files.write_at(file, path, image, current.write_at);
                written.and_then(|()| self.files.sync(file, path))
            }
        };
        if let Err(error) = durable {
            self.poisoned = true;
            return Err(Error::io("append to", path)(error));
        }
        self.last = Some((current.segment.number, current.write_at));
        current.write_at = end;
        self.preparer.advance(end);
        self.next_block = BlockNumber(self.next_block.0 + 1);
        Ok(())
    }

    /// Starts the next segment. Its header is durable before a block follows, so that recovery may take a whole
    /// header for a proof that the segment before it is complete.
    fn roll(&mut self, image: &[u8]) -> Result<()> {
        let first = block::header(image).map_err(|what| {
            let (segment, offset) = (SegmentNumber::default(), 0);
            Error::Corrupt(crate::Finding { segment, offset, block: self.next_block, what })
        })?;
        let segment = self.preparer.take_next()?;
        let header = SegmentHeader {
            ledger_id: first.ledger_id,
            partition: first.partition,
            number: segment.number,
            first_block: first.block,
            first_seq: first.first_seq,
            // The block that opens an epoch is the first of it; the segment before it is still of the one before.
            epoch: first.epoch,
            capacity_bytes: segment.capacity_bytes,
            previous: first.previous,
        };
        let written = self.files.write_at(&segment.file, &segment.path, &header.encode(), 0);
        let synced = written.and_then(|()| self.files.sync(&segment.file, &segment.path));
        if let Err(error) = synced {
            self.poisoned = true;
            return Err(Error::io("start", &segment.path)(error));
        }
        self.current = Some(Current { segment, write_at: PAGE_BYTES as u64 });
        Ok(())
    }
}

/// Refuses a partition that is not the one a store or a caller holds.
pub(crate) fn check_partition(expected: Partition, found: Partition) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::WrongPartition { expected, found }) }
}

/// What a store says to an append before it writes anything: `None` when the block is next and small enough.
///
/// # Errors
/// `TooLarge` above `max` bytes.
pub(crate) fn refused(
    (expected, next): (BlockNumber, BlockNumber),
    (last, epoch): (Epoch, Epoch),
    image: &[u8],
    max: usize,
) -> Result<Option<Appended>> {
    if expected != next || !may_append(last, epoch, image) {
        return Ok(Some(Appended::Conflict { epoch: last }));
    }
    if image.len() > max {
        let (have, max) = (image.len() as u64, max as u64);
        return Err(Error::TooLarge { what: Measure::BlockBytes, have, max });
    }
    Ok(None)
}

/// Whether a block of `epoch` may follow one of `last`: the same writer's, or the one that opens a later epoch.
pub(crate) fn may_append(last: Epoch, epoch: Epoch, image: &[u8]) -> bool {
    let opens =
        || block::header(image).is_ok_and(|header| header.kind == Kind::Open && header.epoch == epoch);
    // Nobody wrote in epoch zero.
    epoch > Epoch(0) && epoch == last || epoch > last && opens()
}

impl BlockStore for SegmentStore {
    fn tail(&mut self, partition: Partition) -> Result<Option<Tail>> {
        check_partition(partition, self.partition)?;
        Ok(self.tail.clone())
    }

    fn append(
        &mut self,
        partition: Partition,
        expected_block: BlockNumber,
        epoch: Epoch,
        image: &[u8],
    ) -> Result<Appended> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        check_partition(partition, self.partition)?;
        let blocks = (expected_block, self.next_block);
        if let Some(refused) = refused(blocks, (self.epoch, epoch), image, self.image_bytes_max())? {
            return Ok(refused);
        }
        let done = self.try_append(image);
        self.poisoned |= matches!(done, Err(Error::Poisoned));
        done?;
        self.epoch = epoch;
        self.tail = None;
        Ok(Appended::Durable)
    }

    fn read(&mut self, partition: Partition, from: BlockNumber, image: &mut Vec<u8>) -> Result<bool> {
        check_partition(partition, self.partition)?;
        // The one writer knows its end; the reader would look for blocks behind it in all that is zeroed.
        if from >= self.next_block {
            return Ok(false);
        }
        if self.reader.is_none() {
            self.reader = Some(Reader::open(&self.dir)?);
        }
        let reader = self.reader.as_mut().expect("opened above");
        reader.read_image(from, image)
    }

    fn writable(&self) -> Result<()> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        // Enough for what is queued already and the block that follows it.
        self.preparer.check_room((2 * BLOCK_BYTES_MAX as u64).min(self.segment_bytes / 4))
    }

    fn image_bytes_max(&self) -> usize {
        // The segment in use may be smaller than the next one; a block that does not fit it goes to the next.
        let room = self.segment_bytes - PAGE_BYTES as u64;
        BLOCK_BYTES_MAX.min(room.try_into().unwrap_or(BLOCK_BYTES_MAX))
    }

    fn mark(&mut self, facts: &MarkFacts<'_>) -> Result<()> {
        let Some((segment, offset)) = self.last else { return Ok(()) };
        let mark = Mark {
            ledger_id: facts.owner.0,
            partition: facts.owner.1,
            epoch: facts.epoch,
            next_block: facts.next_block,
            next_seq: facts.next_seq,
            segment,
            offset,
            clean: facts.clean,
            hash: facts.hash,
            frontier: facts.frontier.clone(),
        };
        mark.write(&self.dir)
    }
}

/// Opens the segment in use for writing again.
fn take_up(dir: &Path, number: SegmentNumber, write_at: u64) -> Result<Current> {
    let path = segment::path(dir, number);
    let file = open_for_writing(&path)?;
    let length = file.metadata().map_err(Error::io("measure", &path))?.len();
    let mut page = vec![0; PAGE_BYTES];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut page, 0).map_err(Error::io("read", &path))?;
    let header = SegmentHeader::decode(&page).map_err(|what| {
        let finding = crate::Finding { segment: number, offset: 0, block: BlockNumber::default(), what };
        Error::Corrupt(finding)
    })?;
    let capacity_bytes = header.capacity_bytes;
    let ready_bytes = length.min(capacity_bytes) / PAGE_BYTES as u64 * PAGE_BYTES as u64;
    let segment = Prepared { number, path, file: Arc::new(file), capacity_bytes, ready_bytes };
    Ok(Current { segment, write_at })
}

pub(crate) fn open_for_writing(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))
}

/// The exclusive lock that makes a process the one writer of a log.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock of a directory or refuses at once; it is free when the value is dropped or the process dies.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        Self::named(dir, "lock")
    }

    /// Takes another lock of the directory, for those who do not write the log itself.
    pub(crate) fn named(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        let opened = for_writing().truncate(false).open(&path);
        let file = opened.map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path }),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
        }
    }
}
