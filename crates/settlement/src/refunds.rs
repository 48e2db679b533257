//! What was left of an original when a refund of it was made.
//!
//! The fee that a partial refund gives back depends on the sale's amount and on the refunds before it,
//! which may be months old. Keeping every sale would not fit in memory, so the day's first reading notes
//! which originals matter and a second one follows those alone.

use std::collections::{BTreeMap, BTreeSet};
use switchyard_domain::{BatchSide, Movement, Record, TransactionId, TransactionKind, TransactionOpened};

/// A refund of the day, or the undoing of one.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    line: u32,
    remaining_minor: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Original {
    captured_minor: u64,
    refunded_minor: u64,
}

/// Follows the originals of the day's refunds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refunds {
    wanted: BTreeMap<u64, Wanted>,
    originals: BTreeMap<TransactionId, Original>,
    /// Refunds of earlier days that were undone on this one: the first reading does not know their
    /// originals, a later one finds them.
    unresolved: BTreeSet<TransactionId>,
    found: BTreeSet<TransactionId>,
    /// This reading's refunds of a wanted original.
    followers: BTreeMap<TransactionId, TransactionId>,
    readings: u32,
    last_sequence: u64,
}

impl Refunds {
    /// One reading finds the originals, the next one follows them.
    const READINGS_MAX: u32 = 2;

    /// First reading: a refund's movement on the day at hand, or the movement that undoes one.
    pub(crate) fn want(
        &mut self,
        sequence: u64,
        line: u32,
        refund: TransactionId,
        original: Option<TransactionId>,
    ) {
        self.wanted.insert(sequence, Wanted { line, remaining_minor: None });
        match original {
            Some(original) => {
                self.originals.insert(original, Original::default());
            }
            None => {
                self.unresolved.insert(refund);
            }
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }
    /// Whether another reading can still tell something.
    pub(crate) fn may_read_again(&self) -> bool {
        self.readings == 0 || !self.found.is_empty() && self.readings < Self::READINGS_MAX
    }
    /// Lines with what is left of their originals, `None` where that was not found out yet.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (u32, Option<u64>)> {
        self.wanted.values().map(|wanted| (wanted.line, wanted.remaining_minor))
    }

    /// Another reading; it begins where the sequence starts anew.
    pub(crate) fn trace(&mut self, sequence: u64, record: &Record) {
        if self.readings == 0 || sequence <= self.last_sequence {
            self.readings += 1;
            self.originals
                .extend(std::mem::take(&mut self.found).into_iter().map(|id| (id, Original::default())));
            self.originals.values_mut().for_each(|original| *original = Original::default());
            self.followers.clear();
        }
        self.last_sequence = sequence;
        match record {
            Record::Opened(opened) => self.follow(opened),
            Record::Decided { opened, movement, .. } | Record::Advised { opened, movement, .. } => {
                self.follow(opened);
                self.moved(sequence, opened.id, movement.as_ref());
            }
            Record::Resolved { transaction, movement, .. } => {
                self.moved(sequence, *transaction, movement.as_ref());
            }
            Record::ReversalTaken { original: Some(undone), movement, .. } => {
                self.moved(sequence, *undone, movement.as_ref());
            }
            Record::PartReversed { original, movements: Some(movements), .. } => {
                movements.iter().for_each(|movement| self.moved(sequence, *original, Some(movement)));
            }
            _ => {}
        }
    }

    fn follow(&mut self, opened: &TransactionOpened) {
        let (TransactionKind::Refund, Some(original)) = (opened.kind, opened.original) else { return };
        if self.originals.contains_key(&original) {
            self.followers.insert(opened.id, original);
        } else if self.unresolved.contains(&opened.id) {
            self.found.insert(original);
        }
    }
    fn moved(&mut self, sequence: u64, transaction: TransactionId, movement: Option<&Movement>) {
        let Some(movement) = movement else { return };
        if movement.kind == TransactionKind::Refund {
            return self.refunded(sequence, transaction, movement);
        }
        if movement.kind.batch_side() != Some(BatchSide::Debit) {
            return;
        }
        if let Some(original) = self.originals.get_mut(&transaction) {
            let minor = movement.amount.minor;
            original.captured_minor = match movement.gain {
                true => original.captured_minor.saturating_add(minor),
                false => original.captured_minor.saturating_sub(minor),
            };
        }
    }
    fn refunded(&mut self, sequence: u64, refund: TransactionId, movement: &Movement) {
        let original = self.followers.get(&refund).and_then(|original| self.originals.get_mut(original));
        let Some(original) = original else { return };
        let before = original.captured_minor.saturating_sub(original.refunded_minor);
        let after = if movement.gain {
            original.refunded_minor = original.refunded_minor.saturating_sub(movement.amount.minor);
            before
        } else {
            original.refunded_minor = original.refunded_minor.saturating_add(movement.amount.minor);
            original.captured_minor.saturating_sub(original.refunded_minor)
        };
        if let Some(wanted) = self.wanted.get_mut(&sequence) {
            wanted.remaining_minor = Some(after);
        }
    }
}
