//! Card products: what a range says of its cards, what follows for a transaction, and that it stays so.

use crate::support::*;
use switchyard_core::{Command, CommandError, CommandOutcome, Order, PinFrom, ProductChange, ReplyBody};
use switchyard_domain::*;

fn product(code: &str, scheme: Scheme, funding: Funding, foreign: bool) -> Product {
    let terms = ProductTerms { name: code.into(), ..ProductTerms::default() };
    Product { code: code.parse().unwrap(), scheme, funding, foreign, terms }
}
fn add(bench: &mut Bench, product: Product) -> Result<CommandOutcome, CommandError> {
    bench.order(Order::AddProduct { product: Box::new(product), reason: reason() })
}
fn change(bench: &mut Bench, code: &str, change: ProductChange) -> Result<CommandOutcome, CommandError> {
    let product = code.parse().unwrap();
    bench.order(Order::ChangeProduct { product, change, reason: reason(), dry_run: false })
}
/// Gives the range that a card is in to a product.
fn gives(bench: &mut Bench, pan: &str, code: &str) {
    let number = Pan::from_digits(pan.as_bytes()).unwrap().routing_key();
    let registry = bench.core.state().registry();
    let product = registry.product_named(&code.parse().unwrap()).unwrap();
    let class = registry.product(product).unwrap().class();
    let mut routes = registry.routes().iter();
    let route = routes.find(|route| route.low <= number && number <= route.high).unwrap().clone();
    let (low, high) = (route.low, route.high);
    let class = CardKind { class, product: Some(product) };
    // Of two ranges that are the same, the one that was there first counts and is taken out first: there is no gap.
    bench.command(Command::AddRoute(Route { class, ..route })).unwrap();
    bench.order(Order::RemoveRoute { low, high, reason: reason() }).unwrap();
    assert_eq!(bench.core.state().registry().routes().iter().find(|r| r.low == low).unwrap().class, class);
}
/// Cards of link a are prepaid, those of link b Visa, those on us as they were.
fn sold() -> Bench {
    let mut bench = Bench::new();
    add(&mut bench, product("GIFT-PP", Scheme::Cup, Funding::Prepaid, false)).unwrap();
    add(&mut bench, product("VISA-CR", Scheme::Vis, Funding::Credit, true)).unwrap();
    gives(&mut bench, CARD_A, "GIFT-PP");
    gives(&mut bench, CARD_B, "VISA-CR");
    bench
}
/// A process that starts on what is recorded, with the links up again.
fn restart(bench: &mut Bench) {
    bench.crash();
    bench.connect(LINK_A);
    bench.connect(LINK_B);
}
fn scheme(bench: &Bench, ticket: u64) -> &'static str {
    let ReplyBody::Financial { scheme, .. } = bench.only(ticket).body else { panic!("no transaction") };
    scheme.code()
}
fn opened(bench: &Bench) -> &TransactionOpened {
    let opened = |stamped: &'_ Stamped| matches!(stamped.record, Record::Opened(_) | Record::Decided { .. });
    match &bench.records.iter().rev().find(|stamped| opened(stamped)).unwrap().record {
        Record::Opened(opened) | Record::Decided { opened, .. } => opened,
        _ => unreachable!(),
    }
}
fn group(bench: &Bench, code: &str) -> CardGroup {
    CardGroup::Product(bench.core.state().registry().product_named(&code.parse().unwrap()).unwrap())
}

#[test]
fn each_refusal_changes_nothing_and_what_is_so_is_not_recorded() {
    let mut bench = sold();
    let before = bench.records.len();
    let twice = product("VISA-CR", Scheme::Vis, Funding::Debit, true);
    assert!(matches!(add(&mut bench, twice), Err(CommandError::Exists { what: "product" })));
    let mut wrong = product("X", Scheme::Jcb, Funding::Debit, true);
    wrong.terms.refuses = vec![TransactionKind::Void];
    assert!(matches!(add(&mut bench, wrong), Err(CommandError::Unfit { .. })));
    let none = change(&mut bench, "NONE", ProductChange::default());
    assert!(matches!(none, Err(CommandError::Missing { what: "product" })));
    let nameless = ProductChange { name: Some(" ".into()), ..ProductChange::default() };
    assert!(matches!(change(&mut bench, "VISA-CR", nameless), Err(CommandError::Unfit { .. })));
    let route = |class, product| {
        let class = CardKind { class, product: Some(ProductIndex(product)) };
        Command::AddRoute(Route { class, ..route(7_000, CardClass::Debit, RouteTarget::OnUs) })
    };
    let missing = bench.command(route(CardClass::Debit, 2));
    assert!(matches!(missing, Err(CommandError::Missing { what: "product" })));
    assert!(matches!(bench.command(route(CardClass::Debit, 1)), Err(CommandError::Unfit { .. })));
    let same = ProductChange { pin: Some(PinFrom::Never), ..ProductChange::default() };
    let so = change(&mut bench, "VISA-CR", same);
    assert_eq!(so, Ok(CommandOutcome::Altered { recorded: false, fields: vec![] }));
    assert_eq!(bench.records.len(), before, "nothing is recorded");
    assert!(bench.command(route(CardClass::Foreign, 1)).is_ok());
}

