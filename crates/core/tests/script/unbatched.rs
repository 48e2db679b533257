//! Terminals whose dialect names no batch.

use crate::support::*;
use switchyard_core::{Body, CommandError, MacCheck, Order, ReplyBody, Upload};
use switchyard_domain::{
    BatchNumber, BatchTotals, BatchVerdict, LinkDialect, MessageClass, Outcome, Record, Side,
    TerminalDialect, TerminalIndex, TerminalOrder, TerminalProfile, TransactionKind,
};

/// A request and the moment that it carries.
#[derive(Clone, Copy)]
pub(crate) struct Timed(pub(crate) Ask, pub(crate) u64);

fn speak(carries_mac: bool) -> Order {
    let dialect = TerminalDialect::Iso(LinkDialect::Iso87Binary);
    let profile = TerminalProfile { dialect, carries_mac, takes_partial: false };
    let what = TerminalOrder::Speak(profile);
    Order::Terminal { terminal: TERMINALS[0].0.parse().unwrap(), what, reason: reason() }
}

pub(crate) fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.order(speak(true)).unwrap();
    bench
}

pub(crate) fn ask(bench: &mut Bench, Timed(ask, moment): Timed) -> u64 {
    let mut financial = ask.batch(0).financial();
    financial.echo.de60 = moment;
    bench.request(0, Body::Financial(financial))
}

pub(crate) fn code(bench: &mut Bench, timed: Timed) -> String {
    let ticket = ask(bench, timed);
    bench.code_of(ticket)
}

/// `ask` as a follow-up of the request under this number and moment.
pub(crate) fn naming(ask: Ask, of: Timed) -> Ask {
    let mut ask = ask;
    ask.original.batch_stan = Some((BatchNumber::OPEN, stan(of.0.stan)));
    ask.original.moment = Some(of.1);
    ask
}

pub(crate) fn reverse(bench: &mut Bench, of: Timed) -> String {
    let mut reversal = Back::of(&of.0.batch(0)).reversal();
    reversal.original_moment = Some(of.1);
    reversal.echo.de60 = of.1;
    // The message says only the class.
    reversal.kind = match reversal.original_class {
        MessageClass::Authorization => TransactionKind::PreAuth,
        MessageClass::Financial | MessageClass::Reversal | MessageClass::PartReversal => {
            TransactionKind::Sale
        }
    };
    let ticket = bench.request(0, Body::Reversal(reversal));
    bench.code_of(ticket)
}

pub(crate) fn totals(
    bench: &mut Bench,
    debit: (u64, u32),
    credit: (u64, u32),
    closes: bool,
) -> Option<BatchVerdict> {
    dated_totals(bench, (900_000, 0), debit, credit, closes)
}

/// Totals under a trace number and a moment.
fn dated_totals(
    bench: &mut Bench,
    (number, moment): (u32, u64),
    debit: (u64, u32),
    credit: (u64, u32),
    closes: bool,
) -> Option<BatchVerdict> {
    let mut totals = BatchTotals::default();
    totals.domestic.debit = Side { amount_minor: debit.0, count: debit.1 };
    totals.domestic.credit = Side { amount_minor: credit.0, count: credit.1 };
    let body = Body::BatchTotals { stan: stan(number), batch: BatchNumber::OPEN, totals, closes, moment };
    let ticket = bench.request(0, body);
    match bench.only(ticket).body {
        ReplyBody::BatchTotals { verdict, .. } => Some(verdict),
        _ => None,
    }
}

fn open_batch(bench: &Bench) -> u32 {
    let sold = bench.records.iter().rev().find_map(|stamped| match &stamped.record {
        Record::Decided { opened, .. } | Record::Opened(opened) => Some(opened.key.batch.get()),
        _ => None,
    });
    sold.unwrap()
}

