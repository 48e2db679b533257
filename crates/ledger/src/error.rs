//! What can go wrong, grouped by what the caller does next.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::{BlockNumber, Epoch, LedgerId, Partition, SegmentNumber};

/// Result of the ledger's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the log refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another writer holds the log: find it, do not start a second one.
    #[error("another writer holds {}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// There is no room for the next segment. Nothing was written; free space and go on.
    #[error("no space: the log needs {need_bytes} bytes, {free_bytes} are free")]
    NoSpace {
        /// Bytes the log wants to reserve, with what it leaves to others.
        need_bytes: u64,
        /// Bytes free on the disk.
        free_bytes: u64,
    },
    /// The log's bytes are not what was written: stop, keep the files, restore.
    #[error("the log is damaged: {0}")]
    Corrupt(Finding),
    /// An earlier write or sync failed: stop serving and start again, so that recovery finds what is durable.
    #[error("an earlier write to the log failed; nothing more is accepted")]
    Poisoned,
    /// Someone else opened the log with a higher epoch: this writer is out of date.
    #[error("a writer with epoch {epoch} took over")]
    Conflict {
        /// The epoch that holds the log.
        epoch: Epoch,
    },
    /// The record or group is longer than its limit; it was not taken.
    #[error("{what} of {have} is over its limit of {max}")]
    TooLarge {
        /// What was measured.
        what: Measure,
        /// Its size.
        have: u64,
        /// The limit.
        max: u64,
    },
    /// The directory holds the log of another partition.
    #[error("the directory holds partition {found}, not {expected}")]
    WrongPartition {
        /// What the caller asked for.
        expected: Partition,
        /// What the files say.
        found: Partition,
    },
    /// There is no log in the directory.
    #[error("no log in {}", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// An option is out of its range.
    #[error("option {name} is {have}; the range is {min}..={max}")]
    BadOption {
        /// Name of the option.
        name: &'static str,
        /// Its value.
        have: u64,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
    },
    /// The directory holds a backup: restore it into another directory and write there.
    #[error("{} is a backup and takes no records", path.display())]
    Backup {
        /// The directory.
        path: PathBuf,
    },
    /// Something stands where a backup or a restored log was to go; nothing is ever overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// The path in the way.
        path: PathBuf,
    },
    /// The log has fewer records than were asked for.
    #[error("record count {need} is asked for, the log has {have}")]
    Beyond {
        /// Records the caller wants the log to have.
        need: u64,
        /// Records it has.
        have: u64,
    },
    /// A restored log was to get the id of the log it comes from: two logs with one id could not be told apart.
    #[error("a restored log needs a ledger id of its own, not {ledger_id}")]
    SameLedger {
        /// The id.
        ledger_id: LedgerId,
    },
    /// The file system takes no direct writes: use the other way of making blocks durable.
    #[error("the file system of {} takes no direct writes; use sync = \"fdatasync\"", path.display())]
    NoDirect {
        /// The directory.
        path: PathBuf,
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
        source: io::Error,
    },
}

impl Error {
    /// Stable code of the page in the operator's book.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "SW-L001",
            Self::NoSpace { .. } => "SW-L002",
            Self::Corrupt(_) => "SW-L003",
            Self::Poisoned => "SW-L004",
            Self::Conflict { .. } => "SW-L005",
            Self::TooLarge { .. } => "SW-L006",
            Self::WrongPartition { .. } => "SW-L007",
            Self::Missing { .. } => "SW-L008",
            Self::BadOption { .. } => "SW-L009",
            Self::Io { .. } => "SW-L010",
            Self::Backup { .. } => "SW-L011",
            Self::Exists { .. } => "SW-L012",
            Self::Beyond { .. } => "SW-L013",
            Self::SameLedger { .. } => "SW-L014",
            Self::NoDirect { .. } => "SW-L015",
        }
    }

    /// Adds the operation and the path to what the operating system said.
    pub(crate) fn io(op: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { op, path, source }
    }
}

/// What a limit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// Bytes of one record.
    RecordBytes,
    /// Bytes of one block.
    BlockBytes,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RecordBytes => "a record in bytes",
            Self::BlockBytes => "a block in bytes",
        })
    }
}

