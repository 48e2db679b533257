//! 批结算 and 批上送.

use crate::support::*;
use switchyard_core::{Body, Order, Reply, ReplyBody, Upload};
use switchyard_domain::{
    BatchCase, BatchCaseKind, BatchSums, BatchTotals, BatchVerdict, Record, Side, TerminalIndex,
    TransactionKind,
};

fn side(amount_minor: u64, count: u32) -> Side {
    Side { amount_minor, count }
}
fn verdict(reply: &Reply) -> (BatchVerdict, BatchTotals) {
    match &reply.body {
        ReplyBody::BatchTotals { verdict, totals, .. } => (*verdict, *totals),
        other => panic!("{other:?}"),
    }
}
fn host(bench: &Bench, batch: u32) -> BatchTotals {
    bench.model.recount(TerminalIndex(0), named::batch(batch))
}
fn cases(bench: &Bench) -> Vec<BatchCase> {
    let last = bench.records.iter().rev().find_map(|s| match &s.record {
        Record::BatchUploadEnded { cases, .. } => Some(cases.clone()),
        _ => None,
    });
    last.expect("an upload ended")
}
/// Two sales, a void and a refund of own cards, a sale of a foreign one, and things that do not count.
fn busy() -> Bench {
    let mut bench = Bench::new();
    let (first, second) = (Ask::sale(10, 1_000), Ask::sale(11, 500));
    let a = bench.ask(&first);
    let b = bench.ask(&second);
    let (a, b) = (bench.facts(a).rrn, bench.facts(b).rrn);
    assert_eq!(bench.code(&first.follow(TransactionKind::Void, 12, a, None)), "00");
    assert_eq!(bench.code(&second.follow(TransactionKind::Refund, 13, b, None).minor(200)), "00");
    assert_eq!(bench.link_code(&Ask::sale_b(14, 70), "00").1, "00");
    assert_eq!(bench.link_code(&Ask::sale_b(15, 71), "51").1, "51");
    assert_eq!(bench.code(&Ask::new(TransactionKind::PreAuth, 16, 9, ON_US)), "00");
    assert_eq!(bench.code(&Ask::sale(17, 31)), "00");
    assert_eq!(bench.reverse_code(&Back::of(&Ask::sale(17, 31))), "00");
    bench
}
fn busy_totals() -> BatchTotals {
    BatchTotals {
        domestic: BatchSums { debit: side(1_500, 2), credit: side(1_200, 2) },
        foreign: BatchSums { debit: side(70, 1), credit: side(0, 0) },
    }
}

#[test]
fn equal_totals_close_the_batch_and_a_repeat_is_answered_alike() {
    let mut bench = busy();
    assert_eq!(host(&bench, 1), busy_totals());
    let first = bench.totals(0, 1, busy_totals());
    assert_eq!(verdict(&first), (BatchVerdict::Balanced, busy_totals()));
    let records = bench.records.len();
    assert_eq!(bench.totals(0, 1, busy_totals()), first);
    assert_eq!(bench.records.len(), records);
    assert_eq!(bench.code(&Ask::sale(20, 1)), "77", "that batch is closed");
    assert_eq!(bench.code(&Ask::sale(10, 1).batch(2)), "00", "trace numbers are free again in the next");
    assert_eq!(bench.totals(0, 1, busy_totals()), first, "even now");
    assert_eq!(bench.totals(0, 1, BatchTotals::default()).code.as_str(), "77");
    // The details that follow a balanced close are welcome and change nothing.
    for upload in [Upload::Items(vec![item(10, 1_000, None)]), Upload::End { count: 1 }] {
        assert_eq!(bench.upload(0, 1, upload).code.as_str(), "00");
    }
    assert_eq!(bench.code(&Ask::sale(11, 1).batch(2)), "00");
    bench.sign_on(0);
    let on = bench.replies.values().flatten().rev().find_map(|r| match &r.body {
        ReplyBody::SignOn { batch, .. } => Some(*batch),
        _ => None,
    });
    assert_eq!(on, Some(named::batch(2)));
}

