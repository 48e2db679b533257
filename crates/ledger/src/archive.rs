//! Moves sealed segments to another directory and finds them there.
//!
//! A segment is sealed once the high-water mark stands in a later one; nothing ever writes to it again. It is copied,
//! synced, read back and checked block by block where it lies now, and only then does the original go. What stays in
//! the log's directory is its header page (`segment-NNNNNNNN.archived`), so that places are still found without the
//! archive, and the file `archive`: one directory a line, which an operator may edit when an archive moves.
//! Readers look in the log's own directory first, so that putting a segment back is a copy.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::Fault;
use crate::file::{for_writing, make_dirs};
use crate::mark::{Mark, sync_dir, write_file};
use crate::segment::{self, DirSource, SegmentHeader, Source as _};
use crate::store::WriterLock;
use crate::walk::{Cursor, Step, Walker};
use crate::{Error, Finding, Result, SegmentNumber};

/// File that names the directories in which archived segments lie.
const NAMES: &str = "archive";
const LOCK: &str = "archive.lock";
const COPY_BYTES: usize = 1024 * 1024;

/// What was archived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveReport {
    /// The segments that were moved, ascending.
    pub segments: Vec<SegmentNumber>,
    /// Their bytes, without the unused space behind their last blocks.
    pub bytes: u64,
    /// Records in them.
    pub records: u64,
    /// Sealed segments that stay.
    pub kept: u64,
}

/// Moves the sealed segments of the log in `dir` to `target`, all but the newest `keep`. A writer may be at work. When it
/// is interrupted, what was moved is moved, and the next call goes on. `progress` gets bytes done and their sum.
///
/// # Errors
/// `Missing`, `Locked` when another archiving is under way, `Exists` when another file stands where a segment is to go,
/// `Corrupt` when a segment, here or there, is not what was written, and `Io`.
pub fn archive(
    dir: &Path,
    target: &Path,
    keep: u64,
    mut progress: impl FnMut(u64, u64),
) -> Result<ArchiveReport> {
    let mark = Mark::read(dir)?.ok_or_else(|| Error::Missing { path: dir.to_path_buf() })?;
    let _lock = WriterLock::named(dir, LOCK)?;
    make_dirs(target)?;
    let target = fs::canonicalize(target).map_err(Error::io("find", target))?;
    if fs::canonicalize(dir).map_err(Error::io("find", dir))? == target {
        return Err(Error::Exists { path: target });
    }
    let mut sealed = segment::with_suffix(dir, ".log")?;
    sealed.retain(|number| *number < mark.segment);
    let kept = keep.min(sealed.len() as u64);
    sealed.truncate(sealed.len() - kept as usize);
    let mut source = DirSource::new(dir);
    let lengths = sealed.iter().map(|number| source.len(*number)).collect::<Result<Vec<_>>>()?;
    let total = lengths.iter().sum();
    let mut report = ArchiveReport { segments: Vec::new(), bytes: 0, records: 0, kept };
    let mut done = 0;
    for (number, length) in sealed.into_iter().zip(lengths) {
        let (used, records) = checked(dir, dir, number)?;
        move_one(dir, &target, number, used)?;
        done += length;
        report.segments.push(number);
        report.bytes += used;
        report.records += records;
        progress(done, total);
    }
    Ok(report)
}

/// Copies a segment, checks the copy, and takes the original away. Each step is durable before the next.
fn move_one(dir: &Path, target: &Path, number: SegmentNumber, used: u64) -> Result<()> {
    let (from, to) = (segment::path(dir, number), segment::path(target, number));
    // An earlier attempt got this far, or somebody put a file there that is not ours.
    let existed = to.exists();
    if existed && fs::metadata(&to).map_err(Error::io("measure", &to))?.len() != used {
        return Err(Error::Exists { path: to });
    }
    if !existed {
        copy(&from, &to.with_extension("tmp"), &to, used)?;
        sync_dir(target)?;
    }
    let is_same = same(&from, &to, used)?;
    if existed && !is_same {
        return Err(Error::Exists { path: to });
    }
    if !is_same || checked(target, dir, number)?.0 != used {
        return Err(Error::Corrupt(finding(number, Fault::Checksum)));
    }
    add_name(dir, target)?;
    // Its index goes along and stays here as well, so that what is archived is found without the archive. It can be
    // made anew, so a copy that fails stops nothing.
    crate::index::copy(dir, target, number);
    let page = DirSource::new(dir).header_page(number)?;
    let stub = segment::stub_path(dir, number);
    let name = stub.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    write_file(dir, name, &page)?;
    fs::remove_file(&from).map_err(Error::io("remove", &from))?;
    sync_dir(dir)
}

