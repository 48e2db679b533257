//! Limits and risk rules: exact at the boundary, and after a restart what they were before.

use crate::support::*;
use switchyard_core::{Command, CommandError, Order};
use switchyard_domain::*;

const DAY: RiskWindow = RiskWindow::Day;
const MONTH: RiskWindow = RiskWindow::Month;

fn rule(number: u32, test: RiskTest, then: RiskAction) -> RiskRule {
    RiskRule { number, reason: "test".into(), about: Scope::default(), test, then }
}
fn declines(test: RiskTest) -> RiskRule {
    rule(1, test, RiskAction::Decline("61".parse().unwrap()))
}
fn sum(of: RiskSubject, window: RiskWindow, minor_max: u64) -> RiskRule {
    declines(RiskTest::Sum { of, window, minor_max })
}
fn count(of: RiskSubject, window: RiskWindow, count_max: u32) -> RiskRule {
    declines(RiskTest::Count { of, window, count_max, attempts: false })
}
fn set(bench: &mut Bench, rules: Vec<RiskRule>) -> Result<(), CommandError> {
    let version = bench.core.state().risk_rules().version + 1;
    let rules = RiskRules { version, rules, ..RiskRules::default() };
    bench.command(Command::SetRiskRules(Box::new(rules))).map(|_| ())
}
fn bench(rules: Vec<RiskRule>) -> Bench {
    let mut bench = Bench::new();
    set(&mut bench, rules).unwrap();
    bench
}
/// Asks in turn; what goes over a link is approved.
fn codes(bench: &mut Bench, asks: &[Ask]) -> Vec<String> {
    asks.iter().map(|ask| bench.link_code(ask, "00").1).collect()
}

#[test]
fn a_sum_is_exact_at_its_boundary_for_every_subject_and_window() {
    use RiskSubject::*;
    let first = Ask::sale(10, 600);
    for (name, of, other) in [
        ("card", Card, Ask::sale(11, 401).card(Some(ON_US_OTHER))),
        ("terminal", Terminal, Ask::sale(11, 401).terminal(1)),
        ("merchant", Merchant, Ask::sale(11, 401).terminal(2)),
        ("card at merchant", CardAtMerchant, Ask::sale(11, 401).terminal(2)),
        ("class at merchant", ClassAtMerchant, Ask::sale_a(11, 401)),
        ("class", Class, Ask::sale_a(11, 401)),
    ] {
        for window in [DAY, MONTH, RiskWindow::Minutes(60)] {
            let mut bench = bench(vec![sum(of, window, 1_000)]);
            let asks =
                [first, other, first.stan(12).minor(401), first.stan(13).minor(400), first.stan(14).minor(1)];
            assert_eq!(codes(&mut bench, &asks), ["00", "00", "61", "00", "61"], "{name} {window:?}");
        }
    }
}

#[test]
fn a_count_is_exact_and_ends_with_its_period() {
    for (name, window, same, later) in
        [("day", DAY, 0, 1), ("month", MONTH, 1, 31), ("an hour", RiskWindow::Minutes(60), 0, 1)]
    {
        let mut bench = bench(vec![count(RiskSubject::Card, window, 2)]);
        let asks = [Ask::sale(10, 5), Ask::sale(11, 5), Ask::sale(12, 5)];
        assert_eq!(codes(&mut bench, &asks), ["00", "00", "61"], "{name}");
        bench.pass_days(same);
        assert_eq!(codes(&mut bench, &[Ask::sale(13, 5)]), ["61"], "{name}: the same period");
        bench.pass_days(later);
        assert_eq!(codes(&mut bench, &[Ask::sale(14, 5)]), ["00"], "{name}: the next period");
    }
    let mut bench = bench(vec![count(RiskSubject::Terminal, RiskWindow::Minutes(10), 1)]);
    assert_eq!(codes(&mut bench, &[Ask::sale(10, 5)]), ["00"]);
    bench.pass(10 * 60_000 - 1);
    assert_eq!(codes(&mut bench, &[Ask::sale(11, 5)]), ["61"], "one millisecond too early");
    bench.pass(1);
    assert_eq!(codes(&mut bench, &[Ask::sale(12, 5)]), ["00"]);
}

