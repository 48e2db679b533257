//! 冲正, row by row of the table, and that undoing restores exactly what was.

use crate::support::*;
use switchyard_core::{Command, CommandError, Order, OriginalRef, ReplyBody, Upload};
use switchyard_domain::{
    AccountId, AccountKind, AccountRules, Actor, BatchCaseKind, BatchTotals, BatchVerdict, CaseFinding,
    CaseId, Currency, Outcome, Record, ReversalEffect, Stamped, TransactionKind,
};

fn effect(bench: &Bench) -> ReversalEffect {
    let last = bench.records.iter().rev().find_map(|s| match s.record {
        Record::ReversalTaken { effect, .. } => Some(effect),
        _ => None,
    });
    last.expect("a reversal was taken")
}

#[test]
fn an_approved_sale_on_us_is_undone() {
    let mut bench = Bench::new();
    let before = bench.money();
    let sale = Ask::sale(10, 500);
    assert_eq!(bench.code(&sale), "00");
    let first = bench.reverse(&Back::of(&sale));
    assert_eq!((bench.code_of(first).as_str(), effect(&bench)), ("00", ReversalEffect::Undone));
    assert_eq!(bench.money(), before);
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    let records = bench.records.len();
    let again = bench.reverse(&Back::of(&sale));
    assert_eq!(bench.only(again), bench.only(first), "its repeat hears the stored answer");
    assert_eq!(bench.reverse_code(&Back { minor: 400, ..Back::of(&sale) }), "25", "another under its key");
    assert_eq!(bench.records.len(), records);
    let totals = bench.totals(0, 1, Default::default());
    let balanced = matches!(&totals.body, ReplyBody::BatchTotals { verdict: BatchVerdict::Balanced, .. });
    assert!(balanced, "it counts no longer: {totals:?}");
    assert_eq!(bench.core.state().saf_waiting(), 0);
}

#[test]
fn an_approved_link_sale_is_undone_and_the_issuer_told() {
    let mut bench = Bench::new();
    let sale = Ask::sale_a(10, 500);
    bench.link_code(&sale, "00");
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (0, 0));
    bench.pass(1);
    let (sent, entry, repeat) = bench.reversals()[0];
    assert_eq!((entry.transaction.0, repeat), (0, false));
    bench.answer(&sent, "00");
    assert_eq!(bench.core.state().saf_waiting(), 0);
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!(bench.core.state().saf_waiting(), 0, "once");
}

#[test]
fn a_reversal_before_its_original_shuts_the_key() {
    for sale in [Ask::sale(10, 500), Ask::sale_a(10, 500), Ask::sale(10, 500).pin()] {
        let mut bench = Bench::new();
        let first = bench.reverse(&Back::of(&sale));
        assert_eq!((bench.code_of(first).as_str(), effect(&bench)), ("00", ReversalEffect::Tombstone));
        let records = bench.records.len();
        assert_eq!(bench.code(&sale), "22");
        assert_eq!((bench.requests(), bench.records.len()), (0, records));
        let again = bench.reverse(&Back::of(&sale));
        assert_eq!(bench.only(again), bench.only(first));
        bench.crash();
        assert_eq!(bench.code(&sale), "22", "a restart does not forget it");
        assert_eq!(bench.code(&sale.stan(11).card(Some(ON_US))), "00", "other trace numbers go on");
    }
}

#[test]
fn a_reversal_during_pin_work_ends_the_original_in_nothing() {
    for sale in [Ask::sale(10, 500).pin(), Ask::sale_a(10, 500).pin()] {
        for outcome in [Pins::Right, Pins::Wrong, Pins::Failed] {
            let mut bench = Bench::new();
            bench.pins = Pins::Held;
            let ticket = bench.ask(&sale);
            assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
            let repeat = bench.ask(&sale);
            bench.pin_done(outcome);
            assert_eq!((bench.code_of(ticket), bench.code_of(repeat)), ("22".into(), "22".into()));
            assert_eq!((bench.requests(), bench.payable(0)), (0, 0));
            assert_eq!(bench.code(&sale), "22");
        }
    }
}

