//! Checks every byte of a log against every other, without its lock.

use std::path::Path;

use crate::block::Kind;
use crate::error::Fault;
use crate::mark::Mark;
use crate::merkle::Frontier;
use crate::recover::{SecondLook, check_files, judge_tail};
use crate::segment::{self, DirSource, Source, is_zero};
use crate::walk::{Cursor, Step, Walker};
use crate::{
    BlockNumber, Error, Finding, Hash, LedgerId, Partition, Reader, Result, SegmentNumber, Sequence,
};

const READ_BYTES: usize = 1024 * 1024;

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of segments that are done.
    pub done_bytes: u64,
    /// Bytes of all segment files when the verification began.
    pub total_bytes: u64,
    /// Records that are done.
    pub records: u64,
}

/// A log in which every byte is as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The ledger's id.
    pub ledger_id: LedgerId,
    /// The partition.
    pub partition: Partition,
    /// Count of segments in use.
    pub segments: u64,
    /// Count of blocks.
    pub blocks: u64,
    /// Count of records.
    pub records: u64,
    /// Bytes in use, headers and padding included.
    pub used_bytes: u64,
    /// How often the log was opened for writing.
    pub epochs: u64,
    /// How many torn blocks recovery cut, as the log itself tells.
    pub cuts: u64,
    /// Merkle root over all records.
    pub root: Hash,
    /// Whether the log was closed in good order.
    pub closed: bool,
    /// Whether the high-water mark is there; without it a log that lost its end looks like a shorter one.
    pub marked: bool,
    /// What a crash, or a writer at work, left behind the last whole block; the next opening will cut it.
    pub torn_tail: Option<TornTail>,
}

/// An unfinished write at the end of a log that was not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Segment it stands in.
    pub segment: SegmentNumber,
    /// Offset of its first byte.
    pub offset: u64,
    /// Bytes up to the last that is not zero.
    pub bytes: u64,
}

/// Why a log did not verify.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A byte is not what was written.
    #[error("{0}")]
    Finding(Finding),
    /// The log could not be read; nothing is said about it.
    #[error("cannot verify")]
    CouldNot(#[source] Error),
}

impl From<Error> for VerifyError {
    fn from(error: Error) -> Self {
        match error {
            Error::Corrupt(finding) => Self::Finding(finding),
            other => Self::CouldNot(other),
        }
    }
}

/// Verifies the log in a directory: every checksum and every padding, the chain of hashes, the order of sequences,
/// the Merkle root of every block, the high-water mark, and that unused space is zero. `progress` is called after
/// each block.
///
/// # Errors
/// `Finding` with the first byte that is wrong, `CouldNot` when the files cannot be read.
pub fn verify(dir: &Path, progress: impl FnMut(Progress)) -> Result<VerifyReport, VerifyError> {
    let reader = Reader::open(dir)?;
    // Read before the blocks: what it names was durable by then, whatever a live writer does meanwhile.
    let mark = Mark::read(dir)?;
    let mut walker = Walker::new(DirSource::new(dir));
    check_files(&mut walker)?;
    let mut total_bytes = 0;
    for number in segment::list(dir)? {
        total_bytes += walker.source.len(number)?;
    }
    walker.owner = mark.as_ref().map(|mark| (mark.ledger_id, mark.partition));
    let report = VerifyReport {
        ledger_id: reader.ledger_id(),
        partition: reader.partition(),
        segments: 1,
        blocks: 0,
        records: 0,
        used_bytes: 0,
        epochs: 0,
        cuts: 0,
        root: crate::merkle::empty_root(),
        closed: mark.as_ref().is_some_and(|mark| mark.clean),
        marked: mark.is_some(),
        torn_tail: None,
    };
    let done = Progress { done_bytes: 0, total_bytes, records: 0 };
    Run { walker, mark, frontier: Frontier::new(), report, done, progress }.run()
}

