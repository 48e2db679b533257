//! Single rules of the book, each by an example.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use switchyard_book::{Book, BookError, ImageError, Taken};
use switchyard_domain::*;

fn card(owner: u32) -> AccountId {
    AccountId::of(AccountKind::Cardholder, owner, Currency::CNY)
}
fn merchant(owner: u32) -> AccountId {
    AccountId::of(AccountKind::MerchantPayable, owner, Currency::CNY)
}
fn bank() -> AccountId {
    AccountId::own(AccountKind::IssuerSettlement, Currency::CNY)
}
fn funded(minor: u64) -> Book {
    let mut book = Book::new();
    book.apply(&Entry::one(bank(), card(0), minor, Phase::Posted)).unwrap();
    book
}
fn sale(minor: u64) -> Entry {
    Entry::one(card(0), merchant(0), minor, Phase::Posted)
}
fn transfer(day: u32, number: u64, entry: Entry) -> Transfer {
    Transfer { id: TransferId { day: BusinessDate(day), number }, entry, holds_until: None }
}

#[test]
fn a_hold_reserves_and_its_capture_may_differ() {
    let mut book = funded(1_000);
    let hold = HoldId(7);
    book.apply(&Entry::one(card(0), merchant(0), 800, Phase::Pending(hold))).unwrap();
    assert_eq!(book.balance(card(0)).available_credit_minor(), 200);
    assert_eq!(
        book.check(&sale(201)),
        Err(BookError::Overdraft { account: card(0), need: 201, available: 200 })
    );
    let elsewhere = Entry::one(card(0), merchant(1), 800, Phase::PostPending(hold));
    assert_eq!(book.check(&elsewhere), Err(BookError::HoldDiffers { hold }));
    book.apply(&Entry::one(card(0), merchant(0), 900, Phase::PostPending(hold))).unwrap();
    assert_eq!(book.balance(card(0)).available_credit_minor(), 100);
    assert_eq!(book.balance(merchant(0)).net_credit_minor(), 900);
    let again = Entry::one(card(0), merchant(0), 1, Phase::PostPending(hold));
    assert_eq!(book.apply(&again), Err(BookError::HoldNotOpen { hold }));
}

#[test]
fn an_entry_stands_or_falls_whole() {
    let mut book = funded(100);
    let before = book.image();
    let mut entry = sale(60);
    entry.0.extend(Entry::one(card(0), merchant(1), 60, Phase::Posted).0);
    assert!(matches!(book.apply(&entry), Err(BookError::Overdraft { available: 40, .. })));
    let mut entry = Entry::one(card(0), merchant(0), 60, Phase::Pending(HoldId(1)));
    entry.0.extend(sale(60).0);
    assert!(book.transfer(&transfer(1, 1, entry)).is_err());
    assert_eq!(book.image(), before);
}

#[test]
fn nonsense_is_refused() {
    let mut book = funded(100);
    let other = AccountId::of(AccountKind::MerchantPayable, 0, Currency::USD);
    let foreign = Entry::one(card(0), other, 1, Phase::Posted);
    assert!(matches!(book.check(&foreign), Err(BookError::Currency { .. })));
    let same = Entry::one(card(0), card(0), 1, Phase::Posted);
    assert!(matches!(book.check(&same), Err(BookError::SameAccount { .. })));
    let endless = Entry::one(bank(), card(1), u64::MAX, Phase::Posted);
    assert_eq!(book.apply(&endless), Err(BookError::Overflow { account: bank() }));
    let long = Entry(sale(0).0.repeat(Transfer::POSTINGS_MAX + 1));
    assert!(matches!(book.transfer(&transfer(1, 1, long)), Err(BookError::Postings { .. })));
}

#[test]
fn limits_are_of_the_account_and_hold_both_ways() {
    let mut book = funded(100);
    book.set_rules(card(0), AccountRules { debit_limit_minor: Some(50), ..AccountRules::default() });
    assert_eq!(
        book.apply(&sale(151)),
        Err(BookError::Overdraft { account: card(0), need: 151, available: 150 })
    );
    book.apply(&sale(150)).unwrap();
    let ceiling = AccountRules { credit_limit_minor: Some(160), ..AccountRules::default() };
    book.set_rules(merchant(0), ceiling);
    let hold = Entry::one(bank(), merchant(0), 6, Phase::Pending(HoldId(1)));
    book.apply(&hold).unwrap();
    assert_eq!(
        book.apply(&Entry::one(bank(), merchant(0), 5, Phase::Posted)),
        Err(BookError::CreditLimit { account: merchant(0), need: 5, available: 4 })
    );
    assert_eq!(book.rules(card(1)), AccountRules { debit_limit_minor: Some(0), ..AccountRules::default() });
}

#[test]
fn a_closed_account_takes_nothing_new_and_gives_what_it_owes() {
    let mut book = funded(100);
    for (hold, minor) in [(1, 40), (2, 10)] {
        book.apply(&Entry::one(card(0), merchant(0), minor, Phase::Pending(HoldId(hold)))).unwrap();
    }
    book.set_rules(card(0), AccountRules { closed: true, ..AccountRules::of(AccountKind::Cardholder) });
    assert_eq!(book.apply(&sale(1)), Err(BookError::Closed { account: card(0) }));
    let back = Entry::one(merchant(0), card(0), 1, Phase::Posted);
    assert_eq!(book.apply(&back), Err(BookError::Closed { account: card(0) }));
    let more = Entry::one(card(0), merchant(0), 41, Phase::PostPending(HoldId(1)));
    assert_eq!(book.apply(&more), Err(BookError::Closed { account: card(0) }));
    book.apply(&Entry::one(card(0), merchant(0), 40, Phase::PostPending(HoldId(1)))).unwrap();
    book.apply(&Entry::one(card(0), merchant(0), 10, Phase::VoidPending(HoldId(2)))).unwrap();
    assert_eq!(book.balance(card(0)).available_credit_minor(), 60);
}