#[test]
fn an_answer_names_the_scheme_of_the_product_and_a_repeat_too() {
    let mut bench = sold();
    for (ask, expected) in
        [(Ask::sale(10, 5), "CUP"), (Ask::sale_a(11, 5), "CUP"), (Ask::sale_b(12, 5), "VIS")]
    {
        let (ticket, code) = bench.link_code(&ask, "00");
        assert_eq!((code.as_str(), scheme(&bench, ticket)), ("00", expected));
        // The range is another product's by then: what was said is said again.
        if expected == "VIS" {
            add(&mut bench, product("JCB-CR", Scheme::Jcb, Funding::Credit, true)).unwrap();
            gives(&mut bench, CARD_B, "JCB-CR");
        }
        let heard = bench.only(ticket);
        let again = bench.ask(&ask);
        assert_eq!(bench.only(again), heard, "{ask:?}");
        restart(&mut bench);
        let again = bench.ask(&ask);
        assert_eq!(bench.only(again), heard, "{ask:?} after a restart");
    }
    // A void is of its sale's product, whatever the range says now; so is the reversal of either.
    let sale = Ask::sale_b(12, 5);
    let ticket = bench.ask(&sale);
    let void = sale.follow(TransactionKind::Void, 13, bench.facts(ticket).rrn, None);
    let (ticket, code) = bench.link_code(&void, "00");
    assert_eq!((code.as_str(), scheme(&bench, ticket)), ("00", "VIS"));
    let back = bench.reverse(&Back::of(&void));
    assert_eq!(scheme(&bench, back), "VIS");
    let (ticket, _) = bench.link_code(&Ask::sale_b(14, 5), "00");
    assert_eq!(scheme(&bench, ticket), "JCB");
}

#[test]
fn a_transaction_keeps_the_product_that_its_range_named() {
    let mut bench = sold();
    bench.link_code(&Ask::sale_b(10, 5), "00");
    let kept = opened(&bench).clone();
    assert_eq!(kept.card_class, CardKind { class: CardClass::Foreign, product: Some(ProductIndex(1)) });
    bench.link_code(&Ask::sale_a(11, 5), "00");
    let prepaid = CardKind { class: CardClass::Debit, product: Some(ProductIndex(0)) };
    assert_eq!(opened(&bench).card_class, prepaid, "fees are those of debit cards");
    assert_eq!(bench.code(&Ask::sale(12, 5)), "00");
    assert_eq!(opened(&bench).card_class.product, None, "a range without a product is as it always was");
    let movements = bench.records.iter().filter_map(|stamped| match &stamped.record {
        Record::Resolved { movement: Some(movement), .. } => Some(movement.card_class),
        _ => None,
    });
    assert_eq!(movements.collect::<Vec<_>>(), [CardClass::Foreign, CardClass::Debit]);
}

#[test]
fn a_product_refuses_what_its_cards_are_not_for_and_asks_for_a_pin_from_its_amount_on() {
    use TransactionKind::{BalanceInquiry, CashAdvance, OfflineSale, PreAuth, Sale};
    let mut bench = sold();
    let terms = ProductChange {
        refuses: Some(vec![CashAdvance, PreAuth]),
        pin: Some(PinFrom::Minor(1_000)),
        ..ProductChange::default()
    };
    assert!(change(&mut bench, "GIFT-PP", terms).is_ok());
    let ask = |kind, stan, minor| Ask::new(kind, stan, minor, CARD_A);
    for (ask, code) in [
        (ask(CashAdvance, 10, 5), "57"),
        (ask(PreAuth, 11, 5), "57"),
        (ask(Sale, 12, 999), "00"),
        (ask(Sale, 13, 1_000), "55"),
        (ask(Sale, 14, 1_000).pin(), "00"),
        (ask(BalanceInquiry, 15, 0), "00"),
        (ask(OfflineSale, 16, 5_000), "00"),
        (Ask::new(CashAdvance, 17, 5, CARD_B), "00"),
        (Ask::new(CashAdvance, 18, 5, ON_US), "00"),
    ] {
        restart(&mut bench);
        assert_eq!(bench.link_code(&ask, "00").1, code, "{ask:?}");
    }
    // What was sold before may be taken back, though nothing of its kind is sold any more.
    let (ticket, _) = bench.link_code(&ask(Sale, 20, 5), "00");
    let none = ProductChange { refuses: Some(vec![Sale]), ..ProductChange::default() };
    change(&mut bench, "GIFT-PP", none).unwrap();
    assert_eq!(bench.code(&ask(Sale, 21, 5)), "57");
    let void = ask(Sale, 20, 5).follow(TransactionKind::Void, 22, bench.facts(ticket).rrn, None);
    assert_eq!(bench.link_code(&void, "00").1, "00");
    let all = ProductChange { refuses: Some(vec![]), pin: Some(PinFrom::Never), ..ProductChange::default() };
    change(&mut bench, "GIFT-PP", all).unwrap();
    assert_eq!(bench.link_code(&ask(Sale, 23, 5_000), "00").1, "00");
    assert_eq!(bench.link_code(&ask(CashAdvance, 24, 5), "00").1, "00");
}