#[test]
fn a_request_that_waits_for_its_pin_is_found_in_the_batch_that_was_closed_meanwhile() {
    for closed in [false, true] {
        let mut bench = bench();
        assert_eq!(code(&mut bench, Timed(Ask::sale(9, 100), 1_115_092_900)), "00");
        bench.pins = Pins::Held;
        let sale = Timed(Ask::sale(10, 500).pin(), 1_115_093_000);
        let first = ask(&mut bench, sale);
        if closed {
            let (terminal, batch) = (TERMINALS[0].0.parse().unwrap(), named::batch(1));
            bench.order(Order::CloseBatch { terminal, batch, reason: reason() }).unwrap();
        }
        let repeat = ask(&mut bench, sale);
        let other = Timed(sale.0.minor(501), sale.1);
        assert_eq!(code(&mut bench, other), "94", "another request under its number");
        bench.pin_done(Pins::Right);
        let expected = if closed { "77" } else { "00" };
        assert_eq!([first, repeat].map(|ticket| bench.code_of(ticket)), [expected; 2], "{closed}");
        assert!(bench.held_pins.is_empty(), "one piece of work for one request");
    }
}

#[test]
fn a_request_goes_into_the_open_batch_and_its_repeat_hears_the_same() {
    let mut bench = bench();
    let sale = Timed(Ask::sale(10, 500), 1_118_110_640);
    let first = ask(&mut bench, sale);
    assert_eq!((bench.code_of(first), open_batch(&bench)), ("00".into(), 1));
    let again = ask(&mut bench, sale);
    assert_eq!(bench.only(again), bench.only(first));
    assert_eq!(code(&mut bench, Timed(Ask::sale(10, 501), sale.1)), "94", "another amount");
    assert_eq!(
        code(&mut bench, Timed(sale.0, sale.1 + 1)),
        "94",
        "the same sale, later, under the same number"
    );
    assert_eq!(bench.payable(0), 500);
}

#[test]
fn a_repeat_that_comes_after_the_batch_was_closed_is_still_one() {
    let mut bench = bench();
    let sale = Timed(Ask::sale(10, 500), 77);
    let first = ask(&mut bench, sale);
    assert_eq!(totals(&mut bench, (500, 1), (0, 0), false), Some(BatchVerdict::Balanced));
    let again = ask(&mut bench, sale);
    assert_eq!(bench.only(again), bench.only(first));
    assert_eq!(bench.payable(0), 500);
    // The number at another moment is a sale of the new batch.
    assert_eq!((code(&mut bench, Timed(sale.0, 78)), open_batch(&bench)), ("00".into(), 2));
    assert_eq!(bench.payable(0), 1_000);
}

#[test]
fn a_reversal_names_its_original_and_ends_in_one_effect() {
    let mut bench = bench();
    let sale = Timed(Ask::sale(10, 500), 77);
    ask(&mut bench, sale);
    assert_eq!(reverse(&mut bench, Timed(sale.0, 76)), "25", "the number at another moment");
    assert_eq!(reverse(&mut bench, Timed(sale.0.minor(499), 77)), "25");
    assert_eq!(bench.payable(0), 500);
    assert_eq!(
        reverse(&mut bench, sale),
        "25",
        "it was refused once for its amount, and that stays the answer"
    );

    let other = Timed(Ask::sale(11, 300), 80);
    ask(&mut bench, other);
    for _ in 0..3 {
        assert_eq!(reverse(&mut bench, other), "00");
    }
    assert_eq!(bench.payable(0), 500);
    // A hold, a cash advance and a completion are known by their original.
    let hold = Timed(Ask::new(TransactionKind::PreAuth, 12, 400, ON_US), 81);
    ask(&mut bench, hold);
    assert_eq!((bench.held(), reverse(&mut bench, hold)), (400, "00".into()));
    assert_eq!(bench.held(), 0);
    let cash = Timed(Ask::new(TransactionKind::CashAdvance, 13, 200, ON_US), 82);
    ask(&mut bench, cash);
    assert_eq!(reverse(&mut bench, cash), "00");
    assert_eq!(bench.payable(0), 500);
}

