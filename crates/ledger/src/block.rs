//! A block is one group commit: a header, the records, zeros up to the next page.
//!
//! All integers are little endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `SWYBLOCK` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | kind: 1 open, 2 records, 3 seal |
//! | 12 | 4 | CRC32C of every other byte of header and payload, in order |
//! | 16 | 16 | ledger id |
//! | 32 | 2 | partition |
//! | 34 | 2 | zero |
//! | 36 | 4 | payload length in bytes |
//! | 40 | 8 | writer epoch |
//! | 48 | 8 | block number |
//! | 56 | 8 | sequence of the first record |
//! | 64 | 4 | count of records |
//! | 68 | 4 | zero |
//! | 72 | 8 | time, microseconds since 1970 |
//! | 80 | 8 | bytes of a torn block that were cut before this block; only a block of kind open has any |
//! | 88 | 32 | SHA-256 of the header of the block before; zeros in block 0 |
//! | 120 | 32 | Merkle root of the whole log after this block |
//! | 152 | 8 | zero |
//! | 160 | … | payload: each record behind its length as u32 |
//! | … | … | zeros up to a multiple of 4096 |
//!
//! The hash of a block is that of its header alone: the header holds the Merkle root, and the root holds every
//! record. Magic, version and the place and reach of the checksum stay as they are in every later version, so
//! that an old program can tell a newer block from a damaged one.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::batch::PREFIX_BYTES;
use crate::error::Fault;
use crate::limits::{BLOCK_BYTES_MAX, PAGE_BYTES, RECORD_BYTES_MAX, page_up};
use crate::merkle::{Frontier, leaf_hash};
use crate::{BlockNumber, Epoch, Hash, LedgerId, Partition, Sequence};

/// Length of a block's header.
pub const HEADER_BYTES: usize = 160;

/// First bytes of every block.
pub const MAGIC: [u8; 8] = *b"SWYBLOCK";

/// Format version written by this program.
pub const VERSION: u16 = 1;

/// Longest payload of one block.
pub const PAYLOAD_BYTES_MAX: usize = BLOCK_BYTES_MAX - HEADER_BYTES;

const CRC_AT: usize = 12;

/// Why a block was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A writer opened the log: its epoch starts here. No records.
    Open,
    /// A group commit.
    Records,
    /// An idle gap or a snapshot: what stands before is no longer the last block. No records.
    Seal,
}

impl Kind {
    fn code(self) -> u16 {
        match self {
            Self::Open => 1,
            Self::Records => 2,
            Self::Seal => 3,
        }
    }

    fn from_code(code: u16) -> Option<Self> {
        [Self::Open, Self::Records, Self::Seal].into_iter().find(|kind| kind.code() == code)
    }
}

/// The facts in a block's header; lengths and checksum are left to [`encode`] and [`decode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Why the block was written.
    pub kind: Kind,
    /// Ledger it belongs to.
    pub ledger_id: LedgerId,
    /// Partition it belongs to.
    pub partition: Partition,
    /// Epoch of the writer.
    pub epoch: Epoch,
    /// Place in the log.
    pub block: BlockNumber,
    /// Sequence of the first record, or of the next one when there are none.
    pub first_seq: Sequence,
    /// Count of records.
    pub count: u32,
    /// Microseconds since 1970, as the writer's clock had them.
    pub time_micros: u64,
    /// Bytes of a torn block that were cut before this block.
    pub cut_bytes: u64,
    /// Hash of the block before.
    pub previous: Hash,
    /// Merkle root of the whole log after this block.
    pub root: Hash,
}

impl BlockHeader {
    /// Sequence after the last record.
    pub fn next_seq(&self) -> Sequence {
        Sequence(self.first_seq.0.saturating_add(u64::from(self.count)))
    }
}

/// A whole block, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    /// Its header.
    pub header: BlockHeader,
    /// SHA-256 of its header; the next block names it.
    pub hash: Hash,
    payload: &'a [u8],
}

impl fmt::Debug for Block<'_> {
    /// The header only: what a record holds is nothing for a log file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("header", &self.header).finish_non_exhaustive()
    }
}

impl fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("next", &self.seq).finish_non_exhaustive()
    }
}

impl<'a> Block<'a> {
    /// Puts together again what [`decode`] took apart.
    pub(crate) fn from_parts(header: BlockHeader, hash: Hash, payload: &'a [u8]) -> Self {
        Self { header, hash, payload }
    }

    /// The records with their sequences.
    pub fn records(&self) -> Records<'a> {
        Records { rest: self.payload, seq: self.header.first_seq }
    }

    /// Adds the records to a tree, which must come to the root that the header names.
    pub(crate) fn grow(&self, tree: &mut Frontier) -> Result<(), Fault> {
        self.records().for_each(|(_, record)| tree.push(leaf_hash(record)));
        if tree.root() == self.header.root { Ok(()) } else { Err(Fault::Root) }
    }

    /// Length of the payload.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.payload.len()
    }

    /// Length on disk, padding included.
    pub fn image_bytes(&self) -> usize {
        image_bytes(self.payload.len())
    }
}