#[test]
fn what_comes_to_nothing_is_given_back_and_what_is_open_counts() {
    let card = |minor_max| vec![sum(RiskSubject::Card, DAY, minor_max)];
    // Declined by the issuer.
    let mut b = bench(card(100));
    assert_eq!(b.link_code(&Ask::sale_a(10, 100), "51").1, "51");
    assert_eq!(b.link_code(&Ask::sale_a(11, 100), "00").1, "00");
    // On its way to the issuer: nobody knows yet, so it counts.
    let mut b = bench(card(100));
    let open = b.ask(&Ask::sale_a(10, 60));
    assert_eq!(b.code(&Ask::sale_a(11, 41)), "61");
    // Unknown counts until its reversal is acknowledged.
    b.pass(LINK_TIMEOUT_MS);
    assert_eq!(b.code_of(open), "98");
    assert_eq!(b.code(&Ask::sale_a(12, 41)), "61");
    b.drain();
    assert_eq!(b.link_code(&Ask::sale_a(13, 100), "00").1, "00");
    // Reversed by the terminal; voided; the void taken back.
    let mut b = bench(card(100));
    let sale = Ask::sale(10, 100);
    assert_eq!(b.code(&sale), "00");
    assert_eq!(b.reverse_code(&Back::of(&sale)), "00");
    let sale = sale.stan(11);
    let ticket = b.ask(&sale);
    assert_eq!(b.code_of(ticket), "00");
    let void = sale.follow(TransactionKind::Void, 12, b.facts(ticket).rrn, None);
    assert_eq!(b.code(&void), "00");
    assert_eq!(b.code(&Ask::sale(13, 1)), "00");
    assert_eq!(b.reverse_code(&Back::of(&void)), "00");
    assert_eq!(b.code(&Ask::sale(14, 1)), "61", "101 of 100 stand");
    // A refund gives nothing back.
    let mut b = bench(card(100));
    let ticket = b.ask(&sale);
    let rrn = b.facts(ticket).rrn;
    assert_eq!(b.code(&sale.follow(TransactionKind::Refund, 20, rrn, None)), "00");
    assert_eq!(b.code(&Ask::sale(21, 1)), "61");
    // A reversal of yesterday's takes nothing out of today's.
    let mut b = bench(card(100));
    let late = Ask::sale_a(10, 100);
    b.ask(&late);
    b.pass_days(1);
    assert_eq!(b.link_code(&Ask::sale_a(11, 100), "00").1, "00");
    b.drain();
    assert_eq!(b.code(&Ask::sale_a(12, 1)), "61");
}

#[test]
fn counters_survive_a_restart() {
    for window in [DAY, MONTH, RiskWindow::Minutes(60)] {
        let mut bench = bench(vec![sum(RiskSubject::Merchant, window, 1_000)]);
        assert_eq!(codes(&mut bench, &[Ask::sale(10, 600), Ask::sale_a(11, 300)]), ["00", "00"]);
        bench.crash();
        assert_eq!(bench.code(&Ask::sale(12, 101)), "61", "{window:?}");
        assert_eq!(bench.code(&Ask::sale(13, 100)), "00", "{window:?}");
    }
}

