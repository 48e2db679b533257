//! Transfers at an operator's wish, rules of accounts, holds that end by themselves.

use crate::support::*;
use switchyard_book::BookError;
use switchyard_core::{Command, CommandError, CommandOutcome};
use switchyard_domain::{
    AccountId, AccountKind, AccountRules, Currency, Entry, HoldId, Phase, Record, Timestamp, Transfer,
    TransferId,
};

fn bank() -> AccountId {
    AccountId::own(AccountKind::Bank, Currency::CNY)
}
fn wallet() -> AccountId {
    AccountId::of(AccountKind::Wallet, 0, Currency::CNY)
}
fn transfer(bench: &Bench, number: u64, entry: Entry) -> Transfer {
    let day = bench.core.state().day();
    Transfer { id: TransferId { day, number }, entry, holds_until: None }
}
fn top_up(bench: &Bench, number: u64, minor: u64) -> Transfer {
    transfer(bench, number, Entry::one(bank(), wallet(), minor, Phase::Posted))
}
fn ask(bench: &mut Bench, transfer: &Transfer) -> Result<CommandOutcome, CommandError> {
    bench.command(Command::Transfer(transfer.clone()))
}
fn in_wallet(bench: &Bench) -> i128 {
    bench.core.state().book().balance(wallet()).available_credit_minor()
}

#[test]
fn a_transfer_is_recorded_once_however_often_it_is_asked_for() {
    let mut bench = Bench::new();
    let first = top_up(&bench, 1, 500);
    assert_eq!(ask(&mut bench, &first), Ok(CommandOutcome::Recorded));
    let records = bench.records.len();
    assert_eq!(ask(&mut bench, &first), Ok(CommandOutcome::RecordedBefore));
    let other = top_up(&bench, 1, 501);
    let differs = CommandError::Transfer(BookError::TransferDiffers { id: other.id });
    assert_eq!(ask(&mut bench, &other), Err(differs));
    assert_eq!((in_wallet(&bench), bench.records.len()), (500, records));
    bench.crash();
    assert_eq!(ask(&mut bench, &first), Ok(CommandOutcome::RecordedBefore), "a restart forgets nothing");
    bench.pass_days(u64::from(TransferId::DAYS_KEPT) + 1);
    let too_old = CommandError::Transfer(BookError::TransferTooOld { id: first.id });
    assert_eq!(ask(&mut bench, &first), Err(too_old));
    assert_eq!(in_wallet(&bench), 500);
}

#[test]
fn a_transfer_out_of_order_changes_nothing() {
    let mut bench = Bench::new();
    let good = top_up(&bench, 1, 5);
    let payable = AccountId::of(AccountKind::MerchantPayable, 0, Currency::CNY);
    let of_transaction = HoldId(1);
    let hold = Entry::one(bank(), wallet(), 5, Phase::Pending(of_transaction));
    let tomorrow = TransferId { day: good.id.day.next(), number: 1 };
    let rows = [
        ("nothing moves", Transfer { entry: Entry::NONE, ..good.clone() }),
        ("a day to come", Transfer { id: tomorrow, ..good.clone() }),
        ("over before it began", Transfer { holds_until: Some(bench.now), ..good.clone() }),
        ("a merchant's money", transfer(&bench, 1, Entry::one(bank(), payable, 5, Phase::Posted))),
        ("a transaction's hold", transfer(&bench, 1, hold)),
        ("more than there is", transfer(&bench, 1, Entry::one(wallet(), bank(), 5, Phase::Posted))),
    ];
    let before = bench.records.len();
    for (name, transfer) in rows {
        assert!(ask(&mut bench, &transfer).is_err(), "{name}");
        assert_eq!(bench.records.len(), before, "{name}");
    }
    assert_eq!(ask(&mut bench, &good), Ok(CommandOutcome::Recorded), "a refusal does not use up the id");
}

#[test]
fn a_hold_ends_with_the_first_input_after_its_time() {
    let mut bench = Bench::new();
    let funds = top_up(&bench, 1, 500);
    ask(&mut bench, &funds).unwrap();
    let until = |bench: &Bench, millis: u64| Some(bench.now.plus_micros(millis * 1_000));
    let (first, second) = (HoldId::of_transfer(1), HoldId::of_transfer(2));
    for (number, hold, millis) in [(2, first, 5_000), (3, second, 9_000)] {
        let mut reserve = transfer(&bench, number, Entry::one(wallet(), bank(), 200, Phase::Pending(hold)));
        reserve.holds_until = until(&bench, millis);
        ask(&mut bench, &reserve).unwrap();
    }
    assert_eq!(in_wallet(&bench), 100);
    bench.pass(4_999);
    assert_eq!((in_wallet(&bench), bench.held()), (100, 400));
    bench.pass(1);
    assert_eq!((in_wallet(&bench), bench.held()), (300, 200));
    let expired = |bench: &Bench| {
        bench.records.iter().filter(|r| matches!(r.record, Record::HoldsExpired { .. })).count()
    };
    assert_eq!(expired(&bench), 1);
    // No tick comes before the withdrawal: the hold is over all the same, because its time is.
    bench.now = Timestamp(bench.now.0 + 4_000_000);
    let late = transfer(&bench, 4, Entry::one(wallet(), bank(), 200, Phase::PostPending(second)));
    let not_open = CommandError::Transfer(BookError::HoldNotOpen { hold: second });
    assert_eq!(ask(&mut bench, &late), Err(not_open));
    assert_eq!((in_wallet(&bench), expired(&bench)), (500, 2));
    bench.crash();
    assert_eq!(in_wallet(&bench), 500);
}

#[test]
fn rules_of_an_account_hold_from_their_record_on() {
    let mut bench = Bench::new();
    let rules = AccountRules { debit_limit_minor: Some(0), credit_limit_minor: Some(600), closed: false };
    let funds = top_up(&bench, 1, 500);
    ask(&mut bench, &funds).unwrap();
    bench.command(Command::SetAccountRules { account: wallet(), rules }).unwrap();
    let more = top_up(&bench, 2, 101);
    assert!(matches!(
        ask(&mut bench, &more),
        Err(CommandError::Transfer(BookError::CreditLimit { available: 100, .. }))
    ));
    // A closed card account declines like one without money.
    let card = AccountId::of(AccountKind::Cardholder, 0, Currency::CNY);
    assert_eq!(bench.code(&Ask::sale(10, 5)), "00");
    let closed = AccountRules { closed: true, ..AccountRules::of(AccountKind::Cardholder) };
    bench.command(Command::SetAccountRules { account: card, rules: closed }).unwrap();
    assert_eq!(bench.code(&Ask::sale(11, 5)), "62");
    bench.crash();
    assert_eq!(bench.code(&Ask::sale(12, 5)), "62", "after a replay too");
}
