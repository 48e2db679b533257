//! Segment files: names, the header page, and where their bytes are read from.
//!
//! The first page of `segment-00000001.log` and its successors, integers little endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `SWYSEGMT` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | partition |
//! | 12 | 4 | CRC32C of every other byte of the page |
//! | 16 | 16 | ledger id |
//! | 32 | 8 | segment number, from 1 |
//! | 40 | 8 | number of its first block |
//! | 48 | 8 | sequence of its first record |
//! | 56 | 8 | epoch of the writer that started it |
//! | 64 | 8 | capacity in bytes, this page included |
//! | 72 | 32 | hash of the last block of the segment before; zeros in segment 1 |
//! | 104 | 3992 | zero |
//!
//! A page of zeros means that the segment was prepared and not started.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::block::{read_array, read_u16, read_u32, read_u64};
use crate::error::Fault;
use crate::limits::{PAGE_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::{BlockNumber, Epoch, Error, Hash, LedgerId, Partition, Result, SegmentNumber, Sequence};

const MAGIC: [u8; 8] = *b"SWYSEGMT";
const VERSION: u16 = 1;
const CRC_AT: usize = 12;
const USED_BYTES: usize = 104;

/// The facts in a segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) ledger_id: LedgerId,
    pub(crate) partition: Partition,
    pub(crate) number: SegmentNumber,
    pub(crate) first_block: BlockNumber,
    pub(crate) first_seq: Sequence,
    pub(crate) epoch: Epoch,
    pub(crate) capacity_bytes: u64,
    pub(crate) previous: Hash,
}

impl SegmentHeader {
    /// The header page.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE_BYTES];
        page[..8].copy_from_slice(&MAGIC);
        page[8..10].copy_from_slice(&VERSION.to_le_bytes());
        page[10..12].copy_from_slice(&self.partition.0.to_le_bytes());
        page[16..32].copy_from_slice(&self.ledger_id.0);
        page[32..40].copy_from_slice(&self.number.0.to_le_bytes());
        page[40..48].copy_from_slice(&self.first_block.0.to_le_bytes());
        page[48..56].copy_from_slice(&self.first_seq.0.to_le_bytes());
        page[56..64].copy_from_slice(&self.epoch.0.to_le_bytes());
        page[64..72].copy_from_slice(&self.capacity_bytes.to_le_bytes());
        page[72..104].copy_from_slice(&self.previous.0);
        let crc = checksum(&page);
        page[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads a header page; the faults are those of [`block::decode`](crate::block::decode).
    pub(crate) fn decode(page: &[u8]) -> Result<Self, Fault> {
        let page = page.get(..PAGE_BYTES).ok_or(Fault::Length)?;
        if page[..8] != MAGIC {
            return Err(Fault::Magic);
        }
        if read_u32(page, CRC_AT) != checksum(page) {
            return Err(Fault::Checksum);
        }
        let version = read_u16(page, 8);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        let header = Self {
            ledger_id: LedgerId(read_array(page, 16)),
            partition: Partition(read_u16(page, 10)),
            number: SegmentNumber(read_u64(page, 32)),
            first_block: BlockNumber(read_u64(page, 40)),
            first_seq: Sequence(read_u64(page, 48)),
            epoch: Epoch(read_u64(page, 56)),
            capacity_bytes: read_u64(page, 64),
            previous: Hash(read_array(page, 72)),
        };
        let sized = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&header.capacity_bytes)
            && header.capacity_bytes.is_multiple_of(PAGE_BYTES as u64);
        if sized && is_zero(&page[USED_BYTES..]) { Ok(header) } else { Err(Fault::Reserved) }
    }
}

fn checksum(page: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&page[..CRC_AT]), &page[CRC_AT + 4..])
}