#[test]
fn a_reversal_of_what_is_pending_waits_for_the_outcome() {
    for (issuer, outcome, heard, queued) in [
        (Some("00"), Outcome::Reversed, "98", 1),
        (Some("10"), Outcome::Unknown, "98", 1),
        (Some("51"), Outcome::Declined, "51", 0),
        (None, Outcome::Unknown, "98", 1),
    ] {
        let mut bench = Bench::new();
        let sale = Ask::sale_a(10, 500);
        let ticket = bench.ask(&sale);
        let first = bench.reverse(&Back::of(&sale));
        assert_eq!((bench.code_of(first).as_str(), effect(&bench)), ("00", ReversalEffect::WhenResolved));
        match issuer {
            Some(code) => {
                let sent = bench.last_request();
                bench.answer(&sent, code);
            }
            None => bench.pass(LINK_TIMEOUT_MS),
        }
        assert_eq!((bench.code_of(ticket).as_str(), bench.model.outcome(0)), (heard, outcome), "{issuer:?}");
        assert_eq!((bench.core.state().saf_waiting(), bench.payable(0)), (queued, 0), "{issuer:?}");
        let again = bench.reverse(&Back::of(&sale));
        assert_eq!(bench.only(again), bench.only(first));
        bench.drain();
        assert_eq!(bench.core.state().unresolved(), 0);
        assert!(bench.reversals().iter().all(|(_, e, _)| e.transaction.0 == 0));
    }
}

#[test]
fn nothing_is_undone_where_nothing_stands() {
    // Declined on us.
    let mut bench = Bench::new();
    let sale = Ask::sale(10, BALANCE * 2).pin();
    assert_eq!(bench.code(&sale), "51");
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!(effect(&bench), ReversalEffect::Nothing);
    // Declined by an issuer.
    let mut bench = Bench::new();
    let sale = Ask::sale_a(10, 500);
    bench.link_code(&sale, "51");
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!((effect(&bench), bench.core.state().saf_waiting()), (ReversalEffect::Nothing, 0));
    // Unknown: the queued reversal covers it.
    let mut bench = Bench::new();
    bench.ask(&sale);
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!((effect(&bench), bench.core.state().saf_waiting()), (ReversalEffect::Nothing, 1));
    // Unknown, and the queued reversal was heard already: no operator case.
    let mut bench = Bench::new();
    bench.ask(&sale);
    bench.pass(LINK_TIMEOUT_MS);
    bench.drain();
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!((effect(&bench), bench.core.state().saf_waiting()), (ReversalEffect::Nothing, 0));
}

/// The cases that nobody has settled: number, what it is, and the amounts of terminal and host.
fn cases(bench: &Bench) -> Vec<(u64, BatchCaseKind, u64, u64)> {
    let open = bench.core.state().open_cases();
    open.map(|(id, open)| (id.0, open.case.kind, open.case.terminal_minor, open.case.host_minor)).collect()
}

fn settle(bench: &mut Bench, case: u64) {
    let (case, finding) = (CaseId(case), CaseFinding::Adjusted);
    bench.order(Order::ResolveCase { case, finding, reason: reason() }).unwrap();
}

/// The terminal closes its batch and has nothing in it.
fn close_empty(bench: &mut Bench) {
    bench.totals(0, 1, BatchTotals::default());
    assert_eq!(bench.upload(0, 1, Upload::End { count: 0 }).code.as_str(), "00");
}