/// Where and how the bytes of a log are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// Segment file.
    pub segment: SegmentNumber,
    /// Byte offset in it.
    pub offset: u64,
    /// Block expected there.
    pub block: BlockNumber,
    /// What is wrong.
    pub what: Fault,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} offset {} block {}: {}", self.segment, self.offset, self.block, self.what)
    }
}

/// One way in which bytes are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No block starts here.
    #[error("no magic where a header must stand")]
    Magic,
    /// The header names a length or a count that no block can have, or the bytes end before it.
    #[error("a length out of bounds")]
    Length,
    /// The checksum is not that of the bytes.
    #[error("checksum differs")]
    Checksum,
    /// The bytes are whole but of a format this program does not know.
    #[error("format version {0} is not known to this program")]
    Version(u16),
    /// The bytes are whole, but a reserved byte is set or a value means nothing.
    #[error("reserved bytes are in use")]
    Reserved,
    /// The bytes are whole, but the records do not fill the payload exactly.
    #[error("records do not fill the payload")]
    Records,
    /// The block is whole, but the zeros after it are not zero.
    #[error("padding is not zero")]
    Padding,
    /// The header is that of another ledger or partition.
    #[error("belongs to another ledger or partition")]
    Foreign,
    /// Number, sequence or epoch does not continue the log.
    #[error("does not continue the block before")]
    Order,
    /// The hash of the block before is not the one named here.
    #[error("hash of the block before differs")]
    Chain,
    /// The Merkle root is not that of the records.
    #[error("merkle root differs")]
    Root,
    /// A damaged or missing block stands before a whole one, so it is no torn tail.
    #[error("damaged, yet whole blocks follow")]
    Followed,
    /// The log ends before a position that was known to be durable.
    #[error("ends below the high-water mark")]
    BelowMark,
    /// The log does not pass through the position and hash in the high-water mark.
    #[error("differs from the high-water mark")]
    MarkDiffers,
    /// The high-water mark itself is damaged.
    #[error("high-water mark is damaged")]
    Mark,
    /// Space that was never written is not zero, and no torn block explains it.
    #[error("unused space is not zero")]
    NotZero,
    /// The segment was archived, and no directory that the log names as an archive holds it.
    #[error("segment is archived, and its archive is not there")]
    ArchiveMissing,
    /// A segment file between others, or all of them, are gone.
    #[error("segment is missing")]
    SegmentMissing,
}

impl Fault {
    /// Whether a write cut off by a crash can look like this. A whole block with a wrong neighbour cannot.
    pub(crate) fn may_be_torn(self) -> bool {
        matches!(self, Self::Magic | Self::Length | Self::Checksum)
    }
}

/// Why a checkpoint or a proof shows nothing. None of these says anything about a log on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The text is not in the form of one.
    #[error("{0} is not in its form")]
    Malformed(ProofPart),
    /// The text is longer than any that this program writes.
    #[error("{have} bytes; the limit is {max}")]
    TooLong {
        /// Its length.
        have: usize,
        /// The limit.
        max: usize,
    },
    /// The key did not sign it.
    #[error("no signature by this key")]
    Unsigned,
    /// The signature that names the key is not that of the text.
    #[error("the signature is not that of the text")]
    Signature,
    /// The key belongs to another log than the checkpoint's origin.
    #[error("the checkpoint is of another log than the key")]
    OtherLog,
    /// The hashes do not lead from the record at its index to the root.
    #[error("the record is not at this index of the tree")]
    NotIncluded,
}

/// Which part of a checkpoint or proof is not in its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofPart {
    /// A verifier key.
    Key,
    /// A key's name.
    KeyName,
    /// The signed text or its end.
    Text,
    /// A signature line.
    Signature,
    /// A checkpoint's origin line.
    Origin,
    /// A checkpoint's tree size.
    Size,
    /// A checkpoint's root.
    Root,
    /// A proof's first line.
    Header,
    /// A proof's record.
    Record,
    /// A proof's index.
    Index,
    /// A hash of a proof's path.
    Path,
}

impl fmt::Display for ProofPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "the verifier key",
            Self::KeyName => "the key's name",
            Self::Text => "the signed text",
            Self::Signature => "a signature line",
            Self::Origin => "the origin line",
            Self::Size => "the tree size",
            Self::Root => "the root",
            Self::Header => "the first line of the proof",
            Self::Record => "the record",
            Self::Index => "the index",
            Self::Path => "a hash of the path",
        })
    }
}
