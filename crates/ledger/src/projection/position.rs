//! Up to where the rows were made, and of what. It is one value beside the rows, integers little endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | CRC32C of the rest |
//! | 4 | 4 | format version, 1 |
//! | 8 | 8 | digest of the names and versions of the projections |
//! | 16 | 16 | ledger id |
//! | 32 | 2 | partition |
//! | 34 | 8 | segment of the last block |
//! | 42 | 8 | its offset |
//! | 50 | 8 | its number |
//! | 58 | 32 | its hash |
//! | 90 | 8 | sequence after its last record |
//! | 98 | 8 | count of rows |
//! | 106 | 8 | sum of the digests of the rows |

use sha2::{Digest, Sha256};

use super::Trouble;
use crate::block::{read_array, read_u16, read_u32, read_u64};
use crate::segment::DirSource;
use crate::walk::{Cursor, Walker};
use crate::{BlockNumber, Hash, LedgerId, Partition, SegmentNumber};

const VERSION: u32 = 1;
const BYTES: usize = 114;

/// A block of a log and what was made up to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) schema: u64,
    pub(crate) owner: (LedgerId, Partition),
    pub(crate) segment: SegmentNumber,
    pub(crate) offset: u64,
    pub(crate) block: BlockNumber,
    pub(crate) hash: Hash,
    pub(crate) next_seq: u64,
    pub(crate) sum: Sum,
}

/// The rows, added up: whatever was lost, kept or changed behind the engine's back shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    pub(crate) digest: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        self.digest = self.digest.wrapping_add(digest(key, value));
    }

    pub(crate) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        self.digest = self.digest.wrapping_sub(digest(key, value));
    }
}

fn digest(key: &[u8], value: &[u8]) -> u64 {
    let mut hash = Sha256::new();
    hash.update((key.len() as u64).to_le_bytes());
    hash.update(key);
    hash.update(value);
    read_u64(&hash.finalize(), 0)
}

/// What names and versions come to.
pub(crate) fn schema<'a>(projections: impl Iterator<Item = (&'a str, u32)>) -> u64 {
    let mut hash = Sha256::new();
    for (name, version) in projections {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(version.to_le_bytes());
    }
    read_u64(&hash.finalize(), 0)
}

impl Position {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.schema.to_le_bytes());
        bytes.extend_from_slice(&self.owner.0.0);
        bytes.extend_from_slice(&self.owner.1.0.to_le_bytes());
        for number in [self.segment.0, self.offset, self.block.0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.hash.0);
        for number in [self.next_seq, self.sum.rows, self.sum.digest] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Trouble> {
        if bytes.len() != BYTES || read_u32(bytes, 0) != crc32c::crc32c(&bytes[4..]) {
            return Err(Trouble::Digest);
        }
        if read_u32(bytes, 4) != VERSION {
            return Err(Trouble::Version);
        }
        Ok(Self {
            schema: read_u64(bytes, 8),
            owner: (LedgerId(read_array(bytes, 16)), Partition(read_u16(bytes, 32))),
            segment: SegmentNumber(read_u64(bytes, 34)),
            offset: read_u64(bytes, 42),
            block: BlockNumber(read_u64(bytes, 50)),
            hash: Hash(read_array(bytes, 58)),
            next_seq: read_u64(bytes, 90),
            sum: Sum { rows: read_u64(bytes, 98), digest: read_u64(bytes, 106) },
        })
    }

    /// Where a reader goes on, once the log was seen to hold the block.
    pub(crate) fn find_in(
        &self,
        log: &std::path::Path,
        owner: (LedgerId, Partition),
    ) -> Result<Cursor, Trouble> {
        if self.owner != owner {
            return Err(Trouble::Foreign);
        }
        let mut walker = Walker::new(DirSource::new(log));
        if walker.load(self.segment, self.offset)?.is_err() {
            return Err(Trouble::Beyond);
        }
        let block = walker.block();
        let (header, image_bytes) = (block.header, block.image_bytes() as u64);
        if block.hash != self.hash || header.block != self.block || header.next_seq().0 != self.next_seq {
            return Err(Trouble::Foreign);
        }
        let before = Cursor { segment: self.segment, offset: self.offset, ..Cursor::START };
        Ok(before.after(&header, self.hash, image_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_byte_and_every_cut_of_a_position_is_found() {
        let position = Position {
            schema: 1,
            owner: (LedgerId([2; 16]), Partition(3)),
            segment: SegmentNumber(4),
            offset: 8_192,
            block: BlockNumber(5),
            hash: Hash([6; 32]),
            next_seq: 7,
            sum: Sum { rows: 8, digest: 9 },
        };
        let bytes = position.encode();
        assert_eq!(Position::decode(&bytes).unwrap(), position);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Position::decode(&bad).is_err(), "byte {at}");
            assert!(Position::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
