//! A disk in memory that holds segments byte for byte, and that a power cut can tear.
//!
//! Where [`MemoryStore`](crate::MemoryStore) keeps blocks, this keeps what a file system would have of them: header pages,
//! pages, zeros, and the high-water mark. Taking it up again runs the recovery that a directory of segments gets, over
//! whatever the cut left. It is for simulations, which crash thousands of times and have no second to lose.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::block;
use crate::limits::PAGE_BYTES;
use crate::log::Cut;
use crate::mark::Mark;
use crate::recover::{End, Scan, recover};
use crate::segment::{MemorySource, SegmentHeader};
use crate::store::{Appended, BlockStore, MarkFacts, Tail, check_partition, refused};
use crate::walk::Walker;
use crate::{BlockNumber, Epoch, Error, Partition, Result, SegmentNumber, Sequence};

/// What is written whole or not at all. A disk has sectors of 512 bytes or more; finer pieces tear small blocks too, and
/// recovery may not lean on the sector's size anyway.
const PIECE_BYTES: usize = 64;

/// The power fails, or the disk does, during a write to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCut {
    /// Writes that still succeed. The first block of a segment takes two: the header page is written before it.
    pub after_writes: u32,
    /// Piece `n` of 64 bytes of the write that fails reaches the disk if bit `n % 64` is set.
    pub pieces: u64,
}

/// Segments in memory. A clone is another process's handle on the same disk; a handle of which a write failed is poisoned,
/// and the next process takes a new one.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    partition: Partition,
    shared: Arc<Mutex<Platter>>,
    poisoned: bool,
}

#[derive(Debug)]
struct Platter {
    source: MemorySource,
    segment_bytes: u64,
    mark: Option<Vec<u8>>,
    /// Segment, offset and length of every block.
    blocks: Vec<(SegmentNumber, u64, usize)>,
    epoch: Epoch,
    /// Where the next block goes; a segment of number zero means that none was started.
    end: (SegmentNumber, u64),
    power_cut: Option<PowerCut>,
}

impl MemoryDisk {
    /// An empty disk. `segment_bytes` is the size of its segments, whole pages.
    pub fn new(partition: Partition, segment_bytes: u64) -> Self {
        let platter = Platter {
            source: MemorySource::default(),
            segment_bytes,
            mark: None,
            blocks: Vec::new(),
            epoch: Epoch(0),
            end: (SegmentNumber(0), 0),
            power_cut: None,
        };
        Self { partition, shared: Arc::new(Mutex::new(platter)), poisoned: false }
    }

