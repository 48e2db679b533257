//! Voids, refunds, completions: what each may follow, and what it takes.

use crate::support::*;
use TransactionKind::{Completion, CompletionVoid, PreAuth, PreAuthVoid, Refund, Sale, Void};
use switchyard_core::OriginalRef;
use switchyard_domain::{AuthCode, Currency, Rrn, TransactionKind};

struct Given {
    bench: Bench,
    first: Ask,
    rrn: Rrn,
    code: Option<AuthCode>,
}

fn given(kind: TransactionKind, card: &'static str, minor: u64) -> Given {
    let mut bench = Bench::new();
    let first = Ask::new(kind, 10, minor, card);
    let (ticket, code) = bench.link_code(&first, "00");
    assert_eq!(code, "00");
    let facts = bench.facts(ticket);
    Given { bench, first, rrn: facts.rrn, code: facts.auth_code }
}
/// A completed pre-authorization: what follows it follows the completion.
fn completed(card: &'static str, minor: u64) -> Given {
    let mut g = given(PreAuth, card, minor);
    let done = g.first.follow(Completion, 11, g.rrn, g.code);
    let (ticket, code) = g.bench.link_code(&done, "00");
    assert_eq!(code, "00");
    let facts = g.bench.facts(ticket);
    Given { first: done, rrn: facts.rrn, code: facts.auth_code, ..g }
}
fn other_card(card: &str) -> &'static str {
    if card == ON_US { ON_US_OTHER } else { CARD_A_OTHER }
}

type Change = fn(Ask, &mut Given) -> Ask;

fn same(ask: Ask, _: &mut Given) -> Ask {
    ask
}
fn no_card(ask: Ask, _: &mut Given) -> Ask {
    ask.card(None)
}
fn wrong_card(ask: Ask, _: &mut Given) -> Ask {
    ask.card(ask.card.map(other_card))
}
fn wrong_currency(ask: Ask, _: &mut Given) -> Ask {
    Ask { currency: Currency::USD, ..ask }
}
fn unknown(ask: Ask, _: &mut Given) -> Ask {
    let original = OriginalRef {
        rrn: ask.original.rrn.map(|_| "999999999999".parse().unwrap()),
        auth_code: ask.original.auth_code.map(|_| "ZZZZZZ".parse().unwrap()),
        ..OriginalRef::default()
    };
    Ask { original, ..ask }
}
fn unnamed(ask: Ask, _: &mut Given) -> Ask {
    Ask { original: OriginalRef::default(), ..ask }
}
fn other_terminal(ask: Ask, _: &mut Given) -> Ask {
    ask.terminal(1)
}
fn other_merchant(ask: Ask, _: &mut Given) -> Ask {
    ask.terminal(2)
}
fn next_day(ask: Ask, g: &mut Given) -> Ask {
    g.bench.pass_days(1);
    ask
}
fn day_30(ask: Ask, g: &mut Given) -> Ask {
    g.bench.pass_days(30);
    ask
}
fn day_31(ask: Ask, g: &mut Given) -> Ask {
    g.bench.pass_days(31);
    ask
}
fn next_batch(ask: Ask, g: &mut Given) -> Ask {
    let totals = g.bench.model.recount(switchyard_domain::TerminalIndex(0), named::batch(1));
    g.bench.totals(0, 1, totals);
    ask.batch(2)
}
fn wrong_voucher(ask: Ask, _: &mut Given) -> Ask {
    let original = OriginalRef { batch_stan: Some((named::batch(1), stan(77))), ..ask.original };
    Ask { original, ..ask }
}
fn wrong_date(ask: Ask, _: &mut Given) -> Ask {
    Ask { original: OriginalRef { date: Some(*b"0101"), ..ask.original }, ..ask }
}
fn right_date(ask: Ask, g: &mut Given) -> Ask {
    let date = g.bench.now.local_date_digits(g.bench.core.state().offset());
    Ask { original: OriginalRef { date: Some(date), ..ask.original }, ..ask }
}
fn zero_date(ask: Ask, _: &mut Given) -> Ask {
    Ask { original: OriginalRef { date: Some(*b"0000"), ..ask.original }, ..ask }
}
/// The same was done before.
fn twice(ask: Ask, g: &mut Given) -> Ask {
    assert_eq!(g.bench.link_code(&ask.stan(50), "00").1, "00");
    ask
}
fn refunded(ask: Ask, g: &mut Given) -> Ask {
    let refund = g.first.follow(Refund, 51, g.rrn, None).minor(1);
    assert_eq!(g.bench.link_code(&refund, "00").1, "00");
    ask
}
fn voided(ask: Ask, g: &mut Given) -> Ask {
    let kind = if g.first.kind == Completion { CompletionVoid } else { Void };
    let void = g.first.follow(kind, 51, g.rrn, None);
    assert_eq!(g.bench.link_code(&void, "00").1, "00");
    ask
}
fn reversed(ask: Ask, g: &mut Given) -> Ask {
    assert_eq!(g.bench.reverse_code(&Back::of(&g.first)), "00");
    ask
}

