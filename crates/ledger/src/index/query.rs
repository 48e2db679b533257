//! What is asked of the index, and the places at which an answer can be taken up again.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::IndexError;
use super::hot::Range;
use super::key::Key;
use super::limits::PAGE_MAX;
use crate::block::read_u64;
use crate::{LedgerId, Sequence};

/// The order of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first; a query that is asked again at its end finds what came since.
    #[default]
    Ascending,
    /// Newest first; records that come in between are not in it.
    Descending,
}

/// Records with a key, between two sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// What they are found by.
    pub key: Key,
    /// The first that counts.
    pub from: Sequence,
    /// The one after the last that counts.
    pub to: Sequence,
    /// Their order.
    pub order: Order,
    /// Most records of a page, at most [`PAGE_MAX`].
    pub limit: usize,
    /// Go on after the record at which this cursor was taken.
    pub after: Option<Cursor>,
}

impl Query {
    /// All records with a key, oldest first.
    pub fn new(key: Key) -> Self {
        let (from, to) = (Sequence(0), Sequence(u64::MAX));
        Self { key, from, to, order: Order::Ascending, limit: PAGE_MAX, after: None }
    }

    /// The range that is left behind the cursor, for one record more than the page has room for.
    pub(crate) fn range(&self, ledger: LedgerId) -> Result<Range, IndexError> {
        let descending = self.order == Order::Descending;
        let limit = self.limit.clamp(1, PAGE_MAX) + 1;
        let mut range = Range { from: self.from.0, to: self.to.0, descending, limit };
        if let Some(cursor) = self.after {
            if cursor.query != self.mark(ledger) {
                return Err(IndexError::Cursor);
            }
            if descending {
                range.to = range.to.min(cursor.last.0);
            } else {
                range.from = range.from.max(cursor.last.0.saturating_add(1));
            }
        }
        Ok(range)
    }

    /// The places after each of some records of the answer.
    pub(crate) fn cursors(&self, ledger: LedgerId, sequences: &[Sequence]) -> Vec<Cursor> {
        let query = self.mark(ledger);
        sequences.iter().map(|last| Cursor { query, last: *last }).collect()
    }

    /// What makes a cursor useless for any other query; the length of a page may change.
    fn mark(&self, ledger: LedgerId) -> u64 {
        let mut digest = Sha256::new();
        digest.update(ledger.0);
        digest.update(self.key.encoded());
        digest.update(self.from.0.to_le_bytes());
        digest.update(self.to.0.to_le_bytes());
        digest.update([u8::from(self.order == Order::Descending)]);
        read_u64(&digest.finalize(), 0)
    }
}

/// A place in the answer to a query. It names a record, not a row: it stays where it is while records arrive, while
/// their segment is sealed, and when their index moves from memory to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    query: u64,
    last: Sequence,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:x}", self.query, self.last.0)
    }
}

impl FromStr for Cursor {
    type Err = IndexError;
    fn from_str(text: &str) -> Result<Self, IndexError> {
        let (query, last) = text.split_at_checked(16).ok_or(IndexError::Cursor)?;
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten().ok_or(IndexError::Cursor)
        };
        Ok(Self { query: number(query)?, last: Sequence(number(last)?) })
    }
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records, in the order of the query.
    pub sequences: Vec<Sequence>,
    /// Where each of them leaves off, in the same order.
    pub cursors: Vec<Cursor>,
    /// Whether there were more when it was made.
    pub more: bool,
}

impl Page {
    /// The place to go on from: after the last record of the page.
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursors.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_with_its_query_and_no_other() {
        let (ledger, query) = (LedgerId([1; 16]), Query::new(Key::new(1, &[b"a"])));
        let cursor = query.cursors(ledger, &[Sequence(77)])[0];
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        let again = Query { after: Some(cursor), limit: 3, ..query };
        assert_eq!(again.range(ledger).unwrap().from, 78);
        let others = [
            Query { key: Key::new(1, &[b"b"]), ..again },
            Query { from: Sequence(1), ..again },
            Query { order: Order::Descending, ..again },
        ];
        for other in others {
            assert!(matches!(other.range(ledger), Err(IndexError::Cursor)), "{other:?}");
        }
        assert!(again.range(LedgerId([2; 16])).is_err());
        for text in ["", "0123", "+123456789abcdef0", "0123456789abcdefg", "ééééééééééé"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
