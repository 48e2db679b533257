//! Finds the end of a log and tells a torn tail from damage.
//!
//! At most one block is in flight, a block never crosses a segment, and a segment's header is durable before its
//! first block is written. So what a crash can leave behind the last whole block is one torn block in the same
//! segment, or one torn header page of the next, and nothing else. The search for whole blocks behind a bad one
//! looks at every page of this and all later segments and never trusts a length.
//!
//! One doubt remains and cannot be settled from the log alone: when the very last block is damaged *after* it was
//! acknowledged, and neither a later block nor the high-water mark stands above it, it looks like a torn block
//! that nobody heard of. A seal after an idle gap, a snapshot and a clean close put it out of doubt.

use crate::block::{self, image_bytes};
use crate::error::Fault;
use crate::limits::{BLOCK_BYTES_MAX, PAGE_BYTES};
use crate::mark::Mark;
use crate::merkle::Frontier;
use crate::segment::{MemorySource, SegmentHeader, Source, is_zero};
use crate::walk::{Cursor, Step, Walker};
use crate::{BlockNumber, Error, Hash, Result, SegmentNumber, Sequence};

const SEARCH_BYTES: usize = 1024 * 1024;

/// How much of the log an opening reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scan {
    /// From the block named by the high-water mark on; earlier blocks are checked when they are read.
    #[default]
    FromMark,
    /// Every block from the first on, with its Merkle root.
    Everything,
}

/// The end of a log as recovery found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) cursor: Cursor,
    /// Position of the last block; `None` when there is none.
    pub(crate) last: Option<(SegmentNumber, u64)>,
    pub(crate) frontier: Frontier,
    /// Length of what a torn write left at the cursor.
    pub(crate) cut_bytes: u64,
    pub(crate) blocks_read: u64,
}

/// What recovery makes of a log that lies in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Number of the next block.
    pub next_block: BlockNumber,
    /// Sequence of the next record.
    pub next_seq: Sequence,
    /// Merkle root over the records.
    pub root: Hash,
    /// Segment and offset at which the log ends.
    pub end: (SegmentNumber, u64),
    /// Length of what a torn write left there; zero when there is nothing to cut.
    pub cut_bytes: u64,
}

/// Runs recovery over segment files that lie in memory, the first one first, and hands every record it accepts
/// to `visit`. It writes nothing. Never panics, whatever the bytes: fuzzing calls it.
///
/// # Errors
/// `Corrupt` when the bytes are not what a crash can leave.
pub fn recover_image(
    segments: Vec<Vec<u8>>,
    mark: Option<&[u8]>,
    mut visit: impl FnMut(Sequence, &[u8]),
) -> Result<Image> {
    let mark = mark.map(Mark::decode).transpose()?;
    let segments = (1..).map(SegmentNumber).zip(segments).collect();
    let mut walker = Walker::new(MemorySource { segments });
    let end = recover(&mut walker, mark.as_ref(), Scan::Everything, &mut visit)?;
    Ok(Image {
        next_block: end.cursor.block,
        next_seq: end.cursor.seq,
        root: end.frontier.root(),
        end: (end.cursor.segment, end.cursor.offset),
        cut_bytes: end.cut_bytes,
    })
}

/// Walks to the end of a log and judges what stands behind it. Changes nothing.
pub(crate) fn recover<S: Source>(
    walker: &mut Walker<S>,
    mark: Option<&Mark>,
    scan: Scan,
    visit: &mut dyn FnMut(Sequence, &[u8]),
) -> Result<End> {
    check_files(walker)?;
    walker.owner = mark.map(|mark| (mark.ledger_id, mark.partition));
    let mut end =
        End { cursor: Cursor::START, last: None, frontier: Frontier::new(), cut_bytes: 0, blocks_read: 0 };
    if let (Some(mark), Scan::FromMark) = (mark, scan) {
        start_at_mark(walker, mark, &mut end)?;
    }
    let stopped = loop {
        let before = walker.cursor;
        match walker.step()? {
            Step::Block { offset } => {
                accept(walker, &mut end, visit).map_err(|what| Error::Corrupt(before.finding(what)))?;
                end.last = Some((walker.cursor.segment, offset));
                if mark.is_some_and(|mark| differs(mark, &walker.cursor, &end)) {
                    return Err(Error::Corrupt(before.finding(Fault::MarkDiffers)));
                }
            }
            Step::Rolled { .. } => {}
            Step::End => break None,
            Step::Bad(fault) => break Some(fault),
        }
    };
    end.cursor = walker.cursor;
    end.cut_bytes = judge_tail(walker, stopped, mark)?;
    Ok(end)
}

