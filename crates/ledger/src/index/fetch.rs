//! From a sequence to its record, by way of the places of blocks that the index keeps.

use super::view::{Index, Source};
use super::{Doubt, IndexError};
use std::ops::Range;

use crate::block::{self, Block, BlockHeader, HEADER_BYTES, image_bytes};
use crate::segment::{DirSource, Source as _};
use crate::{Hash, Reader, Result, SegmentNumber, Sequence};

/// What is read of a block before its length is known.
const FIRST_READ_BYTES: usize = 16 * 1024;

/// Reads records one after the other; the block that was read last is kept.
pub struct Fetch<'a> {
    index: &'a Index,
    source: DirSource,
    /// The kept block, checked when it was read.
    image: Vec<u8>,
    held: Option<Held>,
}

/// What the image of the kept block was found to be.
struct Held {
    header: BlockHeader,
    hash: Hash,
    payload_bytes: usize,
}

impl Held {
    fn new(block: &Block<'_>) -> Self {
        Self { header: block.header, hash: block.hash, payload_bytes: block.payload_bytes() }
    }

    fn sequences(&self) -> Range<u64> {
        self.header.first_seq.0..self.header.next_seq().0
    }
}

impl std::fmt::Debug for Fetch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("holds", &self.held.as_ref().map(Held::sequences))
            .finish_non_exhaustive()
    }
}

impl<'a> Fetch<'a> {
    pub(crate) fn new(index: &'a Index) -> Self {
        Self { index, source: DirSource::new(&index.inner.dir), image: Vec::new(), held: None }
    }

    /// The record at a sequence; `None` at and beyond the end.
    ///
    /// # Errors
    /// `Log` when the log cannot be read.
    pub fn record(&mut self, seq: Sequence) -> Result<Option<Vec<u8>>, IndexError> {
        if seq >= self.index.end() {
            return Ok(None);
        }
        if !self.holds(seq) {
            self.load(seq)?;
        }
        let Some(held) = &self.held else { return Ok(None) };
        let payload = &self.image[HEADER_BYTES..HEADER_BYTES + held.payload_bytes];
        let block = Block::from_parts(held.header, held.hash, payload);
        Ok(block.records().find(|(found, _)| *found == seq).map(|(_, record)| record.to_vec()))
    }

    fn holds(&self, seq: Sequence) -> bool {
        self.held.as_ref().is_some_and(|held| held.sequences().contains(&seq.0))
    }

    fn load(&mut self, seq: Sequence) -> Result<(), IndexError> {
        let (parts, reached) = self.index.inner.snapshot();
        self.held = None;
        let at = parts.partition_point(|part| part.next_seq <= seq.0);
        let part = parts.get(at).filter(|part| part.first_seq <= seq.0 && seq < reached.seq);
        let Some(part) = part else {
            let resume = seq >= reached.seq;
            let reader = Reader::resume(&self.index.inner.dir, self.index.inner.owner, reached);
            return self.walk(if resume { reader } else { self.reader_at(seq)? }, seq);
        };
        let place = match &part.source {
            Source::Hot(hot) => Ok(hot.block_of(seq.0)),
            Source::Sealed(sealed) => sealed.block_of(seq.0),
            Source::Log => Ok(None),
        };
        match place {
            Ok(Some(place)) => {
                if self.read(part.number, place.offset)? && self.holds(seq) {
                    return Ok(());
                }
                if matches!(part.source, Source::Sealed(_)) {
                    self.index.inner.distrust(part.number, Doubt::Damaged);
                }
            }
            Ok(None) => {}
            Err(doubt) => self.index.inner.distrust(part.number, doubt),
        }
        self.walk(self.reader_at(seq)?, seq)
    }

    fn reader_at(&self, seq: Sequence) -> Result<Reader> {
        Reader::open(&self.index.inner.dir)?.from(seq)
    }

    /// The long way, for records whose block's place is not known.
    fn walk(&mut self, mut reader: Reader, seq: Sequence) -> Result<(), IndexError> {
        while let Some(block) = reader.next_block()? {
            let held = Held::new(&block);
            if held.sequences().contains(&seq.0) {
                self.image.clear();
                self.image.extend_from_slice(reader.found().2);
                self.held = Some(held);
                return Ok(());
            }
            if held.header.first_seq > seq {
                break;
            }
        }
        Err(IndexError::Unreadable { sequence: seq })
    }

    /// Reads the block at a place; `false` when there is none of this ledger.
    fn read(&mut self, segment: SegmentNumber, offset: u64) -> Result<bool> {
        self.held = None;
        self.image.resize(FIRST_READ_BYTES, 0);
        let count = self.source.read_at(segment, offset, &mut self.image)?;
        self.image.truncate(count);
        if count < HEADER_BYTES {
            return Ok(false);
        }
        let Ok(payload_bytes) = block::payload_bytes(&self.image) else { return Ok(false) };
        let need = image_bytes(payload_bytes);
        if need > count {
            self.image.resize(need, 0);
            let more = self.source.read_at(segment, offset + count as u64, &mut self.image[count..])?;
            self.image.truncate(count + more);
        } else {
            self.image.truncate(need);
        }
        let Ok(block) = block::decode(&self.image) else { return Ok(false) };
        if (block.header.ledger_id, block.header.partition) != self.index.inner.owner {
            return Ok(false);
        }
        self.held = Some(Held::new(&block));
        Ok(true)
    }
}
