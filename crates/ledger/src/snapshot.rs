//! Snapshot files: the content of something that follows from the log, with the place in the log that it
//! follows from.
//!
//! A snapshot saves reading the log from its start and is never needed: whoever finds it damaged, of another
//! version, or of a place that the log does not have, ignores it. What the sections mean is the writer's business.
//!
//! A file is named `snapshot-` and the sequence in 20 digits, and is put in place by rename after its sync.
//! Integers are little endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `SWYSNAP` and a zero |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | partition |
//! | 12 | 4 | CRC32C of every other byte of the header |
//! | 16 | 16 | ledger id |
//! | 32 | 8 | writer epoch of the anchor |
//! | 40 | 8 | sequence after the anchor: records that the content follows from |
//! | 48 | 8 | number of the anchor, a block |
//! | 56 | 8 | segment that it stands in |
//! | 64 | 8 | its offset there |
//! | 72 | 8 | digest of the content, as its writer computes it |
//! | 80 | 4 | version of the content |
//! | 84 | 4 | zero |
//! | 88 | 32 | hash of the anchor |
//! | 120 | 32 | Merkle root of the log up to it |
//! | 152 | … | sections, then one of kind 65535 whose content is the count of those before it |
//!
//! A section is its kind (2 bytes), a zero (2), the CRC32C of every other byte of it (4), its number among its kind
//! (8), the length of its content (8), and the content.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::{read_array, read_u16, read_u32, read_u64};
use crate::file::make_dirs;
use crate::mark::{Mark, sync_dir};
use crate::paced::{Failure, PacedFile};
use crate::{BlockNumber, Epoch, Hash, LedgerId, Partition, Result, SegmentNumber, Sequence};

const MAGIC: [u8; 8] = *b"SWYSNAP\0";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 152;
const CRC_AT: usize = 12;
const SECTION_BYTES: usize = 24;
const LAST_KIND: u16 = u16::MAX;
const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".bin";

/// A block of the log, by which a snapshot is held against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Ledger that the log belongs to.
    pub ledger_id: LedgerId,
    /// Partition that the log holds.
    pub partition: Partition,
    /// Epoch of the block's writer.
    pub epoch: Epoch,
    /// Number of the block.
    pub block: BlockNumber,
    /// Sequence after the block.
    pub next_seq: Sequence,
    /// Segment it stands in.
    pub segment: SegmentNumber,
    /// Its offset there.
    pub offset: u64,
    /// Its hash, and through it that of every block before.
    pub hash: Hash,
    /// Merkle root over every record up to here.
    pub root: Hash,
}

impl Anchor {
    /// The block that the high-water mark of a log names: its last one when the log was closed in good order.
    ///
    /// # Errors
    /// `Corrupt` and `Io`.
    pub fn at_mark(dir: &Path) -> Result<Option<Self>> {
        Ok(Mark::read(dir)?.map(|mark| Self {
            ledger_id: mark.ledger_id,
            partition: mark.partition,
            epoch: mark.epoch,
            block: BlockNumber(mark.next_block.0.saturating_sub(1)),
            next_seq: mark.next_seq,
            segment: mark.segment,
            offset: mark.offset,
            hash: mark.hash,
            root: mark.frontier.root(),
        }))
    }
}

/// Why a snapshot cannot be used, or cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The bytes are not what was written.
    #[error("damaged at offset {offset}")]
    Damaged {
        /// Where the part that is wrong begins.
        offset: u64,
    },
    /// Another version of the switch wrote it.
    #[error("format version {have}, this program reads {need}")]
    Version {
        /// Version found.
        have: u32,
        /// Version understood.
        need: u32,
    },
    /// The operating system refused.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
}

impl From<Failure> for SnapshotError {
    fn from(Failure { op, path, source }: Failure) -> Self {
        Self::Io { op, path, source }
    }
}

fn io(op: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SnapshotError {
    let path = path.to_path_buf();
    move |source| SnapshotError::Io { op, path, source }
}

/// The head of a snapshot: where it belongs and what to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotHead {
    /// The block that it follows from.
    pub anchor: Anchor,
    /// Digest of the content, as its writer computes it.
    pub digest: u64,
    /// Version of the content.
    pub content_version: u32,
}

