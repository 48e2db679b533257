//! Walks the blocks of a log from one position on and checks that each continues the one before.

use crate::block::{self, Block, BlockHeader, Kind, image_bytes};
use crate::error::Fault;
use crate::limits::PAGE_BYTES;
use crate::segment::{SegmentHeader, Source, is_zero};
use crate::{BlockNumber, Epoch, Finding, Hash, LedgerId, Partition, Result, SegmentNumber, Sequence};

/// What a block of records usually needs at once; longer blocks are read whole.
const READ_BYTES: usize = 256 * 1024;

/// Where the next block must stand and what it must continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) segment: SegmentNumber,
    /// Zero when the segment's header is still to be read.
    pub(crate) offset: u64,
    pub(crate) block: BlockNumber,
    pub(crate) seq: Sequence,
    /// Epoch of the block before; zero before the first.
    pub(crate) epoch: Epoch,
    pub(crate) hash: Hash,
}

impl Cursor {
    /// Before the first block of a log.
    pub(crate) const START: Self = Self {
        segment: SegmentNumber::FIRST,
        offset: 0,
        block: BlockNumber(0),
        seq: Sequence(0),
        epoch: Epoch(0),
        hash: Hash::ZERO,
    };

    /// Stands for the epoch of the block before when a walk starts in the middle: any epoch may follow.
    pub(crate) const EPOCH_UNKNOWN: Epoch = Epoch(0);

    /// Before the segment with this header, in a walk that has not seen what is before it.
    pub(crate) fn before(header: &SegmentHeader) -> Self {
        Self {
            segment: header.number,
            offset: 0,
            block: header.first_block,
            seq: header.first_seq,
            epoch: Self::EPOCH_UNKNOWN,
            hash: header.previous,
        }
    }

    /// After a block with this header and hash.
    pub(crate) fn after(&self, header: &BlockHeader, hash: Hash, image_bytes: u64) -> Self {
        Self {
            segment: self.segment,
            offset: self.offset + image_bytes,
            block: header.block.next(),
            seq: header.next_seq(),
            epoch: header.epoch,
            hash,
        }
    }

    /// Whether a block with this header is the next one of its owner's log.
    pub(crate) fn admits(&self, owner: (LedgerId, Partition), header: &BlockHeader) -> Result<(), Fault> {
        let opens = Epoch(self.epoch.0.saturating_add(u64::from(header.kind == Kind::Open)));
        let middle = self.epoch == Self::EPOCH_UNKNOWN && self.block.0 > 0;
        let in_order = (header.block, header.first_seq) == (self.block, self.seq);
        if owner != (header.ledger_id, header.partition) {
            Err(Fault::Foreign)
        } else if !in_order || !(middle || header.epoch == opens) {
            Err(Fault::Order)
        } else if header.previous != self.hash {
            Err(Fault::Chain)
        } else {
            Ok(())
        }
    }

    /// Before the header of the next segment.
    pub(crate) fn rolled(&self) -> Self {
        Self { segment: self.segment.next(), offset: 0, ..*self }
    }

    pub(crate) fn finding(&self, what: Fault) -> Finding {
        Finding { segment: self.segment, offset: self.offset, block: self.block, what }
    }
}

/// What a step of the walk came upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole block that continues the log; [`Walker::block`] has it, and it starts at `offset`.
    Block { offset: u64 },
    /// `segment` ended at `offset`; the cursor stands before the next one.
    Rolled { segment: SegmentNumber, offset: u64 },
    /// Zeros, or the end of the last file.
    End,
    /// Something else.
    Bad(Fault),
}

/// A walk over the blocks of a log.
pub(crate) struct Walker<S> {
    pub(crate) source: S,
    pub(crate) cursor: Cursor,
    /// Ledger and partition, known from the first header or given by the caller.
    pub(crate) owner: Option<(LedgerId, Partition)>,
    segment: Option<SegmentHeader>,
    window: Vec<u8>,
    window_at: (SegmentNumber, u64),
    found: Option<(BlockHeader, Hash)>,
    /// Place of the found block in the window.
    found_at: (usize, usize),
}

