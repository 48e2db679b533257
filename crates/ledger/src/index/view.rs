//! The parts of an index at one moment, and how a query goes through them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::error::Doubt;
use super::fetch::Fetch;
use super::hot::{HotSegment, Range};
use super::key::{Extract, Keys};
use super::query::{Page, Query};
use super::sealed::{Identity, Sealed};
use super::watch::{Event, Watch};
use super::work::Work;
use super::{IndexError, Key};
use crate::segment::{DirSource, SegmentHeader, Source as _};
use crate::walk::Cursor as LogCursor;
use crate::{LedgerId, Partition, Reader, SegmentNumber, Sequence};

/// Where the keys of one segment are found.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// In memory.
    Hot(Arc<HotSegment>),
    /// In the file beside the segment.
    Sealed(Arc<Sealed>),
    /// Nowhere yet: the segment itself is read.
    Log,
}

/// One segment.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) number: SegmentNumber,
    pub(crate) first_seq: u64,
    /// The end of time for the segment that is written to.
    pub(crate) next_seq: u64,
    pub(crate) source: Source,
}

impl Part {
    fn indexed_to(&self) -> u64 {
        match &self.source {
            Source::Hot(hot) => hot.indexed_to(),
            Source::Sealed(sealed) => sealed.indexed_to(),
            Source::Log => self.first_seq,
        }
    }
}

#[derive(Debug)]
pub(crate) struct State {
    /// Segments in order, without a gap.
    pub(crate) parts: Arc<Vec<Part>>,
    /// Up to where records are in the parts.
    pub(crate) reached: LogCursor,
}

pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) owner: (LedgerId, Partition),
    pub(crate) extract: Arc<dyn Extract>,
    pub(crate) watch: Watch,
    pub(crate) state: RwLock<State>,
    /// Records below it are durable; nothing else is ever found.
    pub(crate) end: AtomicU64,
    pub(crate) work: Work,
    /// Whether a thread does the work; without one, what becomes complete stays in memory.
    pub(crate) has_builder: bool,
}

/// Finds records by what is in them. Clones share one index.
#[derive(Clone)]
pub struct Index {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("dir", &self.inner.dir)
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

impl Index {
    /// The ledger that is indexed.
    pub fn ledger_id(&self) -> LedgerId {
        self.inner.owner.0
    }

    /// The sequence after the last record that can be found: everything durable, also what is not indexed yet.
    pub fn end(&self) -> Sequence {
        Sequence(self.inner.end.load(Ordering::Acquire))
    }

    /// The sequence after the last record that needs no reading of the log to be found.
    pub fn indexed(&self) -> Sequence {
        self.inner.snapshot().1.seq
    }

    /// The records that a query finds, up to a page.
    ///
    /// # Errors
    /// `Cursor` for a cursor of another query; `Log` and `Unreadable` when records have to be read and cannot be.
    pub fn page(&self, query: &Query) -> Result<Page, IndexError> {
        let inner = &self.inner;
        let range = query.range(inner.owner.0)?.within(0, self.end().0);
        let mut found = Vec::new();
        if !range.is_empty() {
            inner.find(&query.key, &range, &mut found)?;
        }
        let more = range.is_full(&found);
        if more {
            found.pop();
        }
        let sequences: Vec<_> = found.into_iter().map(Sequence).collect();
        let cursors = query.cursors(inner.owner.0, &sequences);
        Ok(Page { sequences, cursors, more })
    }

    /// All sequences under a key, oldest first: for keys that few records have. At most a page of them.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub fn find(&self, key: Key) -> Result<Vec<Sequence>, IndexError> {
        Ok(self.page(&Query::new(key))?.sequences)
    }

    /// The record at a sequence; `None` at and beyond the end.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub fn record(&self, seq: Sequence) -> Result<Option<Vec<u8>>, IndexError> {
        Fetch::new(self).record(seq)
    }

    /// Reads several records; neighbours cost little more than one.
    pub fn fetch(&self) -> Fetch<'_> {
        Fetch::new(self)
    }

    /// The first record that was made at a time or after it; the end when there is none.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub fn first_at(&self, time_micros: u64) -> Result<Sequence, IndexError> {
        let mut fetch = self.fetch();
        let first = self.inner.snapshot().0.first().map_or(0, |part| part.first_seq);
        let (mut low, mut high) = (first, self.end().0);
        while low < high {
            let middle = low + (high - low) / 2;
            let sequence = Sequence(middle);
            let record = fetch.record(sequence)?.ok_or(IndexError::Unreadable { sequence })?;
            let time = self.inner.extract.time_micros(&record);
            if time.map_err(|_| IndexError::Unreadable { sequence })? < time_micros {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Sequence(low))
    }
}

