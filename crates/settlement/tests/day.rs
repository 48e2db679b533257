//! Days with their nets worked out by hand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::*;
use switchyard_domain::*;
use switchyard_settlement::files::write_files;
use switchyard_settlement::{Blockers, DayPlan, MerchantNet, SettleError, Tally, Terms};

fn tally(count: i64, minor: i128) -> Tally {
    Tally { count, minor }
}

/// (sales, refunds, cancelled, fees, carry-in, net, payout, carry-out)
type Row = ((i64, i128), (i64, i128), (i64, i128), i64, i64, i64, u64, i64);

fn check(net: &MerchantNet, row: Row) {
    let (sales, refunds, cancelled, fees, carry_in, total, payout, carry_out) = row;
    assert_eq!(net.sales, tally(sales.0, sales.1), "{} sales", net.name);
    assert_eq!(net.refunds, tally(refunds.0, refunds.1), "{} refunds", net.name);
    assert_eq!(net.cancelled, tally(cancelled.0, cancelled.1), "{} cancelled", net.name);
    let sums = (net.fees_minor, net.carry_in_minor, net.net_minor, net.payout_minor, net.carry_out_minor);
    assert_eq!(sums, (fees, carry_in, total, payout, carry_out), "{}", net.name);
}

#[test]
fn three_merchants_two_days_every_kind_of_movement() {
    let mut log = Log::new();
    log.plan(china(1));
    log.plan(FeePlan { refund_returns_fee: false, fixed_minor: 10, minimum_minor: 50, ..china(2) });
    let [noodles, jewels, idle, small] = [("noodles", 1), ("jewels", 2), ("idle", 1), ("small", 1)]
        .map(|(name, plan)| log.merchant(name, plan));
    log.terms = Terms { minimum_payout_minor: 1_000 };

    let first = log.sale(noodles, CardClass::Debit, 10_000); // 35
    let capped = log.sale(noodles, CardClass::Debit, 500_000); // 1300
    let voided = log.sale(noodles, CardClass::Credit, 20_000); // 90, back
    log.void(&voided);
    let lost = log.sale(noodles, CardClass::Credit, 30_000); // 135, back
    log.reverse(&lost, TransactionKind::Sale);
    log.sale(jewels, CardClass::Foreign, 100_000); // 2010
    let ring = log.sale(jewels, CardClass::Credit, 1_000); // 5 + 10, at least 50
    log.sale(small, CardClass::Debit, 142); // 0
    let plan = log.close();
    assert_eq!(plan.merchants().len(), 3, "an idle merchant has no net");
    assert!(plan.merchants().iter().all(|net| net.merchant != idle));
    check(&plan.merchants()[0], ((2, 510_000), (0, 0), (2, 50_000), 1_335, 0, 508_665, 508_665, 0));
    check(&plan.merchants()[1], ((2, 101_000), (0, 0), (0, 0), 2_060, 0, 98_940, 98_940, 0));
    check(&plan.merchants()[2], ((1, 142), (0, 0), (0, 0), 0, 0, 142, 0, 142));
    assert_eq!(plan.lines_of(&plan.merchants()[0]).count(), 6);

    // The next day: refunds under both policies, a merchant below zero, a small one that is still too small.
    log.refund(&capped, 200_000); // 300 000 left: 1050, so 250 of the 1300 come back
    log.refund(&capped, 300_000); // and the rest
    log.refund(&first, 4_000); // 35 - 21
    log.refund(&ring, 1_000); // kept
    let plan = log.close();
    check(&plan.merchants()[0], ((0, 0), (3, 504_000), (0, 0), -1_314, 0, -502_686, 0, -502_686));
    check(&plan.merchants()[1], ((0, 0), (1, 1_000), (0, 0), 0, 0, -1_000, 0, -1_000));
    check(&plan.merchants()[2], ((0, 0), (0, 0), (0, 0), 0, 142, 142, 0, 142));

    // The day after: what was owed is taken off first.
    log.sale(noodles, CardClass::Credit, 600_000); // 2700
    log.sale(small, CardClass::Credit, 1_000); // 5 (4.5 half up)
    let plan = log.close();
    check(&plan.merchants()[0], ((1, 600_000), (0, 0), (0, 0), 2_700, -502_686, 94_614, 94_614, 0));
    check(&plan.merchants()[1], ((0, 0), (0, 0), (0, 0), 0, -1_000, -1_000, 0, -1_000));
    check(&plan.merchants()[2], ((1, 1_000), (0, 0), (0, 0), 5, 142, 1_137, 1_137, 0));
    let totals = plan.totals()[0];
    assert_eq!((totals.payouts, totals.payout_minor, totals.carry_out_minor), (2, 95_751, -1_000));
}

