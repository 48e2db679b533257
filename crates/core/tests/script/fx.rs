//! Links whose cardholders are billed in another currency.

use crate::support::*;
use switchyard_core::{
    Answer, Command, CommandError, CommandOutcome, CoreConfig, Input, IssuersBilling, Order,
};
use switchyard_domain::{
    Amount, Billing, BusinessDate, Choice, ConversionRate, Currency, Destination, ExchangeRate, FxError,
    LinkOrder, Outcome, RATES_AHEAD_MAX, Record, RoutingRule, RoutingRules, Scope, StandInRule, StandInRules,
    TerminalDialect, TerminalOrder, TerminalProfile, Timestamp, TransactionKind, UtcOffset,
};

const HOUR: u64 = 3_600_000_000;

fn by(text: &str) -> ConversionRate {
    text.parse().unwrap()
}

fn exchange(to: Currency, rate: &str, valid_from: Timestamp) -> ExchangeRate {
    ExchangeRate { from: Currency::CNY, to, rate: by(rate), markup_ppm: 0, valid_from }
}

fn set(bench: &mut Bench, rate: ExchangeRate) -> Result<CommandOutcome, CommandError> {
    bench.order(Order::SetRate { rate, reason: reason() })
}

fn bill(bench: &mut Bench, link: &str, currency: Option<Currency>) -> Result<CommandOutcome, CommandError> {
    bench.order(Order::Link { link: link.into(), what: LinkOrder::Bill(currency), reason: reason() })
}

/// Link A bills in dollars, at 0.1389.
fn dollars() -> Bench {
    let mut bench = Bench::new();
    bill(&mut bench, "a", Some(Currency::USD)).unwrap();
    let now = bench.now;
    set(&mut bench, exchange(Currency::USD, "0.1389", now)).unwrap();
    bench
}

fn dollar(bench: &Bench, minor: u64, rate: &str) -> Option<Billing> {
    let rate_day = BusinessDate::at(bench.now, UtcOffset::CHINA);
    Some(Billing { amount: Amount::new(minor, Currency::USD), rate: by(rate), rate_day })
}

/// What the records say of the last transaction's billing by its issuer.
fn issuers_word(bench: &Bench) -> Option<(Amount, Option<ConversionRate>)> {
    bench.records.iter().rev().find_map(|stamped| match &stamped.record {
        Record::IssuerBilled { amount, rate, .. } => Some((*amount, *rate)),
        _ => None,
    })
}

#[test]
fn a_request_and_what_takes_it_back_say_the_same_whatever_the_rate_is_by_then() {
    let mut bench = dollars();
    let sale = Ask::sale_a(10, 12_345);
    bench.ask(&sale);
    let billed = dollar(&bench, 1_715, "0.1389");
    assert_eq!(bench.last_request().billing, billed);
    // Nobody answers, and the rate is another by then.
    let now = bench.now.plus_micros(1);
    bench.now = now;
    set(&mut bench, exchange(Currency::USD, "0.2", now)).unwrap();
    bench.pass(LINK_TIMEOUT_MS);
    bench.crash();
    bench.connect(LINK_A);
    bench.pass(60_000);
    let reversals = bench.reversals();
    assert!(reversals.iter().any(|(.., repeat)| *repeat), "a repeat is among them");
    assert!(reversals.iter().all(|(sent, ..)| sent.billing == billed));
    bench.drain();
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    assert_eq!(bench.link_code(&Ask::sale_a(11, 12_345), "00").1, "00");
    assert_eq!(bench.last_request().billing, dollar(&bench, 2_469, "0.2"));
    assert_eq!(bench.payable(0), 12_345, "the merchant is paid in the transaction's currency");
}

