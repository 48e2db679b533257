//! What can go wrong with the index; nothing of it touches the log.

use crate::Sequence;
use crate::paced::Failure;

/// Why a lookup has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] crate::Error),
    /// A record is in a form that the extractor does not read: another version of the program wrote it.
    #[error("record {sequence} cannot be read")]
    Unreadable {
        /// Which.
        sequence: Sequence,
    },
    /// The cursor belongs to another ledger or another query.
    #[error("the cursor belongs to another query")]
    Cursor,
    /// The index is being shut down; what was under way is made again at the next start.
    #[error("the index is being shut down")]
    Stopped,
    /// An index file cannot be written; lookups read the log instead.
    #[error("cannot {op} {}", path.display())]
    Write {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: std::path::PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
}

impl From<Failure> for IndexError {
    fn from(Failure { op, path, source }: Failure) -> Self {
        Self::Write { op, path, source }
    }
}

impl IndexError {
    /// Stable code of the page in the operator's book.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Log(error) => error.code(),
            Self::Unreadable { .. } => "SW-I001",
            Self::Cursor => "SW-I002",
            Self::Write { .. } => "SW-I003",
            Self::Stopped => "SW-I004",
        }
    }

    pub(crate) fn write(
        op: &'static str,
        path: impl Into<std::path::PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { op, path, source }
    }
}

/// Why a sealed index is not used: it is made anew from its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// There is none.
    #[error("missing")]
    Missing,
    /// Its bytes are not what was written.
    #[error("damaged")]
    Damaged,
    /// Another version of the format or of the extractor wrote it.
    #[error("of another version")]
    Version,
    /// It belongs to other records than the segment holds.
    #[error("of another segment")]
    Foreign,
    /// It cannot be read.
    #[error("unreadable")]
    Unreadable,
}
