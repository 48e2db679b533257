//! Append-only files of JSON lines: what a party did, written before or after it did it.

mod believed;
mod file;
mod line;

pub use believed::{Believed, TransactionKey, believed};
pub use file::Journal;
pub use line::{EntryMode, JournalLine, LineKind, OriginalRef};

pub(crate) use believed::is_reversal_over;
pub(crate) use file::{append_line, open_append};
