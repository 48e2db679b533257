//! The high-water mark: a small synced file that names a position known to be durable.
//!
//! It is written when a log is opened, sealed and closed, always as a new file renamed over the old one.
//! Recovery starts from it, and a log that ends below it is damaged. Integers are little endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `SWYMARK` and a zero |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | partition |
//! | 12 | 4 | CRC32C of every other byte of the file |
//! | 16 | 16 | ledger id |
//! | 32 | 8 | writer epoch |
//! | 40 | 8 | number of the block after the marked one |
//! | 48 | 8 | sequence after the marked block |
//! | 56 | 8 | segment of the marked block |
//! | 64 | 8 | offset of the marked block in it |
//! | 72 | 4 | 1 when the log was closed in good order, else 0 |
//! | 76 | 4 | count of Merkle peaks |
//! | 80 | 32 | hash of the marked block |
//! | 112 | 32 each | Merkle peaks, largest sub-tree first |

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::block::{read_array, read_u16, read_u32, read_u64};
use crate::error::Fault;
use crate::file::for_writing;
use crate::merkle::Frontier;
use crate::{BlockNumber, Epoch, Error, Finding, Hash, LedgerId, Partition, Result, SegmentNumber, Sequence};

const MAGIC: [u8; 8] = *b"SWYMARK\0";
const VERSION: u16 = 1;
const CRC_AT: usize = 12;
const FIXED_BYTES: usize = 112;
const NAME: &str = "mark";

/// A durable position and all that is needed to go on from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) ledger_id: LedgerId,
    pub(crate) partition: Partition,
    pub(crate) epoch: Epoch,
    pub(crate) next_block: BlockNumber,
    pub(crate) next_seq: Sequence,
    pub(crate) segment: SegmentNumber,
    pub(crate) offset: u64,
    pub(crate) clean: bool,
    pub(crate) hash: Hash,
    pub(crate) frontier: Frontier,
}

impl Mark {
    /// The mark in a log's directory, if there is one.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(NAME);
        match fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Puts the mark in place of the one before; it is durable on return.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        write_file(dir, NAME, &self.encode())
    }

    /// Reads the bytes of a mark; any difference from what was written is a finding.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).map_err(|what| {
            let (segment, offset, block) = (SegmentNumber::default(), 0, BlockNumber::default());
            Error::Corrupt(Finding { segment, offset, block, what })
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() < FIXED_BYTES || bytes[..8] != MAGIC {
            return Err(Fault::Mark);
        }
        if read_u32(bytes, CRC_AT) != checksum(bytes) {
            return Err(Fault::Mark);
        }
        let version = read_u16(bytes, 8);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        let (peaks, rest) = bytes[FIXED_BYTES..].as_chunks::<32>();
        let next_seq = read_u64(bytes, 48);
        let frontier = Frontier::from_peaks(next_seq, peaks.iter().copied().map(Hash).collect());
        let (Some(frontier), true, clean @ 0..=1) = (frontier, rest.is_empty(), read_u32(bytes, 72)) else {
            return Err(Fault::Mark);
        };
        let next_block = read_u64(bytes, 40);
        if next_block == 0 || read_u32(bytes, 76) as usize != peaks.len() {
            return Err(Fault::Mark);
        }
        Ok(Self {
            ledger_id: LedgerId(read_array(bytes, 16)),
            partition: Partition(read_u16(bytes, 10)),
            epoch: Epoch(read_u64(bytes, 32)),
            next_block: BlockNumber(next_block),
            next_seq: Sequence(next_seq),
            segment: SegmentNumber(read_u64(bytes, 56)),
            offset: read_u64(bytes, 64),
            clean: clean == 1,
            hash: Hash(read_array(bytes, 80)),
            frontier,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let peaks = self.frontier.peaks();
        let mut bytes = Vec::with_capacity(FIXED_BYTES + 32 * peaks.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.partition.0.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.ledger_id.0);
        let numbers = [self.epoch.0, self.next_block.0, self.next_seq.0, self.segment.0, self.offset];
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&u32::from(self.clean).to_le_bytes());
        bytes.extend_from_slice(&(peaks.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.hash.0);
        peaks.iter().for_each(|peak| bytes.extend_from_slice(&peak.0));
        let crc = checksum(&bytes);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..CRC_AT]), &bytes[CRC_AT + 4..])
}

/// Writes a whole file so that after a crash it is there entirely or not at all: temp, sync, rename, sync.
pub(crate) fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let temp = dir.join(format!("{name}.tmp"));
    let mut file = for_writing().truncate(true).open(&temp).map_err(Error::io("create", &temp))?;
    file.write_all(bytes).map_err(Error::io("write", &temp))?;
    file.sync_all().map_err(Error::io("sync", &temp))?;
    let path = dir.join(name);
    fs::rename(&temp, &path).map_err(Error::io("rename", &path))?;
    sync_dir(dir)
}

/// Records that the mark of a log names as durable: how far a reader has to go at least, for those who show progress.
/// `None` without a mark.
///
/// # Errors
/// `Corrupt` when the mark is damaged, `Io`.
pub fn marked_records(dir: &Path) -> Result<Option<u64>> {
    Ok(Mark::read(dir)?.map(|mark| mark.next_seq.0))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;

    #[test]
    fn every_flipped_byte_and_every_cut_of_a_mark_is_found() {
        let mut frontier = Frontier::new();
        (0..5u8).for_each(|n| frontier.push(leaf_hash(&[n])));
        let mark = Mark {
            ledger_id: LedgerId([1; 16]),
            partition: Partition(2),
            epoch: Epoch(3),
            next_block: BlockNumber(4),
            next_seq: Sequence(5),
            segment: SegmentNumber(6),
            offset: 8192,
            clean: true,
            hash: Hash([9; 32]),
            frontier,
        };
        let bytes = mark.encode();
        assert_eq!(Mark::decode(&bytes).unwrap(), mark);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Mark::decode(&bad).is_err(), "byte {at}");
            assert!(Mark::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
