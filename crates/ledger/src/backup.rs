//! Copies a log while its writer goes on.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use crate::block::BlockHeader;
use crate::file::for_writing;
use crate::mark::{Mark, write_file};
use crate::merkle::Frontier;
use crate::staging::Staging;
use crate::{Error, Finding, Hash, LedgerId, Partition, Reader, Result, SegmentNumber, segment};

/// File that makes a directory a backup: no writer opens it, for it would go on under the id of the log that the
/// backup was taken from.
pub(crate) const BACKUP_NAME: &str = "backup";

const BACKUP_TEXT: &str =
    "A backup of a ledger. Nobody writes here; `switchyard ledger restore` makes a ledger from it.\n";
const BUFFER_BYTES: usize = 1024 * 1024;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The ledger's id.
    pub ledger_id: LedgerId,
    /// The partition.
    pub partition: Partition,
    /// Count of segments.
    pub segments: u64,
    /// Count of blocks.
    pub blocks: u64,
    /// Count of records.
    pub records: u64,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Merkle root over its records.
    pub root: Hash,
}

/// Copies the log in `dir` into `target`, which must not exist or be empty, and which appears when it is complete.
///
/// Takes no lock and does not disturb a writer. It copies up to the last block that is durable beyond doubt: the
/// last of all only if the mark is behind it, for a crash may still take that one from the log. Every block is
/// checked on the way, down to its Merkle root, and the copy is byte for byte what was checked. `progress` gets the
/// bytes copied so far.
///
/// # Errors
/// `Exists`, `Missing` (also when nothing is durable yet), `Corrupt` and `Io`.
pub fn backup(dir: &Path, target: &Path, mut progress: impl FnMut(u64)) -> Result<BackupReport> {
    let mut reader = Reader::open(dir)?;
    let owner = (reader.ledger_id(), reader.partition());
    let staging = Staging::start(target)?;
    let mut copy = Copy { dir: staging.path(), segment: None, bytes: 0, segments: 0, last: None };
    let mut tree = Frontier::new();
    let mut pending: Option<Pending> = None;
    while let Some(block) = reader.next_block()? {
        let (header, hash) = (block.header, block.hash);
        let taken = block.grow(&mut tree);
        let (number, offset, image) = reader.found();
        taken
            .map_err(|what| Error::Corrupt(Finding { segment: number, offset, block: header.block, what }))?;
        let image = image.to_vec();
        if let Some(durable) = pending.take() {
            copy.block(&mut reader, durable)?;
            progress(copy.bytes);
        }
        pending = Some(Pending { header, hash, segment: number, offset, image, tree: tree.clone() });
    }
    let mark = Mark::read(dir)?;
    if let Some(last) = pending.filter(|last| mark.is_some_and(|mark| mark.next_block > last.header.block)) {
        copy.block(&mut reader, last)?;
    }
    let Some(report) = copy.finish(owner)? else { return Err(Error::Missing { path: dir.to_path_buf() }) };
    progress(report.bytes);
    staging.finish()?;
    Ok(report)
}

/// A block that was checked and waits until it is known to be durable.
struct Pending {
    header: BlockHeader,
    hash: Hash,
    segment: SegmentNumber,
    offset: u64,
    image: Vec<u8>,
    tree: Frontier,
}

/// The copy in the making.
struct Copy<'a> {
    dir: &'a Path,
    segment: Option<(SegmentNumber, BufWriter<File>)>,
    bytes: u64,
    segments: u64,
    last: Option<Pending>,
}

impl Copy<'_> {
    fn block(&mut self, reader: &mut Reader, mut block: Pending) -> Result<()> {
        if self.segment.as_ref().is_none_or(|(number, _)| *number != block.segment) {
            self.end_segment()?;
            let page = reader.segment_page(block.segment)?;
            let path = segment::path(self.dir, block.segment);
            let file = for_writing().create_new(true).open(&path).map_err(Error::io("create", &path))?;
            self.segment = Some((block.segment, BufWriter::with_capacity(BUFFER_BYTES, file)));
            self.segments += 1;
            self.write(&page)?;
        }
        self.write(&block.image)?;
        block.image = Vec::new();
        self.last = Some(block);
        Ok(())
    }

    /// A segment's blocks stand one behind the other from its second page on, so that writing in order puts each
    /// where it was.
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (number, file) = self.segment.as_mut().expect("a segment was started");
        file.write_all(bytes).map_err(Error::io("write", segment::path(self.dir, *number)))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn end_segment(&mut self) -> Result<()> {
        let Some((number, file)) = self.segment.take() else { return Ok(()) };
        let path = segment::path(self.dir, number);
        let file = file.into_inner().map_err(|error| Error::io("write", &path)(error.into_error()))?;
        file.sync_all().map_err(Error::io("sync", &path))
    }

    /// The mark comes last but one and the note that this is a backup last; `None` when there was nothing to copy.
    fn finish(mut self, owner: (LedgerId, Partition)) -> Result<Option<BackupReport>> {
        self.end_segment()?;
        let Some(Pending { header, hash, segment, offset, tree, .. }) = self.last else { return Ok(None) };
        let mark = Mark {
            ledger_id: owner.0,
            partition: owner.1,
            epoch: header.epoch,
            next_block: header.block.next(),
            next_seq: header.next_seq(),
            segment,
            offset,
            // Nothing may ever follow: whatever stands behind the last block is damage.
            clean: true,
            hash,
            frontier: tree,
        };
        mark.write(self.dir)?;
        write_file(self.dir, BACKUP_NAME, BACKUP_TEXT.as_bytes())?;
        Ok(Some(BackupReport {
            ledger_id: owner.0,
            partition: owner.1,
            segments: self.segments,
            blocks: mark.next_block.0,
            records: mark.next_seq.0,
            bytes: self.bytes,
            root: header.root,
        }))
    }
}