#[test]
fn another_amount_or_kind_or_a_closed_day_is_an_operators_case() {
    let case = |terminal_minor| vec![(0, BatchCaseKind::Reversal, terminal_minor, 500)];
    for sale in [Ask::sale(10, 500), Ask::sale_a(10, 500)] {
        let approved = || {
            let mut bench = Bench::new();
            bench.link_code(&sale, "00");
            bench
        };
        let mut bench = approved();
        let less = Back { minor: 499, ..Back::of(&sale) };
        assert_eq!(bench.reverse_code(&less), "25");
        assert_eq!((effect(&bench), bench.payable(0)), (ReversalEffect::Refused, 500));
        assert_eq!(cases(&bench), case(499));
        // Its repeat, and another reversal under the key, are told the same and no second time to an operator.
        assert_eq!([bench.reverse_code(&less), bench.reverse_code(&Back::of(&sale))], ["25", "25"]);
        bench.crash();
        assert_eq!(cases(&bench), case(499));
        let mut bench = approved();
        assert_eq!(bench.reverse_code(&Back { kind: TransactionKind::Refund, ..Back::of(&sale) }), "25");
        assert_eq!(cases(&bench), case(500));
        let mut bench = approved();
        bench.pass_days(1);
        assert_eq!(bench.reverse_code(&Back::of(&sale)), "25");
        assert_eq!((effect(&bench), bench.payable(0)), (ReversalEffect::Refused, 500));
        assert_eq!(cases(&bench), case(500));
        // What was given back meanwhile is not given back again.
        let mut bench = approved();
        let rrn = bench.model.last().opened.rrn;
        assert_eq!(bench.link_code(&sale.follow(TransactionKind::Void, 11, rrn, None), "00").1, "00");
        assert_eq!(bench.reverse_code(&Back::of(&sale)), "25");
        assert_eq!(cases(&bench), case(500));
        // The issuer has not answered yet: it may stand.
        if sale.card == Some(CARD_A) {
            let mut bench = Bench::new();
            bench.ask(&sale);
            assert_eq!(bench.reverse_code(&less), "25");
            assert_eq!(cases(&bench), case(499));
        }
        let mut bench = Bench::new();
        assert_eq!(bench.link_code(&Ask { card: Some(CARD_B), ..sale }, "51").1, "51");
        assert_eq!(bench.reverse_code(&Back { of: Ask { card: Some(CARD_B), ..sale }, ..less }), "25");
        assert_eq!(cases(&bench), []);
        // Where there is nothing to undo, or it is undone, there is nothing to look at.
        let mut bench = approved();
        assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
        assert_eq!(bench.reverse_code(&Back::of(&sale.stan(77))), "00");
        assert_eq!(cases(&bench), []);
    }
}

#[test]
fn a_refused_reversal_is_one_case_whenever_its_batch_is_compared() {
    for settled_before in [false, true] {
        let mut bench = Bench::new();
        let sale = Ask::sale(10, 500);
        assert_eq!([bench.code(&sale), bench.code(&Ask::sale(11, 70))], ["00", "00"]);
        assert_eq!(bench.reverse_code(&Back { minor: 499, ..Back::of(&sale) }), "25");
        if settled_before {
            settle(&mut bench, 0);
        }
        // The terminal has neither in its batch: the other is the difference that nobody knew of.
        close_empty(&mut bench);
        let mut expected = vec![(1, BatchCaseKind::HostOnly, 0, 70)];
        if !settled_before {
            expected.insert(0, (0, BatchCaseKind::Reversal, 499, 500));
        }
        assert_eq!(cases(&bench), expected, "settled before: {settled_before}");
    }
    // The batch was compared first: its case stands for both until it is settled.
    let mut bench = Bench::new();
    let sale = Ask::sale(10, 500);
    assert_eq!(bench.code(&sale), "00");
    bench.pass_days(1);
    close_empty(&mut bench);
    let found = vec![(0, BatchCaseKind::HostOnly, 0, 500)];
    assert_eq!(cases(&bench), found);
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "25");
    assert_eq!(cases(&bench), found);
    let mut bench = Bench::new();
    assert_eq!(bench.code(&sale), "00");
    bench.pass_days(1);
    close_empty(&mut bench);
    settle(&mut bench, 0);
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "25");
    assert_eq!(cases(&bench), vec![(1, BatchCaseKind::Reversal, 500, 500)], "what was settled did not know");
}

#[test]
fn the_day_that_counts_is_the_outcomes() {
    let mut bench = Bench::new();
    let sale = Ask::sale_a(10, 500);
    bench.ask(&sale);
    let sent = bench.last_request();
    bench.pass(1_000);
    bench.command(switchyard_core::Command::CutDay).unwrap();
    bench.answer(&sent, "00");
    assert_eq!(bench.model.outcome(0), Outcome::Approved);
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00", "it was posted on the day that is open");
    assert_eq!(bench.payable(0), 0);
}