#[test]
fn a_rule_is_about_what_its_scope_says() {
    // It is 19:06 on a Wednesday in China; the merchant's code is 5812, its area 0000.
    let about = Scope::default;
    for (name, scope, ask, code) in [
        ("any", about(), Ask::sale(10, 5), "61"),
        ("kind", Scope { kinds: vec![TransactionKind::PreAuth], ..about() }, Ask::sale(10, 5), "00"),
        ("class", Scope { classes: vec![CardGroup::Foreign], ..about() }, Ask::sale_b(10, 5), "61"),
        ("other class", Scope { classes: vec![CardGroup::Foreign], ..about() }, Ask::sale(10, 5), "00"),
        ("mcc", Scope { mcc: vec![(5800, 5899)], ..about() }, Ask::sale(10, 5), "61"),
        ("other mcc", Scope { mcc: vec![(7995, 7995)], ..about() }, Ask::sale(10, 5), "00"),
        ("area", Scope { areas: vec![(0, 0)], ..about() }, Ask::sale(10, 5), "61"),
        ("other area", Scope { areas: vec![(1_000, 1_999)], ..about() }, Ask::sale(10, 5), "00"),
        ("merchant", Scope { merchants: vec![MerchantIndex(1)], ..about() }, Ask::sale(10, 5), "00"),
        ("terminal", Scope { terminals: vec![TerminalIndex(0)], ..about() }, Ask::sale(10, 5), "61"),
        ("stripe", Scope { entry_modes: vec![2], ..about() }, Ask::sale(10, 5), "61"),
        ("chip", Scope { entry_modes: vec![5], ..about() }, Ask::sale(10, 5), "00"),
        ("hour", Scope { minutes: Some((1_146, 1_147)), ..about() }, Ask::sale(10, 5), "61"),
        ("hour after", Scope { minutes: Some((1_147, 1_200)), ..about() }, Ask::sale(10, 5), "00"),
        ("night", Scope { minutes: Some((1_380, 300)), ..about() }, Ask::sale(10, 5), "00"),
        ("not at lunch", Scope { minutes: Some((840, 720)), ..about() }, Ask::sale(10, 5), "61"),
        ("wednesday", Scope { weekdays: vec![3], ..about() }, Ask::sale(10, 5), "61"),
        ("weekend", Scope { weekdays: vec![6, 7], ..about() }, Ask::sale(10, 5), "00"),
        ("from 6", Scope { minor_min: 6, ..about() }, Ask::sale(10, 5), "00"),
        ("dollars", Scope { currency: Some(Currency::USD), ..about() }, Ask::sale(10, 5), "00"),
    ] {
        let rules = vec![RiskRule { about: scope, ..declines(RiskTest::Always) }];
        assert_eq!(codes(&mut bench(rules), &[ask]), [code], "{name}");
    }
}

#[test]
fn patterns_speak() {
    let same = RiskTest::SameAmount { of: RiskSubject::Card, minutes: 5, count_max: 2 };
    let mut b = bench(vec![declines(same)]);
    let asks =
        [Ask::sale(10, 77), Ask::sale(11, 78), Ask::sale(12, 77), Ask::sale(13, 77), Ask::sale(14, 78)];
    assert_eq!(codes(&mut b, &asks), ["00", "00", "00", "61", "00"]);
    let mut b = bench(vec![declines(RiskTest::RoundAmount { multiple_minor: 1_000 })]);
    assert_eq!(codes(&mut b, &[Ask::sale(10, 2_000), Ask::sale(11, 1_999)]), ["61", "00"]);
    let mut b = bench(vec![declines(RiskTest::AmountOver { minor_max: 500 })]);
    assert_eq!(codes(&mut b, &[Ask::sale(10, 501), Ask::sale(11, 500)]), ["61", "00"]);
    // Declined ones count as attempts: the card that is tried out.
    let tries = RiskTest::Count { of: RiskSubject::Card, window: DAY, count_max: 2, attempts: true };
    let mut b = bench(vec![declines(tries)]);
    let poor = Ask::sale(10, 5).card(Some(ON_US_EMPTY));
    assert_eq!(codes(&mut b, &[poor, poor.stan(11), poor.stan(12)]), ["51", "51", "61"]);
    // Two merchants of two areas within the hour.
    let mut b = bench(vec![declines(RiskTest::Areas { minutes: 60, count_max: 1 })]);
    let elsewhere = |b: &mut Bench, ask: &Ask| b.code_at("T0000004", "M00123400000003", 3, ask);
    b.command(Command::Register(Box::new(merchant_named("M00123400000003")))).unwrap();
    b.command(Command::Bind(Box::new(terminal_named("T0000004", 2)))).unwrap();
    b.sign_on_at("T0000004", "M00123400000003");
    assert_eq!(codes(&mut b, &[Ask::sale(10, 5), Ask::sale(11, 5).terminal(2)]), ["00", "00"]);
    assert_eq!(elsewhere(&mut b, &Ask::sale(12, 5)), "61");
    b.pass(60 * 60_000);
    assert_eq!(elsewhere(&mut b, &Ask::sale(13, 5)), "00");
}