impl<S: Source> Walker<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            cursor: Cursor::START,
            owner: None,
            segment: None,
            window: Vec::new(),
            window_at: Default::default(),
            found: None,
            found_at: (0, 0),
        }
    }

    /// Header of the segment the cursor stands in, once it was read.
    pub(crate) fn segment(&self) -> Option<&SegmentHeader> {
        self.segment.as_ref().filter(|header| header.number == self.cursor.segment)
    }

    /// Forgets bytes read ahead, so that what a live writer added since is seen.
    pub(crate) fn refresh(&mut self) {
        self.window.clear();
    }

    /// The block that the last step or load came upon.
    pub(crate) fn block(&self) -> Block<'_> {
        let (header, hash) = self.found.expect("asked for after a block was found");
        let (start, payload_bytes) = self.found_at;
        let start = start + block::HEADER_BYTES;
        Block::from_parts(header, hash, &self.window[start..start + payload_bytes])
    }

    /// The bytes of that block, padding included.
    pub(crate) fn image(&self) -> &[u8] {
        let (start, payload_bytes) = self.found_at;
        &self.window[start..start + image_bytes(payload_bytes)]
    }

    /// The next block's header as it stands, unchecked; `None` at the end of the segment.
    pub(crate) fn peek(&mut self) -> Result<Option<Vec<u8>>> {
        if self.cursor.offset == 0 {
            if !matches!(self.enter()?, Ok(true)) {
                return Ok(None);
            }
            self.cursor.offset = PAGE_BYTES as u64;
        }
        self.peek_at(self.cursor)
    }

    /// The bytes of a header at a position; `None` when the file ends before.
    pub(crate) fn peek_at(&mut self, at: Cursor) -> Result<Option<Vec<u8>>> {
        let head = self.bytes(at.segment, at.offset, block::HEADER_BYTES)?;
        Ok((head.len() == block::HEADER_BYTES).then(|| head.to_vec()))
    }

    /// Goes on to the next block.
    pub(crate) fn step(&mut self) -> Result<Step> {
        if self.cursor.offset == 0 {
            match self.enter()? {
                Ok(true) => self.cursor.offset = PAGE_BYTES as u64,
                Ok(false) => return Ok(Step::End),
                Err(fault) => return Ok(Step::Bad(fault)),
            }
        }
        let Cursor { segment, offset, .. } = self.cursor;
        let capacity = self.capacity()?;
        if offset + PAGE_BYTES as u64 > capacity {
            return Ok(self.roll());
        }
        if is_zero(self.bytes(segment, offset, PAGE_BYTES)?) {
            if is_zero(&self.header_page(segment.next())?) {
                return Ok(Step::End);
            }
            // A started successor means that this segment is complete; what was read of it may be older than that.
            self.refresh();
            if is_zero(self.bytes(segment, offset, PAGE_BYTES)?) {
                return Ok(self.roll());
            }
        }
        if let Err(fault) = self.load(segment, offset)? {
            return Ok(Step::Bad(fault));
        }
        let found = self.block();
        let (header, hash, length) = (found.header, found.hash, found.image_bytes() as u64);
        if let Err(fault) = self.check(&header, offset + length, capacity) {
            return Ok(Step::Bad(fault));
        }
        self.cursor = self.cursor.after(&header, hash, length);
        Ok(Step::Block { offset })
    }

    /// Reads the block at a position, whatever the cursor says; `block` has it then.
    pub(crate) fn load(&mut self, segment: SegmentNumber, offset: u64) -> Result<Result<(), Fault>> {
        self.found = None;
        let head = self.bytes(segment, offset, PAGE_BYTES)?;
        let payload_bytes = match block::payload_bytes(head) {
            Ok(count) => count,
            Err(fault) => return Ok(Err(fault)),
        };
        let whole = self.bytes(segment, offset, image_bytes(payload_bytes))?;
        let (header, hash) = match block::decode(whole) {
            Ok(block) => (block.header, block.hash),
            Err(fault) => return Ok(Err(fault)),
        };
        self.found = Some((header, hash));
        self.found_at = ((offset - self.window_at.1) as usize, payload_bytes);
        Ok(Ok(()))
    }

    /// The first page of a segment, shorter or empty when there is less.
    pub(crate) fn header_page(&mut self, number: SegmentNumber) -> Result<Vec<u8>> {
        self.source.header_page(number)
    }

    fn roll(&mut self) -> Step {
        let Cursor { segment, offset, .. } = self.cursor;
        self.cursor.segment = segment.next();
        self.cursor.offset = 0;
        Step::Rolled { segment, offset }
    }

    /// Reads the header of the cursor's segment; `Ok(false)` when the segment was not started.
    fn enter(&mut self) -> Result<Result<bool, Fault>> {
        let page = self.header_page(self.cursor.segment)?;
        if is_zero(&page) {
            return Ok(Ok(false));
        }
        let header = match SegmentHeader::decode(&page) {
            Ok(header) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        let owner = *self.owner.get_or_insert((header.ledger_id, header.partition));
        let Cursor { segment, block, seq, epoch, hash, .. } = self.cursor;
        if owner != (header.ledger_id, header.partition) {
            return Ok(Err(Fault::Foreign));
        }
        let in_order = (header.number, header.first_block, header.first_seq) == (segment, block, seq);
        if !in_order || header.epoch < epoch {
            return Ok(Err(Fault::Order));
        }
        if header.previous != hash {
            return Ok(Err(Fault::Chain));
        }
        self.segment = Some(header);
        Ok(Ok(true))
    }

    /// Capacity of the cursor's segment. A walk that starts in the middle of one has not read its header, and a
    /// header that cannot be read leaves the file's own length as the bound.
    fn capacity(&mut self) -> Result<u64> {
        let number = self.cursor.segment;
        if self.segment().is_none() {
            let page = self.header_page(number)?;
            self.segment = SegmentHeader::decode(&page).ok().filter(|header| header.number == number);
        }
        match self.segment() {
            Some(header) => Ok(header.capacity_bytes),
            None => self.source.len(number),
        }
    }

    fn check(&self, header: &BlockHeader, end: u64, capacity: u64) -> Result<(), Fault> {
        self.cursor.admits(self.owner.ok_or(Fault::Foreign)?, header)?;
        if end > capacity { Err(Fault::Order) } else { Ok(()) }
    }

    /// The bytes at a position, read ahead; fewer than asked for at the end of the file.
    fn bytes(&mut self, segment: SegmentNumber, offset: u64, need: usize) -> Result<&[u8]> {
        let (window_segment, window_offset) = self.window_at;
        let end = window_offset + self.window.len() as u64;
        let inside = window_segment == segment && offset >= window_offset && offset + need as u64 <= end;
        if !inside {
            self.window.resize(need.max(READ_BYTES), 0);
            let count = self.source.read_at(segment, offset, &mut self.window)?;
            self.window.truncate(count);
            self.window_at = (segment, offset);
        }
        let start = (offset - self.window_at.1) as usize;
        let end = (start + need).min(self.window.len());
        Ok(&self.window[start..end])
    }
}
