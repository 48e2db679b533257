//! Where transactions go: by rule, by health, and another way when not a byte had left.

use crate::support::*;
use switchyard_core::{Command, CommandError, Input, PinJob};
use switchyard_domain::*;

fn to(link: LinkIndex) -> Destination {
    Destination { link, weight: 1, cost_ppm: 0, cost_minor: 0 }
}
fn rule(choose: Choice, destinations: Vec<Destination>) -> RoutingRule {
    RoutingRule { number: 1, issuers: vec![], about: Scope::default(), minor_max: None, choose, destinations }
}
fn set(bench: &mut Bench, rules: Vec<RoutingRule>) -> Result<(), CommandError> {
    let version = bench.core.state().routing_rules().version + 1;
    bench.command(Command::SetRoutingRules(Box::new(RoutingRules { version, rules }))).map(|_| ())
}
fn bench(rules: Vec<RoutingRule>) -> Bench {
    let mut bench = Bench::new();
    set(&mut bench, rules).unwrap();
    bench
}
/// The link that a card of link A is sent over.
fn went(bench: &mut Bench, ask: &Ask) -> LinkIndex {
    assert_eq!(bench.link_code(ask, "00").1, "00");
    bench.last_request().link
}

#[test]
fn the_first_rule_about_a_transaction_with_a_destination_in_health_decides() {
    let only = |about: Scope| RoutingRule { about, ..rule(Choice::First, vec![to(LINK_B)]) };
    let scope = Scope::default;
    for (name, rules, link) in [
        ("no rule", vec![], LINK_A),
        ("any", vec![only(scope())], LINK_B),
        ("kind", vec![only(Scope { kinds: vec![TransactionKind::PreAuth], ..scope() })], LINK_A),
        ("mcc", vec![only(Scope { mcc: vec![(5812, 5812)], ..scope() })], LINK_B),
        ("currency", vec![only(Scope { currency: Some(Currency::USD), ..scope() })], LINK_A),
        ("schedule", vec![only(Scope { minutes: Some((0, 1_440)), ..scope() })], LINK_B),
        ("night", vec![only(Scope { minutes: Some((0, 300)), ..scope() })], LINK_A),
        ("large", vec![only(Scope { minor_min: 501, ..scope() })], LINK_A),
        ("up to", vec![RoutingRule { minor_max: Some(500), ..only(scope()) }], LINK_B),
        ("above", vec![RoutingRule { minor_max: Some(499), ..only(scope()) }], LINK_A),
        ("issuer", vec![RoutingRule { issuers: vec![6225], ..only(scope()) }], LINK_B),
        ("other issuer", vec![RoutingRule { issuers: vec![4111], ..only(scope()) }], LINK_A),
    ] {
        assert_eq!(went(&mut bench(rules), &Ask::sale_a(10, 500)), link, "{name}");
    }
    // On-us cards are nobody else's.
    let mut b = bench(vec![only(scope())]);
    assert_eq!(b.code(&Ask::sale(10, 5)), "00");
    assert_eq!(b.requests(), 0);
    // The PIN is brought to where the transaction goes, and a follow-up goes where its original went.
    let mut b = bench(vec![only(scope())]);
    let sale = Ask::sale_a(10, 500).pin();
    let (ticket, code) = b.link_code(&sale, "00");
    assert_eq!(code, "00");
    set(&mut b, vec![]).unwrap();
    let void = sale.follow(TransactionKind::Void, 11, b.facts(ticket).rrn, None);
    assert_eq!(went(&mut b, &void), LINK_B);
    assert_eq!((b.receivable(LINK_A), b.receivable(LINK_B)), (0, 0));
}

#[test]
fn weights_share_exactly_and_cost_finds_the_cheapest() {
    let weigh = |link, weight| Destination { weight, ..to(link) };
    let mut b = bench(vec![rule(Choice::Weight, vec![weigh(LINK_A, 3), weigh(LINK_B, 1)])]);
    let links: Vec<LinkIndex> = (0..40).map(|n| went(&mut b, &Ask::sale_a(10 + n, 5).pin())).collect();
    assert_eq!(links.iter().filter(|link| **link == LINK_A).count(), 30);
    // Reversals, sign-ons and what goes by other rules take no turn: without a counter of its own each rule here would see
    // even turns alone.
    let other = Scope { kinds: vec![TransactionKind::CashAdvance], ..Scope::default() };
    let half = || rule(Choice::Weight, vec![weigh(LINK_A, 1), weigh(LINK_B, 1)]);
    let mut b = bench(vec![RoutingRule { about: other, ..half() }, RoutingRule { number: 2, ..half() }]);
    let mut counts = [[0; 2]; 2];
    for n in 0..20 {
        let sale = Ask::sale_a(10 + 2 * n, 5);
        let cash = Ask::new(TransactionKind::CashAdvance, 11 + 2 * n, 5, CARD_A);
        for (place, ask) in [sale, cash].iter().enumerate() {
            counts[place][usize::from(went(&mut b, ask).0)] += 1;
        }
        assert_eq!(b.reverse_code(&Back::of(&sale)), "00");
        b.sign_on(0);
        b.drain();
    }
    assert_eq!(counts, [[10, 10], [10, 10]]);
    // Those whose PINs are at work at the same time share, too.
    let mut b = bench(vec![half()]);
    b.pins = Pins::Held;
    for n in 0..10 {
        b.ask(&Ask::sale_a(10 + n, 5).pin());
    }
    let to_a = |(_, _, job): &&(_, _, PinJob)| matches!(job, PinJob::Translate { link: LINK_A });
    assert_eq!(b.held_pins.iter().filter(to_a).count(), 5);
    let a = Destination { cost_ppm: 6_000, ..to(LINK_A) };
    let fixed = Destination { cost_minor: 30, ..to(LINK_B) };
    let mut b = bench(vec![rule(Choice::Cost, vec![a, fixed])]);
    for (stan, minor, link) in [(10, 4_999, LINK_A), (11, 5_000, LINK_A), (12, 5_001, LINK_B)] {
        assert_eq!(went(&mut b, &Ask::sale_a(stan, minor)), link, "{minor}");
    }
}