#[test]
fn a_transfer_takes_effect_once() {
    let mut book = funded(100);
    let first = transfer(9, 1, sale(60));
    assert_eq!(book.transfer(&first), Ok(Taken::Applied));
    assert_eq!(book.transfer(&first), Ok(Taken::Exists), "although the money would not do twice");
    assert_eq!(book.balance(card(0)).net_credit_minor(), 40);
    let other = transfer(9, 1, sale(61));
    assert_eq!(book.transfer(&other), Err(BookError::TransferDiffers { id: other.id }));
    let timed = Transfer { holds_until: Some(Timestamp(5)), ..first.clone() };
    assert_eq!(book.transfer(&timed), Err(BookError::TransferDiffers { id: first.id }));
    // A refusal is not remembered: with money the same transfer goes through.
    let late = transfer(9, 2, sale(50));
    assert!(matches!(book.transfer(&late), Err(BookError::Overdraft { .. })));
    book.apply(&Entry::one(bank(), card(0), 10, Phase::Posted)).unwrap();
    assert_eq!(book.transfer(&late), Ok(Taken::Applied));
}

#[test]
fn a_forgotten_transfer_is_refused_and_not_taken_for_new() {
    let mut book = funded(100);
    let first = transfer(9, 1, sale(10));
    book.transfer(&first).unwrap();
    book.replay(&Record::DayCut { day: BusinessDate(43), next: BusinessDate(44) }).unwrap();
    assert_eq!(book.transfer(&first), Ok(Taken::Exists), "remembered for 35 days");
    book.replay(&Record::DayCut { day: BusinessDate(44), next: BusinessDate(45) }).unwrap();
    assert_eq!(book.transfer_count(), 0);
    assert_eq!(book.transfer(&first), Err(BookError::TransferTooOld { id: first.id }));
    // Time does not go back.
    book.forget_transfers_before(BusinessDate(3));
    assert_eq!(book.transfer(&first), Err(BookError::TransferTooOld { id: first.id }));
}

#[test]
fn a_hold_ends_by_the_record_that_says_so() {
    let mut book = funded(100);
    for (hold, until) in [(1, Some(30)), (2, Some(20)), (3, None)] {
        let entry = Entry::one(card(0), merchant(0), 10, Phase::Pending(HoldId::of_transfer(hold)));
        let id = TransferId { day: BusinessDate(1), number: hold };
        book.transfer(&Transfer { id, entry, holds_until: until.map(Timestamp) }).unwrap();
    }
    assert!(book.due(Timestamp(19)).is_empty());
    let ids = |entry: Entry| entry.0.iter().map(|p| p.phase).collect::<Vec<_>>();
    let void = |hold| Phase::VoidPending(HoldId::of_transfer(hold));
    assert_eq!(ids(book.due(Timestamp(20))), [void(2)]);
    let due = book.due(Timestamp(u64::MAX));
    assert_eq!(ids(due.clone()), [void(2), void(1)], "soonest first; what has no end stays");
    assert_eq!(book.holds().len(), 3, "asking ends nothing");
    book.replay(&Record::HoldsExpired { entry: due }).unwrap();
    assert_eq!(book.holds().len(), 1);
    assert_eq!(book.balance(card(0)).available_credit_minor(), 90);
}

#[test]
fn a_replay_refuses_what_this_book_could_not_have_written() {
    let mut book = funded(100);
    let record = Record::Transferred(transfer(1, 1, sale(10)));
    book.replay(&record).unwrap();
    assert!(matches!(book.replay(&record), Err(BookError::TransferRepeated { .. })));
    book.replay(&Record::AccountRulesSet {
        account: card(0),
        rules: AccountRules { closed: true, ..AccountRules::default() },
    })
    .unwrap();
    assert!(book.replay(&Record::AccountFunded { entry: sale(1) }).is_err());
    book.replay(&Record::Started { epoch: 1, cut_bytes: 0 }).unwrap();
}

#[test]
fn an_image_that_no_book_could_have_had_is_refused() {
    let mut book = funded(100);
    book.apply(&Entry::one(card(0), merchant(0), 10, Phase::Pending(HoldId(1)))).unwrap();
    book.transfer(&transfer(3, 1, sale(10))).unwrap();
    let whole = book.image();
    let refused = |change: fn(&mut switchyard_book::BookImage)| {
        let mut image = whole.clone();
        change(&mut image);
        Book::from_image(&image).unwrap_err()
    };
    assert!(matches!(refused(|i| i.accounts.reverse()), ImageError::Order { what: "accounts" }));
    assert!(matches!(refused(|i| i.transfers.push(i.transfers[0].clone())), ImageError::Order { .. }));
    assert!(matches!(refused(|i| i.holds[0].1.amount_minor += 1), ImageError::Pending { .. }));
    assert!(matches!(refused(|i| i.holds[0].1.debit = card(9)), ImageError::Pending { .. }));
    assert!(matches!(refused(|i| i.accounts[0].1.credits_posted += 1), ImageError::Unbalanced));
    assert!(matches!(refused(|i| i.transfers_since = 4), ImageError::Transfer(_)));
}