#[test]
fn every_kind_is_restored_exactly() {
    use TransactionKind::{Completion, CompletionVoid, PreAuth, PreAuthVoid, Refund, Sale, Void};
    for card in [ON_US, CARD_A] {
        for chain in [
            &[(Sale, 500)][..],
            &[(Sale, 500), (Void, 500)],
            &[(Sale, 500), (Refund, 200)],
            &[(Sale, 500), (Refund, 200), (Refund, 300)],
            &[(PreAuth, 500)],
            &[(PreAuth, 500), (PreAuthVoid, 500)],
            &[(PreAuth, 500), (Completion, 575)],
            &[(PreAuth, 500), (Completion, 100)],
            &[(PreAuth, 500), (Completion, 500), (CompletionVoid, 500)],
            &[(PreAuth, 500), (Completion, 500), (Refund, 100)],
        ] {
            let mut bench = Bench::new();
            let (mut last, mut original) = (None, None);
            let mut before = bench.money();
            for (number, (kind, minor)) in chain.iter().enumerate() {
                let number = 10 + number as u32;
                let ask = match original {
                    Some((ask, rrn, code)) => Ask::follow(ask, *kind, number, rrn, code).minor(*minor),
                    None => Ask::new(*kind, number, *minor, card),
                };
                before = bench.money();
                let (ticket, code) = bench.link_code(&ask, "00");
                assert_eq!(code, "00", "{card} {chain:?}");
                let facts = bench.facts(ticket);
                if matches!(kind, Sale | PreAuth | Completion) {
                    original = Some((ask, facts.rrn, facts.auth_code));
                }
                last = Some(ask);
            }
            let last = last.unwrap();
            assert_eq!(bench.reverse_code(&Back::of(&last)), "00");
            assert_eq!((effect(&bench), bench.money()), (ReversalEffect::Undone, before), "{card} {chain:?}");
            bench.drain();
            // The same can be done again: what it took of the original is free.
            let (_, code) = bench.link_code(&last.stan(90), "00");
            assert_eq!(code, "00", "{card} {chain:?} again");
        }
    }
}

#[test]
fn what_was_followed_up_is_not_reversed_under_it() {
    use TransactionKind::{Completion, PreAuth, PreAuthVoid, Refund, Void};
    for (first, next, minor) in [
        (TransactionKind::Sale, Void, 500),
        (TransactionKind::Sale, Refund, 1),
        (PreAuth, Completion, 100),
        (PreAuth, PreAuthVoid, 500),
    ] {
        for card in [ON_US, CARD_A] {
            let mut bench = Bench::new();
            let ask = Ask::new(first, 10, 500, card);
            let (ticket, _) = bench.link_code(&ask, "00");
            let facts = bench.facts(ticket);
            let follow = ask.follow(next, 11, facts.rrn, facts.auth_code).minor(minor);
            assert_eq!(bench.link_code(&follow, "00").1, "00");
            let before = bench.money();
            assert_eq!(bench.reverse_code(&Back::of(&ask)), "25", "{next:?}");
            assert_eq!(bench.money(), before);
        }
    }
}

#[test]
fn what_the_cardholder_spent_meanwhile_goes_to_suspense() {
    let mut bench = Bench::new();
    let sale = Ask::sale(10, BALANCE).pin();
    let ticket = bench.ask(&sale);
    let rrn = bench.facts(ticket).rrn;
    let refund = sale.follow(TransactionKind::Refund, 11, rrn, None);
    assert_eq!(bench.code(&refund), "00");
    assert_eq!(bench.code(&Ask::sale(12, BALANCE).pin()), "00");
    assert_eq!(bench.reverse_code(&Back::of(&refund)), "00");
    assert_eq!((bench.suspense(), bench.available(ON_US)), (i128::from(BALANCE), 0));
}

#[test]
fn a_hold_that_cannot_be_put_back_is_worth_nothing_to_the_merchant() {
    // The completion is taken back after the cardholder spent what the hold had kept.
    for void in [false, true] {
        let mut bench = Bench::new();
        let pre = Ask::new(TransactionKind::PreAuth, 10, 800_000, ON_US).pin();
        let ticket = bench.ask(&pre);
        let facts = bench.facts(ticket);
        let (kind, minor) = if void {
            (TransactionKind::PreAuthVoid, 800_000)
        } else {
            (TransactionKind::Completion, 100_000)
        };
        let next = pre.follow(kind, 11, facts.rrn, facts.auth_code).minor(minor);
        assert_eq!(bench.code(&next), "00");
        let rest = bench.available(ON_US) as u64;
        assert_eq!(bench.code(&Ask::sale(12, rest).pin()), "00");
        assert_eq!(bench.reverse_code(&Back::of(&next)), "00");
        assert_eq!(bench.held(), 0);
        let before = bench.money();
        for (number, kind) in [(13, TransactionKind::Completion), (14, TransactionKind::PreAuthVoid)] {
            let code = bench.code(&pre.follow(kind, number, facts.rrn, facts.auth_code));
            assert_eq!(code, "25", "{kind:?} of a hold that is gone");
        }
        assert_eq!(bench.reverse_code(&Back::of(&pre)), "00");
        assert_eq!(bench.money(), before, "nothing was held, so nothing moves");
    }
}