    /// Another process's handle.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self { poisoned: false, ..self.clone() }
    }

    /// Lets a write to come fail, with what is left of it.
    pub fn cut_power(&self, cut: PowerCut) {
        self.lock().power_cut = Some(cut);
    }

    /// Blocks that are whole and durable, as far as the last handle knows.
    pub fn blocks(&self) -> u64 {
        self.lock().blocks.len() as u64
    }

    /// Forgets the last block although it was durable, as a disk does that acknowledges what it has not written. The
    /// high-water mark stays. For proving that it is noticed.
    pub fn lose_last_block(&self) {
        let mut shared = self.lock();
        let Some((segment, offset, _)) = shared.blocks.pop() else { return };
        shared.truncate(segment, offset);
        shared.end = (segment, offset);
    }

    /// Hands on every record from `first` on, in order, as they lie on the disk.
    ///
    /// # Errors
    /// `Corrupt` for a block that is not whole.
    pub fn for_each(&self, first: BlockNumber, mut visit: impl FnMut(Sequence, &[u8])) -> Result<()> {
        let shared = self.lock();
        for (segment, offset, length) in shared.blocks.iter().skip(first.0 as usize) {
            let (bytes, at) = (&shared.source.segments[segment], *offset as usize);
            let block = block::decode(&bytes[at..at + length]).map_err(|what| {
                let finding = crate::Finding { segment: *segment, offset: *offset, block: first, what };
                Error::Corrupt(finding)
            })?;
            block.records().for_each(|(sequence, record)| visit(sequence, record));
        }
        Ok(())
    }

    /// A panic elsewhere leaves the bytes as a crash there would.
    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.shared.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl Platter {
    /// Writes at an offset, or as much as the power lets.
    fn write(&mut self, segment: SegmentNumber, offset: u64, bytes: &[u8]) -> Result<()> {
        let at = offset as usize;
        let cut = match &mut self.power_cut {
            Some(cut) if cut.after_writes == 0 => self.power_cut.take(),
            Some(cut) => {
                cut.after_writes -= 1;
                None
            }
            None => None,
        };
        let file = self.source.segments.entry(segment).or_default();
        if file.len() < at + bytes.len() {
            file.resize(at + bytes.len(), 0);
        }
        let Some(cut) = cut else {
            file[at..at + bytes.len()].copy_from_slice(bytes);
            return Ok(());
        };
        for (index, piece) in bytes.chunks(PIECE_BYTES).enumerate() {
            if cut.pieces >> (index % 64) & 1 == 1 {
                let at = at + index * PIECE_BYTES;
                file[at..at + piece.len()].copy_from_slice(piece);
            }
        }
        Err(Error::io("write to", PathBuf::new())(std::io::Error::other("the power was cut")))
    }

    /// Zeroes a segment from an offset on.
    fn truncate(&mut self, segment: SegmentNumber, offset: u64) {
        if let Some(file) = self.source.segments.get_mut(&segment) {
            file[offset as usize..].fill(0);
        }
    }

    fn append(&mut self, epoch: Epoch, image: &[u8]) -> Result<()> {
        let (segment, offset) = self.end;
        if segment.0 == 0 || offset + image.len() as u64 > self.segment_bytes {
            self.roll(image)?;
        }
        let (segment, offset) = self.end;
        self.write(segment, offset, image)?;
        self.blocks.push((segment, offset, image.len()));
        self.end.1 = offset + image.len() as u64;
        self.epoch = epoch;
        Ok(())
    }

    fn roll(&mut self, image: &[u8]) -> Result<()> {
        let number = SegmentNumber(self.end.0.0 + 1);
        let first = block::header(image).map_err(|what| {
            let block = BlockNumber(self.blocks.len() as u64);
            Error::Corrupt(crate::Finding { segment: number, offset: 0, block, what })
        })?;
        let header = SegmentHeader {
            ledger_id: first.ledger_id,
            partition: first.partition,
            number,
            first_block: first.block,
            first_seq: first.first_seq,
            epoch: first.epoch,
            capacity_bytes: self.segment_bytes,
            previous: first.previous,
        };
        self.write(number, 0, &header.encode())?;
        self.end = (number, PAGE_BYTES as u64);
        Ok(())
    }

    /// Runs recovery over the bytes, cuts what is torn, and finds the blocks anew.
    fn take_up(&mut self, partition: Partition) -> Result<Option<Tail>> {
        self.power_cut = None;
        let mark = self.mark.as_deref().map(Mark::decode).transpose()?;
        let mut walker = Walker::new(std::mem::take(&mut self.source));
        let recovered = recover(&mut walker, mark.as_ref(), Scan::FromMark, &mut |_, _| {});
        let owner = walker.owner;
        self.source = walker.source;
        let end = recovered?;
        let Some(owner) = owner else {
            // Nothing was ever written whole.
            self.source.segments.clear();
            (self.blocks, self.end, self.epoch) = (Vec::new(), (SegmentNumber(0), 0), Epoch(0));
            return Ok(None);
        };
        check_partition(partition, owner.1)?;
        let cursor = &end.cursor;
        self.truncate(cursor.segment, cursor.offset);
        let cut = (end.cut_bytes > 0).then(|| Cut {
            segment: cursor.segment,
            offset: cursor.offset,
            bytes: end.cut_bytes,
            kept_in: PathBuf::new(),
        });
        self.epoch = cursor.epoch;
        self.find_blocks(&end)?;
        Ok(Some(Tail {
            owner,
            epoch: cursor.epoch,
            next_block: cursor.block,
            next_seq: cursor.seq,
            hash: cursor.hash,
            frontier: end.frontier.clone(),
            clean: mark.as_ref().is_some_and(|mark| mark.clean),
            marked: mark.is_some(),
            cut,
            blocks_read: end.blocks_read,
        }))
    }

    /// Walks headers alone: recovery has judged what they are of.
    fn find_blocks(&mut self, end: &End) -> Result<()> {
        self.blocks.clear();
        let cursor = &end.cursor;
        let limit = |number| if number == cursor.segment { cursor.offset } else { self.segment_bytes };
        for (number, bytes) in &self.source.segments {
            let mut at = PAGE_BYTES;
            while *number <= cursor.segment && (at as u64) < limit(*number) && at + PAGE_BYTES <= bytes.len()
            {
                let Ok(payload_bytes) = block::payload_bytes(&bytes[at..]) else { break };
                let length = block::image_bytes(payload_bytes);
                self.blocks.push((*number, at as u64, length));
                at += length;
            }
        }
        // Recovery stands before a segment that was never started, or behind the last block of one.
        self.end = match cursor.offset {
            0 => (SegmentNumber(cursor.segment.0 - 1), self.segment_bytes),
            offset => (cursor.segment, offset),
        };
        Ok(())
    }
}

impl BlockStore for MemoryDisk {
    fn tail(&mut self, partition: Partition) -> Result<Option<Tail>> {
        check_partition(partition, self.partition)?;
        self.lock().take_up(partition)
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
        let max = self.image_bytes_max();
        let mut shared = self.lock();
        let blocks = (expected_block, BlockNumber(shared.blocks.len() as u64));
        if let Some(refused) = refused(blocks, (shared.epoch, epoch), image, max)? {
            return Ok(refused);
        }
        let done = shared.append(epoch, image);
        drop(shared);
        self.poisoned |= done.is_err();
        done.map(|()| Appended::Durable)
    }

    fn read(&mut self, partition: Partition, from: BlockNumber, image: &mut Vec<u8>) -> Result<bool> {
        check_partition(partition, self.partition)?;
        let shared = self.lock();
        let found = usize::try_from(from.0).ok().and_then(|index| shared.blocks.get(index));
        let Some((segment, offset, length)) = found else { return Ok(false) };
        let at = *offset as usize;
        image.clear();
        image.extend_from_slice(&shared.source.segments[segment][at..at + length]);
        Ok(true)
    }

    fn writable(&self) -> Result<()> {
        if self.poisoned { Err(Error::Poisoned) } else { Ok(()) }
    }

    fn image_bytes_max(&self) -> usize {
        (self.lock().segment_bytes as usize) - PAGE_BYTES
    }

    fn mark(&mut self, facts: &MarkFacts<'_>) -> Result<()> {
        let mut shared = self.lock();
        let last = usize::try_from(facts.next_block.0).ok().and_then(|next| next.checked_sub(1));
        let Some(&(segment, offset, _)) = last.and_then(|last| shared.blocks.get(last)) else {
            return Ok(());
        };
        if facts.epoch == shared.epoch {
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
            shared.mark = Some(mark.encode());
        }
        Ok(())
    }
}
