//! What rooms above derive from the log and keep in sled, to be read by key and in order.
//!
//! A [`Projection`] turns records into rows; the engine keeps the rows of all projections in one tree, together with
//! the position up to which they were made. Rows and position change in one batch. Nothing in it is a fact: sled's
//! flush is no sync (a power cut may take back what it acknowledged, or leave what it never wrote whole), so it is
//! believed only as far as it can be shown. When the position is not a block of this log, the versions differ, the
//! rows do not add up to their digest, or sled returns an error or panics, the directory is deleted and everything
//! is made anew from the log.
//!
//! A projection follows durable records in the background. There is no queue: it reads the log itself, and when it
//! falls behind it catches up from there.

mod engine;
mod follower;
pub mod limits;
mod position;
mod table;
mod tree;

pub use engine::{Projector, Row};
pub use follower::{Follower, Rows};
pub use tree::Tree;

use crate::Sequence;

/// Turns records into rows. The same records must always give the same rows.
pub trait Projection: Send + Sync + 'static {
    /// Its name; one of a kind among the projections of an engine.
    fn name(&self) -> &'static str;

    /// Changes whenever the same records would give other rows; everything is then made anew.
    fn version(&self) -> u32;

    /// Whether a record may change a row. Most do not, and this is cheaper than [`apply`](Self::apply).
    fn wants(&self, _record: &[u8]) -> bool {
        true
    }

    /// Changes the rows as a record says.
    ///
    /// # Errors
    /// [`Trouble`]: `Record` for bytes that are no record or do not follow from those before.
    fn apply(&self, sequence: Sequence, record: &[u8], tree: &mut Tree<'_>) -> Result<(), Trouble>;
}

/// Why rows are not what they have to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// They end beyond the log, as after a restore of an older one.
    #[error("the position is beyond the log")]
    Beyond,
    /// They were made of other blocks than the log has.
    #[error("the position is not in this log")]
    Foreign,
    /// Another version of the program made them.
    #[error("made by another version")]
    Version,
    /// They are not those that were written.
    #[error("the rows are not what was written")]
    Digest,
    /// sled refused.
    #[error("the database failed: {0}")]
    Database(String),
    /// sled panicked.
    #[error("the database panicked")]
    Panic,
    /// A record cannot be read or does not follow from those before it.
    #[error("record {0} cannot be projected")]
    Record(u64),
    /// The log cannot be read.
    #[error("the ledger cannot be read: {0}")]
    Log(String),
    /// Another process has them open.
    #[error("another process holds the projections")]
    Locked,
    /// They could not be made anew; they are tried again at the next start.
    #[error("not available: {0}")]
    Unavailable(String),
}

impl Trouble {
    /// Whether making everything anew may help.
    fn is_curable(&self) -> bool {
        match self {
            Self::Beyond
            | Self::Foreign
            | Self::Version
            | Self::Digest
            | Self::Database(_)
            | Self::Panic
            | Self::Record(_) => true,
            Self::Log(_) | Self::Locked | Self::Unavailable(_) => false,
        }
    }
}

impl From<crate::Error> for Trouble {
    fn from(error: crate::Error) -> Self {
        Self::Log(error.to_string())
    }
}