#[test]
fn each_difference_makes_the_batch_unbalanced() {
    let good = busy_totals();
    let mut off = Vec::new();
    for change in [
        |t: &mut BatchTotals| t.domestic.debit.amount_minor += 1,
        |t: &mut BatchTotals| t.domestic.debit.count += 1,
        |t: &mut BatchTotals| t.domestic.credit.amount_minor -= 1,
        |t: &mut BatchTotals| t.domestic.credit.count -= 1,
        |t: &mut BatchTotals| t.foreign.debit.amount_minor += 1,
        |t: &mut BatchTotals| t.foreign.debit.count += 1,
        |t: &mut BatchTotals| t.foreign.credit.amount_minor += 1,
        |t: &mut BatchTotals| t.foreign.credit.count += 1,
    ] {
        let mut totals = good;
        change(&mut totals);
        off.push(totals);
    }
    for totals in off {
        let mut bench = busy();
        let first = bench.totals(0, 1, totals);
        assert_eq!(verdict(&first), (BatchVerdict::Unbalanced, good));
        assert_eq!(bench.totals(0, 1, totals), first);
        assert_eq!(bench.code(&Ask::sale(20, 1)), "77", "no sale during the upload");
        assert_eq!(bench.reverse_code(&Back::of(&Ask::sale(20, 1))), "00", "but a reversal ends");
        // The terminal finds its mistake.
        assert_eq!(verdict(&bench.totals(0, 1, good)).0, BatchVerdict::Balanced);
        assert_eq!(bench.code(&Ask::sale(20, 1).batch(2)), "00");
    }
}

#[test]
fn the_upload_finds_every_kind_of_difference() {
    let all = || {
        vec![
            item(10, 1_000, Some(ON_US)),
            item(11, 500, Some(ON_US)),
            item(12, 1_000, None),
            item(13, 200, Some(ON_US)),
            item(14, 70, Some(CARD_B)),
        ]
    };
    let case = |kind, number, terminal_minor, host_minor| BatchCase {
        kind,
        stan: stan(number),
        terminal_minor,
        host_minor,
    };
    let without = |number: u32| all().into_iter().filter(|i| i.stan != stan(number)).collect::<Vec<_>>();
    let with = |other| {
        let mut items: Vec<_> = all();
        items.retain(|i: &switchyard_domain::UploadedItem| i.stan != other);
        items
    };
    let mut amount = with(stan(11));
    amount.push(item(11, 501, Some(ON_US)));
    let mut card = with(stan(11));
    card.push(item(11, 500, Some(ON_US_OTHER)));
    let mut more = all();
    more.push(item(99, 5, None));
    let mut declined = all();
    declined.push(item(15, 71, Some(CARD_B)));
    let mut reversed = all();
    reversed.push(item(17, 31, Some(ON_US)));
    let mut foreign = busy_totals();
    foreign.foreign.debit = side(0, 0);
    let mut domestic = busy_totals();
    domestic.domestic.debit.count += 1;
    for (name, totals, items, expected) in [
        ("nothing differs", domestic, all(), vec![]),
        ("amount", domestic, amount, vec![case(BatchCaseKind::Amount, 11, 501, 500)]),
        ("card", domestic, card, vec![case(BatchCaseKind::Card, 11, 500, 500)]),
        ("terminal only", domestic, more, vec![case(BatchCaseKind::TerminalOnly, 99, 5, 0)]),
        ("declined", domestic, declined, vec![case(BatchCaseKind::TerminalOnly, 15, 71, 0)]),
        ("reversed", domestic, reversed, vec![case(BatchCaseKind::TerminalOnly, 17, 31, 0)]),
        ("host only", domestic, without(13), vec![case(BatchCaseKind::HostOnly, 13, 0, 200)]),
        ("a side that balanced is not missed", domestic, without(14), vec![]),
        ("the other side", foreign, vec![], vec![case(BatchCaseKind::HostOnly, 14, 0, 70)]),
    ] {
        let mut bench = busy();
        assert_eq!(verdict(&bench.totals(0, 1, totals)).0, BatchVerdict::Unbalanced, "{name}");
        for part in items.chunks(2) {
            let first = bench.upload(0, 1, Upload::Items(part.to_vec()));
            let records = bench.records.len();
            let again = bench.upload(0, 1, Upload::Items(part.to_vec()));
            assert_eq!(bench.records.len(), records, "a repeat leaves no trace");
            assert_eq!((first.code.as_str(), &again), ("00", &first), "{name}");
        }
        let count = items.len() as u32;
        assert_eq!(bench.upload(0, 1, Upload::End { count: count + 1 }).code.as_str(), "79", "{name}");
        let end = bench.upload(0, 1, Upload::End { count });
        assert_eq!(end.code.as_str(), "00", "{name}");
        assert_eq!(cases(&bench), expected, "{name}");
        let records = bench.records.len();
        assert_eq!(bench.upload(0, 1, Upload::End { count }), end, "{name}: its repeat");
        assert_eq!(bench.records.len(), records);
        assert_eq!(bench.code(&Ask::sale(10, 1).batch(2)), "00", "{name}");
    }
}

#[test]
fn an_upload_that_nobody_asked_for_is_refused() {
    let mut bench = busy();
    for batch in [1, 2] {
        let reply = bench.upload(0, batch, Upload::Items(vec![item(10, 1, None)]));
        assert_eq!(reply.code.as_str(), "77");
    }
    let mut totals = busy_totals();
    totals.domestic.debit.count = 9;
    bench.totals(0, 1, totals);
    assert_eq!(bench.upload(0, 2, Upload::End { count: 0 }).code.as_str(), "77");
    let many = (0..10_001).map(|n| item(n, 1, None)).collect();
    assert_eq!(bench.upload(0, 1, Upload::Items(many)).code.as_str(), "79", "there is a limit");
}

