//! What a terminal can still void, refund or complete.

use crate::journal::OriginalRef;
use crate::random::Random;
use crate::terminal::{Done, FinalState, Order};
use crate::world::DemoCard;
use std::sync::Arc;
use switchyard_domain::{BatchNumber, TransactionKind};

/// Originals of one kind that a terminal remembers; the oldest go first.
const ORIGINALS_MAX: usize = 256;

/// Something that can be followed.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) original: OriginalRef,
    pub(super) card: Arc<DemoCard>,
    pub(super) amount_minor: u64,
    pub(super) refunded_minor: u64,
}

/// Everything that can be followed.
#[derive(Debug, Default)]
pub(super) struct Originals {
    sales: Vec<Open>,
    holds: Vec<Open>,
    completions: Vec<Open>,
}

impl Originals {
    /// Takes an original for `kind` out, if there is one. Voids want one in the open batch.
    pub(super) fn take(
        &mut self,
        kind: TransactionKind,
        batch: BatchNumber,
        random: &mut Random,
    ) -> Option<Open> {
        let fits = |open: &Open| match kind {
            // Neither is of what was refunded in part.
            TransactionKind::Void | TransactionKind::Tip => {
                open.original.batch == batch && open.refunded_minor == 0
            }
            TransactionKind::CompletionVoid => open.original.batch == batch,
            TransactionKind::Refund => open.refunded_minor < open.amount_minor,
            _ => true,
        };
        let list = self.list(kind)?;
        let candidates: Vec<usize> = (0..list.len()).filter(|at| fits(&list[*at])).collect();
        let at = *random.pick(&candidates)?;
        Some(list.remove(at))
    }
    /// Where originals of `kind` are kept.
    fn list(&mut self, kind: TransactionKind) -> Option<&mut Vec<Open>> {
        match kind {
            TransactionKind::Void | TransactionKind::Refund | TransactionKind::Tip => Some(&mut self.sales),
            TransactionKind::PreAuthVoid
            | TransactionKind::Completion
            | TransactionKind::CompletionAdvice => Some(&mut self.holds),
            TransactionKind::CompletionVoid => Some(&mut self.completions),
            TransactionKind::Sale
            | TransactionKind::OfflineSale
            | TransactionKind::CashAdvance
            | TransactionKind::CardRepayment
            | TransactionKind::TopUp
            | TransactionKind::BalanceInquiry
            | TransactionKind::PreAuth
            | TransactionKind::PreAuthAdvice => None,
        }
    }
    /// Books how an order ended: a new original, or what is left of the one that it followed.
    pub(super) fn ended(&mut self, order: &Order, done: &Done, followed: Option<Open>) {
        if let Some(mut open) = followed {
            let is_refund = order.kind == TransactionKind::Refund;
            let stands = match done.state {
                FinalState::Approved => is_refund,
                FinalState::Declined | FinalState::Reversed => true,
                FinalState::Unknown => false,
            };
            if done.state == FinalState::Approved && is_refund {
                open.refunded_minor += order.amount_minor;
            }
            if stands && let Some(list) = self.list(order.kind) {
                push(list, open);
            }
        }
        let Some(original) = done.as_original() else { return };
        let open = Open {
            original,
            card: Arc::clone(&order.card),
            amount_minor: done.amount_minor,
            refunded_minor: 0,
        };
        match order.kind {
            TransactionKind::Sale => push(&mut self.sales, open),
            TransactionKind::PreAuth | TransactionKind::PreAuthAdvice => push(&mut self.holds, open),
            TransactionKind::Completion | TransactionKind::CompletionAdvice => {
                push(&mut self.completions, open)
            }
            TransactionKind::Void
            | TransactionKind::Refund
            | TransactionKind::BalanceInquiry
            | TransactionKind::PreAuthVoid
            | TransactionKind::CompletionVoid
            | TransactionKind::OfflineSale
            | TransactionKind::CashAdvance
            | TransactionKind::CardRepayment
            | TransactionKind::TopUp
            | TransactionKind::Tip => {}
        }
    }
}

fn push(list: &mut Vec<Open>, open: Open) {
    if list.len() >= ORIGINALS_MAX {
        list.remove(0);
    }
    list.push(open);
}