/// Whether every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Whole words first: the search behind the tail reads far more zeros than anything else.
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| word.iter().fold(0, |all, byte| all | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// Path of a segment's file.
pub(crate) fn path(dir: &Path, number: SegmentNumber) -> PathBuf {
    dir.join(format!("segment-{:08}.log", number.0))
}

/// Path of what an archived segment leaves in its directory: its header page.
pub(crate) fn stub_path(dir: &Path, number: SegmentNumber) -> PathBuf {
    dir.join(format!("segment-{:08}.archived", number.0))
}

/// Numbers of the segments of a directory, ascending, those that were archived among them.
pub(crate) fn list(dir: &Path) -> Result<Vec<SegmentNumber>> {
    let mut numbers = with_suffix(dir, ".log")?;
    numbers.extend(with_suffix(dir, ".archived")?);
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Numbers of the segment files with this suffix in a directory, ascending.
pub(crate) fn with_suffix(dir: &Path, suffix: &str) -> Result<Vec<SegmentNumber>> {
    let entries = std::fs::read_dir(dir).map_err(Error::io("list", dir))?;
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::io("list", dir))?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix("segment-")?.strip_suffix(suffix)?.parse().ok());
        numbers.extend(number.map(SegmentNumber));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Where the bytes of segments are read from: a directory, or memory in tests and fuzzing.
pub(crate) trait Source {
    /// Numbers of the segments there are, ascending.
    fn segments(&mut self) -> Result<Vec<SegmentNumber>>;
    /// Length of a segment in bytes; zero when there is none.
    fn len(&mut self, number: SegmentNumber) -> Result<u64>;
    /// Fills as much of `buffer` as the segment has from `offset` on, and returns how much that is.
    fn read_at(&mut self, number: SegmentNumber, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// The first page of a segment, shorter or empty when there is less.
    fn header_page(&mut self, number: SegmentNumber) -> Result<Vec<u8>> {
        let mut page = vec![0; PAGE_BYTES];
        let count = self.read_at(number, 0, &mut page)?;
        page.truncate(count);
        Ok(page)
    }

    /// Header of a segment; `None` when it was not started or its header is not one.
    fn header(&mut self, number: SegmentNumber) -> Result<Option<SegmentHeader>> {
        Ok(SegmentHeader::decode(&self.header_page(number)?).ok())
    }
}

/// Segments in a directory, or in the archives that it names; the file read last stays open.
#[derive(Debug)]
pub(crate) struct DirSource {
    dir: PathBuf,
    open: Option<(SegmentNumber, File)>,
}

impl DirSource {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), open: None }
    }

    fn file(&mut self, number: SegmentNumber) -> Result<Option<&File>> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            let live = open(&path(&self.dir, number))?;
            let found = if live.is_some() { live } else { crate::archive::open(&self.dir, number)? };
            let Some(file) = found else { return Ok(None) };
            self.open = Some((number, file));
        }
        Ok(self.open.as_ref().map(|(_, file)| file))
    }
}

impl Source for DirSource {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>> {
        list(&self.dir)
    }

    fn len(&mut self, number: SegmentNumber) -> Result<u64> {
        let path = path(&self.dir, number);
        let Some(file) = self.file(number)? else { return Ok(0) };
        Ok(file.metadata().map_err(Error::io("measure", path))?.len())
    }

    fn read_at(&mut self, number: SegmentNumber, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let path = path(&self.dir, number);
        match self.file(number) {
            Ok(Some(file)) => fill(file, offset, buffer).map_err(Error::io("read", path)),
            Ok(None) => Ok(0),
            // A header is known without its archive: who looks only for a place finds it.
            Err(error) if offset as usize + buffer.len() <= PAGE_BYTES => {
                let stub = stub_path(&self.dir, number);
                let Some(file) = open(&stub)? else { return Err(error) };
                fill(&file, offset, buffer).map_err(Error::io("read", stub))
            }
            Err(error) => Err(error),
        }
    }
}

/// Opens a file for reading; `None` when there is none.
pub(crate) fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

fn fill(file: &File, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Segments in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemorySource {
    pub(crate) segments: BTreeMap<SegmentNumber, Vec<u8>>,
}

impl Source for MemorySource {
    fn segments(&mut self) -> Result<Vec<SegmentNumber>> {
        Ok(self.segments.keys().copied().collect())
    }

    fn len(&mut self, number: SegmentNumber) -> Result<u64> {
        Ok(self.segments.get(&number).map_or(0, |bytes| bytes.len() as u64))
    }

    fn read_at(&mut self, number: SegmentNumber, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let bytes = self.segments.get(&number).map_or(&[][..], Vec::as_slice);
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