/// Iterates over the records of a block.
#[derive(Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    seq: Sequence,
}

impl<'a> Iterator for Records<'a> {
    type Item = (Sequence, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (record, rest) = split_record(self.rest)?;
        let seq = self.seq;
        self.rest = rest;
        self.seq = Sequence(seq.0 + 1);
        Some((seq, record))
    }
}

/// Length on disk of a block with this payload.
pub fn image_bytes(payload_bytes: usize) -> usize {
    page_up(HEADER_BYTES + payload_bytes)
}

/// Writes the image of a block into `image`, which is emptied first, and returns the block's hash.
/// `payload` is the parts of the payload in order.
///
/// # Panics
/// When the payload is over [`PAYLOAD_BYTES_MAX`]; the log checks before.
pub fn encode<'a>(
    header: &BlockHeader,
    payload: impl Iterator<Item = &'a [u8]>,
    image: &mut Vec<u8>,
) -> Hash {
    image.clear();
    image.resize(HEADER_BYTES, 0);
    payload.for_each(|part| image.extend_from_slice(part));
    let payload_bytes = image.len() - HEADER_BYTES;
    assert!(payload_bytes <= PAYLOAD_BYTES_MAX, "a block's payload is bounded by its maker");
    put_header(header, payload_bytes as u32, &mut image[..HEADER_BYTES]);
    let crc = checksum(image);
    image[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    let hash = header_hash(image);
    image.resize(page_up(image.len()), 0);
    hash
}

/// Reads the block at the start of `bytes`, which may go on beyond it. Every byte up to the next page counts:
/// a set bit in the padding is a fault too. Never panics, whatever the bytes.
///
/// # Errors
/// `Magic`, `Length` and `Checksum` when the block is not whole; any other fault means that a whole block says
/// something it cannot.
pub fn decode(bytes: &[u8]) -> Result<Block<'_>, Fault> {
    let payload_bytes = payload_bytes(bytes)?;
    let end = HEADER_BYTES + payload_bytes;
    let padded = page_up(end);
    let whole = bytes.get(..padded).ok_or(Fault::Length)?;
    if read_u32(whole, CRC_AT) != checksum(&whole[..end]) {
        return Err(Fault::Checksum);
    }
    let header = header(whole)?;
    let payload = &whole[HEADER_BYTES..end];
    check_records(&header, payload)?;
    if whole[end..].iter().any(|byte| *byte != 0) {
        return Err(Fault::Padding);
    }
    Ok(Block { header, hash: header_hash(whole), payload })
}

/// Length of the payload as the header has it, checked against its bounds and nothing else.
pub(crate) fn payload_bytes(bytes: &[u8]) -> Result<usize, Fault> {
    if bytes.len() < HEADER_BYTES {
        return Err(Fault::Length);
    }
    if bytes[..8] != MAGIC {
        return Err(Fault::Magic);
    }
    let payload_bytes = read_u32(bytes, 36) as usize;
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(Fault::Length);
    }
    Ok(payload_bytes)
}

/// The header's facts, without its checksum being looked at.
pub(crate) fn header(bytes: &[u8]) -> Result<BlockHeader, Fault> {
    if bytes.len() < HEADER_BYTES {
        return Err(Fault::Length);
    }
    let version = read_u16(bytes, 8);
    if version != VERSION {
        return Err(Fault::Version(version));
    }
    let kind = Kind::from_code(read_u16(bytes, 10)).ok_or(Fault::Reserved)?;
    let reserved = [&bytes[34..36], &bytes[68..72], &bytes[152..160]];
    if reserved.iter().any(|part| part.iter().any(|byte| *byte != 0)) {
        return Err(Fault::Reserved);
    }
    Ok(BlockHeader {
        kind,
        ledger_id: LedgerId(read_array(bytes, 16)),
        partition: Partition(read_u16(bytes, 32)),
        epoch: Epoch(read_u64(bytes, 40)),
        block: BlockNumber(read_u64(bytes, 48)),
        first_seq: Sequence(read_u64(bytes, 56)),
        count: read_u32(bytes, 64),
        time_micros: read_u64(bytes, 72),
        cut_bytes: read_u64(bytes, 80),
        previous: Hash(read_array(bytes, 88)),
        root: Hash(read_array(bytes, 120)),
    })
}

/// Hash of the header at the start of `bytes`.
pub(crate) fn header_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(&bytes[..HEADER_BYTES]).into())
}

