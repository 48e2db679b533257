//! What is approved while an issuer is away, and how the issuer hears of it.

use crate::support::*;
use switchyard_core::Command;
use switchyard_domain::*;

fn away(rule: StandInRule) -> Bench {
    let mut bench = Bench::new();
    stand_in_by(&mut bench, rule);
    bench.disconnect(LINK_A);
    bench
}
/// Whatever goes to the first link's cards goes over it, or over the second where it cannot.
fn over_both_links(bench: &mut Bench) {
    let to = |link| Destination { link, weight: 1, cost_ppm: 0, cost_minor: 0 };
    let first = RoutingRule {
        number: 1,
        issuers: vec![],
        about: Scope::default(),
        minor_max: None,
        choose: Choice::First,
        destinations: vec![to(LINK_A), to(LINK_B)],
    };
    let rules = RoutingRules { version: 1, rules: vec![first] };
    bench.command(Command::SetRoutingRules(Box::new(rules))).unwrap();
}
/// What a card may spend while its issuer is away: 500 at once, 900 and three times a day.
pub(super) fn rule() -> StandInRule {
    StandInRule {
        number: 1,
        issuers: vec![],
        about: Scope::default(),
        minor_max: 500,
        day_minor_max: 900,
        day_count_max: 3,
        refuses_pin: false,
    }
}
/// This rule alone says what is approved while an issuer is away.
pub(super) fn stand_in_by(bench: &mut Bench, rule: StandInRule) {
    let rules = StandInRules { version: 1, rules: vec![rule] };
    bench.command(Command::SetStandInRules(Box::new(rules))).unwrap();
}
fn advices(bench: &Bench) -> Vec<(Sent, bool)> {
    let advice = |s: &Sent| match s.what {
        SentWhat::Advice { repeat, .. } => Some((*s, repeat)),
        _ => None,
    };
    bench.sent.iter().filter_map(advice).collect()
}

#[test]
fn limits_are_the_products_own_and_exact() {
    let other = Ask::sale_a(13, 400).card(Some(CARD_A_OTHER));
    for (name, rule, asks, codes) in [
        ("one", rule(), vec![Ask::sale_a(10, 501), Ask::sale_a(11, 500)], vec!["91", "00"]),
        (
            "day's sum",
            rule(),
            vec![Ask::sale_a(10, 500), Ask::sale_a(11, 401), Ask::sale_a(12, 400), other],
            vec!["00", "91", "00", "00"],
        ),
        (
            "day's sum of each currency, count of all",
            rule(),
            vec![
                Ask::sale_a(10, 500),
                Ask { currency: Currency::USD, ..Ask::sale_a(11, 500) },
                Ask::sale_a(12, 401),
                Ask { currency: Currency::USD, ..Ask::sale_a(13, 400) },
                Ask::sale_a(14, 400),
            ],
            vec!["00", "00", "91", "00", "91"],
        ),
        ("day's count", rule(), (10..14).map(|n| Ask::sale_a(n, 1)).collect(), vec!["00", "00", "00", "91"]),
        ("issuer", StandInRule { issuers: vec![1], ..rule() }, vec![Ask::sale_a(10, 1)], vec!["91"]),
        (
            "kind",
            StandInRule {
                about: Scope { kinds: vec![TransactionKind::PreAuth], ..Scope::default() },
                ..rule()
            },
            vec![Ask::sale_a(10, 1), Ask::new(TransactionKind::PreAuth, 11, 1, CARD_A)],
            vec!["91", "00"],
        ),
        ("a PIN", StandInRule { refuses_pin: true, ..rule() }, vec![Ask::sale_a(10, 1).pin()], vec!["91"]),
        ("a PIN that is not in the way", rule(), vec![Ask::sale_a(10, 1).pin()], vec!["00"]),
        ("an inquiry", rule(), vec![Ask::new(TransactionKind::BalanceInquiry, 10, 0, CARD_A)], vec!["91"]),
    ] {
        let mut bench = away(rule);
        let heard: Vec<String> = asks.iter().map(|ask| bench.code(ask)).collect();
        assert_eq!(heard, codes, "{name}");
        bench.pass_days(1);
        if name == "day's count" {
            assert_eq!(bench.code(&Ask::sale_a(20, 1)), "00", "another day");
        }
    }
}