#[test]
fn an_upload_survives_a_restart() {
    let mut bench = busy();
    let mut totals = busy_totals();
    totals.domestic.debit.count += 1;
    let first = bench.totals(0, 1, totals);
    bench.upload(0, 1, Upload::Items(vec![item(10, 1_000, None)]));
    bench.crash();
    assert_eq!(bench.totals(0, 1, totals), first);
    assert_eq!(bench.code(&Ask::sale(30, 1)), "77");
    assert_eq!(bench.upload(0, 1, Upload::End { count: 1 }).code.as_str(), "00");
    assert_eq!(cases(&bench).len(), 3, "three domestic ones are missing");
    bench.crash();
    assert_eq!(bench.upload(0, 1, Upload::End { count: 1 }).code.as_str(), "00");
    assert_eq!(bench.code(&Ask::sale(30, 1).batch(2)), "00");
}

#[test]
fn a_sign_off_leaves_the_batch_as_it_is() {
    let mut bench = busy();
    let off = bench.request(0, Body::SignOff { stan: stan(3) });
    assert_eq!(bench.code_of(off), "00");
    bench.sign_on(0);
    assert_eq!(bench.code(&Ask::sale(30, 5)), "00");
    let mut totals = busy_totals();
    totals.domestic.debit = side(1_505, 3);
    assert_eq!(verdict(&bench.totals(0, 1, totals)).0, BatchVerdict::Balanced);
}

#[test]
fn batches_of_terminals_are_apart_and_may_span_a_cut() {
    let mut bench = busy();
    assert_eq!(verdict(&bench.totals(1, 1, BatchTotals::default())).0, BatchVerdict::Balanced);
    bench.pass_days(1);
    assert_eq!(bench.code(&Ask::sale(30, 5)), "00");
    let mut totals = busy_totals();
    totals.domestic.debit = side(1_505, 3);
    assert_eq!(verdict(&bench.totals(0, 1, totals)).0, BatchVerdict::Balanced);
}

/// As many items as a terminal may upload, each of the longest encoding, none of which the host knows.
fn uploaded_in_full() -> Bench {
    let mut bench = busy();
    let mut totals = busy_totals();
    totals.domestic.debit.count += 1;
    totals.foreign.debit.count += 1;
    bench.totals(0, 1, totals);
    let items: Vec<_> = (980_000..990_000).map(|n| item(n, 999_999_999_999, Some(ON_US))).collect();
    for part in items.chunks(1_000) {
        assert_eq!(bench.upload(0, 1, Upload::Items(part.to_vec())).code.as_str(), "00");
    }
    bench
}
fn cases_of_every_record(bench: &Bench) -> Vec<u32> {
    let told = bench.records.iter().flat_map(|s| match &s.record {
        Record::BatchCompared { cases, .. }
        | Record::BatchUploadEnded { cases, .. }
        | Record::BatchForceClosed { cases, .. } => cases.as_slice(),
        _ => &[],
    });
    told.map(|case| case.stan.get()).collect()
}

#[test]
fn the_longest_upload_is_closed_in_records_that_the_ledger_takes() {
    let mut bench = uploaded_in_full();
    assert_eq!(bench.upload(0, 1, Upload::End { count: 10_000 }).code.as_str(), "00");
    // The host's own five are missing at the terminal.
    let expected: Vec<u32> = (980_000..990_000).chain(10..=14).collect();
    assert_eq!(cases_of_every_record(&bench), expected);
    assert_eq!(bench.core.state().open_cases().count(), 10_005);
    assert_eq!(bench.code(&Ask::sale(20, 1).batch(2)), "00");

    let mut bench = uploaded_in_full();
    let close = Order::CloseBatch {
        terminal: TERMINALS[0].0.parse().unwrap(),
        batch: named::batch(1),
        reason: reason(),
    };
    bench.order(close).unwrap();
    assert_eq!(cases_of_every_record(&bench), expected);
    assert_eq!(bench.code(&Ask::sale(20, 1).batch(2)), "00");
}

#[test]
fn a_crash_amid_the_cases_of_a_close_repeats_none() {
    let mut bench = uploaded_in_full();
    let before = bench.records.len();
    bench.upload(0, 1, Upload::End { count: 10_000 });
    // Two records of cases became durable, the rest and the reply did not.
    let kept = bench.records[..before + 2].to_vec();
    let mut bench = Bench::reopen(&kept, bench.config.clone(), bench.now, 2);
    bench.sign_on(0);
    assert_eq!(bench.upload(0, 1, Upload::End { count: 10_000 }).code.as_str(), "00");
    let expected: Vec<u32> = (980_000..990_000).chain(10..=14).collect();
    assert_eq!(cases_of_every_record(&bench), expected);
}