#[test]
fn a_link_that_is_down_is_passed_over() {
    let mut b = bench(vec![rule(Choice::First, vec![to(LINK_B), to(LINK_A)])]);
    assert_eq!(went(&mut b, &Ask::sale_a(10, 5)), LINK_B);
    b.disconnect(LINK_B);
    assert_eq!(went(&mut b, &Ask::sale_a(11, 5)), LINK_A);
    b.disconnect(LINK_A);
    assert_eq!(b.code(&Ask::sale_a(12, 5)), "91");
    b.connect(LINK_B);
    assert_eq!(went(&mut b, &Ask::sale_a(13, 5)), LINK_B);
}

#[test]
fn what_never_left_goes_another_way_and_what_left_does_not() {
    for pin in [false, true] {
        let mut b = bench(vec![rule(Choice::First, vec![to(LINK_A), to(LINK_B)])]);
        let ask = Ask { pin, ..Ask::sale_a(10, 500) };
        let ticket = b.ask(&ask);
        let request = b.take_request();
        let transaction = request.opened.id;
        b.step(Input::NotSent { link: LINK_A, transaction, request: Some(request) });
        assert!(b.silent(ticket), "it is on its way");
        let again = b.last_request();
        assert_eq!(again.link, LINK_B);
        let SentWhat::Request { id, has_pin, .. } = again.what else { unreachable!() };
        assert_eq!((id, has_pin), (transaction, pin));
        // Old news of the first link is no news.
        b.step(Input::NotSent { link: LINK_A, transaction, request: None });
        b.answer(&again, "00");
        assert_eq!(b.code_of(ticket), "00");
        assert_eq!((b.receivable(LINK_A), b.receivable(LINK_B)), (0, 500));
        b.crash();
        assert_eq!(b.receivable(LINK_B), 500);
    }
    // Nobody is left: declined, and nothing to reverse.
    let mut b = bench(vec![rule(Choice::First, vec![to(LINK_A)])]);
    let ticket = b.ask(&Ask::sale_a(10, 500));
    let request = b.take_request();
    b.step(Input::NotSent { link: LINK_A, transaction: request.opened.id, request: Some(request) });
    assert_eq!((b.code_of(ticket).as_str(), b.core.state().saf_waiting()), ("91", 0));
    // It left: silence is unknown, whatever other ways there are.
    let mut b = bench(vec![rule(Choice::First, vec![to(LINK_A), to(LINK_B)])]);
    let ticket = b.ask(&Ask::sale_a(10, 500));
    b.pass(LINK_TIMEOUT_MS);
    assert_eq!((b.code_of(ticket).as_str(), b.core.state().saf_waiting()), ("98", 1));
}

#[test]
fn a_link_that_nobody_answers_on_rests_and_is_tried_by_one_request() {
    let config = switchyard_core::CoreConfig { link_timeouts_max: 2, ..Default::default() };
    let rest_ms = config.link_rest_ms;
    let mut b = Bench::with(config);
    (0..2).for_each(|n| {
        b.ask(&Ask::sale_a(10 + n, 5));
    });
    b.pass(LINK_TIMEOUT_MS);
    assert_eq!(b.code(&Ask::sale_a(20, 5)), "91", "it rests");
    b.pass(rest_ms);
    let probe = b.ask(&Ask::sale_a(21, 5));
    assert!(b.silent(probe), "one may try");
    assert_eq!(b.code(&Ask::sale_a(22, 5)), "91", "one only");
    let sent = b.last_request();
    b.answer(&sent, "51");
    assert_eq!(b.code_of(probe), "51");
    assert_eq!(b.link_code(&Ask::sale_a(23, 5), "00").1, "00", "it answers again");
}

#[test]
fn rules_that_cannot_be_followed_are_refused() {
    let mut b = Bench::new();
    let nowhere = LinkIndex(9);
    assert!(set(&mut b, vec![rule(Choice::First, vec![])]).is_err());
    assert!(set(&mut b, vec![rule(Choice::First, vec![to(nowhere)])]).is_err());
    assert!(set(&mut b, vec![rule(Choice::First, vec![to(LINK_A), to(LINK_A)])]).is_err());
    let idle = Destination { weight: 0, ..to(LINK_A) };
    assert!(set(&mut b, vec![rule(Choice::Weight, vec![idle])]).is_err());
    let stale = RoutingRules { version: 7, rules: vec![] };
    assert!(b.command(Command::SetRoutingRules(Box::new(stale))).is_err());
    assert!(set(&mut b, vec![rule(Choice::First, vec![to(LINK_A)])]).is_ok());
}