#[test]
fn the_issuer_hears_of_it_once_it_is_back_until_it_acknowledges() {
    let mut bench = away(rule());
    let sale = Ask::sale_a(10, 500);
    let ticket = bench.ask(&sale);
    assert_eq!(bench.code_of(ticket), "00");
    assert!(bench.facts(ticket).auth_code.is_some());
    assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (500, 500));
    assert_eq!(bench.ask(&sale).min(1), 1, "a repeat is heard");
    assert_eq!(bench.payable(0), 500);
    bench.crash();
    bench.connect(LINK_A);
    bench.pass(1);
    for round in 0..2 {
        bench.pass(LINK_TIMEOUT_MS + bench.config.saf_retry_ms * round);
    }
    let sent = advices(&bench);
    assert!(sent.len() >= 2 && sent[1..].iter().all(|(_, repeat)| *repeat), "{sent:?}");
    assert!(sent.iter().all(|(s, _)| (s.stan, s.at) == (sent[0].0.stan, sent[0].0.at)));
    let last = sent.last().unwrap().0;
    bench.answer(&last, "00");
    assert_eq!(bench.core.state().saf_waiting(), 0);
    assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (500, 500));
    let known = bench.ask(&sale);
    assert_eq!(bench.code_of(known), "00");
}

#[test]
fn what_stood_in_is_taken_back_behind_its_advice_and_gives_the_limit_back() {
    let mut bench = away(rule());
    let sale = Ask::sale_a(10, 500);
    assert_eq!(bench.code(&sale), "00");
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (0, 0));
    assert_eq!(bench.code(&Ask::sale_a(11, 500)), "00", "the day's sum is free again");
    bench.connect(LINK_A);
    let seen = bench.sent.len();
    bench.drain();
    let order: Vec<&str> = bench.sent[seen - 1..]
        .iter()
        .filter_map(|s| match s.what {
            SentWhat::Advice { .. } => Some("advice"),
            SentWhat::Reversal { .. } => Some("reversal"),
            _ => None,
        })
        .collect();
    assert!(order.iter().filter(|what| **what == "advice").count() >= 2);
    let reversal = order.iter().position(|what| *what == "reversal").unwrap();
    assert!(order[..reversal].contains(&"advice"), "{order:?}");
}

#[test]
fn a_follow_up_waits_until_the_issuer_has_heard_of_its_original() {
    let mut bench = away(rule());
    let sale = Ask::sale_a(10, 500);
    let ticket = bench.ask(&sale);
    let rrn = bench.facts(ticket).rrn;
    bench.auto_network = false;
    assert_eq!(bench.code(&sale.follow(TransactionKind::Void, 11, rrn, None)), "22");
    bench.auto_network = true;
    bench.connect(LINK_A);
    bench.drain();
    assert_eq!(bench.link_code(&sale.follow(TransactionKind::Void, 12, rrn, None), "00").1, "00");
    assert_eq!(bench.payable(0), 0);
}