#[test]
fn a_reversal_finds_its_original_in_an_earlier_batch() {
    let mut bench = Bench::new();
    let sale = Ask::sale(10, 500);
    assert_eq!(bench.code(&sale), "00");
    let totals = bench.model.recount(switchyard_domain::TerminalIndex(0), named::batch(1));
    assert_eq!(bench.totals(0, 1, totals).code.as_str(), "00");
    assert_eq!(bench.code(&Ask::sale(11, 70).batch(2)), "00");
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    let totals = bench.model.recount(switchyard_domain::TerminalIndex(0), named::batch(2));
    assert_eq!(totals.domestic.debit.amount_minor, 70, "the open batch is not touched");
    bench.totals(0, 2, totals);
    assert_eq!(bench.payable(0), 70);
}

#[test]
fn a_follow_up_named_by_its_place_is_found_too() {
    let mut bench = Bench::new();
    let sale = Ask::sale(10, 500);
    assert_eq!(bench.code(&sale), "00");
    let place = OriginalRef { batch_stan: Some((named::batch(1), stan(10))), ..OriginalRef::default() };
    let void = Ask { original: place, ..Ask::new(TransactionKind::Void, 11, 500, ON_US) };
    assert_eq!(bench.code(&void), "00");
    assert_eq!(bench.payable(0), 0);
}

#[test]
fn what_goes_back_to_an_account_that_was_closed_stands_in_suspense() {
    let close = |bench: &mut Bench| {
        let account = AccountId::of(AccountKind::Cardholder, 0, Currency::CNY);
        let rules = AccountRules { closed: true, ..AccountRules::of(AccountKind::Cardholder) };
        bench.command(Command::SetAccountRules { account, rules }).unwrap();
    };
    let sale = Ask::sale(10, 500);
    let mut bench = Bench::new();
    assert_eq!(bench.code(&sale), "00");
    close(&mut bench);
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!(bench.payable(0), 0, "the merchant does not gain by it");
    assert_eq!(bench.suspense(), -500, "and the cardholder has it to come");

    let mut bench = Bench::new();
    let hold = Ask::new(TransactionKind::PreAuth, 10, 500, ON_US);
    let ticket = bench.ask(&hold);
    let facts = bench.facts(ticket);
    let completion = hold.follow(TransactionKind::Completion, 11, facts.rrn, facts.auth_code);
    assert_eq!(bench.code(&completion), "00");
    close(&mut bench);
    assert_eq!(bench.reverse_code(&Back::of(&completion)), "00");
    assert_eq!((bench.payable(0), bench.suspense(), bench.held()), (0, -500, 0));
}

#[test]
fn no_account_that_has_to_take_what_took_place_has_a_limit() {
    let limited = AccountRules { debit_limit_minor: Some(0), ..AccountRules::default() };
    let accounts = [
        AccountId::of(AccountKind::MerchantPayable, 0, Currency::CNY),
        AccountId::of(AccountKind::NetworkReceivable, 0, Currency::CNY),
        AccountId::own(AccountKind::Suspense, Currency::CNY),
    ];
    let mut bench = Bench::new();
    for account in accounts {
        let refused = bench.command(Command::SetAccountRules { account, rules: limited });
        assert!(matches!(refused, Err(CommandError::Unfit { .. })), "{refused:?}");
    }
    // A log of before that: the reversal of a sale whose merchant has paid out more since ends all the same.
    let mut records = bench.records.clone();
    let at = records.last().unwrap().at;
    let actor = Actor::Operator("anna".into());
    let old = |account| Record::AccountRulesSet { account, rules: AccountRules { closed: true, ..limited } };
    records.extend(accounts.map(|account| Stamped { at, actor: actor.clone(), record: old(account) }));
    let mut bench = Bench::reopen(&records, bench.config.clone(), bench.now, 2);
    bench.connect(LINK_A);
    bench.sign_on(0);
    let (first, second) = (Ask::sale(10, 500), Ask::sale(11, 500));
    let ticket = bench.ask(&first);
    let rrn = bench.facts(ticket).rrn;
    assert_eq!(bench.code(&second), "00");
    assert_eq!(bench.code(&first.follow(TransactionKind::Refund, 12, rrn, None)), "00");
    assert_eq!(bench.reverse_code(&Back::of(&second)), "00");
    assert_eq!(bench.payable(0), 0);
}