#[test]
fn a_sale_of_which_a_part_was_taken_back_costs_what_stands_of_it() {
    let mut log = Log::new();
    log.plan(FeePlan { fixed_minor: 10, minimum_minor: 50, ..china(1) });
    let merchant = log.merchant("m", 1);
    let sale = log.sale(merchant, CardClass::Credit, 20_000); // 90 + 10
    log.reverse_part(&sale, 12_000); // 54 + 10
    let capped = log.sale(merchant, CardClass::Debit, 500_000); // 1300
    log.reverse_part(&capped, 400_000); // 1300 still
    let gone = log.sale(merchant, CardClass::Credit, 10_000);
    log.reverse_part(&gone, 4_000);
    log.reverse(&Sale { amount: 4_000, ..gone }, TransactionKind::Sale);
    let plan = log.close();
    check(&plan.merchants()[0], ((2, 412_000), (0, 0), (4, 534_000), 1_364, 0, 410_636, 410_636, 0));
    assert_eq!(plan.lines_of(&plan.merchants()[0]).count(), 10);
    // What a refund gives back of the fee follows from what stands, too: 12 000 cost 64, and 50 is the least.
    log.refund(&sale, 6_000); // 6 000 left: 27 + 10, at least 50
    log.refund(&sale, 6_000); // and the rest
    let plan = log.close();
    check(&plan.merchants()[0], ((0, 0), (2, 12_000), (0, 0), -64, 0, -11_936, 0, -11_936));
}

#[test]
fn an_undone_refund_takes_its_fee_back_even_days_later() {
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    let sale = log.sale(merchant, CardClass::Debit, 500_000);
    assert_eq!(log.close().merchants()[0].fees_minor, 1_300);
    let refund = log.refund(&sale, 200_000);
    assert_eq!(log.close().merchants()[0].fees_minor, -250);
    log.close();
    log.reverse(&refund, TransactionKind::Refund);
    let plan = log.close();
    check(&plan.merchants()[0], ((0, 0), (-1, -200_000), (1, 200_000), 250, -199_750, 0, 0, 0));
}

#[test]
fn a_refund_that_was_sent_on_and_answered_a_day_later_finds_its_original() {
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    let sale = log.sale(merchant, CardClass::Debit, 500_000);
    log.close();
    let opened = log.opened(TransactionKind::Refund, &sale, 200_000);
    log.push(Record::Opened(opened.clone()));
    let cut = log.close();
    assert_eq!((cut.merchants().len(), cut.blockers().pending), (0, 1));
    let refund = Sale { id: opened.id, amount: 200_000, ..sale };
    log.push(Record::Resolved {
        transaction: opened.id,
        outcome: Outcome::Approved,
        reply: log.reply(),
        entry: log.entry(merchant, false, 200_000),
        movement: Some(log.movement(opened.id, TransactionKind::Refund, &refund, false)),
        saf: None,
    });
    let plan = log.close();
    check(&plan.merchants()[0], ((0, 0), (1, 200_000), (0, 0), -250, 0, -199_750, 0, -199_750));
    assert_eq!(plan.blockers(), Blockers { open_batches: 1, ..Blockers::default() });
}

#[test]
fn a_transaction_is_priced_by_the_version_of_its_own_day() {
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    let old = log.sale(merchant, CardClass::Credit, 10_000);
    log.plan(FeePlan { from: FIRST_DAY.next(), credit_ppm: 10_000, ..china(1) });
    assert_eq!(log.close().merchants()[0].fees_minor, 45);
    // Said to be in force from the first day on: that day was settled, so it begins with this one.
    log.plan(FeePlan { from: FIRST_DAY, credit_ppm: 20_000, ..china(1) });
    log.sale(merchant, CardClass::Credit, 10_000); // 200
    log.reverse(&old, TransactionKind::Sale); // late: its 45 come back on the open day
    let plan = log.close();
    assert_eq!(plan.merchants()[0].fees_minor, 200 - 45);
    assert_eq!(plan.merchants()[0].sales, tally(0, 0));
}

#[test]
fn a_day_is_the_records_up_to_its_cut_and_each_record_is_in_one() {
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    let mut ranges = Vec::new();
    let mut lines = 0;
    for amount in [100, 200, 300] {
        log.sale(merchant, CardClass::Debit, amount);
        let plan = log.close();
        lines += plan.lines_count();
        assert_eq!(plan.totals()[0].sales.minor, i128::from(amount));
        ranges.push(plan.first_sequence()..=plan.fence_sequence());
    }
    assert_eq!(lines, 3);
    assert_eq!(*ranges[0].start(), 0);
    assert!(ranges.windows(2).all(|pair| pair[0].end() + 1 == *pair[1].start()));
}