/// Walks the blocks of one segment in `dir` and into the header of the next one, which `log` has: every checksum, and
/// that each block continues the one before. Returns the bytes in use and the count of records.
fn checked(dir: &Path, log: &Path, number: SegmentNumber) -> Result<(u64, u64)> {
    let page = DirSource::new(dir).header_page(number)?;
    let header = SegmentHeader::decode(&page).map_err(|what| Error::Corrupt(finding(number, what)))?;
    let mut walker = Walker::new(DirSource::new(dir));
    walker.owner = Some((header.ledger_id, header.partition));
    // By the name of the file; the first step refuses a header that says another number.
    walker.cursor = Cursor { segment: number, ..Cursor::before(&header) };
    loop {
        let before = walker.cursor;
        match walker.step()? {
            Step::Block { .. } => {}
            // The archive holds the segment alone: its end is where the next header goes on.
            Step::Rolled { offset, .. } => return ends_there(log, &walker.cursor, offset, &header),
            Step::End => return ends_there(log, &before.rolled(), before.offset, &header),
            Step::Bad(what) => return Err(Error::Corrupt(before.finding(what))),
        }
    }
}

fn ends_there(log: &Path, end: &Cursor, used: u64, first: &SegmentHeader) -> Result<(u64, u64)> {
    let page = DirSource::new(log).header_page(end.segment)?;
    let next = SegmentHeader::decode(&page).map_err(|what| Error::Corrupt(end.finding(what)))?;
    let goes_on = (next.number, next.first_block, next.first_seq, next.previous)
        == (end.segment, end.block, end.seq, end.hash);
    if !goes_on {
        return Err(Error::Corrupt(end.finding(Fault::Chain)));
    }
    Ok((used, end.seq.0 - first.first_seq.0))
}

/// Copies the first `used` bytes of a file by way of a temporary one, which is synced before it gets its name.
pub(crate) fn copy(from: &Path, temp: &Path, to: &Path, used: u64) -> Result<()> {
    let read = File::open(from).map_err(Error::io("open", from))?;
    let mut file = for_writing().truncate(true).open(temp).map_err(Error::io("create", temp))?;
    let copied = std::io::copy(&mut std::io::Read::take(read, used), &mut file);
    copied.map_err(Error::io("copy", temp))?;
    file.flush().and_then(|()| file.sync_all()).map_err(Error::io("sync", temp))?;
    fs::rename(temp, to).map_err(Error::io("rename", to))
}

/// Whether the first bytes of two files are the same.
fn same(one: &Path, other: &Path, bytes: u64) -> Result<bool> {
    let open = |path: &Path| File::open(path).map_err(Error::io("open", path));
    let (one_file, other_file) = (open(one)?, open(other)?);
    let mut buffers = [vec![0; COPY_BYTES], vec![0; COPY_BYTES]];
    let mut at = 0;
    while at < bytes {
        let count = (bytes - at).min(COPY_BYTES as u64) as usize;
        for ((file, path), buffer) in [(&one_file, one), (&other_file, other)].into_iter().zip(&mut buffers) {
            let read = std::os::unix::fs::FileExt::read_exact_at(file, &mut buffer[..count], at);
            read.map_err(Error::io("read", path))?;
        }
        if buffers[0][..count] != buffers[1][..count] {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}

/// Opens an archived segment; `None` when the log says of no such segment that it was archived.
pub(crate) fn open(dir: &Path, number: SegmentNumber) -> Result<Option<File>> {
    let stub = segment::stub_path(dir, number);
    if !stub.exists() {
        // It may have been archived since its file was looked for, or put back.
        return segment::open(&segment::path(dir, number));
    }
    for archive in names(dir)? {
        if let Some(file) = segment::open(&segment::path(&archive, number))? {
            return Ok(Some(file));
        }
    }
    Err(Error::Corrupt(finding(number, Fault::ArchiveMissing)))
}

/// The directories in which archived segments lie, in the order in which they were added.
pub(crate) fn names(dir: &Path) -> Result<Vec<PathBuf>> {
    let path = dir.join(NAMES);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(|line| dir.join(line)).collect())
}

fn add_name(dir: &Path, target: &Path) -> Result<()> {
    let mut known = names(dir)?;
    if known.iter().any(|name| name == target) {
        return Ok(());
    }
    known.push(target.to_path_buf());
    let text: String = known.iter().map(|name| format!("{}\n", name.display())).collect();
    write_file(dir, NAMES, text.as_bytes())
}

fn finding(segment: SegmentNumber, what: Fault) -> Finding {
    Finding { segment, offset: 0, block: crate::BlockNumber::default(), what }
}
