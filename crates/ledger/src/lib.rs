//! The append-only log: durable blocks, recovery, proofs.
//!
//! A log holds the facts of one partition as opaque records, in the order in which they were decided. It makes a
//! batch of them survive a power cut with one write and one sync, finds its own end after a crash, and can prove to
//! an outsider that a record is in it and that it only ever grew.
//!
//! It does not know what a record means, decides nothing, reads no clock, and opens no socket. It never repairs
//! in silence: a torn tail is cut, kept aside and recorded; anything else that is wrong stops it.
//!
//! Start from [`Log`], which one writer appends to, and [`Reader`], which anybody reads with. [`Committer`] puts a
//! log on a thread of its own and turns what many producers submit into group commits. [`checkpoint`] and [`proof`]
//! are what an outsider keeps and checks.
//!
//! All that a log needs of its storage is a [`BlockStore`]: segments on this disk ([`SegmentStore`], which
//! [`Log::open`] takes), memory ([`MemoryStore`]), segments in memory that a power cut tears ([`MemoryDisk`]), or
//! another engine that keeps the [`contract`], under [`Log::over`].
//!
//! # Files of a log
//! | file | what it holds |
//! |---|---|
//! | `segment-00000001.log` … | a header page, then [blocks](block), then zeros |
//! | `segment-00000001.index` … | what its records are found by, made from it and again when it is lost |
//! | `segment-00000001.archived` … | the header page of a segment that was moved elsewhere |
//! | `archive` | the directories that hold such segments, one a line |
//! | `mark` | the high-water mark: a position known to be durable |
//! | `torn-….bin` | what a crash left of a block, kept when the epoch of that number cut it |
//! | `lock` | empty; the writer holds an exclusive lock on it |
//! | `backup` | only in a backup: nobody may write here, [`restore`] makes a log from it |

mod archive;
mod backup;
mod batch;
pub mod block;
pub mod checkpoint;
mod committer;
pub mod contract;
mod direct;
mod disk;
mod error;
mod file;
mod follow;
mod grow;
mod ids;
pub mod index;
pub mod limits;
mod log;
mod mark;
mod memory;
pub mod merkle;
pub mod note;
mod open;
mod paced;
mod prepare;
pub mod projection;
pub mod proof;
mod range;
mod reader;
mod recover;
mod restore;
mod segment;
mod signal;
mod snapshot;
mod staging;
mod store;
mod verify;
mod walk;

pub use archive::{ArchiveReport, archive};
pub use backup::{BackupReport, backup};
pub use batch::RecordBatch;
pub use committer::{Committer, Outcome, Refused, Stats, Submitter, Ticket};
pub use disk::{MemoryDisk, PowerCut};
pub use error::{Error, Fault, Finding, Measure, ProofError, ProofPart, Result};
pub use file::{FileLayer, OsFiles};
pub use ids::{BlockNumber, Epoch, Hash, LedgerId, Partition, SegmentNumber, Sequence};
pub use log::{Cut, Log, Options, Position, Recovery, SyncMethod};
pub use mark::marked_records;
pub use memory::{Doubt, MemoryStore};
pub use range::{RangeReport, verify_range};
pub use reader::Reader;
pub use recover::{Image, Scan, recover_image};
pub use restore::{RestoreReport, restore};
pub use snapshot::{
    Anchor, RawSection, SnapshotError, SnapshotHead, SnapshotReader, SnapshotWriter, prune_snapshots,
    snapshots,
};
pub use store::{Appended, BlockStore, MarkFacts, SegmentStore, Tail};
pub use verify::{Progress, TornTail, VerifyError, VerifyReport, verify};