/// Kind, what is special, amount, how it is changed, DE 39.
const RULES: &[(TransactionKind, &str, u64, Change, &str)] = &[
    (Void, "whole", 1_000, same, "00"),
    (Void, "without a card", 1_000, no_card, "00"),
    (Void, "part", 999, same, "64"),
    (Void, "more", 1_001, same, "64"),
    (Void, "another card", 1_000, wrong_card, "14"),
    (Void, "another currency", 1_000, wrong_currency, "64"),
    (Void, "unknown reference", 1_000, unknown, "25"),
    (Void, "no reference", 1_000, unnamed, "25"),
    (Void, "another voucher", 1_000, wrong_voucher, "25"),
    (Void, "another terminal", 1_000, other_terminal, "25"),
    (Void, "another merchant", 1_000, other_merchant, "25"),
    (Void, "the next day", 1_000, next_day, "25"),
    (Void, "the next batch", 1_000, next_batch, "25"),
    (Void, "twice", 1_000, twice, "25"),
    (Void, "after a refund", 1_000, refunded, "25"),
    (Void, "after its reversal", 1_000, reversed, "25"),
    (Void, "nothing", 0, same, "13"),
    (Refund, "whole", 1_000, same, "00"),
    (Refund, "part", 1, same, "00"),
    (Refund, "without a card", 1_000, no_card, "00"),
    (Refund, "more", 1_001, same, "61"),
    (Refund, "another card", 1_000, wrong_card, "14"),
    (Refund, "another currency", 1_000, wrong_currency, "64"),
    (Refund, "unknown reference", 1_000, unknown, "25"),
    (Refund, "another terminal", 1_000, other_terminal, "00"),
    (Refund, "another merchant", 1_000, other_merchant, "25"),
    (Refund, "the next day", 1_000, next_day, "00"),
    (Refund, "day 30", 1_000, day_30, "00"),
    (Refund, "day 31", 1_000, day_31, "25"),
    (Refund, "the next batch", 1_000, next_batch, "00"),
    (Refund, "the rest", 999, refunded, "00"),
    (Refund, "more than the rest", 1_000, refunded, "61"),
    (Refund, "after a void", 1_000, voided, "25"),
    (Refund, "after its reversal", 1_000, reversed, "25"),
    (PreAuthVoid, "whole", 1_000, same, "00"),
    (PreAuthVoid, "part", 999, same, "64"),
    (PreAuthVoid, "another card", 1_000, wrong_card, "25"),
    (PreAuthVoid, "another code", 1_000, unknown, "25"),
    (PreAuthVoid, "another date", 1_000, wrong_date, "25"),
    (PreAuthVoid, "its date", 1_000, right_date, "00"),
    (PreAuthVoid, "no date", 1_000, zero_date, "00"),
    (PreAuthVoid, "another terminal", 1_000, other_terminal, "00"),
    (PreAuthVoid, "another merchant", 1_000, other_merchant, "25"),
    (PreAuthVoid, "day 30", 1_000, day_30, "00"),
    (PreAuthVoid, "day 31", 1_000, day_31, "22"),
    (PreAuthVoid, "twice", 1_000, twice, "25"),
    (PreAuthVoid, "after its reversal", 1_000, reversed, "25"),
    (Completion, "whole", 1_000, same, "00"),
    (Completion, "part", 1, same, "00"),
    (Completion, "115 %", 1_150, same, "00"),
    (Completion, "more than 115 %", 1_151, same, "64"),
    (Completion, "another card", 1_000, wrong_card, "25"),
    (Completion, "another currency", 1_000, wrong_currency, "64"),
    (Completion, "another merchant", 1_000, other_merchant, "25"),
    (Completion, "day 30", 1_000, day_30, "00"),
    (Completion, "day 31", 1_000, day_31, "22"),
    (Completion, "twice", 1_000, twice, "25"),
    (Completion, "after its reversal", 1_000, reversed, "25"),
];