struct Run<F> {
    walker: Walker<DirSource>,
    mark: Option<Mark>,
    frontier: Frontier,
    report: VerifyReport,
    done: Progress,
    progress: F,
}

impl<F: FnMut(Progress)> Run<F> {
    fn run(mut self) -> Result<VerifyReport, VerifyError> {
        let mut look = SecondLook::default();
        loop {
            let before = self.walker.cursor;
            let stopped = match self.walker.step()? {
                Step::Block { offset } => {
                    self.block(&before, offset)?;
                    look = SecondLook::default();
                    continue;
                }
                Step::Rolled { segment, offset } => {
                    look = SecondLook::default();
                    self.rest_of(segment, offset)?;
                    self.report.segments += u64::from(self.is_started()?);
                    continue;
                }
                Step::End => None,
                Step::Bad(fault) => Some(fault),
            };
            self.walker.refresh();
            if !look.is_early(stopped) {
                let judged = judge_tail(&mut self.walker, stopped, self.mark.as_ref());
                if let Some(torn_bytes) = look.weigh(judged)? {
                    return Ok(self.finish(torn_bytes));
                }
            }
            self.walker.cursor = before;
        }
    }

    fn block(&mut self, before: &Cursor, offset: u64) -> Result<(), VerifyError> {
        let block = self.walker.block();
        let header = block.header;
        let at = Cursor { segment: self.walker.cursor.segment, offset, ..*before };
        block.grow(&mut self.frontier).map_err(|what| VerifyError::Finding(at.finding(what)))?;
        if let Some(mark) = self.mark.as_ref().filter(|mark| mark.next_block == header.block.next()) {
            let same = (mark.segment, mark.offset, mark.hash, mark.epoch, mark.next_seq)
                == (at.segment, offset, block.hash, header.epoch, header.next_seq());
            if !same || mark.frontier != self.frontier {
                return Err(VerifyError::Finding(at.finding(Fault::MarkDiffers)));
            }
        }
        let report = &mut self.report;
        report.blocks += 1;
        report.records += u64::from(header.count);
        report.used_bytes += block.image_bytes() as u64;
        report.epochs += u64::from(header.kind == Kind::Open);
        report.cuts += u64::from(header.cut_bytes > 0);
        report.root = header.root;
        self.done.records = report.records;
        self.done.done_bytes += block.image_bytes() as u64;
        (self.progress)(self.done);
        Ok(())
    }

    /// The walk rolls over to a segment that must have been started, unless this one is full to the last page.
    fn is_started(&mut self) -> Result<bool> {
        Ok(!is_zero(&self.walker.header_page(self.walker.cursor.segment)?))
    }

    /// A segment that has a successor is zero behind its last block.
    fn rest_of(&mut self, segment: SegmentNumber, offset: u64) -> Result<(), VerifyError> {
        let mut buffer = vec![0; READ_BYTES];
        let mut at = offset;
        loop {
            let count = self.walker.source.read_at(segment, at, &mut buffer)?;
            if let Some(used) = buffer[..count].iter().position(|byte| *byte != 0) {
                let block: BlockNumber = self.walker.cursor.block;
                let offset = at + used as u64;
                return Err(VerifyError::Finding(Finding { segment, offset, block, what: Fault::NotZero }));
            }
            at += count as u64;
            self.done.done_bytes += count as u64;
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    fn finish(mut self, torn_bytes: u64) -> VerifyReport {
        let Cursor { segment, offset, seq, .. } = self.walker.cursor;
        debug_assert_eq!(seq, Sequence(self.report.records));
        if torn_bytes > 0 {
            self.report.torn_tail = Some(TornTail { segment, offset, bytes: torn_bytes });
        }
        self.report.closed &= self.mark.is_some_and(|mark| mark.next_block == self.walker.cursor.block);
        self.report.used_bytes += self.report.segments * crate::limits::PAGE_BYTES as u64;
        self.report
    }
}