#[test]
fn a_reversal_before_its_original_shuts_it_out_for_good() {
    for closes_between in [false, true] {
        let mut bench = bench();
        let sale = Timed(Ask::sale(10, 500), 77);
        assert_eq!(reverse(&mut bench, sale), "00");
        if closes_between {
            assert_eq!(totals(&mut bench, (0, 0), (0, 0), false), Some(BatchVerdict::Balanced));
            assert_eq!(reverse(&mut bench, sale), "00", "its repeat");
        }
        assert_eq!(code(&mut bench, sale), "22");
        assert_eq!(bench.payable(0), 0);
    }
}

#[test]
fn a_void_is_of_what_it_names() {
    let mut bench = bench();
    let sale = Timed(Ask::sale(10, 500), 77);
    ask(&mut bench, sale);
    let void = Ask::new(TransactionKind::Void, 11, 500, ON_US);
    assert_eq!(code(&mut bench, Timed(naming(void, Timed(sale.0, 78)), 90)), "25", "another moment");
    assert_eq!(code(&mut bench, Timed(naming(void.stan(12), sale), 91)), "00");
    assert_eq!(bench.payable(0), 0);
    // A completion is voided in the same way, and recorded as what it is.
    let hold = Timed(Ask::new(TransactionKind::PreAuth, 20, 400, ON_US), 92);
    ask(&mut bench, hold);
    let completion = Timed(naming(Ask::new(TransactionKind::Completion, 21, 400, ON_US), hold), 93);
    assert_eq!(code(&mut bench, completion), "00", "named by its number, without an authorization code");
    assert_eq!(bench.payable(0), 400);
    assert_eq!(code(&mut bench, Timed(naming(void.stan(22).minor(400), completion), 94)), "00");
    assert_eq!(bench.model.last().opened.kind, TransactionKind::CompletionVoid);
    assert_eq!((bench.payable(0), bench.held()), (0, 0));
}

#[test]
fn a_refund_finds_its_original_in_a_batch_before() {
    let mut bench = bench();
    let sale = Timed(Ask::sale(10, 500), 77);
    ask(&mut bench, sale);
    totals(&mut bench, (500, 1), (0, 0), false);
    let refund = Ask::new(TransactionKind::Refund, 11, 200, ON_US);
    assert_eq!(code(&mut bench, Timed(naming(refund, sale), 90)), "00");
    assert_eq!(bench.payable(0), 300);
    let void = Ask::new(TransactionKind::Void, 12, 500, ON_US);
    assert_eq!(code(&mut bench, Timed(naming(void, sale), 91)), "25", "a void stays within the batch");
}

#[test]
fn totals_do_not_tell_cards_apart_and_their_repeat_closes_nothing() {
    let mut bench = bench();
    ask(&mut bench, Timed(Ask::sale(10, 500), 1));
    let ticket = ask(&mut bench, Timed(Ask::sale_b(11, 300), 2));
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    assert_eq!(bench.code_of(ticket), "00");
    for _ in 0..3 {
        assert_eq!(totals(&mut bench, (800, 2), (0, 0), false), Some(BatchVerdict::Balanced));
    }
    let closes = |r: &switchyard_domain::Stamped| matches!(r.record, Record::BatchReconciled { .. });
    assert_eq!(bench.records.iter().filter(|r| closes(r)).count(), 1);
    ask(&mut bench, Timed(Ask::sale(12, 800), 3));
    assert_eq!(open_batch(&bench), 2);
}

#[test]
fn totals_that_were_long_on_their_way_do_not_shut_the_next_batch() {
    let mut bench = bench();
    ask(&mut bench, Timed(Ask::sale(10, 500), 1));
    assert_eq!(totals(&mut bench, (500, 1), (0, 0), false), Some(BatchVerdict::Balanced));
    ask(&mut bench, Timed(Ask::sale(11, 700), 2));
    assert_eq!(totals(&mut bench, (500, 1), (0, 0), false), Some(BatchVerdict::Balanced), "the close again");
    assert_eq!(code(&mut bench, Timed(Ask::sale(12, 600), 3)), "00", "the batch takes transactions");
    assert_eq!(open_batch(&bench), 2);
    bench.crash();
    assert_eq!(totals(&mut bench, (500, 1), (0, 0), false), Some(BatchVerdict::Balanced), "after a restart");
    assert_eq!(code(&mut bench, Timed(Ask::sale(13, 600), 4)), "00");
}