#[test]
fn each_follow_up_has_its_rules() {
    for card in [ON_US, CARD_A] {
        for (kind, name, minor, change, code) in RULES {
            let original = if matches!(kind, Void | Refund) { Sale } else { PreAuth };
            let mut g = given(original, card, 1_000);
            let base = g.first.follow(*kind, 20, g.rrn, g.code).minor(*minor);
            let ask = change(base, &mut g);
            let money = g.bench.money();
            let requests = g.bench.requests();
            assert_eq!(g.bench.link_code(&ask, "00").1, *code, "{card} {kind:?} {name}");
            if *code != "00" {
                assert_eq!((g.bench.money(), g.bench.requests()), (money, requests), "{kind:?} {name}");
            }
        }
    }
}

#[test]
fn a_completion_is_voided_or_refunded_like_a_sale() {
    let rows: &[(TransactionKind, &str, u64, Change, &str)] = &[
        (CompletionVoid, "whole", 1_000, same, "00"),
        (CompletionVoid, "part", 999, same, "64"),
        (CompletionVoid, "another card", 1_000, wrong_card, "14"),
        (CompletionVoid, "another terminal", 1_000, other_terminal, "25"),
        (CompletionVoid, "the next day", 1_000, next_day, "25"),
        (CompletionVoid, "the next batch", 1_000, next_batch, "25"),
        (CompletionVoid, "twice", 1_000, twice, "25"),
        (CompletionVoid, "after a refund", 1_000, refunded, "25"),
        (Refund, "whole", 1_000, same, "00"),
        (Refund, "more", 1_001, same, "61"),
        (Refund, "after a void", 1_000, voided, "25"),
        (Void, "not a sale", 1_000, same, "25"),
    ];
    for card in [ON_US, CARD_A] {
        for (kind, name, minor, change, code) in rows {
            let mut g = completed(card, 1_000);
            let base = g.first.follow(*kind, 20, g.rrn, g.code).minor(*minor);
            let ask = change(base, &mut g);
            assert_eq!(g.bench.link_code(&ask, "00").1, *code, "{card} {kind:?} {name}");
        }
    }
}

#[test]
fn only_the_right_kind_can_be_followed() {
    let mut g = given(PreAuth, ON_US, 1_000);
    for (number, kind) in [(20, Void), (21, Refund), (22, CompletionVoid)] {
        let ask = g.first.follow(kind, number, g.rrn, g.code);
        assert_eq!(g.bench.code(&ask), "25", "{kind:?} of a pre-authorization");
    }
    let mut g = given(Sale, ON_US, 1_000);
    for (number, kind) in [(20, PreAuthVoid), (21, Completion), (22, CompletionVoid)] {
        let ask = g.first.follow(kind, number, g.rrn, g.code);
        assert_eq!(g.bench.code(&ask), "25", "{kind:?} of a sale");
    }
    let declined = Ask::sale(30, BALANCE * 2).pin();
    let ticket = g.bench.ask(&declined);
    let rrn = g.bench.facts(ticket).rrn;
    assert_eq!(g.bench.code(&declined.follow(Refund, 31, rrn, None).minor(1)), "25", "a declined sale");
}

