//! The index of a sealed segment: one sorted map in a file beside it, never changed once it has its name.
//!
//! `segment-00000001.index` holds a header page, [chunks](super::chunk) one after the other, the places of the
//! segment's blocks, and the table of chunks. Integers are little endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `SWYINDEX` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | partition |
//! | 12 | 4 | CRC32C of every other byte of the page and of the table |
//! | 16 | 16 | ledger id |
//! | 32 | 8 | segment number |
//! | 40 | 8 | sequence of the segment's first record |
//! | 48 | 8 | sequence after its last |
//! | 56 | 8 | sequence up to which it is indexed |
//! | 64 | 32 | hash of the segment's last block |
//! | 96 | 4 | version of the extractor |
//! | 100 | 4 | count of chunks |
//! | 104 | 8 | offset of the blocks' places |
//! | 112 | 8 | count of blocks |
//! | 120 | 8 | offset of the table; it reaches to the end of the file |
//! | 128 | 8 | length of the file |
//!
//! A block's place is its first sequence and its offset, 8 bytes each. An entry of the table is a chunk's offset
//! (8), length (4) and CRC32C (4), and the key that it begins with, behind its length (1).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::chunk::{self, entry_key};
use super::error::Doubt;
use super::hot::{BlockPlace, Range};
use super::key::Key;
use super::limits::{CHUNK_BYTES_MAX, TABLE_BYTES_MAX};
use crate::block::{read_array, read_u16, read_u32, read_u64};
use crate::limits::PAGE_BYTES;
use crate::{Hash, LedgerId, Partition, SegmentNumber};

const MAGIC: [u8; 8] = *b"SWYINDEX";
pub(crate) const VERSION: u16 = 1;
const CRC_AT: usize = 12;
const PLACE_BYTES: u64 = 16;

/// What an index is of: it is used only when all of it agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) owner: (LedgerId, Partition),
    pub(crate) segment: SegmentNumber,
    pub(crate) first_seq: u64,
    pub(crate) next_seq: u64,
    /// Hash of the segment's last block, as the segment after it names it.
    pub(crate) last_hash: Hash,
    pub(crate) extractor: u32,
}

/// The rest of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) indexed_to: u64,
    pub(crate) chunks: u32,
    pub(crate) blocks_at: u64,
    pub(crate) blocks: u64,
    pub(crate) table_at: u64,
    pub(crate) file_bytes: u64,
}

/// Where a chunk stands.
#[derive(Debug, Clone)]
pub(crate) struct ChunkPlace {
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
    pub(crate) crc: u32,
    pub(crate) first_key: Vec<u8>,
}

/// Path of the index beside a segment.
pub(crate) fn path(dir: &Path, number: SegmentNumber) -> PathBuf {
    dir.join(format!("segment-{:08}.index", number.0))
}

/// Where indexes may lie: beside the log, or with segments that were archived.
pub(crate) fn homes(dir: &Path) -> Vec<PathBuf> {
    let archives = crate::archive::names(dir).unwrap_or_default();
    std::iter::once(dir.to_path_buf()).chain(archives).collect()
}

/// Copies the index of a segment to another directory: temporary file, synced, renamed. Nothing depends on it.
pub(crate) fn copy(dir: &Path, target: &Path, number: SegmentNumber) {
    let (from, to) = (path(dir, number), path(target, number));
    let temp = to.with_extension(format!("index.{}.tmp", std::process::id()));
    if crate::archive::copy(&from, &temp, &to, u64::MAX).is_err() {
        let _ = std::fs::remove_file(&temp);
    }
}

