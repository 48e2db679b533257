//! The files themselves.

use super::line::JournalLine;
use crate::error::SimError;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Longest line that is looked for at the end of a file that a killed process left.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Opens a file for appending and cuts a line that a killed process left half written.
pub(crate) fn open_append(path: impl AsRef<Path>) -> Result<File, SimError> {
    let io = |source| SimError::Io { what: "open the journal", source };
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    let from = len.saturating_sub(LINE_BYTES_MAX);
    file.seek(SeekFrom::Start(from)).map_err(io)?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(io)?;
    let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at as u64 + 1);
    if whole < tail.len() as u64 {
        file.set_len(from + whole).map_err(io)?;
    }
    Ok(file)
}

/// Appends one line with one write, so that a kill cannot mix two.
pub(crate) fn append_line(mut file: &File, value: &impl Serialize) -> Result<(), SimError> {
    let mut line =
        serde_json::to_vec(value).map_err(|source| SimError::Json { what: "journal line", source })?;
    line.push(b'\n');
    file.write_all(&line).map_err(|source| SimError::Io { what: "write the journal", source })
}

/// A terminal's journal; several terminals may share one file.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Opens it for appending.
    ///
    /// # Errors
    /// [`SimError::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SimError> {
        open_append(path).map(Self)
    }
    /// Appends a line; it is with the operating system when this returns.
    ///
    /// # Errors
    /// [`SimError::Io`].
    pub fn append(&self, line: &JournalLine) -> Result<(), SimError> {
        append_line(&self.0, line)
    }
    /// Reads a journal back. A last line without its end is what a kill leaves, and is ignored.
    ///
    /// # Errors
    /// [`SimError::Io`], or [`SimError::Journal`] with the line that is none.
    pub fn read(path: impl AsRef<Path>) -> Result<Vec<JournalLine>, SimError> {
        let bytes =
            std::fs::read(path).map_err(|source| SimError::Io { what: "read the journal", source })?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        bytes[..whole]
            .split(|b| *b == b'\n')
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
            .map(|(index, line)| {
                serde_json::from_slice(line).map_err(|source| SimError::Journal { line: index + 1, source })
            })
            .collect()
    }
}