#[test]
fn holds_reserve_and_completions_take() {
    let mut g = given(PreAuth, ON_US, 1_000);
    assert_eq!((g.bench.available(ON_US), g.bench.payable(0)), (i128::from(BALANCE - 1_000), 0));
    let ask = g.first.follow(Completion, 11, g.rrn, g.code).minor(1_150);
    assert_eq!(g.bench.code(&ask), "00");
    assert_eq!((g.bench.available(ON_US), g.bench.payable(0)), (i128::from(BALANCE - 1_150), 1_150));
    assert_eq!(g.bench.held(), 0);
    // A completion above the hold needs the money.
    let mut bench = Bench::new();
    let pre = Ask::new(PreAuth, 10, BALANCE, ON_US).pin();
    let ticket = bench.ask(&pre);
    let facts = bench.facts(ticket);
    let more = pre.follow(Completion, 11, facts.rrn, facts.auth_code).minor(BALANCE + 1);
    assert_eq!(bench.code(&more), "51");
    assert_eq!(bench.code(&more.stan(12).minor(BALANCE)), "00");
}

#[test]
fn a_hold_that_nobody_completes_ends_with_its_time() {
    let mut g = given(PreAuth, ON_US, 1_000);
    g.bench.pass_days(30);
    assert_eq!(g.bench.available(ON_US), i128::from(BALANCE - 1_000), "day 30: it may still be completed");
    g.bench.pass_days(1);
    assert_eq!((g.bench.available(ON_US), g.bench.held()), (i128::from(BALANCE), 0));
    assert_eq!(g.bench.code(&g.first.follow(Completion, 11, g.rrn, g.code)), "22");
    assert_eq!(g.bench.code(&g.first.follow(PreAuthVoid, 12, g.rrn, g.code)), "22");
    // One that was completed in time has no hold left to end.
    let mut g = completed(ON_US, 1_000);
    g.bench.pass_days(31);
    assert_eq!(g.bench.available(ON_US), i128::from(BALANCE - 1_000));
}

#[test]
fn over_a_link_what_is_being_taken_cannot_be_taken_again() {
    // A second void while the first is pending; and again once the first failed.
    for (answer, second) in [("00", "25"), ("51", "00")] {
        let mut g = given(Sale, CARD_A, 1_000);
        let void = g.first.follow(Void, 20, g.rrn, None);
        let ticket = g.bench.ask(&void);
        let sent = g.bench.last_request();
        assert_eq!(g.bench.code(&void.stan(21)), "25");
        assert_eq!(g.bench.code(&g.first.follow(Refund, 22, g.rrn, None).minor(1)), "25");
        g.bench.answer(&sent, answer);
        assert_eq!(g.bench.code_of(ticket), answer);
        assert_eq!(g.bench.link_code(&void.stan(23), "00").1, second);
    }
    // Refunds that together exceed.
    let mut g = given(Sale, CARD_A, 1_000);
    let refund = g.first.follow(Refund, 20, g.rrn, None).minor(600);
    g.bench.ask(&refund);
    let sent = g.bench.last_request();
    assert_eq!(g.bench.code(&refund.stan(21)), "61");
    let small = g.bench.ask(&refund.stan(22).minor(400));
    assert!(g.bench.silent(small));
    assert_eq!(g.bench.code(&refund.stan(23).minor(1)), "61");
    g.bench.answer(&sent, "51");
    assert_eq!(g.bench.link_code(&refund.stan(24), "00").1, "00");
    // Completions of one hold.
    let mut g = given(PreAuth, CARD_A, 1_000);
    let completion = g.first.follow(Completion, 20, g.rrn, g.code);
    g.bench.ask(&completion);
    assert_eq!(g.bench.code(&completion.stan(21)), "25");
    assert_eq!(g.bench.code(&g.first.follow(PreAuthVoid, 22, g.rrn, g.code)), "25");
}

