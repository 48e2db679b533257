//! Reads a log without its lock, also while a writer adds to it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::block::{self, Block, image_bytes};
use crate::error::Fault;
use crate::limits::PAGE_BYTES;
use crate::mark::Mark;
use crate::recover::{SecondLook, judge_tail};
use crate::segment::{self, DirSource, SegmentHeader, is_zero};
use crate::snapshot::Anchor;
use crate::walk::{Cursor, Step, Walker};
use crate::{BlockNumber, Error, Hash, LedgerId, Partition, Result, SegmentNumber, Sequence};

/// Streams blocks and records up to the last whole block, in memory bounded by one block.
///
/// Each block's checksum, and that it continues the one before, are checked; Merkle roots are left to
/// [`verify`](crate::verify). The end is a whole log's end: a reader that ends below the high-water mark, or before
/// whole blocks, says `Corrupt` and not `None`. The search for such blocks is made once, at the first end that
/// is met, and again at every block that does not read well; a reader that follows a live log does not repeat it.
///
/// # Example
/// ```no_run
/// # fn main() -> switchyard_ledger::Result<()> {
/// use switchyard_ledger::{Reader, Sequence};
///
/// let mut reader = Reader::open("data/ledger".as_ref())?.from(Sequence(1_000))?;
/// while let Some(block) = reader.next_block()? {
///     for (seq, record) in block.records() {
///         println!("{seq}: {} bytes", record.len());
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Reader {
    dir: PathBuf,
    walker: Walker<DirSource>,
    owner: (LedgerId, Partition),
    from: Sequence,
    end_searched: bool,
    last: Option<Anchor>,
}

impl fmt::Debug for Reader {
    /// Where the reader stands; the bytes it read ahead are records.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("dir", &self.dir)
            .field("cursor", &self.walker.cursor)
            .finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the log in a directory at its first block.
    ///
    /// # Errors
    /// `Missing` when there is none; `Corrupt` when its first header is not whole.
    pub fn open(dir: &Path) -> Result<Self> {
        let mut walker = Walker::new(DirSource::new(dir));
        let page = walker.header_page(SegmentNumber::FIRST)?;
        if is_zero(&page) {
            return Err(Error::Missing { path: dir.to_path_buf() });
        }
        let header =
            SegmentHeader::decode(&page).map_err(|what| Error::Corrupt(Cursor::START.finding(what)))?;
        let owner = (header.ledger_id, header.partition);
        walker.owner = Some(owner);
        Ok(Self { dir: dir.to_path_buf(), walker, owner, from: Sequence(0), end_searched: false, last: None })
    }

    /// Goes on where an earlier reader of the same log stood. The end that it meets is not searched for whole
    /// blocks behind it: that reader, or the writer itself, knows better.
    pub(crate) fn resume(dir: &Path, owner: (LedgerId, Partition), cursor: Cursor) -> Self {
        let mut walker = Walker::new(DirSource::new(dir));
        walker.owner = Some(owner);
        walker.cursor = cursor;
        Self { dir: dir.to_path_buf(), walker, owner, from: Sequence(0), end_searched: true, last: None }
    }

    /// Where it stands.
    pub(crate) fn cursor(&self) -> Cursor {
        self.walker.cursor
    }

    /// The next whole block with its segment and offset; otherwise as [`next_block`](Self::next_block).
    pub(crate) fn next_found(&mut self) -> Result<Option<(SegmentNumber, u64, Block<'_>)>> {
        if !self.advance()? {
            return Ok(None);
        }
        let (segment, offset, _) = self.found();
        Ok(Some((segment, offset, self.walker.block())))
    }

    /// The ledger this log belongs to.
    pub fn ledger_id(&self) -> LedgerId {
        self.owner.0
    }

    /// The partition this log holds.
    pub fn partition(&self) -> Partition {
        self.owner.1
    }

    /// Goes to the block that holds record `seq`. [`for_each`](Self::for_each) leaves out the records before it; a
    /// block from [`next_block`](Self::next_block) has them all. Beyond the end is no error.
    ///
    /// # Errors
    /// `Corrupt` and `Io`.
    pub fn from(mut self, seq: Sequence) -> Result<Self> {
        self.seek(|header| header.first_seq <= seq)?;
        self.skip(|header| header.next_seq() <= seq)?;
        self.from = seq;
        Ok(self)
    }

    /// Goes behind the block that an anchor names; `None` when this log does not have that block.
    ///
    /// # Errors
    /// `Io`.
    pub fn after(mut self, anchor: &Anchor) -> Result<Option<Self>> {
        let known = segment::list(&self.dir)?.contains(&anchor.segment);
        if self.owner != (anchor.ledger_id, anchor.partition) || !known {
            return Ok(None);
        }
        if self.walker.load(anchor.segment, anchor.offset)?.is_err() {
            return Ok(None);
        }
        let block = self.walker.block();
        let (header, hash, length) = (block.header, block.hash, block.image_bytes() as u64);
        let at = Cursor { segment: anchor.segment, offset: anchor.offset, ..Cursor::START };
        if anchor_of(&header, hash, anchor.segment, anchor.offset) != *anchor {
            return Ok(None);
        }
        self.walker.cursor = at.after(&header, hash, length);
        self.from = anchor.next_seq;
        self.last = Some(*anchor);
        Ok(Some(self))
    }

    /// The block that was read last.
    pub fn anchor(&self) -> Option<&Anchor> {
        self.last.as_ref()
    }