/// A copy of totals that comes after its terminal has closed other batches, as it was sent and as it was made anew.
#[test]
fn totals_delayed_past_later_closes_find_their_own_close_and_shut_no_batch() {
    for closes in [false, true] {
        let mut bench = bench();
        let first = (101, 1_123_100_000);
        for back in 0..6_u32 {
            let (number, minor) = (101 + 10 * back, 500 + 100 * u64::from(back));
            let moment = first.1 + 60 * u64::from(back);
            assert_eq!(code(&mut bench, Timed(Ask::sale(10 + back, minor), moment)), "00");
            let verdict = dated_totals(&mut bench, (number, moment), (minor, 1), (0, 0), closes);
            assert_eq!(verdict, Some(BatchVerdict::Balanced));
            assert_eq!(code(&mut bench, Timed(Ask::sale(40 + back, 10), moment + 1)), "00");
            for moment in [first.1, first.1 - 40] {
                let again = dated_totals(&mut bench, (first.0, moment), (500, 1), (0, 0), closes);
                assert_eq!(again, Some(BatchVerdict::Balanced), "{back} later");
            }
            assert_eq!(code(&mut bench, Timed(Ask::sale(60 + back, 10), moment + 2)), "00");
            assert_eq!(open_batch(&bench), back + 2, "nothing has shut the batch");
            for (number, after) in [(40, 1), (60, 2)] {
                let taken_back = Timed(Ask::sale(number + back, 10), moment + after);
                assert_eq!(reverse(&mut bench, taken_back), "00");
            }
            bench.crash();
        }
        assert_eq!(bench.model.cases.len(), 0);
    }
}

/// The same number and the same totals, made after the last close, are another batch's.
#[test]
fn totals_that_are_newer_than_the_last_close_close_the_open_batch() {
    let mut bench = bench();
    for (back, minor) in [500, 700, 500].into_iter().enumerate() {
        let moment = 1_231_235_900 + 60 * back as u64;
        let moment = if back == 2 { 101_000_010 } else { moment };
        assert_eq!(code(&mut bench, Timed(Ask::sale(10, minor), moment)), "00");
        let verdict = dated_totals(&mut bench, (11, moment), (minor, 1), (0, 0), true);
        assert_eq!(verdict, Some(BatchVerdict::Balanced));
        assert_eq!(code(&mut bench, Timed(Ask::sale(12, 10), moment + 1)), "00");
        assert_eq!(open_batch(&bench), back as u32 + 2);
        assert_eq!(reverse(&mut bench, Timed(Ask::sale(12, 10), moment + 1)), "00");
    }
}

#[test]
fn totals_that_differ_are_uploaded_or_end_in_cases() {
    let mut bench = bench();
    ask(&mut bench, Timed(Ask::sale(10, 500), 1));
    assert_eq!(totals(&mut bench, (400, 1), (0, 0), false), Some(BatchVerdict::Unbalanced));
    assert_eq!(code(&mut bench, Timed(Ask::sale(11, 100), 2)), "77", "nothing new before the upload ended");
    let item = Body::BatchUpload {
        stan: stan(50),
        batch: BatchNumber::OPEN,
        upload: Upload::Items(vec![item(10, 400, None)]),
    };
    let ticket = bench.request(0, item);
    assert_eq!(bench.code_of(ticket), "00");
    let end = |stan_number, count| Body::BatchUpload {
        stan: stan(stan_number),
        batch: BatchNumber::OPEN,
        upload: Upload::End { count },
    };
    let ticket = bench.request(0, end(51, 2));
    assert_eq!(bench.code_of(ticket), "79", "two were not uploaded");
    for _ in 0..2 {
        let ticket = bench.request(0, end(52, 1));
        assert_eq!(bench.code_of(ticket), "00");
    }
    assert_eq!(bench.model.cases.len(), 1);
    // Told instead of asked: the batch ends, and everything on the side that differs is a case.
    ask(&mut bench, Timed(Ask::sale(12, 700), 3));
    assert_eq!(totals(&mut bench, (600, 1), (0, 0), true), Some(BatchVerdict::Unbalanced));
    assert_eq!(bench.model.cases.len(), 2);
    assert_eq!(totals(&mut bench, (600, 1), (0, 0), true), Some(BatchVerdict::Unbalanced), "its repeat");
    assert_eq!(bench.model.cases.len(), 2);
    assert_eq!((code(&mut bench, Timed(Ask::sale(13, 100), 4)), open_batch(&bench)), ("00".into(), 3));
}