#[test]
fn scores_add_up_and_reasons_are_recorded() {
    for (limits, code, verdict) in [
        ((None, None, None), "00", RiskVerdict::Approve),
        ((None, None, Some(30)), "00", RiskVerdict::Alert),
        ((None, Some(30), Some(1)), "00", RiskVerdict::HoldPayout),
        ((Some(30), Some(1), Some(1)), "59", RiskVerdict::Decline(ResponseCode::SUSPECTED_FRAUD)),
        ((Some(31), None, None), "00", RiskVerdict::Approve),
    ] {
        let mut bench = Bench::new();
        let (decline_score, hold_score, alert_score) = limits;
        let rules = vec![
            rule(7, RiskTest::Always, RiskAction::Score(10)),
            rule(8, RiskTest::AmountOver { minor_max: 10 }, RiskAction::Score(20)),
            rule(9, RiskTest::AmountOver { minor_max: 1_000 }, RiskAction::Score(500)),
        ];
        let rules = RiskRules { version: 1, rules, decline_score, hold_score, alert_score };
        bench.command(Command::SetRiskRules(Box::new(rules))).unwrap();
        let ticket = bench.ask(&Ask::sale(10, 11));
        assert_eq!(bench.code_of(ticket), code);
        let Record::RiskFlagged { finding, stands, .. } = &bench.records.last().unwrap().record else {
            panic!("what was found is recorded")
        };
        assert_eq!((finding.rules.as_slice(), finding.score, finding.verdict), (&[7, 8][..], 30, verdict));
        assert_eq!(*stands, code == "00");
        let held = bench.core.state().held_payouts().count();
        assert_eq!(held, usize::from(verdict == RiskVerdict::HoldPayout));
    }
}

#[test]
fn a_held_payout_is_released_once_and_for_a_reason() {
    let mut bench = bench(vec![rule(1, RiskTest::Always, RiskAction::HoldPayout)]);
    assert_eq!(bench.code(&Ask::sale(10, 5)), "00");
    let (transaction, merchant, amount) = bench.core.state().held_payouts().next().unwrap();
    assert_eq!((merchant, amount.minor), (MerchantIndex(0), 5));
    let mut release =
        |reason: &str| bench.command(Command::ReleasePayout { transaction, reason: reason.into() }).is_ok();
    assert_eq!([release(" "), release("customer called"), release("again")], [false, true, false]);
}

#[test]
fn a_new_set_keeps_what_a_rule_counted_and_forgets_what_it_no_longer_counts() {
    let mut b = bench(vec![sum(RiskSubject::Card, DAY, 100)]);
    assert_eq!(b.code(&Ask::sale(10, 100)), "00");
    // A higher limit: what was counted still counts.
    set(&mut b, vec![sum(RiskSubject::Card, DAY, 150)]).unwrap();
    assert_eq!(codes(&mut b, &[Ask::sale(11, 51), Ask::sale(12, 50)]), ["61", "00"]);
    // The same number, but another thing counted: from here on.
    set(&mut b, vec![sum(RiskSubject::Terminal, DAY, 60)]).unwrap();
    assert_eq!(codes(&mut b, &[Ask::sale(13, 60), Ask::sale(14, 1)]), ["00", "61"]);
    // What it never counted it does not give back.
    set(&mut b, vec![sum(RiskSubject::Merchant, DAY, 10)]).unwrap();
    assert_eq!(b.reverse_code(&Back::of(&Ask::sale(13, 60))), "00");
    assert_eq!(codes(&mut b, &[Ask::sale(15, 11), Ask::sale(16, 10)]), ["61", "00"]);
    // An old version does not come back, nor does a version leave one out.
    for version in [4, 6] {
        let rules = RiskRules { version, ..RiskRules::default() };
        assert!(b.command(Command::SetRiskRules(Box::new(rules))).is_err());
    }
    assert!(set(&mut b, vec![declines(RiskTest::Always), declines(RiskTest::Always)]).is_err());
    set(&mut b, Vec::new()).unwrap();
    assert_eq!(b.code(&Ask::sale(17, 90_000)), "00");
}

/// About refunds alone.
fn of_refunds(rule: RiskRule) -> RiskRule {
    RiskRule { about: Scope { kinds: vec![TransactionKind::Refund], ..Scope::default() }, ..rule }
}