#[test]
fn an_earlier_day_planned_again_gives_the_same_bytes_and_knows_that_it_is_recorded() {
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    log.sale(merchant, CardClass::Debit, 12_345);
    let first = log.close();
    let before = files(&first);
    log.merchant("newcomer", 1);
    log.sale(merchant, CardClass::Credit, 777);
    log.close();
    let again = log.try_plan(FIRST_DAY).unwrap();
    assert_eq!(files(&again), before);
    assert_eq!(again.records().count(), 0);
    assert_eq!(first.records().count(), 1);
    assert_eq!(again.files_recorded().unwrap().len(), before.len());
    let dir = tempfile::tempdir().unwrap();
    let written = write_files(dir.path(), before.into_iter().map(Ok)).unwrap();
    assert_eq!(written, again.files_recorded().unwrap());
}

#[test]
fn a_run_that_was_killed_between_its_records_goes_on_where_it_stopped() {
    let mut log = Log::new();
    log.plan(china(1));
    for name in ["a", "b"] {
        let merchant = log.merchant(name, 1);
        log.sale(merchant, CardClass::Debit, 10_000);
    }
    let day = log.cut();
    let plan = log.try_plan(day).unwrap();
    let recorded = plan.records().next().unwrap();
    log.push(recorded.clone());
    let resumed = log.try_plan(day).unwrap();
    assert_eq!(resumed.records().collect::<Vec<_>>(), plan.records().skip(1).collect::<Vec<_>>());
    assert_eq!(files(&resumed), files(&plan));
    // Another net under the same name is never passed over.
    log.records.pop();
    let Record::MerchantNetted { day, merchant, entry, lines, net_minor } = recorded else { panic!() };
    log.push(Record::MerchantNetted { day, merchant, entry, lines, net_minor: net_minor + 1 });
    assert!(matches!(log.try_plan(day), Err(SettleError::RecordedDiffers { .. })));
}

#[test]
fn what_cannot_be_planned_says_why() {
    let mut log = Log::new();
    let merchant = log.merchant("m", 1);
    assert!(matches!(log.try_plan(FIRST_DAY), Err(SettleError::DayOpen { .. })));
    let sale = log.sale(merchant, CardClass::Debit, 1);
    let day = log.cut();
    assert!(matches!(log.try_plan(day), Err(SettleError::NoFeePlan { plan: 1, .. })));
    log.plan(china(1)); // the first version may reach back
    assert!(log.try_plan(day).is_ok());
    assert!(matches!(log.try_plan(BusinessDate(1)), Err(SettleError::NoSuchDay { .. })));
    log.refund(&sale, 1);
    let second = log.cut();
    assert!(
        matches!(log.try_plan(second), Err(SettleError::EarlierDayUnsettled { day: open }) if open == day)
    );
    log.records.remove(1);
    let gap = log.records.len();
    assert!(matches!(log.try_plan(day), Err(SettleError::UnknownMerchant { .. })), "{gap} records");
}

#[test]
fn postings_that_contradict_the_movements_are_found() {
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    log.sale(merchant, CardClass::Debit, 500);
    let entry = log.entry(merchant, true, 1);
    log.push(Record::AccountFunded { entry });
    let day = log.cut();
    assert!(matches!(log.try_plan(day), Err(SettleError::Invariant(_))));
}

