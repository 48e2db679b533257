//! Append-only files of JSON lines: what a party did, written before or after it did it.

use crate::error::SimError;
use crate::terminal::MessageKind;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use switchyard_domain::{BatchNumber, MerchantId, ResponseCode, Rrn, Stan, TerminalId};

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

/// Whether a line stands before a send or after a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// A request that is about to be sent.
    Req,
    /// A reply that was received and verified.
    Rep,
}

/// How the card was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryMode {
    /// Typed in: `01`.
    Manual,
    /// Magnetic stripe: `02`.
    Stripe,
    /// Chip, inserted: `05`.
    Contact,
    /// Chip, held near: `07`.
    Contactless,
}

/// The transaction that another one follows, as the terminal remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalRef {
    /// Its batch.
    pub batch: BatchNumber,
    /// Its trace number.
    pub stan: Stan,
    /// `MMDD` from the host's reply.
    pub date: String,
    /// Its reference.
    pub rrn: Rrn,
    /// Its authorization code.
    pub auth: Option<String>,
}

/// One line of a terminal's journal. It names the card by its mask only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Request or reply.
    pub t: LineKind,
    /// DE 41.
    pub tid: TerminalId,
    /// DE 42.
    pub mid: MerchantId,
    /// DE 60.2.
    pub batch: BatchNumber,
    /// DE 11.
    pub stan: Stan,
    /// Message type of this line.
    pub mti: String,
    /// What it is.
    pub kind: MessageKind,
    /// Minor units.
    pub amount: u64,
    /// First six and last four digits.
    pub pan_masked: Option<String>,
    /// DE 39 of a reply, reason of a reversal.
    pub code: Option<ResponseCode>,
    /// DE 37 of a reply.
    pub rrn: Option<Rrn>,
    /// DE 38 of a reply.
    pub auth: Option<String>,
    /// Counts the sends of one request from one.
    pub attempt: u32,
    /// How the card was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryMode>,
    /// Whether a PIN went along.
    #[serde(default)]
    pub pin: bool,
    /// What it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalRef>,
    /// DE 13 of a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Whether a reply says that the host has closed the batch.
    #[serde(default)]
    pub closed: bool,
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
