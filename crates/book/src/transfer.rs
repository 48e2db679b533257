//! Transfers that are remembered, so that a repeat is known as one.

use std::collections::BTreeMap;
use switchyard_domain::{BusinessDate, Entry, Posting, Timestamp, Transfer, TransferId};

use crate::error::BookError;
use crate::sharded::Sharded;

/// What became of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It took effect now.
    Applied,
    /// It had taken effect before, with the same content.
    Exists,
}

/// What an id stood for, whole: a digest could agree by chance.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    postings: Postings,
    holds_until: Option<Timestamp>,
}

/// Nearly all transfers have one posting, which then needs no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Postings {
    One(Posting),
    Other(Box<[Posting]>),
}

impl Postings {
    fn of(entry: &Entry) -> Self {
        match entry.0.as_slice() {
            [one] => Self::One(*one),
            other => Self::Other(other.into()),
        }
    }
    fn as_slice(&self) -> &[Posting] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Other(other) => other,
        }
    }
}

/// Transfers by day and number.
#[derive(Debug, Clone)]
pub(crate) struct Transfers {
    days: BTreeMap<BusinessDate, Sharded<u64, Content>>,
    /// First day that is remembered.
    since: BusinessDate,
}

impl Default for Transfers {
    fn default() -> Self {
        Self { days: BTreeMap::new(), since: BusinessDate(0) }
    }
}

impl Transfers {
    /// Whether the transfer was taken before.
    pub(crate) fn find(&self, transfer: &Transfer) -> Result<Option<Taken>, BookError> {
        let id = transfer.id;
        if id.day < self.since {
            return Err(BookError::TransferTooOld { id });
        }
        let Some(known) = self.days.get(&id.day).and_then(|day| day.get(&id.number)) else { return Ok(None) };
        let same = known.holds_until == transfer.holds_until && known.postings.as_slice() == transfer.entry.0;
        if same { Ok(Some(Taken::Exists)) } else { Err(BookError::TransferDiffers { id }) }
    }
    pub(crate) fn insert(&mut self, transfer: &Transfer) {
        let content = Content { postings: Postings::of(&transfer.entry), holds_until: transfer.holds_until };
        self.days.entry(transfer.id.day).or_default().insert(transfer.id.number, content);
    }
    /// Forgets the transfers of days before `day`.
    pub(crate) fn forget_before(&mut self, day: BusinessDate) {
        if day > self.since {
            self.since = day;
            self.days = self.days.split_off(&day);
        }
    }
    pub(crate) fn since(&self) -> BusinessDate {
        self.since
    }
    pub(crate) fn count(&self) -> usize {
        self.days.values().map(Sharded::len).sum()
    }
    pub(crate) fn ordered(&self) -> Vec<Transfer> {
        let mut all = Vec::with_capacity(self.count());
        for (day, numbers) in &self.days {
            let start = all.len();
            all.extend(numbers.iter().map(|(number, content)| Transfer {
                id: TransferId { day: *day, number: *number },
                entry: Entry(content.postings.as_slice().to_vec()),
                holds_until: content.holds_until,
            }));
            all[start..].sort_unstable_by_key(|transfer| transfer.id.number);
        }
        all
    }
}