#[test]
fn refunds_have_limits_and_counters_of_their_own() {
    use RiskSubject::*;
    use TransactionKind::Refund;
    for (name, of, elsewhere) in [
        ("card", Card, Ask::sale(11, 900).card(Some(ON_US_OTHER))),
        ("terminal", Terminal, Ask::sale(11, 900).terminal(1)),
        ("merchant", Merchant, Ask::sale(11, 900).terminal(2)),
    ] {
        for window in [DAY, MONTH, RiskWindow::Minutes(60)] {
            let name = format!("{name} {window:?}");
            let mut b = bench(vec![of_refunds(sum(of, window, 500))]);
            let sale = Ask::sale(10, 900);
            let asked = |b: &mut Bench, ask: &Ask| {
                let ticket = b.ask(ask);
                assert_eq!(b.code_of(ticket), "00", "{name}: sales do not count");
                b.facts(ticket).rrn
            };
            let (here, there) = (asked(&mut b, &sale), asked(&mut b, &elsewhere));
            let back = |stan, minor| sale.follow(Refund, stan, here, None).minor(minor);
            assert_eq!(codes(&mut b, &[back(12, 300), back(13, 201)]), ["00", "61"], "{name}");
            assert_eq!(b.code(&elsewhere.follow(Refund, 14, there, None).minor(500)), "00", "{name}");
            b.crash();
            assert_eq!(
                codes(&mut b, &[back(15, 201), back(16, 200), back(17, 1)]),
                ["61", "00", "61"],
                "{name}"
            );
            // Taken back, a refund is no refund any more.
            assert_eq!(b.reverse_code(&Back::of(&back(16, 200))), "00", "{name}");
            assert_eq!(codes(&mut b, &[back(18, 201), back(19, 200)]), ["61", "00"], "{name}");
            assert_eq!(b.code(&sale.stan(20)), "00", "{name}: sales have no limit");
        }
    }
    // How many, and how much at once.
    for rule in [count(Terminal, DAY, 1), declines(RiskTest::AmountOver { minor_max: 100 })] {
        let mut b = bench(vec![of_refunds(rule)]);
        let sale = Ask::sale(10, 900);
        let ticket = b.ask(&sale);
        let rrn = b.facts(ticket).rrn;
        let back = |stan, minor| sale.follow(Refund, stan, rrn, None).minor(minor);
        assert_eq!(codes(&mut b, &[back(12, 100), back(13, 101)]), ["00", "61"]);
        b.pass_days(1);
        assert_eq!(b.code(&back(14, 100)), "00", "the next day");
    }
}

#[test]
fn refunds_and_payments_are_not_mixed_in_one_rule() {
    let about = Scope { kinds: vec![TransactionKind::Sale, TransactionKind::Refund], ..Scope::default() };
    let mut b = bench(vec![RiskRule { about, ..sum(RiskSubject::Terminal, DAY, 500) }]);
    let sale = Ask::sale_a(10, 500);
    let (ticket, code) = b.link_code(&sale, "00");
    assert_eq!(code, "00");
    let back = sale.follow(TransactionKind::Refund, 12, b.facts(ticket).rrn, None);
    // Declined by the issuer it is given back; on its way it counts.
    assert_eq!(b.link_code(&back, "51").1, "51");
    b.ask(&back.stan(13).minor(300));
    assert_eq!(b.code(&back.stan(14).minor(201)), "61");
    b.pass(LINK_TIMEOUT_MS);
    b.drain();
    assert_eq!(b.link_code(&back.stan(15), "00").1, "00", "what was unknown is reversed by now");
    assert_eq!(b.code(&Ask::sale(16, 1)), "61", "sales have reached their own");
    // A rule that names no kind says nothing of refunds.
    let mut b = bench(vec![rule(1, RiskTest::Always, RiskAction::HoldPayout)]);
    let sale = Ask::sale(10, 500);
    let ticket = b.ask(&sale);
    let back = sale.follow(TransactionKind::Refund, 12, b.facts(ticket).rrn, None);
    assert_eq!(b.code(&back), "00");
    assert_eq!(b.core.state().held_payouts().count(), 1);
    // What a score would hold of a refund somebody is told of.
    let rules = vec![of_refunds(rule(1, RiskTest::Always, RiskAction::Score(9)))];
    let rules = RiskRules { version: 2, rules, hold_score: Some(9), ..RiskRules::default() };
    b.command(Command::SetRiskRules(Box::new(rules))).unwrap();
    let other = sale.stan(13);
    let ticket = b.ask(&other);
    assert_eq!(b.code(&other.follow(TransactionKind::Refund, 14, b.facts(ticket).rrn, None)), "00");
    let Record::RiskFlagged { finding, .. } = &b.records.last().unwrap().record else {
        panic!("what was found is recorded")
    };
    assert_eq!(finding.verdict, RiskVerdict::Alert);
    // Nobody is asked about what only follows.
    for kind in [TransactionKind::Void, TransactionKind::Completion, TransactionKind::BalanceInquiry] {
        let about = Scope { kinds: vec![kind], ..Scope::default() };
        let refused = set(&mut b, vec![RiskRule { about, ..declines(RiskTest::Always) }]);
        assert_eq!(refused, Err(CommandError::Rules(RiskError::NeverAsked { rule: 1, kind })));
    }
}