impl SnapshotHead {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let anchor = &self.anchor;
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(10, &anchor.partition.0.to_le_bytes());
        put(16, &anchor.ledger_id.0);
        let numbers =
            [anchor.epoch.0, anchor.next_seq.0, anchor.block.0, anchor.segment.0, anchor.offset, self.digest];
        for (at, number) in (32..).step_by(8).zip(numbers) {
            put(at, &number.to_le_bytes());
        }
        put(80, &self.content_version.to_le_bytes());
        put(88, &anchor.hash.0);
        put(120, &anchor.root.0);
        let crc = checksum(&bytes);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, SnapshotError> {
        if bytes[..8] != MAGIC || read_u32(bytes, CRC_AT) != checksum(bytes) {
            return Err(SnapshotError::Damaged { offset: 0 });
        }
        let version = read_u16(bytes, 8);
        if version != VERSION {
            return Err(SnapshotError::Version { have: version.into(), need: VERSION.into() });
        }
        let anchor = Anchor {
            ledger_id: LedgerId(read_array(bytes, 16)),
            partition: Partition(read_u16(bytes, 10)),
            epoch: Epoch(read_u64(bytes, 32)),
            next_seq: Sequence(read_u64(bytes, 40)),
            block: BlockNumber(read_u64(bytes, 48)),
            segment: SegmentNumber(read_u64(bytes, 56)),
            offset: read_u64(bytes, 64),
            hash: Hash(read_array(bytes, 88)),
            root: Hash(read_array(bytes, 120)),
        };
        Ok(Self { anchor, digest: read_u64(bytes, 72), content_version: read_u32(bytes, 80) })
    }
}

fn checksum(header: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..CRC_AT]), &header[CRC_AT + 4..])
}

fn section_checksum(kind: u16, index: u64, bytes: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&u32::from(kind).to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &index.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &(bytes.len() as u64).to_le_bytes());
    crc32c::crc32c_append(crc, bytes)
}

/// Snapshots in a directory, the newest first. A directory that is not there has none.
///
/// # Errors
/// `Io` when it cannot be listed.
pub fn snapshots(dir: &Path) -> Result<Vec<(Sequence, PathBuf)>, SnapshotError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("list", dir)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io("list", dir))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(number) = number.filter(|n| n.len() == 20).and_then(|n| n.parse().ok()) {
            found.push((Sequence(number), entry.path()));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Removes all snapshots but the newest `keep`, and what writers that crashed left behind. What is not finished
/// and newer than every snapshot may still be at work.
///
/// # Errors
/// `Io` when one cannot be removed.
pub fn prune_snapshots(dir: &Path, keep: usize) -> Result<(), SnapshotError> {
    let found = snapshots(dir)?;
    let newest = found.first().map_or(Sequence(0), |(sequence, _)| *sequence);
    let left = unfinished(dir).into_iter().filter(|(sequence, _)| *sequence <= newest);
    let old = found.into_iter().skip(keep).chain(left);
    old.into_iter().try_for_each(|(_, path)| fs::remove_file(&path).map_err(io("remove", &path)))
}

fn unfinished(dir: &Path) -> Vec<(Sequence, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let named = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let (number, _) = name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(".tmp")?.split_once('-')?;
        Some((Sequence(number.parse().ok()?), entry.path()))
    };
    entries.filter_map(named).collect()
}

/// Writes one snapshot. Until it is finished there is nothing under its name.
#[derive(Debug)]
pub struct SnapshotWriter {
    dir: PathBuf,
    temp: PathBuf,
    path: PathBuf,
    /// Absent once it is finished.
    file: Option<PacedFile>,
    count: u64,
}

impl SnapshotWriter {
    /// Begins the snapshot of what follows from `sequence` records, in a directory that is made when there is none.
    ///
    /// # Errors
    /// `Io`.
    pub fn create(dir: &Path, sequence: Sequence) -> Result<Self, SnapshotError> {
        make_dirs(dir).map_err(|error| io("make", dir)(std::io::Error::other(error)))?;
        let name = format!("{PREFIX}{:020}", sequence.0);
        // Two processes may be at it: a switch, and an operator's command.
        let temp = dir.join(format!("{name}-{}.tmp", std::process::id()));
        let path = dir.join(format!("{name}{SUFFIX}"));
        // The digest in the head is known behind the last section.
        let file = Some(PacedFile::create(&temp, HEADER_BYTES)?);
        Ok(Self { dir: dir.to_path_buf(), temp, path, file, count: 0 })
    }

    /// Adds a section.
    ///
    /// # Errors
    /// `Io`; the snapshot is then to be dropped.
    pub fn section(&mut self, kind: u16, index: u64, content: &[u8]) -> Result<(), SnapshotError> {
        self.count += 1;
        self.put_section(kind, index, content)
    }

