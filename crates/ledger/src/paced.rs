//! Large files beside the log: snapshots and indexes.
//!
//! They are written in big pieces and synced every few of them, so that a sync of the log never waits behind a whole
//! file. The header comes last: a file that was cut off before has none.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::file::for_writing;

const WRITE_BYTES: usize = 1024 * 1024;

/// What was written is synced after this much.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// What the operating system refused.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) op: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct PacedFile {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    bytes: u64,
    unsynced: u64,
}

impl PacedFile {
    /// Begins the file at a path, in place of what is there, with room for a header.
    pub(crate) fn create(path: &Path, header_bytes: usize) -> Result<Self, Failure> {
        let failed = |source| Failure { op: "create", path: path.to_path_buf(), source };
        let file = for_writing().truncate(true).open(path).map_err(failed)?;
        let buffer = vec![0; header_bytes];
        Ok(Self { file, path: path.to_path_buf(), buffer, bytes: header_bytes as u64, unsynced: 0 })
    }

    /// Bytes so far, the header's included: where the next one stands.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds bytes at the end.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < WRITE_BYTES {
            return Ok(());
        }
        self.flush()?;
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.file.sync_data().map_err(|source| self.failed("sync", source))?;
        }
        Ok(())
    }

    /// Writes the header; all of the file is durable on return.
    pub(crate) fn finish(mut self, header: &[u8]) -> Result<(), Failure> {
        self.flush()?;
        self.file.write_all_at(header, 0).map_err(|source| self.failed("write", source))?;
        self.file.sync_all().map_err(|source| self.failed("sync", source))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let at = self.bytes - self.buffer.len() as u64;
        self.file.write_all_at(&self.buffer, at).map_err(|source| self.failed("write", source))?;
        self.unsynced += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn failed(&self, op: &'static str, source: io::Error) -> Failure {
        Failure { op, path: self.path.clone(), source }
    }
}