/// The header page; `table` is what the checksum covers besides.
pub(crate) fn encode_header(identity: &Identity, layout: &Layout, table: &[u8]) -> Vec<u8> {
    let mut page = vec![0; PAGE_BYTES];
    page[..8].copy_from_slice(&MAGIC);
    page[8..10].copy_from_slice(&VERSION.to_le_bytes());
    page[10..12].copy_from_slice(&identity.owner.1.0.to_le_bytes());
    page[16..32].copy_from_slice(&identity.owner.0.0);
    let numbers = [identity.segment.0, identity.first_seq, identity.next_seq, layout.indexed_to];
    for (at, number) in (32..).step_by(8).zip(numbers) {
        page[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    page[64..96].copy_from_slice(&identity.last_hash.0);
    page[96..100].copy_from_slice(&identity.extractor.to_le_bytes());
    page[100..104].copy_from_slice(&layout.chunks.to_le_bytes());
    let numbers = [layout.blocks_at, layout.blocks, layout.table_at, layout.file_bytes];
    for (at, number) in (104..).step_by(8).zip(numbers) {
        page[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let crc = checksum(&page, table);
    page[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    page
}

fn checksum(page: &[u8], table: &[u8]) -> u32 {
    let head = crc32c::crc32c_append(crc32c::crc32c(&page[..CRC_AT]), &page[CRC_AT + 4..]);
    crc32c::crc32c_append(head, table)
}

/// The table as it stands in the file.
pub(crate) fn encode_table(chunks: &[ChunkPlace]) -> Vec<u8> {
    let mut table = Vec::with_capacity(chunks.len() * 48);
    for chunk in chunks {
        table.extend_from_slice(&chunk.offset.to_le_bytes());
        table.extend_from_slice(&chunk.bytes.to_le_bytes());
        table.extend_from_slice(&chunk.crc.to_le_bytes());
        table.push(chunk.first_key.len() as u8);
        table.extend_from_slice(&chunk.first_key);
    }
    table
}

fn decode_table(mut bytes: &[u8], count: u32) -> Option<Vec<ChunkPlace>> {
    let mut chunks = Vec::new();
    for _ in 0..count {
        let (head, rest) = bytes.split_at_checked(17)?;
        let (key, rest) = rest.split_at_checked(usize::from(head[16]))?;
        let place = ChunkPlace {
            offset: read_u64(head, 0),
            bytes: read_u32(head, 8),
            crc: read_u32(head, 12),
            first_key: key.to_vec(),
        };
        if place.bytes > CHUNK_BYTES_MAX {
            return None;
        }
        chunks.push(place);
        bytes = rest;
    }
    bytes.is_empty().then_some(chunks)
}

/// A sealed index, ready for lookups. Its table is in memory, everything else is read when it is asked for.
#[derive(Debug)]
pub(crate) struct Sealed {
    path: PathBuf,
    first_seq: u64,
    layout: Layout,
    table: Vec<ChunkPlace>,
}

impl Sealed {
    /// Opens the index of a segment in the first of its [`homes`] that has one that is what it has to be; else the
    /// doubt about the one beside the log.
    pub(crate) fn find_and_open(homes: &[PathBuf], expected: &Identity) -> Result<Self, Doubt> {
        let mut opened = Err(Doubt::Missing);
        for home in homes {
            opened = Self::open(&path(home, expected.segment), expected).map_err(|doubt| match opened {
                Err(Doubt::Missing) | Ok(_) => doubt,
                Err(first) => first,
            });
            if opened.is_ok() {
                break;
            }
        }
        opened
    }

    /// Opens the index at a path, if it is what it has to be.
    pub(crate) fn open(path: &Path, expected: &Identity) -> Result<Self, Doubt> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Doubt::Missing),
            Err(_) => return Err(Doubt::Unreadable),
        };
        let length = file.metadata().map_err(|_| Doubt::Unreadable)?.len();
        let page = read(&file, 0, PAGE_BYTES)?;
        if page[..8] != MAGIC {
            return Err(Doubt::Damaged);
        }
        if read_u16(&page, 8) != VERSION {
            return Err(Doubt::Version);
        }
        let (identity, layout) = decode_header(&page);
        let table_bytes = layout.file_bytes.checked_sub(layout.table_at).ok_or(Doubt::Damaged)?;
        if layout.file_bytes != length || table_bytes > TABLE_BYTES_MAX {
            return Err(Doubt::Damaged);
        }
        let table = read(&file, layout.table_at, table_bytes as usize)?;
        if read_u32(&page, CRC_AT) != checksum(&page, &table) {
            return Err(Doubt::Damaged);
        }
        if identity.extractor != expected.extractor {
            return Err(Doubt::Version);
        }
        if identity != *expected {
            return Err(Doubt::Foreign);
        }
        let table = decode_table(&table, layout.chunks).ok_or(Doubt::Damaged)?;
        Ok(Self { path: path.to_path_buf(), first_seq: identity.first_seq, layout, table })
    }

    /// Where the index of this segment ends.
    pub(crate) fn indexed_to(&self) -> u64 {
        self.layout.indexed_to
    }

    /// Adds the records of a key that lie in the range to `found`.
    pub(crate) fn find(&self, key: &Key, range: &Range, found: &mut Vec<u64>) -> Result<(), Doubt> {
        let distance = |seq: u64| u32::try_from(seq.saturating_sub(self.first_seq)).unwrap_or(u32::MAX);
        let (low, high) =
            (entry_key(key, distance(range.from)), entry_key(key, distance(range.to.saturating_sub(1))));
        // The entry that reaches into the range from before stands in the last chunk that begins at or before it.
        let start = self
            .table
            .partition_point(|chunk| chunk.first_key.as_slice() <= low.as_slice())
            .saturating_sub(1);
        let end = self.table.partition_point(|chunk| chunk.first_key.as_slice() <= high.as_slice());
        let mut places: Vec<_> = self.table.get(start..end).unwrap_or_default().iter().collect();
        if range.descending {
            places.reverse();
        }
        if places.is_empty() {
            return Ok(());
        }
        let file = File::open(&self.path).map_err(|_| Doubt::Unreadable)?;
        for place in places {
            if range.is_full(found) {
                break;
            }
            let bytes = read(&file, place.offset, place.bytes as usize)?;
            if crc32c::crc32c(&bytes) != place.crc {
                return Err(Doubt::Damaged);
            }
            chunk::find(&bytes, key, range, self.first_seq, found).ok_or(Doubt::Damaged)?;
        }
        Ok(())
    }

    /// The block that holds a record. The places have no checksum: whoever reads there checks the block itself.
    pub(crate) fn block_of(&self, seq: u64) -> Result<Option<BlockPlace>, Doubt> {
        let file = File::open(&self.path).map_err(|_| Doubt::Unreadable)?;
        let place = |at: u64| -> Result<BlockPlace, Doubt> {
            let bytes = read(&file, self.layout.blocks_at + at * PLACE_BYTES, PLACE_BYTES as usize)?;
            Ok(BlockPlace { first_seq: read_u64(&bytes, 0), offset: read_u64(&bytes, 8) })
        };
        let (mut low, mut high) = (0, self.layout.blocks);
        while low < high {
            let middle = low + (high - low) / 2;
            if place(middle)?.first_seq <= seq { low = middle + 1 } else { high = middle }
        }
        low.checked_sub(1).map(place).transpose()
    }
}

fn decode_header(page: &[u8]) -> (Identity, Layout) {
    let identity = Identity {
        owner: (LedgerId(read_array(page, 16)), Partition(read_u16(page, 10))),
        segment: SegmentNumber(read_u64(page, 32)),
        first_seq: read_u64(page, 40),
        next_seq: read_u64(page, 48),
        last_hash: Hash(read_array(page, 64)),
        extractor: read_u32(page, 96),
    };
    let layout = Layout {
        indexed_to: read_u64(page, 56),
        chunks: read_u32(page, 100),
        blocks_at: read_u64(page, 104),
        blocks: read_u64(page, 112),
        table_at: read_u64(page, 120),
        file_bytes: read_u64(page, 128),
    };
    (identity, layout)
}

fn read(file: &File, offset: u64, count: usize) -> Result<Vec<u8>, Doubt> {
    let mut bytes = vec![0; count];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(Doubt::Damaged),
        Err(_) => Err(Doubt::Unreadable),
    }
}