    /// Puts the snapshot in place under its head; it is durable on return. Its path and size in bytes come back.
    ///
    /// # Errors
    /// `Io`; there may be a snapshot then or not.
    pub fn finish(mut self, head: &SnapshotHead) -> Result<(PathBuf, u64), SnapshotError> {
        let count = self.count.to_le_bytes();
        self.put_section(LAST_KIND, 0, &count)?;
        let Some(file) = self.file.take() else { unreachable!("finish takes the writer") };
        let bytes = file.bytes();
        let finished = file.finish(&head.encode()).map_err(SnapshotError::from);
        let placed =
            finished.and_then(|()| fs::rename(&self.temp, &self.path).map_err(io("rename", &self.path)));
        placed.inspect_err(|_| drop(fs::remove_file(&self.temp)))?;
        sync_dir(&self.dir).map_err(|error| io("sync", &self.dir)(std::io::Error::other(error)))?;
        Ok((std::mem::take(&mut self.path), bytes))
    }

    fn put_section(&mut self, kind: u16, index: u64, content: &[u8]) -> Result<(), SnapshotError> {
        let mut head = [0; SECTION_BYTES];
        head[..2].copy_from_slice(&kind.to_le_bytes());
        head[4..8].copy_from_slice(&section_checksum(kind, index, content).to_le_bytes());
        head[8..16].copy_from_slice(&index.to_le_bytes());
        head[16..].copy_from_slice(&(content.len() as u64).to_le_bytes());
        let Some(file) = &mut self.file else { unreachable!("finish takes the writer") };
        file.put(&head)?;
        Ok(file.put(content)?)
    }
}

impl Drop for SnapshotWriter {
    /// What was not finished is of no use to anybody.
    fn drop(&mut self) {
        if self.file.is_some() {
            drop(fs::remove_file(&self.temp));
        }
    }
}

/// Where a section stands, not yet read nor held against its checksum.
#[derive(Debug)]
pub struct RawSection {
    file: Arc<SnapshotFile>,
    kind: u16,
    index: u64,
    crc: u32,
    /// Where its content begins.
    at: u64,
    length: u64,
}

impl RawSection {
    /// Reads it: kind, number and content, when they are what was written. Heavy; any thread may.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    pub fn read(self) -> Result<(u16, u64, Vec<u8>), SnapshotError> {
        let mut bytes = vec![0; self.length as usize];
        self.file.read_at(&mut bytes, self.at)?;
        if section_checksum(self.kind, self.index, &bytes) == self.crc {
            Ok((self.kind, self.index, bytes))
        } else {
            Err(SnapshotError::Damaged { offset: self.at - SECTION_BYTES as u64 })
        }
    }
}

#[derive(Debug)]
struct SnapshotFile {
    path: PathBuf,
    file: File,
}

impl SnapshotFile {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> Result<(), SnapshotError> {
        self.file.read_exact_at(bytes, at).map_err(io("read", &self.path))
    }
}

/// Finds the sections of one snapshot, one after the other; reading them is the work of many threads.
#[derive(Debug)]
pub struct SnapshotReader {
    file: Arc<SnapshotFile>,
    head: SnapshotHead,
    at: u64,
    len: u64,
    count: u64,
    ended: bool,
}