/// Segment files must be numbered from the first on without gaps.
pub(crate) fn check_files<S: Source>(walker: &mut Walker<S>) -> Result<()> {
    let numbers = walker.source.segments()?;
    let expected = (SegmentNumber::FIRST.0..).map(SegmentNumber);
    match numbers.iter().zip(expected).find(|(have, expected)| *have != expected) {
        Some((_, missing)) => {
            let cursor = Cursor { segment: missing, ..Cursor::START };
            Err(Error::Corrupt(cursor.finding(Fault::SegmentMissing)))
        }
        None => Ok(()),
    }
}

/// Takes up the walk behind the marked block, which must still be there.
fn start_at_mark<S: Source>(walker: &mut Walker<S>, mark: &Mark, end: &mut End) -> Result<()> {
    let at = Cursor {
        segment: mark.segment,
        offset: mark.offset,
        block: BlockNumber(mark.next_block.0.saturating_sub(1)),
        ..Cursor::START
    };
    walker.load(mark.segment, mark.offset)?.map_err(|what| Error::Corrupt(at.finding(what)))?;
    let block = walker.block();
    let (header, length) = (block.header, block.image_bytes() as u64);
    let same = block.hash == mark.hash
        && header.block == at.block
        && header.next_seq() == mark.next_seq
        && header.root == mark.frontier.root();
    if !same {
        return Err(Error::Corrupt(at.finding(Fault::MarkDiffers)));
    }
    walker.cursor = at.after(&header, mark.hash, length);
    end.last = Some((mark.segment, mark.offset));
    end.frontier = mark.frontier.clone();
    Ok(())
}

/// Adds a block's records to the tree and compares roots.
fn accept<S: Source>(
    walker: &Walker<S>,
    end: &mut End,
    visit: &mut dyn FnMut(Sequence, &[u8]),
) -> Result<(), Fault> {
    let block = walker.block();
    block.grow(&mut end.frontier)?;
    block.records().for_each(|(seq, record)| visit(seq, record));
    end.blocks_read += 1;
    Ok(())
}

fn differs(mark: &Mark, cursor: &Cursor, end: &End) -> bool {
    mark.next_block == cursor.block && (mark.hash, &mark.frontier) != (cursor.hash, &end.frontier)
}

/// How often a bad block is read anew before it is judged: a live writer may have been half way through it.
const READS_MAX: usize = 3;

/// What those who read beside a live writer know of one place where the walk stopped; the next place starts anew.
///
/// A first stop may only mean that bytes read ahead are old, and a bad block that the writer is at work on it: both
/// are read anew before they are judged. The writer may also finish the block between its last reading and the
/// search behind it, so a bad judgement counts when the place was read once more after it.
#[derive(Debug, Default)]
pub(crate) struct SecondLook {
    reads: usize,
    is_judged_bad: bool,
}

impl SecondLook {
    /// Whether a stop is to be read anew before it is judged.
    pub(crate) fn is_early(&mut self, stopped: Option<Fault>) -> bool {
        self.reads += 1;
        self.reads == 1 || stopped.is_some() && self.reads < READS_MAX
    }

    /// A judgement as far as it counts: after the first bad one the place is read once more (`None`).
    pub(crate) fn weigh<T>(&mut self, judged: Result<T>) -> Result<Option<T>> {
        match judged {
            Err(_) if !self.is_judged_bad => {
                self.is_judged_bad = true;
                Ok(None)
            }
            judged => judged.map(Some),
        }
    }
}