#[test]
fn what_may_have_been_taken_stays_taken_until_that_is_known() {
    for (kind, original) in [(Void, Sale), (Refund, Sale), (Completion, PreAuth), (PreAuthVoid, PreAuth)] {
        let mut g = given(original, CARD_A, 1_000);
        let ask = g.first.follow(kind, 20, g.rrn, g.code);
        let ticket = g.bench.ask(&ask);
        g.bench.pass(LINK_TIMEOUT_MS);
        assert_eq!(g.bench.code_of(ticket), "98");
        assert_eq!(g.bench.code(&ask.stan(21)), "22", "{kind:?}: in doubt, to be asked again later");
        g.bench.drain();
        assert_eq!(g.bench.link_code(&ask.stan(22), "00").1, "00", "{kind:?}");
    }
    for (kind, original) in [(Void, Sale), (Refund, Sale), (Completion, PreAuth)] {
        let mut g = given(original, CARD_A, 1_000);
        let ask = g.first.follow(kind, 20, g.rrn, g.code);
        g.bench.ask(&ask);
        g.bench.step(switchyard_core::Input::NotSent {
            link: LINK_A,
            transaction: g.bench.model.last().opened.id,
            request: None,
        });
        assert_eq!(g.bench.link_code(&ask.stan(22), "00").1, "00", "{kind:?} that was not sent");
    }
}

#[test]
fn a_follow_up_goes_where_its_original_went_and_names_it() {
    let mut g = given(PreAuth, CARD_A, 1_000);
    let first = g.bench.last_request();
    let ask = g.first.follow(Completion, 20, g.rrn, g.code).card(None);
    assert_eq!(g.bench.link_code(&ask, "00").1, "00");
    let sent = g.bench.last_request();
    let SentWhat::Request { original: Some(original), .. } = sent.what else { panic!("no DE 90") };
    assert_eq!((sent.link, original.stan, original.transmitted_at), (LINK_A, first.stan, first.at));
    g.bench.disconnect(LINK_A);
    let mut g = given(Sale, CARD_A, 1_000);
    g.bench.disconnect(LINK_A);
    let void = g.first.follow(Void, 20, g.rrn, None);
    assert_eq!(g.bench.code(&void), "91");
    g.bench.connect(LINK_A);
    assert_eq!(g.bench.link_code(&void.stan(21), "00").1, "00", "a refused void takes nothing");
}

#[test]
fn a_hold_that_is_answered_after_midnight_is_found_by_either_day() {
    for (stan, told) in [(20, false), (21, true)] {
        let mut bench = Bench::new();
        let hold = Ask { kind: PreAuth, ..Ask::sale_a(10, 1_000) };
        // A second before local midnight.
        let offset = bench.core.state().offset();
        let day = 86_400_000_u64;
        let local = bench.now.0 / 1_000 + u64::try_from(offset.0).unwrap() * 60_000;
        bench.now = bench.now.plus_micros((day - 1_000 - local % day) * 1_000);
        let asked = bench.now.local_date_digits(offset);
        let ticket = bench.ask(&hold);
        let sent = bench.last_request();
        bench.pass(2_000);
        bench.answer(&sent, "00");
        let facts = bench.facts(ticket);
        let heard = facts.at.local_date_digits(offset);
        assert_ne!(asked, heard);
        let date = Some(if told { heard } else { asked });
        let follow = hold.follow(Completion, stan, facts.rrn, facts.auth_code);
        let follow = Ask { original: OriginalRef { date, ..follow.original }, ..follow };
        assert_eq!(bench.link_code(&follow, "00").1, "00", "told: {told}");
    }
}