impl SnapshotReader {
    /// Opens a snapshot and reads its head.
    ///
    /// # Errors
    /// `Io`, `Damaged`, `Version`.
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        let file = File::open(path).map_err(io("open", path))?;
        let len = file.metadata().map_err(io("look at", path))?.len();
        if len < HEADER_BYTES as u64 {
            return Err(SnapshotError::Damaged { offset: 0 });
        }
        let file = Arc::new(SnapshotFile { path: path.to_path_buf(), file });
        let mut bytes = [0; HEADER_BYTES];
        file.read_at(&mut bytes, 0)?;
        let head = SnapshotHead::decode(&bytes)?;
        Ok(Self { file, head, at: HEADER_BYTES as u64, len, count: 0, ended: false })
    }

    /// Where it belongs and what to expect.
    pub fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// The next section; `None` behind the last, once the file has shown itself to be whole.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    pub fn next_section(&mut self) -> Result<Option<RawSection>, SnapshotError> {
        if self.ended {
            return Ok(None);
        }
        let damaged = SnapshotError::Damaged { offset: self.at };
        if self.len - self.at < SECTION_BYTES as u64 {
            return Err(damaged);
        }
        let mut head = [0; SECTION_BYTES];
        self.file.read_at(&mut head, self.at)?;
        self.at += SECTION_BYTES as u64;
        let length = read_u64(&head, 16);
        // The length is not to be trusted yet, but it is never more than there is.
        if length > self.len - self.at || read_u16(&head, 2) != 0 {
            return Err(damaged);
        }
        let section = RawSection {
            file: Arc::clone(&self.file),
            kind: read_u16(&head, 0),
            index: read_u64(&head, 8),
            crc: read_u32(&head, 4),
            at: self.at,
            length,
        };
        self.at += length;
        if section.kind != LAST_KIND {
            self.count += 1;
            return Ok(Some(section));
        }
        let (_, index, content) = section.read()?;
        self.ended = true;
        let whole = index == 0 && content == self.count.to_le_bytes() && self.at == self.len;
        if whole { Ok(None) } else { Err(damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(next_seq: u64) -> SnapshotHead {
        let anchor = Anchor {
            ledger_id: LedgerId([1; 16]),
            partition: Partition(2),
            epoch: Epoch(3),
            block: BlockNumber(4),
            next_seq: Sequence(next_seq),
            segment: SegmentNumber(6),
            offset: 8192,
            hash: Hash([7; 32]),
            root: Hash([8; 32]),
        };
        SnapshotHead { anchor, digest: 9, content_version: 10 }
    }

    fn write(dir: &Path, head: &SnapshotHead) -> PathBuf {
        let mut writer = SnapshotWriter::create(dir, head.anchor.next_seq).unwrap();
        writer.section(1, 0, b"one").unwrap();
        writer.section(1, 1, b"").unwrap();
        writer.section(2, 7, &[5; 300]).unwrap();
        writer.finish(head).unwrap().0
    }

    type Content = Vec<(u16, u64, Vec<u8>)>;

    fn read(path: &Path) -> Result<(SnapshotHead, Content), SnapshotError> {
        let mut reader = SnapshotReader::open(path)?;
        let mut sections = Vec::new();
        while let Some(section) = reader.next_section()? {
            sections.push(section.read()?);
        }
        Ok((*reader.head(), sections))
    }

    #[test]
    fn every_flipped_byte_and_every_cut_of_a_snapshot_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), &head(5));
        let (read_head, sections) = read(&path).unwrap();
        assert_eq!(read_head, head(5));
        assert_eq!(sections, [(1, 0, b"one".to_vec()), (1, 1, vec![]), (2, 7, vec![5; 300])]);
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            for bit in [0x01, 0x80] {
                let mut bad = bytes.clone();
                bad[at] ^= bit;
                fs::write(&path, &bad).unwrap();
                assert!(read(&path).is_err(), "byte {at}");
            }
            fs::write(&path, &bytes[..at]).unwrap();
            assert!(read(&path).is_err(), "cut at {at}");
        }
        fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
        assert!(read(&path).is_err(), "one byte too many");
    }

    #[test]
    fn the_newest_come_first_and_the_old_and_the_unfinished_go() {
        let dir = tempfile::tempdir().unwrap();
        assert!(snapshots(&dir.path().join("none")).unwrap().is_empty());
        for sequence in [5, 100, 20] {
            write(dir.path(), &head(sequence));
        }
        fs::write(dir.path().join("snapshot-7.bin"), b"no name of ours").unwrap();
        drop(SnapshotWriter::create(dir.path(), Sequence(300)).unwrap());
        assert!(unfinished(dir.path()).is_empty(), "a writer that gives up takes its file with it");
        // Crashes: one before the newest snapshot, one behind it.
        for name in ["snapshot-00000000000000000099-1.tmp", "snapshot-00000000000000000101-1.tmp"] {
            fs::write(dir.path().join(name), b"half").unwrap();
        }
        let found = |dir: &Path| -> Vec<u64> { snapshots(dir).unwrap().iter().map(|(s, _)| s.0).collect() };
        assert_eq!(found(dir.path()), [100, 20, 5], "what is not finished is not there");
        prune_snapshots(dir.path(), 2).unwrap();
        assert_eq!(found(dir.path()), [100, 20]);
        assert_eq!(unfinished(dir.path()).len(), 1, "it may still be at work");
        assert!(dir.path().join("snapshot-7.bin").exists(), "what is not ours stays");
    }
}