#[test]
fn without_a_mac_only_a_terminal_whose_profile_says_so_is_heard() {
    let mut bench = Bench::new();
    let (terminal, merchant) = (TERMINALS[0].0, MERCHANTS[TERMINALS[0].1]);
    let sale = |number: u32, moment| {
        let mut financial = Ask::sale(number, 100).batch(0).financial();
        financial.echo.de60 = moment;
        Body::Financial(financial)
    };
    let unkeyed = |bench: &mut Bench, body| {
        let ticket = bench.request_as(terminal, merchant, MacCheck::NotRequired, body);
        bench.code_of(ticket)
    };
    assert_eq!(unkeyed(&mut bench, sale(10, 1)), "A0");
    bench.order(speak(false)).unwrap();
    assert_eq!(unkeyed(&mut bench, sale(11, 2)), "00");
    assert_eq!(unkeyed(&mut bench, Body::SignOff { stan: stan(12) }), "00");
    assert_eq!(unkeyed(&mut bench, sale(13, 3)), "77", "it signed off");
    bench.sign_on(0);
    assert_eq!(unkeyed(&mut bench, sale(14, 4)), "00");
    // A terminal that never signed on needs no key to speak without a MAC.
    let order = Order::Terminal {
        terminal: "T0000002".parse().unwrap(),
        what: TerminalOrder::ForceSignOn,
        reason: reason(),
    };
    bench.order(order).unwrap();
    assert_eq!(bench.core.state().registry().is_signed_on(TerminalIndex(1)), Some(false));
}

#[test]
fn a_dialect_changes_between_batches_only() {
    let mut bench = Bench::new();
    bench.code(&Ask::sale(10, 500));
    assert!(matches!(bench.order(speak(true)), Err(CommandError::NotNow { .. })));
    let mut sums = BatchTotals::default();
    sums.domestic.debit = Side { amount_minor: 500, count: 1 };
    bench.totals(0, 1, sums);
    bench.order(speak(true)).unwrap();
    assert_eq!(bench.order(speak(true)), Ok(switchyard_core::CommandOutcome::RecordedBefore));
    assert_eq!(code(&mut bench, Timed(Ask::sale(11, 500), 1)), "00");
    assert_eq!(bench.model.outcome(1), Outcome::Approved);
}

#[test]
fn a_reversal_of_another_moment_leaves_a_sale_alone_that_waits_for_its_pin() {
    let mut bench = bench();
    bench.pins = Pins::Held;
    let sale = Timed(Ask::sale(10, 500).pin(), 78);
    let ticket = ask(&mut bench, sale);
    assert!(bench.silent(ticket));
    // What was made at 77 under the same number never came.
    assert_eq!(reverse(&mut bench, Timed(sale.0, 77)), "25");
    bench.pin_done(Pins::Right);
    assert_eq!((bench.code_of(ticket).as_str(), bench.payable(0)), ("00", 500));
    // The one that is meant is not done.
    let mut bench = self::bench();
    bench.pins = Pins::Held;
    let ticket = ask(&mut bench, sale);
    assert_eq!(reverse(&mut bench, sale), "00");
    bench.pin_done(Pins::Right);
    assert_ne!(bench.code_of(ticket), "00");
    assert_eq!(bench.payable(0), 0);
}
