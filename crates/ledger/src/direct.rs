//! Writes that pass the page cache by: whole pages from page-aligned memory, durable when they return.
//!
//! One system call makes a block durable where a write and an `fdatasync` take two, and the disk is told which write is
//! to be durable instead of to empty its whole cache, where it can tell the two apart. Zeros are still written ahead
//! through the page cache, and readers read through it: the kernel drops what it caches of pages that are written
//! past it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::file::FileLayer;
use crate::limits::PAGE_BYTES;
use crate::{Error, Result, SegmentNumber};

const PROBE_NAME: &str = "direct.tmp";

/// The segment in use, opened for direct writes, and the memory that they are made from.
#[derive(Debug, Default)]
pub(crate) struct DirectWriter {
    open: Option<(SegmentNumber, File)>,
    buffer: Vec<u8>,
}

impl DirectWriter {
    /// Writes one page to a file of its own, so that a file system without direct writes is known before the log
    /// starts and not by its first block.
    ///
    /// # Errors
    /// `NoDirect` when the file system refuses, `Io` when the probe fails for another reason.
    pub(crate) fn probe(dir: &Path, files: &Arc<dyn FileLayer>) -> Result<()> {
        let path = dir.join(PROBE_NAME);
        crate::file::for_writing().truncate(true).open(&path).map_err(Error::io("create", &path))?;
        let written = files.open_direct(&path).and_then(|file| {
            let mut buffer = Vec::new();
            files.write_durable(&file, &path, aligned(&mut buffer, &[0; PAGE_BYTES]), 0)
        });
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        written.map_err(|source| match source.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => Error::NoDirect { path: dir.into() },
            _ => Error::io("write past the page cache to", &path)(source),
        })
    }

    /// Writes a block and returns when it is durable.
    pub(crate) fn write(
        &mut self,
        files: &Arc<dyn FileLayer>,
        (number, path): (SegmentNumber, &Path),
        image: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            self.open = Some((number, files.open_direct(path)?));
        }
        let (_, file) = self.open.as_ref().expect("opened above");
        files.write_durable(file, path, aligned(&mut self.buffer, image), offset)
    }
}

/// Copies bytes to memory that begins at a page: a buffer that is a page longer holds such a place.
fn aligned<'a>(buffer: &'a mut Vec<u8>, bytes: &[u8]) -> &'a [u8] {
    let need = bytes.len() + PAGE_BYTES;
    if buffer.len() < need {
        buffer.resize(need, 0);
    }
    let start = buffer.as_ptr().addr().next_multiple_of(PAGE_BYTES) - buffer.as_ptr().addr();
    let place = &mut buffer[start..start + bytes.len()];
    place.copy_from_slice(bytes);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_copied_to_the_beginning_of_a_page() {
        let mut buffer = Vec::new();
        for pages in [1, 3, 2, 40] {
            let bytes: Vec<u8> = (0..pages * PAGE_BYTES).map(|n| n as u8).collect();
            let place = aligned(&mut buffer, &bytes);
            assert_eq!(place.as_ptr().addr() % PAGE_BYTES, 0);
            assert_eq!(place, bytes);
        }
    }
}