#[test]
fn open_facts_block_until_they_are_resolved() {
    let mut log = Log::new();
    log.plan(china(1));
    let merchant = log.merchant("m", 1);
    let sale = Sale {
        id: TransactionId(0),
        merchant,
        class: CardClass::Debit,
        amount: 900,
        at: Timestamp(u64::from(FIRST_DAY.0) * 24 * HOUR),
    };
    let [waiting, doubtful] = [0, 1].map(|_| log.opened(TransactionKind::Sale, &sale, 900));
    log.push(Record::Opened(waiting.clone()));
    log.push(Record::Opened(doubtful.clone()));
    log.sale(merchant, CardClass::Debit, 100);
    let upstream =
        UpstreamRef { link: LinkIndex(0), stan: waiting.key.stan, transmitted_at: Timestamp(0), mti: 420 };
    let saf = SafEntry {
        id: SafId(7),
        kind: SafKind::Reversal,
        transaction: doubtful.id,
        upstream,
        reason: ReversalReason::NoAnswer,
    };
    let resolved = |log: &Log, opened: &TransactionOpened, outcome, saf| Record::Resolved {
        transaction: opened.id,
        outcome,
        reply: log.reply(),
        entry: Entry::NONE,
        movement: None,
        saf,
    };
    log.push(resolved(&log, &doubtful, Outcome::Unknown, Some(saf)));
    let day = log.cut();
    let blockers = |log: &Log| log.try_plan(day).unwrap().blockers();
    let all = Blockers { pending: 1, unknown: 1, queued: 1, dead_lettered: 0, open_batches: 1 };
    assert_eq!(blockers(&log), all);
    log.push(Record::SafDeadLettered { id: SafId(7), attempts: 9 });
    assert_eq!(blockers(&log), Blockers { queued: 0, dead_lettered: 1, ..all });
    log.push(Record::SafDelivered { id: SafId(7), code: ResponseCode::APPROVED });
    assert_eq!(blockers(&log), Blockers { unknown: 0, queued: 0, ..all });
    log.push(resolved(&log, &waiting, Outcome::Declined, None));
    log.push(Record::BatchReconciled {
        terminal: TerminalIndex(0),
        batch: BatchNumber::FIRST,
        stan: waiting.key.stan,
        terminal_totals: BatchTotals::default(),
        host_totals: BatchTotals::default(),
        verdict: BatchVerdict::Balanced,
        reply: log.reply(),
    });
    // The next day's facts are not this day's blockers.
    log.push(Record::Opened(waiting));
    log.sale(merchant, CardClass::Debit, 100);
    assert!(blockers(&log).is_clear());
}

#[test]
fn what_a_risk_rule_holds_is_carried_over_until_it_is_released() {
    let mut log = Log::new();
    log.plan(FeePlan { debit_ppm: 0, ..china(1) });
    let merchant = log.merchant("茶馆", 1);
    log.sale(merchant, CardClass::Debit, 1_000);
    let held = log.sale(merchant, CardClass::Debit, 400);
    let undone = log.sale(merchant, CardClass::Debit, 70);
    for sale in [held, undone] {
        log.push(Record::RiskFlagged {
            transaction: sale.id,
            merchant,
            amount: Amount::new(sale.amount, Currency::CNY),
            finding: RiskFinding { version: 1, rules: vec![1], score: 0, verdict: RiskVerdict::HoldPayout },
            stands: true,
        });
    }
    // What was undone holds nothing back.
    log.reverse(&undone, TransactionKind::Sale);
    let paid = |plan: &DayPlan| (plan.merchants()[0].net_minor, plan.merchants()[0].payout_minor);
    assert_eq!(paid(&log.close()), (1_400, 1_000));
    log.sale(merchant, CardClass::Debit, 5);
    assert_eq!(paid(&log.close()), (405, 5));
    log.push(Record::PayoutReleased { transaction: held.id, reason: "confirmed".into() });
    assert_eq!(paid(&log.close()), (400, 400));
}

#[test]
fn what_was_voided_or_refunded_of_a_held_payout_is_not_held_any_more() {
    let mut log = Log::new();
    log.plan(FeePlan { debit_ppm: 0, ..china(1) });
    let merchant = log.merchant("茶馆", 1);
    log.sale(merchant, CardClass::Debit, 1_000);
    let [voided, refunded, undone] = [400, 300, 70].map(|minor| {
        let sale = log.sale(merchant, CardClass::Debit, minor);
        log.push(Record::RiskFlagged {
            transaction: sale.id,
            merchant,
            amount: Amount::new(minor, Currency::CNY),
            finding: RiskFinding { version: 1, rules: vec![1], score: 0, verdict: RiskVerdict::HoldPayout },
            stands: true,
        });
        sale
    });
    let paid = |plan: &DayPlan| (plan.merchants()[0].net_minor, plan.merchants()[0].payout_minor);
    log.void(&voided);
    log.refund(&refunded, 100);
    let back = log.refund(&undone, 70);
    // 200 of the second one are held, and nothing of the others.
    assert_eq!(paid(&log.close()), (1_200, 1_000));
    // The refund is taken back: what it had given back is held again, and the 70 are not paid out.
    log.reverse(&back, TransactionKind::Refund);
    log.sale(merchant, CardClass::Debit, 5);
    assert_eq!(paid(&log.close()), (275, 5));
    log.refund(&refunded, 200);
    log.refund(&undone, 70);
    log.sale(merchant, CardClass::Debit, 6);
    assert_eq!(paid(&log.close()), (6, 6));
}