    /// The next whole block; `None` at the end, where it may be asked again later.
    ///
    /// # Errors
    /// `Corrupt` when the bytes are not what was written, `Io` when they cannot be read.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>> {
        Ok(if self.advance()? { Some(self.walker.block()) } else { None })
    }

    /// Hands every record from the chosen sequence on to `visit` and returns the sequence after the last.
    ///
    /// # Errors
    /// As [`next_block`](Self::next_block), and what `visit` returns.
    pub fn for_each<E: From<Error>>(
        mut self,
        mut visit: impl FnMut(Sequence, &[u8]) -> Result<(), E>,
    ) -> Result<Sequence, E> {
        let from = self.from;
        while let Some(block) = self.next_block()? {
            block
                .records()
                .filter(|(seq, _)| *seq >= from)
                .try_for_each(|(seq, record)| visit(seq, record))?;
        }
        Ok(self.next_seq())
    }

    /// Number of the block that comes next.
    pub fn next_number(&self) -> BlockNumber {
        self.walker.cursor.block
    }

    /// Sequence of the record that comes next.
    pub fn next_seq(&self) -> Sequence {
        self.walker.cursor.seq
    }

    /// Segment and offset at which the next block stands or will stand.
    pub fn place(&self) -> (SegmentNumber, u64) {
        (self.walker.cursor.segment, self.walker.cursor.offset)
    }

    /// Segment, offset and bytes of the block that [`next_block`](Self::next_block) found last.
    pub(crate) fn found(&self) -> (SegmentNumber, u64, &[u8]) {
        let image = self.walker.image();
        (self.walker.cursor.segment, self.walker.cursor.offset - image.len() as u64, image)
    }

    /// The header page of a segment.
    pub(crate) fn segment_page(&mut self, number: SegmentNumber) -> Result<Vec<u8>> {
        self.walker.header_page(number)
    }

    /// Copies the image of block `number`; `false` when the log ends before it.
    pub(crate) fn read_image(&mut self, number: BlockNumber, image: &mut Vec<u8>) -> Result<bool> {
        if self.walker.cursor.block != number {
            self.seek(|header| header.first_block <= number)?;
            self.skip(|header| header.block < number)?;
        }
        if self.walker.cursor.block != number || !self.advance()? {
            return Ok(false);
        }
        image.clear();
        image.extend_from_slice(self.walker.image());
        Ok(true)
    }

    /// Stands before the first block of the last segment whose header the caller accepts.
    fn seek(&mut self, accept: impl Fn(&SegmentHeader) -> bool) -> Result<()> {
        let mut start = Cursor::START;
        for number in segment::list(&self.dir)?.into_iter().skip(1) {
            let Ok(header) = SegmentHeader::decode(&self.walker.header_page(number)?) else { break };
            if !accept(&header) {
                break;
            }
            start = Cursor { segment: number, ..Cursor::before(&header) };
        }
        self.walker.cursor = start;
        Ok(())
    }

    /// Passes blocks by their headers while the caller wants to. The length in a header is trusted only as far as
    /// the next block names that header's hash.
    fn skip(&mut self, pass: impl Fn(&block::BlockHeader) -> bool) -> Result<()> {
        loop {
            // Peeking steps over the header page of a segment: what follows is counted from there.
            let Some(head) = self.walker.peek()? else { return Ok(()) };
            let before = self.walker.cursor;
            let Ok(payload_bytes) = block::payload_bytes(&head) else { return Ok(()) };
            let Ok(header) = block::header(&head) else { return Ok(()) };
            if header.block != before.block || header.first_seq != before.seq || !pass(&header) {
                return Ok(());
            }
            let after = before.after(&header, block::header_hash(&head), image_bytes(payload_bytes) as u64);
            let next = self.walker.peek_at(after)?;
            if !next.is_some_and(|next| block::header(&next).is_ok_and(|next| next.previous == after.hash)) {
                // The last block of the segment, or a damaged one: read it whole.
                if !self.advance()? {
                    return Ok(());
                }
                continue;
            }
            self.walker.cursor = after;
        }
    }

    fn advance(&mut self) -> Result<bool> {
        let mut look = SecondLook::default();
        loop {
            let before = self.walker.cursor;
            let stopped = match self.walker.step()? {
                Step::Block { offset } => {
                    let block = self.walker.block();
                    self.last =
                        Some(anchor_of(&block.header, block.hash, self.walker.cursor.segment, offset));
                    return Ok(true);
                }
                Step::Rolled { .. } => {
                    look = SecondLook::default();
                    continue;
                }
                Step::End => None,
                Step::Bad(fault) => Some(fault),
            };
            self.walker.refresh();
            if look.is_early(stopped) || look.weigh(self.judge_end(stopped))?.is_none() {
                self.walker.cursor = before;
            } else {
                return Ok(false);
            }
        }
    }

    /// Whether the log may end here. The mark is read before the search: what it names was durable by then.
    fn judge_end(&mut self, stopped: Option<Fault>) -> Result<()> {
        let mark = Mark::read(&self.dir)?;
        let cursor = self.walker.cursor;
        if stopped.is_none() && self.end_searched {
            let below = mark.is_some_and(|mark| cursor.block < mark.next_block);
            return if below { Err(Error::Corrupt(cursor.finding(Fault::BelowMark))) } else { Ok(()) };
        }
        judge_tail(&mut self.walker, stopped, mark.as_ref())?;
        self.end_searched = true;
        Ok(())
    }
}

fn anchor_of(header: &block::BlockHeader, hash: Hash, segment: SegmentNumber, offset: u64) -> Anchor {
    Anchor {
        ledger_id: header.ledger_id,
        partition: header.partition,
        epoch: header.epoch,
        block: header.block,
        next_seq: header.next_seq(),
        segment,
        offset,
        hash,
        root: header.root,
    }
}

const _: () = assert!(PAGE_BYTES >= block::HEADER_BYTES);