#[test]
fn what_follows_a_transaction_is_billed_at_its_rate() {
    let mut bench = dollars();
    let hold = Ask::new(TransactionKind::PreAuth, 10, 10_000, CARD_A);
    let (ticket, code) = bench.link_code(&hold, "00");
    assert_eq!((code.as_str(), bench.last_request().billing), ("00", dollar(&bench, 1_389, "0.1389")));
    let facts = bench.facts(ticket);
    let sale = Ask::sale_a(20, 10_000);
    let (ticket, _) = bench.link_code(&sale, "00");
    let sale_rrn = bench.facts(ticket).rrn;
    // Another rate, and then no conversion at all, change nothing of them.
    let now = bench.now.plus_micros(1);
    bench.now = now;
    set(&mut bench, exchange(Currency::USD, "0.2", now)).unwrap();
    bill(&mut bench, "a", None).unwrap();
    let refund = sale.follow(TransactionKind::Refund, 21, sale_rrn, None);
    let completion = hold.follow(TransactionKind::Completion, 11, facts.rrn, facts.auth_code);
    for (ask, minor) in [(refund.minor(5_000), 694), (completion.minor(11_500), 1_597)] {
        assert_eq!(bench.link_code(&ask, "00").1, "00");
        assert_eq!(bench.last_request().billing, dollar(&bench, minor, "0.1389"), "half to even");
    }
    assert_eq!(bench.link_code(&Ask::sale_a(30, 10_000), "00").1, "00");
    assert_eq!(bench.last_request().billing, None);
}

#[test]
fn an_approval_that_a_terminal_takes_back_is_reversed_as_it_was_billed() {
    let mut bench = dollars();
    let sale = Ask::sale_a(10, 12_345);
    assert_eq!(bench.link_code(&sale, "00").1, "00");
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    let (sent, ..) = bench.reversals()[0];
    assert_eq!(sent.billing, dollar(&bench, 1_715, "0.1389"));
    bench.drain();
}

#[test]
fn nothing_new_goes_out_without_a_rate_or_with_an_old_one() {
    let mut bench = Bench::with(CoreConfig { rate_age_hours_max: 24, ..CoreConfig::default() });
    bill(&mut bench, "a", Some(Currency::USD)).unwrap();
    assert_eq!(bench.code(&Ask::sale_a(10, 100)), "96", "no rate");
    assert_eq!(bench.link_code(&Ask::sale_b(11, 100), "00").1, "00", "the other link needs none");
    let now = bench.now;
    let inverse =
        ExchangeRate { from: Currency::USD, to: Currency::CNY, ..exchange(Currency::USD, "7.2", now) };
    set(&mut bench, inverse).unwrap();
    assert_eq!(bench.code(&Ask::sale_a(12, 100)), "96", "a rate is not turned round");
    set(&mut bench, exchange(Currency::USD, "0.1389", now)).unwrap();
    assert_eq!(bench.link_code(&Ask::sale_a(13, 100), "00").1, "00");
    bench.now = now.plus_micros(24 * HOUR);
    bench.step(Input::Tick);
    assert_eq!(bench.link_code(&Ask::sale_a(14, 100), "00").1, "00", "as old as it may be");
    bench.now = bench.now.plus_micros(1);
    let requests = bench.requests();
    assert_eq!(bench.code(&Ask::sale_a(15, 100)), "96", "older");
    assert_eq!(bench.requests(), requests, "it was not sent");
    assert_eq!(bench.link_code(&Ask::new(TransactionKind::BalanceInquiry, 16, 0, CARD_A), "00").1, "00");
    assert_eq!(bench.last_request().billing, None, "an inquiry has no amount");
}

#[test]
fn an_amount_that_is_no_amount_there_is_refused() {
    let mut bench = Bench::new();
    bill(&mut bench, "a", Some(Currency::JPY)).unwrap();
    let now = bench.now;
    set(&mut bench, exchange(Currency::JPY, "20", now)).unwrap();
    assert_eq!(bench.code(&Ask::sale_a(10, 2)), "13", "less than half a yen");
    assert_eq!(bench.link_code(&Ask::sale_a(11, 3), "00").1, "00");
    assert_eq!(bench.last_request().billing.map(|billing| billing.amount.minor), Some(1));
    bench.now = now.plus_micros(1);
    let later = bench.now;
    set(&mut bench, exchange(Currency::JPY, "2000000", later)).unwrap();
    assert_eq!(bench.code(&Ask::sale_a(12, 99_999_999_999)), "13", "more than twelve digits");
}