#[test]
fn what_could_not_leave_is_approved_where_a_rule_allows_it() {
    use switchyard_core::Input;
    for (name, pin, minor, code) in
        [("plain", false, 500, "00"), ("with a PIN", true, 500, "00"), ("above the rule", false, 501, "91")]
    {
        let mut bench = away(rule());
        bench.connect(LINK_A);
        let sale = Ask { pin, ..Ask::sale_a(10, minor) };
        let ticket = bench.ask(&sale);
        assert!(bench.silent(ticket), "{name}: it is on its way");
        let request = bench.take_request();
        let (transaction, asked) = (request.opened.id, bench.last_request());
        bench.disconnect(LINK_A);
        bench.step(Input::NotSent { link: LINK_A, transaction, request: Some(request) });
        assert_eq!(bench.code_of(ticket), code, "{name}");
        let stands = code == "00";
        let minor = if stands { i128::from(minor) } else { 0 };
        assert_eq!((bench.payable(0), bench.receivable(LINK_A)), (minor, minor), "{name}");
        assert_eq!(bench.core.state().saf_waiting(), usize::from(stands), "{name}");
        let again = bench.ask(&sale);
        assert_eq!(bench.only(again), bench.only(ticket), "{name}: a repeat hears the same");
        bench.crash();
        assert_eq!(bench.payable(0), minor, "{name}");
        bench.connect(LINK_A);
        bench.pass(1);
        assert_eq!(advices(&bench).len(), usize::from(stands), "{name}");
        for (advice, _) in advices(&bench) {
            assert_ne!(advice.stan, asked.stan, "nobody has seen the request: this is another message");
            bench.answer(&advice, "00");
        }
        assert_eq!((bench.core.state().saf_waiting(), bench.core.state().unresolved()), (0, 0), "{name}");
        // What the card spent so counts for the rule's limit of the day.
        if stands {
            bench.disconnect(LINK_A);
            assert_eq!(bench.code(&Ask::sale_a(20, 401)), "91", "{name}");
            assert_eq!(bench.code(&Ask::sale_a(21, 400)), "00", "{name}");
        }
    }
    // What its terminal took back meanwhile is not approved any more, and an issuer's own 91 is its word.
    let mut bench = away(rule());
    bench.connect(LINK_A);
    let sale = Ask::sale_a(10, 500);
    let ticket = bench.ask(&sale);
    let request = bench.take_request();
    assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
    bench.step(Input::NotSent { link: LINK_A, transaction: request.opened.id, request: Some(request) });
    assert_eq!((bench.code_of(ticket).as_str(), bench.payable(0)), ("91", 0));
    assert_eq!(bench.link_code(&Ask::sale_a(11, 500), "91").1, "91");
    assert_eq!((bench.payable(0), bench.core.state().saf_waiting()), (0, 0));
}

#[test]
fn a_destination_that_is_left_is_tried_before_anybody_stands_in() {
    use switchyard_core::Input;
    let mut bench = Bench::new();
    stand_in_by(&mut bench, rule());
    over_both_links(&mut bench);
    let ticket = bench.ask(&Ask::sale_a(10, 500));
    for link in [LINK_A, LINK_B] {
        assert_eq!(bench.last_request().link, link);
        assert!(bench.silent(ticket));
        let request = bench.take_request();
        bench.step(Input::NotSent { link, transaction: request.opened.id, request: Some(request) });
    }
    assert_eq!(bench.code_of(ticket), "00");
    assert_eq!((bench.receivable(LINK_A), bench.receivable(LINK_B)), (0, 500));
    bench.drain();
    assert_eq!(advices(&bench)[0].0.link, LINK_B, "whoever pays for it hears of it");
}

/// Two links for a card, and a PIN on its way from the first one's key to the second's, because not a byte left over the
/// first.
fn between_links() -> (Bench, Ask, u64) {
    use switchyard_core::Input;
    let mut bench = Bench::new();
    stand_in_by(&mut bench, rule());
    over_both_links(&mut bench);
    let sale = Ask::sale_a(10, 500).pin();
    let ticket = bench.ask(&sale);
    let request = bench.take_request();
    bench.pins = Pins::Held;
    bench.step(Input::NotSent { link: LINK_A, transaction: request.opened.id, request: Some(request) });
    assert!(bench.silent(ticket), "its PIN is on the way");
    (bench, sale, ticket)
}