impl Inner {
    pub(crate) fn snapshot(&self) -> (Arc<Vec<Part>>, LogCursor) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&state.parts), state.reached)
    }

    /// What a sealed segment's index has to be of; `None` while it is written to.
    pub(crate) fn identity(&self, number: SegmentNumber) -> Result<Option<Identity>, IndexError> {
        let mut source = DirSource::new(&self.dir);
        let (own, next) = (source.header(number)?, source.header(number.next())?);
        let (Some(own), Some(next)) = (own, next) else { return Ok(None) };
        Ok(Some(self.identity_of(number, &own, &next)))
    }

    /// What the index of a segment has to be of, from its header and the next one's.
    pub(crate) fn identity_of(
        &self,
        segment: SegmentNumber,
        own: &SegmentHeader,
        next: &SegmentHeader,
    ) -> Identity {
        Identity {
            owner: self.owner,
            segment,
            first_seq: own.first_seq.0,
            next_seq: next.first_seq.0,
            last_hash: next.previous,
            extractor: self.extract.version(),
        }
    }

    /// Puts another source in the place of a segment's.
    pub(crate) fn replace(&self, number: SegmentNumber, source: Source) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut parts = state.parts.as_ref().clone();
        parts.iter_mut().filter(|part| part.number == number).for_each(|part| part.source = source.clone());
        state.parts = Arc::new(parts);
    }

    fn find(&self, key: &Key, range: &Range, found: &mut Vec<u64>) -> Result<(), IndexError> {
        let (parts, reached) = self.snapshot();
        let gap = range.within(reached.seq.0, u64::MAX);
        if range.descending {
            self.find_in_gap(key, &gap, reached, found)?;
        }
        let start = parts.partition_point(|part| part.next_seq <= range.from);
        let end = parts.partition_point(|part| part.first_seq < range.to);
        let parts = parts.get(start..end).unwrap_or_default();
        let visit = |part: &Part, found: &mut Vec<u64>| {
            let range = range.within(part.first_seq, part.next_seq.min(reached.seq.0));
            if range.is_full(found) || range.is_empty() {
                return Ok(());
            }
            self.find_in_part(part, key, &range, found)
        };
        if range.descending {
            parts.iter().rev().try_for_each(|part| visit(part, found))
        } else {
            parts.iter().try_for_each(|part| visit(part, found))?;
            self.find_in_gap(key, &gap, reached, found)
        }
    }

    /// Records that are durable and not indexed yet.
    fn find_in_gap(
        &self,
        key: &Key,
        range: &Range,
        reached: LogCursor,
        found: &mut Vec<u64>,
    ) -> Result<(), IndexError> {
        if range.is_empty() || range.is_full(found) {
            return Ok(());
        }
        self.scan(Reader::resume(&self.dir, self.owner, reached), key, range, found)
    }

    fn find_in_part(
        &self,
        part: &Part,
        key: &Key,
        range: &Range,
        found: &mut Vec<u64>,
    ) -> Result<(), IndexError> {
        let indexed_to = part.indexed_to();
        let (indexed, rest) = (range.within(0, indexed_to), range.within(indexed_to, u64::MAX));
        if range.descending {
            self.scan_part(key, &rest, found)?;
        }
        if !indexed.is_empty() && !indexed.is_full(found) {
            let before = found.len();
            let sealed = match &part.source {
                Source::Hot(hot) => {
                    hot.find(key, &indexed, found);
                    Ok(())
                }
                Source::Sealed(sealed) => sealed.find(key, &indexed, found),
                Source::Log => Ok(()),
            };
            if let Err(doubt) = sealed {
                found.truncate(before);
                self.distrust(part.number, doubt);
                self.scan_part(key, &indexed, found)?;
            }
        }
        if range.descending { Ok(()) } else { self.scan_part(key, &rest, found) }
    }

    /// A sealed index turned out to be wrong: the segment itself is read until there is a new one.
    pub(crate) fn distrust(&self, segment: SegmentNumber, doubt: Doubt) {
        self.replace(segment, Source::Log);
        self.watch.tell(&Event::Rebuilding { segment, doubt });
        self.work.rebuild(segment);
    }

    fn scan_part(&self, key: &Key, range: &Range, found: &mut Vec<u64>) -> Result<(), IndexError> {
        if range.is_empty() || range.is_full(found) {
            return Ok(());
        }
        self.scan(Reader::open(&self.dir)?.from(Sequence(range.from))?, key, range, found)
    }

    /// Reads the log itself.
    fn scan(
        &self,
        mut reader: Reader,
        key: &Key,
        range: &Range,
        found: &mut Vec<u64>,
    ) -> Result<(), IndexError> {
        let room = range.limit - found.len();
        let (mut keys, mut hits) = (Keys::default(), Vec::new());
        'log: while reader.next_seq().0 < range.to {
            let Some(block) = reader.next_block()? else { break };
            for (sequence, record) in block.records().filter(|(seq, _)| range.holds(seq.0)) {
                keys.clear();
                self.extract.keys(record, &mut keys).map_err(|_| IndexError::Unreadable { sequence })?;
                if keys.as_slice().contains(key) {
                    hits.push(sequence.0);
                }
                if !range.descending && hits.len() >= room {
                    break 'log;
                }
            }
            // Newest first, only the last ones of the scan are wanted.
            if range.descending && hits.len() > 2 * room {
                hits.drain(..hits.len() - room);
            }
        }
        if range.descending {
            hits.reverse();
        }
        hits.truncate(room);
        found.extend(hits);
        Ok(())
    }
}