#[test]
fn what_is_approved_after_its_batch_was_closed_is_a_case() {
    for (code, expected) in [("00", 1), ("51", 0)] {
        let mut bench = busy();
        let ticket = bench.ask(&Ask::sale_b(30, 90));
        let sent = bench.last_request();
        // The terminal does not count what it has no answer to.
        assert_eq!(verdict(&bench.totals(0, 1, busy_totals())).0, BatchVerdict::Balanced);
        bench.answer(&sent, code);
        assert_eq!(bench.code_of(ticket), code);
        let cases: Vec<_> = bench
            .records
            .iter()
            .filter_map(|s| match &s.record {
                Record::CaseRaised { case, batch, .. } => Some((*case, *batch)),
                _ => None,
            })
            .collect();
        assert_eq!(cases.len(), expected, "{code}");
        for (case, batch) in cases {
            assert_eq!(batch, named::batch(1));
            assert_eq!((case.kind, case.stan), (BatchCaseKind::HostOnly, stan(30)));
            assert_eq!((case.terminal_minor, case.host_minor), (0, 90));
        }
        assert_eq!(host(&bench, 2).foreign, BatchSums::default(), "the next batch does not count it");
    }
}

#[test]
fn a_batch_of_more_than_999_balances_by_what_three_digits_can_say() {
    let side_of = |minor, count| BatchTotals {
        domestic: BatchSums { debit: side(minor, count), credit: side(0, 0) },
        foreign: BatchSums::default(),
    };
    let core = long_batch();
    for (minor, count, expected) in [
        (1_002, 2, BatchVerdict::Balanced),
        (1_002, 999, BatchVerdict::Balanced),
        (1_002, 1_002, BatchVerdict::Balanced),
        (1_002, 3, BatchVerdict::Unbalanced),
        (1_001, 2, BatchVerdict::Unbalanced),
        (2, 2, BatchVerdict::Unbalanced),
    ] {
        let mut bench = Bench::reopen(&core.records, core.config.clone(), core.now, 2);
        bench.sign_on(0);
        let told = side_of(minor, count);
        let heard = verdict(&bench.totals(0, 1, told));
        let host = side_of(1_002, 1_002);
        let totals = if expected == BatchVerdict::Balanced { told } else { host };
        assert_eq!(heard, (expected, totals), "{minor} {count}");
        assert_eq!(verdict(&bench.totals(0, 1, told)), heard, "and once more");
    }
}

/// 1,002 sales of one each, recorded as they would be and looked at once.
fn long_batch() -> Bench {
    let mut bench = Bench::new();
    for number in 0..1_002 {
        assert_eq!(bench.code(&Ask::sale(10 + number, 1)), "00");
    }
    bench
}

#[test]
fn a_batch_that_is_full_takes_what_has_taken_place_and_nothing_else_until_it_is_settled() {
    let config = switchyard_core::CoreConfig { batch_items_max: 3, ..switchyard_core::CoreConfig::default() };
    let mut bench = Bench::with(config);
    let sale = |stan| Ask::sale(stan, 100);
    assert_eq!(bench.code(&sale(10)), "00");
    assert_eq!(bench.link_code(&Ask::sale_b(11, 70), "51").1, "51", "what is declined takes a place, too");
    let third = bench.ask(&sale(12));
    let rrn = bench.facts(third).rrn;
    let records = bench.records.len();
    let refund = sale(12).follow(TransactionKind::Refund, 14, rrn, None);
    for ask in [sale(13), refund, Ask::new(TransactionKind::BalanceInquiry, 15, 0, ON_US)] {
        assert_eq!(bench.code(&ask), "65", "{ask:?}");
    }
    assert_eq!(bench.records.len(), records, "nothing of it is recorded");
    assert_eq!(bench.code(&sale(12)), "00", "a repeat hears what was said");
    assert_eq!(bench.code(&sale(16).terminal(1)), "00", "another terminal's batch is another one");
    assert_eq!(
        bench.code(&Ask::new(TransactionKind::OfflineSale, 17, 40, ON_US)),
        "00",
        "it has taken place"
    );
    assert_eq!(bench.reverse_code(&Back::of(&sale(10))), "00");
    let totals = host(&bench, 1);
    assert_eq!(totals.domestic.debit, side(140, 2));
    assert_eq!(verdict(&bench.totals(0, 1, totals)).0, BatchVerdict::Balanced);
    assert_eq!(bench.code(&sale(13).batch(2)), "00");
}
