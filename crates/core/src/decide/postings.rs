//! What an outcome does to the accounts, and how it is undone. Pure functions: the tables of the follow-up
//! rules are tested on them.

use crate::state::Transaction;
use switchyard_book::Book;
use switchyard_domain::{
    AccountId, AccountKind, BatchSide, Entry, HoldId, Movement, Phase, Posting, TransactionId,
    TransactionKind, TransactionOpened,
};

/// The merchant's side.
fn payable(opened: &TransactionOpened) -> AccountId {
    AccountId::of(AccountKind::MerchantPayable, opened.key.merchant.0, opened.amount.currency)
}

/// The hold that a pre-authorization places.
fn hold_of(id: TransactionId) -> HoldId {
    HoldId(id.0)
}

/// Whether a hold on this account is one in this book. It is for the switch's own cards, whose holds stand on the
/// cardholder's account, or on suspense where that does not cover what a terminal has approved already.
fn holds_here(source: AccountId) -> bool {
    matches!(source.kind, AccountKind::Cardholder | AccountKind::Suspense)
}

/// Postings of an approval. `source` is the cardholder, the network, or suspense for what no account covers.
pub(crate) fn approval(opened: &TransactionOpened, source: AccountId) -> Entry {
    let minor = opened.amount.minor;
    let on_us = holds_here(source);
    let original_hold = opened.original.map(hold_of);
    match (opened.kind, original_hold) {
        (
            TransactionKind::Sale
            | TransactionKind::OfflineSale
            | TransactionKind::CashAdvance
            | TransactionKind::CardRepayment
            | TransactionKind::TopUp
            | TransactionKind::Tip,
            _,
        ) => Entry::one(source, payable(opened), minor, Phase::Posted),
        (TransactionKind::PreAuth | TransactionKind::PreAuthAdvice, _) if on_us => {
            Entry::one(source, payable(opened), minor, Phase::Pending(hold_of(opened.id)))
        }
        (TransactionKind::PreAuthVoid, Some(hold)) if on_us => {
            Entry::one(source, payable(opened), minor, Phase::VoidPending(hold))
        }
        (TransactionKind::Completion | TransactionKind::CompletionAdvice, Some(hold)) if on_us => {
            Entry::one(source, payable(opened), minor, Phase::PostPending(hold))
        }
        (TransactionKind::Completion | TransactionKind::CompletionAdvice, _) => {
            Entry::one(source, payable(opened), minor, Phase::Posted)
        }
        (TransactionKind::Void | TransactionKind::Refund | TransactionKind::CompletionVoid, _) => {
            Entry::one(payable(opened), source, minor, Phase::Posted)
        }
        (
            TransactionKind::PreAuth
            | TransactionKind::PreAuthAdvice
            | TransactionKind::PreAuthVoid
            | TransactionKind::BalanceInquiry,
            _,
        ) => Entry::NONE,
    }
}

/// Postings for what an issuer keeps although it was to be undone: as an approval, with suspense in the merchant's
/// place, where it stands until somebody gives it to whom it belongs. A hold at an issuer moves nothing here.
pub(crate) fn kept(opened: &TransactionOpened, source: AccountId) -> Entry {
    let suspense = AccountId::own(AccountKind::Suspense, opened.amount.currency);
    let minor = opened.amount.minor;
    match opened.kind.batch_side() {
        Some(BatchSide::Debit) => Entry::one(source, suspense, minor, Phase::Posted),
        Some(BatchSide::Credit) => Entry::one(suspense, source, minor, Phase::Posted),
        None => Entry::NONE,
    }
}

/// What an approval means for the merchant.
pub(crate) fn movement(
    opened: &TransactionOpened,
    gain: bool,
    priced_at: switchyard_domain::Timestamp,
) -> Option<Movement> {
    let standing_gain = opened.kind.batch_side()? == BatchSide::Debit;
    Some(Movement {
        merchant: opened.key.merchant,
        terminal: opened.key.terminal,
        transaction: opened.id,
        rrn: opened.rrn,
        kind: opened.kind,
        gain: standing_gain == gain,
        amount: opened.amount,
        card_class: opened.card_class.class,
        priced_at,
    })
}

/// Ends the hold of a pre-authorization and moves nothing.
pub(crate) fn release(transaction: &Transaction) -> Entry {
    let opened = &transaction.opened;
    Entry::one(
        transaction.source,
        payable(opened),
        opened.amount.minor,
        Phase::VoidPending(hold_of(opened.id)),
    )
}

/// Gives an amount back from the merchant to where it came from, or to suspense when that is closed: a reversal has to end.
fn back_to(source: AccountId, opened: &TransactionOpened, book: &Book) -> Entry {
    let minor = opened.amount.minor;
    let entry = Entry::one(payable(opened), source, minor, Phase::Posted);
    if book.check(&entry).is_ok() {
        return entry;
    }
    let suspense = AccountId::own(AccountKind::Suspense, opened.amount.currency);
    Entry::one(payable(opened), suspense, minor, Phase::Posted)
}

/// Postings that undo an approved transaction. What a cardholder has spent meanwhile cannot be taken
/// back from the account: it goes to suspense, where an operator sees it, because a reversal has to end.
pub(crate) fn undo(transaction: &Transaction, original: Option<&Transaction>, book: &Book) -> Entry {
    let opened = &transaction.opened;
    let (source, minor) = (transaction.source, opened.amount.minor);
    let on_us = holds_here(source);
    let suspense = AccountId::own(AccountKind::Suspense, opened.amount.currency);
    let entry = match opened.kind {
        TransactionKind::Sale
        | TransactionKind::OfflineSale
        | TransactionKind::CashAdvance
        | TransactionKind::CardRepayment
        | TransactionKind::TopUp
        | TransactionKind::Tip => return back_to(source, opened, book),
        TransactionKind::PreAuth | TransactionKind::PreAuthAdvice if on_us => {
            let freed = Entry::one(source, payable(opened), minor, Phase::VoidPending(hold_of(opened.id)));
            // A hold that could not be put back when its completion was undone is gone already.
            return if book.check(&freed).is_ok() { freed } else { Entry::NONE };
        }
        TransactionKind::Completion | TransactionKind::CompletionAdvice => {
            let back = back_to(source, opened, book);
            return with_hold_again(back, original.filter(|_| on_us), book);
        }
        TransactionKind::PreAuthVoid if on_us => return with_hold_again(Entry::NONE, original, book),
        TransactionKind::Void | TransactionKind::Refund | TransactionKind::CompletionVoid => {
            Entry::one(source, payable(opened), minor, Phase::Posted)
        }
        TransactionKind::PreAuth
        | TransactionKind::PreAuthAdvice
        | TransactionKind::PreAuthVoid
        | TransactionKind::BalanceInquiry => Entry::NONE,
    };
    if book.check(&entry).is_ok() {
        entry
    } else {
        Entry::one(suspense, payable(opened), minor, Phase::Posted)
    }
}

/// Puts a pre-authorization's hold back, if the cardholder still has the money.
fn with_hold_again(mut entry: Entry, original: Option<&Transaction>, book: &Book) -> Entry {
    let Some(original) = original else { return entry };
    let plain = entry.clone();
    entry.0.push(Posting {
        debit: original.source,
        credit: payable(&original.opened),
        amount_minor: original.opened.amount.minor,
        phase: Phase::Pending(hold_of(original.opened.id)),
    });
    if book.check(&entry).is_ok() { entry } else { plain }
}