fn put_header(header: &BlockHeader, payload_bytes: u32, out: &mut [u8]) {
    out[..8].copy_from_slice(&MAGIC);
    out[8..10].copy_from_slice(&VERSION.to_le_bytes());
    out[10..12].copy_from_slice(&header.kind.code().to_le_bytes());
    out[16..32].copy_from_slice(&header.ledger_id.0);
    out[32..34].copy_from_slice(&header.partition.0.to_le_bytes());
    out[36..40].copy_from_slice(&payload_bytes.to_le_bytes());
    out[40..48].copy_from_slice(&header.epoch.0.to_le_bytes());
    out[48..56].copy_from_slice(&header.block.0.to_le_bytes());
    out[56..64].copy_from_slice(&header.first_seq.0.to_le_bytes());
    out[64..68].copy_from_slice(&header.count.to_le_bytes());
    out[72..80].copy_from_slice(&header.time_micros.to_le_bytes());
    out[80..88].copy_from_slice(&header.cut_bytes.to_le_bytes());
    out[88..120].copy_from_slice(&header.previous.0);
    out[120..152].copy_from_slice(&header.root.0);
}

fn check_records(header: &BlockHeader, payload: &[u8]) -> Result<(), Fault> {
    let bare = header.kind != Kind::Records;
    if bare && !payload.is_empty() || header.kind != Kind::Open && header.cut_bytes != 0 {
        return Err(Fault::Reserved);
    }
    let mut rest = payload;
    let mut count = 0u32;
    while !rest.is_empty() {
        let (record, after) = split_record(rest).ok_or(Fault::Records)?;
        if record.len() > RECORD_BYTES_MAX {
            return Err(Fault::Records);
        }
        rest = after;
        count += 1;
    }
    let fits = header.first_seq.0.checked_add(u64::from(count)).is_some();
    if count == header.count && fits { Ok(()) } else { Err(Fault::Records) }
}

fn split_record(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = payload.split_first_chunk::<PREFIX_BYTES>()?;
    rest.split_at_checked(u32::from_le_bytes(*prefix) as usize)
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..CRC_AT]), &bytes[CRC_AT + 4..])
}

pub(crate) fn read_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(read_array(bytes, at))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(read_array(bytes, at))
}

pub(crate) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(read_array(bytes, at))
}

/// Callers have checked the length of what they read from.
pub(crate) fn read_array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

const _: () = assert!(BLOCK_BYTES_MAX.is_multiple_of(PAGE_BYTES));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordBatch;
    use proptest::prelude::*;

    fn sample(kind: Kind, count: u32) -> BlockHeader {
        BlockHeader {
            kind,
            ledger_id: LedgerId(*b"0123456789abcdef"),
            partition: Partition(0x0102),
            epoch: Epoch(3),
            block: BlockNumber(4),
            first_seq: Sequence(5),
            count,
            time_micros: 6,
            cut_bytes: 0,
            previous: Hash([7; 32]),
            root: Hash([8; 32]),
        }
    }

    fn image_of(records: &[&[u8]]) -> Vec<u8> {
        let mut batch = RecordBatch::new();
        records.iter().for_each(|record| batch.push_bytes(record).unwrap());
        let mut image = Vec::new();
        encode(&sample(Kind::Records, batch.count() as u32), [batch.bytes()].into_iter(), &mut image);
        image
    }

    #[test]
    fn a_block_comes_back_as_it_was_written() {
        let image = image_of(&[b"first", b"", &[9; 5000]]);
        assert_eq!(image.len(), 2 * PAGE_BYTES);
        let block = decode(&image).unwrap();
        assert_eq!(block.header, sample(Kind::Records, 3));
        assert_eq!(block.image_bytes(), image.len());
        let records: Vec<_> = block.records().collect();
        let expected: [(Sequence, &[u8]); 3] =
            [(Sequence(5), b"first"), (Sequence(6), b""), (Sequence(7), &[9; 5000])];
        assert_eq!(records, expected);
    }

    #[test]
    fn every_flipped_byte_of_a_block_is_found() {
        let image = image_of(&[b"first", b"second"]);
        for at in 0..image.len() {
            let mut bad = image.clone();
            bad[at] ^= 0x10;
            assert!(decode(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn every_cut_of_a_block_is_found() {
        let image = image_of(&[b"first", b"second"]);
        assert!((0..image.len()).all(|end| decode(&image[..end]).is_err()));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..600), fix in any::<bool>()) {
            if fix && bytes.len() >= HEADER_BYTES {
                bytes[..8].copy_from_slice(&MAGIC);
                bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
                let payload = (bytes.len() - HEADER_BYTES) as u32;
                bytes[36..40].copy_from_slice(&payload.to_le_bytes());
                let crc = checksum(&bytes);
                bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
                bytes.resize(page_up(bytes.len()), 0);
            }
            let _ = decode(&bytes);
        }
    }
}