#[test]
fn a_limit_is_a_products_own_exact_and_survives_a_restart() {
    for (name, of_product, subject) in [
        ("class", true, RiskSubject::Class),
        ("merchant", true, RiskSubject::Merchant),
        ("all", false, RiskSubject::Merchant),
    ] {
        let mut bench = sold();
        let classes = if of_product { vec![group(&bench, "GIFT-PP")] } else { vec![] };
        let rule = RiskRule {
            number: 1,
            reason: "prepaid a day".into(),
            about: Scope { classes, ..Scope::default() },
            test: RiskTest::Sum { of: subject, window: RiskWindow::Day, minor_max: 1_000 },
            then: RiskAction::Decline(ResponseCode::AMOUNT_LIMIT),
        };
        let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
        bench.command(Command::SetRiskRules(Box::new(rules))).unwrap();
        let debit_of_no_product = Ask::sale(10, 5_000);
        let other = if of_product { "00" } else { "61" };
        assert_eq!(bench.code(&debit_of_no_product), other, "{name}");
        assert_eq!(bench.link_code(&Ask::sale_a(11, 600), "00").1, "00", "{name}");
        restart(&mut bench);
        assert_eq!(bench.code(&Ask::sale_a(12, 401)), "61", "{name}: one too much");
        assert_eq!(bench.link_code(&Ask::sale_a(13, 400), "00").1, "00", "{name}");
        // What has counted stays counted when the range is another product's; what comes then is not asked about.
        add(&mut bench, product("CR", Scheme::Cup, Funding::Credit, false)).unwrap();
        gives(&mut bench, CARD_A, "CR");
        let asked = bench.link_code(&Ask::sale_a(14, 1), "00").1;
        assert_eq!(asked, other, "{name}");
        gives(&mut bench, CARD_A, "GIFT-PP");
        assert_eq!(bench.code(&Ask::sale_a(15, 1)), "61", "{name}");
    }
}

#[test]
fn stand_in_and_routing_rules_are_about_products() {
    let mut bench = sold();
    let about = Scope { classes: vec![group(&bench, "GIFT-PP")], ..Scope::default() };
    let rule = StandInRule {
        number: 1,
        issuers: vec![],
        about: about.clone(),
        minor_max: 500,
        day_minor_max: 900,
        day_count_max: 3,
        refuses_pin: false,
    };
    let rules = StandInRules { version: 1, rules: vec![rule] };
    bench.command(Command::SetStandInRules(Box::new(rules))).unwrap();
    for link in [LINK_A, LINK_B] {
        bench.disconnect(link);
    }
    let codes = [
        Ask::sale_a(10, 501),
        Ask::sale_a(11, 500),
        Ask::sale_a(12, 401),
        Ask::sale_a(13, 400),
        Ask::sale_b(14, 1),
    ];
    let codes: Vec<String> = codes.iter().map(|ask| bench.code(ask)).collect();
    assert_eq!(codes, ["91", "00", "91", "00", "91"], "its own limits, exactly, and no other product's");

    let mut bench = sold();
    let destination = Destination { link: LINK_B, weight: 1, cost_ppm: 0, cost_minor: 0 };
    let rule = RoutingRule {
        number: 1,
        issuers: vec![],
        about,
        minor_max: None,
        choose: Choice::First,
        destinations: vec![destination],
    };
    let rules = RoutingRules { version: 1, rules: vec![rule] };
    bench.command(Command::SetRoutingRules(Box::new(rules))).unwrap();
    bench.link_code(&Ask::sale_a(10, 5), "00");
    assert_eq!(opened(&bench).upstream.unwrap().link, LINK_B, "a rule about its product");
    add(&mut bench, product("CR", Scheme::Cup, Funding::Credit, false)).unwrap();
    gives(&mut bench, CARD_A, "CR");
    bench.link_code(&Ask::sale_a(11, 5), "00");
    assert_eq!(opened(&bench).upstream.unwrap().link, LINK_A, "another product goes where its range says");
}