#[test]
fn what_has_taken_place_is_told_with_an_old_rate_and_without_any() {
    for (rate, age_hours, expected) in
        [(Some("0.1389"), 1, Some(1_715)), (Some("0.1389"), 1_000, Some(1_715)), (None, 0, None)]
    {
        let mut bench = Bench::new();
        bill(&mut bench, "a", Some(Currency::USD)).unwrap();
        let now = bench.now;
        rate.into_iter().for_each(|rate| drop(set(&mut bench, exchange(Currency::USD, rate, now)).unwrap()));
        bench.now = now.plus_micros(age_hours * HOUR);
        assert_eq!(bench.code(&Ask::new(TransactionKind::OfflineSale, 10, 12_345, CARD_A)), "00");
        let advices = bench.sent.iter().filter(|sent| matches!(sent.what, SentWhat::Advice { .. }));
        let billed: Vec<_> = advices.map(|sent| sent.billing.map(|billing| billing.amount.minor)).collect();
        assert_eq!(billed, [expected], "{rate:?} {age_hours}");
        bench.drain();
    }
}

#[test]
fn an_advice_of_stand_in_says_what_the_request_would_have_said() {
    let mut bench = dollars();
    let rule = StandInRule {
        number: 1,
        issuers: vec![],
        about: Scope::default(),
        minor_max: 100_000,
        day_minor_max: 100_000,
        day_count_max: 3,
        refuses_pin: false,
    };
    let rules = StandInRules { version: 1, rules: vec![rule] };
    bench.command(Command::SetStandInRules(Box::new(rules))).unwrap();
    bench.disconnect(LINK_A);
    assert_eq!(bench.code(&Ask::sale_a(10, 12_345)), "00");
    bench.connect(LINK_A);
    bench.pass(20_000);
    bench.pass(20_000);
    let advices: Vec<_> =
        bench.sent.iter().filter(|sent| matches!(sent.what, SentWhat::Advice { .. })).collect();
    assert!(advices.len() > 1, "with repeats");
    let billed = dollar(&bench, 1_715, "0.1389");
    assert!(advices.iter().all(|sent| sent.billing == billed));
}

#[test]
fn what_an_issuer_bills_otherwise_is_recorded_and_stands() {
    let usd = |minor| Amount::new(minor, Currency::USD);
    for (minor, currency, rate, expected) in [
        (None, None, None, None),
        (Some(1_715), Some(Currency::USD), Some("0.1389"), None),
        (Some(1_715), None, None, None),
        (Some(1_720), None, None, Some((usd(1_720), None))),
        (Some(1_720), Some(Currency::USD), Some("0.1393"), Some((usd(1_720), Some("0.1393")))),
        (Some(1_590), Some(Currency::EUR), None, Some((Amount::new(1_590, Currency::EUR), None))),
    ] {
        let mut bench = dollars();
        let sale = Ask::sale_a(10, 12_345);
        let ticket = bench.ask(&sale);
        let sent = bench.last_request();
        let billing = IssuersBilling { minor, currency, rate: rate.map(by) };
        let answer = answer_to(&sent, "00".parse().unwrap());
        bench.answer_with(&sent, Answer { billing, ..answer });
        assert_eq!(bench.code_of(ticket), "00");
        assert_eq!(issuers_word(&bench), expected.map(|(amount, rate)| (amount, rate.map(by))));
        assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (12_345, 12_345), "postings are as ever");
        assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
        assert_eq!(bench.reversals()[0].0.billing, sent.billing, "taken back as it was asked for");
    }
}

#[test]
fn a_part_is_billed_in_part() {
    let mut bench = dollars();
    let profile =
        TerminalProfile { dialect: TerminalDialect::UnionpayPos, carries_mac: true, takes_partial: true };
    let what = TerminalOrder::Speak(profile);
    bench
        .order(Order::Terminal { terminal: TERMINALS[0].0.parse().unwrap(), what, reason: reason() })
        .unwrap();
    for (number, minor, expected) in [(10, 694, None), (11, 700, Some(700))] {
        let ticket = bench.ask(&Ask::sale_a(number, 10_000));
        let sent = bench.last_request();
        let answer = answer_to(&sent, "10".parse().unwrap());
        let billing = IssuersBilling { minor: Some(minor), ..IssuersBilling::default() };
        bench.answer_with(&sent, Answer { amount_minor: Some(5_000), billing, ..answer });
        assert_eq!(bench.code_of(ticket), "10");
        assert_eq!(issuers_word(&bench).map(|(amount, _)| amount.minor), expected, "694 is half of 1389");
    }
}