#[test]
fn amounts_of_different_currencies_are_not_added_up() {
    let usd = |stan, minor| Ask { currency: Currency::USD, ..Ask::sale_a(stan, minor) };
    for window in [DAY, MONTH, RiskWindow::Minutes(60)] {
        let mut b = bench(vec![sum(RiskSubject::Card, window, 1_000)]);
        assert_eq!(codes(&mut b, &[Ask::sale_a(10, 900), usd(11, 900)]), ["00", "00"], "{window:?}");
        b.crash();
        b.connect(LINK_A);
        let asks = [Ask::sale_a(12, 101), usd(13, 101), Ask::sale_a(14, 100), usd(15, 100)];
        assert_eq!(codes(&mut b, &asks), ["61", "61", "00", "00"], "{window:?}");
        // A count is of all, whatever they are paid in.
        let mut b = bench(vec![count(RiskSubject::Card, window, 2)]);
        assert_eq!(codes(&mut b, &[Ask::sale_a(10, 9), usd(11, 9), usd(12, 9)]), ["00", "00", "61"]);
    }
    let mut b =
        bench(vec![declines(RiskTest::SameAmount { of: RiskSubject::Card, minutes: 5, count_max: 1 })]);
    assert_eq!(codes(&mut b, &[Ask::sale_a(10, 9), usd(11, 9), usd(12, 9)]), ["00", "00", "61"]);
}

#[test]
fn what_has_taken_place_with_a_hot_card_is_taken_and_its_payout_held() {
    use TransactionKind::OfflineSale;
    let block = |b: &mut Bench, pan| {
        let blocked = BlockedCard { card: card_hash(pan), masked: None, cause: BlockCause::Lost };
        b.order(Order::BlockCards { cards: vec![blocked], reason: reason() }).unwrap();
    };
    let always = rule(7, RiskTest::Always, RiskAction::Decline(ResponseCode::SUSPECTED_FRAUD));
    for (name, pan, rules, spoke) in [
        ("on us", ON_US, vec![], vec![RiskRule::HOT_CARD]),
        ("over a link", CARD_A, vec![], vec![RiskRule::HOT_CARD]),
        ("with a rule", CARD_A, vec![always], vec![7, RiskRule::HOT_CARD]),
    ] {
        let mut b = Bench::new();
        if !rules.is_empty() {
            set(&mut b, rules).unwrap();
        }
        block(&mut b, pan);
        assert_eq!(b.code(&Ask::new(TransactionKind::Sale, 9, 70, pan)), "41", "{name}: it asks");
        assert_eq!(b.code(&Ask::new(OfflineSale, 10, 500, pan)), "00", "{name}: it tells");
        let Record::RiskFlagged { finding, stands, .. } = &b.records.last().unwrap().record else {
            panic!("{name}: what was found is recorded")
        };
        assert_eq!(
            (&finding.rules, finding.verdict, *stands),
            (&spoke, RiskVerdict::HoldPayout, true),
            "{name}"
        );
        b.crash();
        let (transaction, merchant, amount) = b.core.state().held_payouts().next().unwrap();
        assert_eq!((merchant, amount.minor, b.payable(0)), (MerchantIndex(0), 500, 500), "{name}");
        let reason = "the cardholder confirmed".to_owned();
        b.command(Command::ReleasePayout { transaction, reason }).unwrap();
        assert_eq!(b.core.state().held_payouts().count(), 0, "{name}");
    }
}
