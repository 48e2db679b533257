//! The few things the writer asks of the operating system, behind a trait so that tests can make them fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate, statvfs};
use rustix::io::Errno;

use crate::mark::sync_dir;
use crate::{Error, Result};

/// Mode of every file of a log: what is in it is nobody else's business, wherever the file is copied to.
const FILE_MODE: u32 = 0o600;

/// Options to make or open a file of a log for writing.
pub(crate) fn for_writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(FILE_MODE);
    options
}

/// Records hold sealed card numbers: a directory of a log, and of a copy of it, is its owner's.
pub(crate) const DIR_MODE: u32 = 0o700;

/// Makes a directory and those above it that are missing. Each new name is durable once the directory that holds
/// it is synced.
pub(crate) fn make_dirs(dir: &Path) -> Result<()> {
    let new: Vec<_> =
        dir.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir()).collect();
    let made = fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir);
    made.map_err(Error::io("create", dir))?;
    new.into_iter().try_for_each(|path| sync_dir(parent(path)))
}

/// The directory that holds a path; that of "data" is the one that the process stands in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What the writer asks of segment files. The real one is [`OsFiles`]; tests put faults in its place.
pub trait FileLayer: fmt::Debug + Send + Sync {
    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// When any byte may be missing.
    fn write_at(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written durable, with as much metadata as reading it back needs.
    ///
    /// # Errors
    /// When anything written since the last sync may not be durable.
    fn sync(&self, file: &File, path: &Path) -> io::Result<()>;

    /// Opens a file for writes that pass the page cache by and are durable when they return.
    ///
    /// # Errors
    /// `InvalidInput` where the file system has no such writes.
    fn open_direct(&self, path: &Path) -> io::Result<File> {
        let flags = OFlags::DIRECT | OFlags::DSYNC;
        OpenOptions::new().read(true).write(true).custom_flags(flags.bits() as i32).open(path)
    }

    /// Writes whole pages at a page of a file from [`open_direct`](Self::open_direct); they are durable on return.
    ///
    /// # Errors
    /// When any byte may be missing or may not be durable.
    fn write_durable(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(file, path, bytes, offset)
    }

    /// Reserves space for the first `bytes` of a file without making the file longer.
    ///
    /// # Errors
    /// `StorageFull` when there is no room, `Unsupported` when the file system cannot reserve.
    fn reserve(&self, file: &File, path: &Path, bytes: u64) -> io::Result<()>;

    /// Bytes that are free for this process on the disk that holds `dir`.
    ///
    /// # Errors
    /// When the operating system does not say.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// Plain system calls: `pwrite`, `fdatasync`, `fallocate`, `statvfs`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFiles;

impl FileLayer for OsFiles {
    fn write_at(&self, file: &File, _path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File, _path: &Path) -> io::Result<()> {
        file.sync_data()
    }

    fn reserve(&self, file: &File, _path: &Path, bytes: u64) -> io::Result<()> {
        loop {
            match fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP) => return Err(io::ErrorKind::Unsupported.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Whether an error only says that the disk or a quota is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