#[test]
fn what_its_terminal_takes_back_while_its_pin_is_on_the_way_to_another_link_is_neither_sent_nor_approved() {
    for other_is_there in [true, false] {
        let (mut bench, sale, ticket) = between_links();
        assert_eq!(bench.reverse_code(&Back::of(&sale)), "00");
        if !other_is_there {
            bench.disconnect(LINK_B);
        }
        let requests = bench.requests();
        bench.pin_done(Pins::Right);
        assert_eq!(bench.code_of(ticket), "91", "{other_is_there}");
        assert_eq!((bench.requests(), bench.payable(0)), (requests, 0), "{other_is_there}");
        bench.drain();
        assert!(advices(&bench).is_empty() && bench.reversals().is_empty(), "{other_is_there}");
        assert_eq!((bench.core.state().saf_waiting(), bench.core.state().unresolved()), (0, 0));
    }
}

#[test]
fn a_pin_that_is_not_there_in_time_leaves_nothing_to_take_back() {
    let (mut bench, _, ticket) = between_links();
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.code_of(ticket), "91");
    bench.pin_done(Pins::Right);
    bench.drain();
    assert!(bench.reversals().is_empty(), "nobody has seen it");
    assert_eq!((bench.payable(0), bench.core.state().unresolved()), (0, 0));
}

#[test]
fn a_void_gives_the_days_limit_back_and_its_reversal_takes_it_again() {
    let mut bench = away(rule());
    let sale = Ask::sale_a(10, 500);
    let ticket = bench.ask(&sale);
    assert_eq!(bench.code_of(ticket), "00");
    bench.connect(LINK_A);
    bench.drain();
    let void = sale.follow(TransactionKind::Void, 11, bench.facts(ticket).rrn, None);
    assert_eq!(bench.link_code(&void, "00").1, "00");
    bench.disconnect(LINK_A);
    assert_eq!(bench.code(&Ask::sale_a(12, 500)), "00", "the day's 900 are there again");
    assert_eq!(bench.code(&Ask::sale_a(13, 401)), "91");
    bench.connect(LINK_A);
    bench.drain();
    assert_eq!(bench.reverse_code(&Back::of(&void)), "00");
    bench.drain();
    bench.disconnect(LINK_A);
    assert_eq!(bench.code(&Ask::sale_a(14, 1)), "91", "the first counts once more");
}

#[test]
fn what_was_spent_counts_for_rules_that_come_on_the_same_day_whichever_way_the_switch_starts() {
    for restart in [false, true] {
        let mut bench = away(rule());
        assert_eq!(bench.code(&Ask::sale_a(10, 500)), "00");
        bench
            .command(Command::SetStandInRules(Box::new(StandInRules { version: 2, rules: vec![] })))
            .unwrap();
        if restart {
            bench.core =
                switchyard_core::Core::resume(bench.config.clone(), through_image(bench.core.state()));
        }
        bench
            .command(Command::SetStandInRules(Box::new(StandInRules { version: 3, rules: vec![rule()] })))
            .unwrap();
        assert_eq!(bench.code(&Ask::sale_a(11, 401)), "91", "{restart}");
        assert_eq!(bench.code(&Ask::sale_a(12, 400)), "00", "{restart}");
    }
}

#[test]
fn what_follows_a_sale_that_its_issuer_refused_to_hear_of_waits_for_an_operator() {
    let mut bench = away(rule());
    let sale = Ask::sale_a(10, 500);
    let ticket = bench.ask(&sale);
    let refund = sale.follow(TransactionKind::Refund, 11, bench.facts(ticket).rrn, None);
    bench.connect(LINK_A);
    bench.pass(1);
    let (advice, _) = advices(&bench)[0];
    bench.answer(&advice, "51");
    let dead = bench.core.state().saf_dead();
    assert_eq!(dead, 1, "a dead letter");
    assert_eq!(bench.code(&refund), "22", "the issuer would credit what it never debited");
}