/// Decides whether what stands at the cursor is the end, a torn tail (its length is returned) or damage.
pub(crate) fn judge_tail<S: Source>(
    walker: &mut Walker<S>,
    stopped: Option<Fault>,
    mark: Option<&Mark>,
) -> Result<u64> {
    let cursor = walker.cursor;
    let corrupt = |what| Err(Error::Corrupt(cursor.finding(what)));
    if let Some(fault) = stopped.filter(|fault| !fault.may_be_torn()) {
        return corrupt(fault);
    }
    if mark.is_some_and(|mark| cursor.block < mark.next_block) {
        return corrupt(stopped.unwrap_or(Fault::BelowMark));
    }
    let torn_bytes = match search(walker, cursor.segment, cursor.offset)? {
        Behind::Block => return corrupt(Fault::Followed),
        Behind::Nothing { used_bytes } => used_bytes,
    };
    for number in walker.source.segments()?.into_iter().filter(|number| *number > cursor.segment) {
        let started = SegmentHeader::decode(&walker.header_page(number)?).is_ok();
        match search(walker, number, 0)? {
            Behind::Block => return corrupt(Fault::Followed),
            Behind::Nothing { .. } if started => return corrupt(Fault::Followed),
            Behind::Nothing { used_bytes: 0 } => {}
            Behind::Nothing { .. } => {
                let at = Cursor { segment: number, offset: 0, ..cursor };
                return Err(Error::Corrupt(at.finding(Fault::NotZero)));
            }
        }
    }
    let in_flight_max = if cursor.offset == 0 { PAGE_BYTES } else { BLOCK_BYTES_MAX } as u64;
    let closed = mark.is_some_and(|mark| mark.clean && mark.next_block == cursor.block);
    if torn_bytes > in_flight_max || closed && torn_bytes > 0 {
        return corrupt(Fault::NotZero);
    }
    Ok(torn_bytes)
}

/// What stands in a segment from an offset on.
enum Behind {
    /// A whole block that this log may have written after the cursor.
    Block,
    /// No such block; the last byte in use is this far from the offset.
    Nothing { used_bytes: u64 },
}

/// Looks at every page from `offset` on.
fn search<S: Source>(walker: &mut Walker<S>, number: SegmentNumber, offset: u64) -> Result<Behind> {
    let mut buffer = vec![0; SEARCH_BYTES];
    let mut used_bytes = 0;
    let mut at = offset;
    loop {
        let count = walker.source.read_at(number, at, &mut buffer)?;
        for (page, page_at) in buffer[..count].chunks(PAGE_BYTES).zip((at..).step_by(PAGE_BYTES)) {
            if is_zero(page) {
                continue;
            }
            let last = page.iter().rposition(|byte| *byte != 0).expect("the page is not all zero");
            used_bytes = page_at + last as u64 + 1 - offset;
            if page.starts_with(&block::MAGIC) && is_later_block(walker, number, page_at, page)? {
                return Ok(Behind::Block);
            }
        }
        at += count as u64;
        if count < buffer.len() {
            return Ok(Behind::Nothing { used_bytes });
        }
    }
}

/// Whether a whole block of this ledger stands here that is not older than the cursor. An older one can only be a
/// copy inside a record.
fn is_later_block<S: Source>(
    walker: &mut Walker<S>,
    number: SegmentNumber,
    at: u64,
    page: &[u8],
) -> Result<bool> {
    let Ok(header) = block::header(page) else { return Ok(false) };
    let ours = walker.owner.is_none_or(|owner| owner == (header.ledger_id, header.partition));
    if !ours || header.block < walker.cursor.block {
        return Ok(false);
    }
    let Ok(payload_bytes) = block::payload_bytes(page) else { return Ok(false) };
    let mut image = vec![0; image_bytes(payload_bytes)];
    let count = walker.source.read_at(number, at, &mut image)?;
    // A whole block with a wrong detail is still one that was written.
    Ok(block::decode(&image[..count]).err().is_none_or(|fault| !fault.may_be_torn()))
}