#[test]
fn another_way_has_another_currency() {
    let mut bench = dollars();
    bill(&mut bench, "b", Some(Currency::EUR)).unwrap();
    let now = bench.now;
    set(&mut bench, exchange(Currency::EUR, "0.128", now)).unwrap();
    let to = |link| Destination { link, weight: 1, cost_ppm: 0, cost_minor: 0 };
    let rule = RoutingRule {
        number: 1,
        issuers: vec![],
        about: Scope::default(),
        minor_max: None,
        choose: Choice::First,
        destinations: vec![to(LINK_A), to(LINK_B)],
    };
    let rules = RoutingRules { version: 1, rules: vec![rule] };
    bench.command(Command::SetRoutingRules(Box::new(rules))).unwrap();
    bench.ask(&Ask::sale_a(10, 10_000));
    assert_eq!(bench.last_request().billing.map(|billing| billing.amount.currency), Some(Currency::USD));
    let request = bench.take_request();
    bench.step(Input::NotSent { link: LINK_A, transaction: request.opened.id, request: Some(request) });
    let second = bench.last_request();
    assert_eq!(second.link, LINK_B);
    assert_eq!(second.billing.map(|billing| billing.amount), Some(Amount::new(1_280, Currency::EUR)));
    bench.answer(&second, "00");
    let billing = bench.core.state().billing(switchyard_domain::TransactionId(0));
    assert_eq!(billing, second.billing, "the record is of the way that it went");
}

#[test]
fn rates_are_refused_that_would_do_harm() {
    let mut bench = dollars();
    let now = bench.now;
    let later = |hours: u64| now.plus_micros(hours * HOUR);
    let good = exchange(Currency::USD, "0.1389", now);
    assert_eq!(set(&mut bench, good), Ok(CommandOutcome::RecordedBefore));
    bench.now = later(1);
    assert_eq!(set(&mut bench, exchange(Currency::USD, "0.14", later(1))), Ok(CommandOutcome::Recorded));
    let refused = |error: CommandError| Err(error);
    for (rate, expected) in [
        (
            ExchangeRate { to: Currency::CNY, ..good },
            refused(CommandError::Rate(FxError::Same(Currency::CNY))),
        ),
        (
            ExchangeRate { markup_ppm: 200_001, ..good },
            refused(CommandError::Rate(FxError::Markup { ppm: 200_001 })),
        ),
        (
            exchange(Currency::USD, "0.1389", Timestamp(1)),
            refused(CommandError::NotNow { why: "the rate is older than core.rate_age_hours_max already" }),
        ),
        (
            exchange(Currency::USD, "0.1389", now),
            refused(CommandError::NotNow { why: "a later rate of these currencies is in force already" }),
        ),
    ] {
        assert_eq!(set(&mut bench, rate), expected, "{rate:?}");
    }
    for number in 0..RATES_AHEAD_MAX as u64 {
        assert_eq!(
            set(&mut bench, exchange(Currency::USD, "0.15", later(2 + number))),
            Ok(CommandOutcome::Recorded)
        );
    }
    assert!(matches!(
        set(&mut bench, exchange(Currency::USD, "0.15", later(100))),
        Err(CommandError::TooMany { .. })
    ));
    // A rate that is set ahead comes into force by itself, and what is over is forgotten with the next one.
    bench.now = later(3);
    assert_eq!(bench.link_code(&Ask::sale_a(10, 10_000), "00").1, "00");
    assert_eq!(bench.last_request().billing.map(|billing| billing.rate), Some(by("0.15")));
    set(&mut bench, exchange(Currency::USD, "0.16", later(3))).unwrap();
    assert_eq!(bench.core.state().rates().count(), RATES_AHEAD_MAX - 1);
    let nowhere = Currency::from_numeric(999).unwrap();
    assert_eq!(bill(&mut bench, "a", Some(nowhere)), refused(CommandError::Rate(FxError::Unknown(nowhere))));
    assert_eq!(bill(&mut bench, "a", Some(Currency::USD)), Ok(CommandOutcome::RecordedBefore));
}
