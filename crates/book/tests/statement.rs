//! One account followed alone, against the whole book.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use proptest::prelude::*;
use support::{account, entry};
use switchyard_book::{AccountHistory, Balance, Book, BookError, Side, StatementBuilder};
use switchyard_domain::*;

fn card() -> AccountId {
    AccountId::of(AccountKind::Cardholder, 0, Currency::CNY)
}
fn merchant() -> AccountId {
    AccountId::of(AccountKind::MerchantPayable, 0, Currency::CNY)
}
fn bank() -> AccountId {
    AccountId::own(AccountKind::IssuerSettlement, Currency::CNY)
}

fn names(entry: &Entry, account: AccountId) -> bool {
    entry.0.iter().any(|p| p.debit == account || p.credit == account)
}

#[test]
fn a_statement_tells_what_happened_and_what_stood_before_and_after() {
    let hold = HoldId(4);
    let entries = [
        (3, Entry::one(bank(), card(), 1_000, Phase::Posted)),
        (5, Entry::one(card(), merchant(), 300, Phase::Pending(hold))),
        (6, Entry::one(bank(), merchant(), 1, Phase::Posted)),
        (9, Entry::one(card(), merchant(), 310, Phase::PostPending(hold))),
        (12, Entry::one(card(), merchant(), 5, Phase::Posted)),
    ];
    let mut builder = StatementBuilder::new(card(), 4..10);
    for (sequence, entry) in &entries {
        builder.take(*sequence, Timestamp(sequence * 10), entry).unwrap();
    }
    let statement = builder.finish();
    assert_eq!(statement.opening.net_credit_minor(), 1_000);
    assert_eq!((statement.closing.net_credit_minor(), statement.closing.debits_pending), (690, 0));
    let lines: Vec<_> = statement
        .lines
        .iter()
        .map(|l| (l.sequence, l.at.0, l.side, l.amount_minor, l.released_minor))
        .collect();
    assert_eq!(lines, [(5, 50, Side::Debit, 300, 0), (9, 90, Side::Debit, 310, 300)]);
    assert_eq!(statement.lines[0].balance.available_credit_minor(), 700);
    assert_eq!(statement.lines[1].counterpart, merchant());
}

#[test]
fn a_gap_in_the_records_of_an_account_is_noticed() {
    let mut history = AccountHistory::new(card());
    let capture = Entry::one(card(), merchant(), 1, Phase::PostPending(HoldId(4)));
    assert_eq!(
        history.take(0, Timestamp(0), &capture, |_| {}),
        Err(BookError::HoldNotOpen { hold: HoldId(4) })
    );
}

proptest! {
    /// All of the log, or only what names the account: the balance is the book's.
    #[test]
    fn an_account_followed_alone_stands_where_the_book_has_it_at_every_sequence(
        entries in prop::collection::vec(entry(), 0..80),
        account in account(),
        from in 0_usize..80,
    ) {
        let mut book = Book::new();
        let (mut all, mut named) = (AccountHistory::new(account), AccountHistory::new(account));
        let mut balances: Vec<Balance> = Vec::new();
        let mut log = Vec::new();
        for entry in entries {
            if book.apply(&entry).is_err() {
                continue;
            }
            let sequence = log.len() as u64;
            all.take(sequence, Timestamp(0), &entry, |_| {}).unwrap();
            if names(&entry, account) {
                named.take(sequence, Timestamp(0), &entry, |_| {}).unwrap();
            }
            balances.push(book.balance(account));
            prop_assert_eq!(all.balance(), book.balance(account));
            prop_assert_eq!(named.balance(), book.balance(account));
            log.push(entry);
        }
        let end = log.len() as u64;
        let range = (from as u64).min(end)..end;
        let mut builder = StatementBuilder::new(account, range.clone());
        for (sequence, entry) in log.iter().enumerate() {
            builder.take(sequence as u64, Timestamp(0), entry).unwrap();
        }
        let statement = builder.finish();
        let at = |sequence: u64| sequence.checked_sub(1).map_or(Balance::default(), |s| balances[s as usize]);
        prop_assert_eq!(statement.opening, at(range.start));
        prop_assert_eq!(statement.closing, at(range.end));
        let mut last = statement.opening;
        for line in &statement.lines {
            prop_assert!(range.contains(&line.sequence));
            last = line.balance;
        }
        prop_assert_eq!(last, statement.closing);
    }
}
