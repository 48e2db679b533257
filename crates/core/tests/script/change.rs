//! What is registered becomes another: at once, for what comes after, and with what it was in the record.

use crate::support::*;
use switchyard_core::{
    AccountChange, Body, Command, CommandError, CommandOutcome, Input, KeyForm, LinkChange, MacCheck,
    MerchantChange, Order, TerminalChange, UserCommand,
};
use switchyard_domain::{
    Actor, BusinessDate, FeePlan, FileDigest, LinkDialect, LinkOrder, PasswordRecord, Record, ResponseCode,
    RiskAction, RiskRule, RiskRules, RiskSubject, RiskTest, RiskWindow, Role, Roles, Scope, TerminalMac,
    TerminalProfile, TransactionKind,
};

type Verdict = Result<CommandOutcome, CommandError>;

fn link(name: &str, change: LinkChange) -> Order {
    Order::ChangeLink { link: name.into(), change, reason: reason(), dry_run: false }
}
fn merchant(change: MerchantChange) -> Order {
    let merchant = MERCHANTS[0].parse().unwrap();
    Order::ChangeMerchant { merchant, change, reason: reason(), dry_run: false }
}
fn terminal(id: &str, change: TerminalChange) -> Order {
    Order::ChangeTerminal { terminal: id.parse().unwrap(), change, reason: reason(), dry_run: false }
}
fn tried(mut order: Order) -> Order {
    match &mut order {
        Order::ChangeLink { dry_run, .. }
        | Order::ChangeMerchant { dry_run, .. }
        | Order::ChangeTerminal { dry_run, .. } => *dry_run = true,
        other => panic!("{other:?}"),
    }
    order
}
/// What differs, as `field: before → after`, and whether it is recorded.
fn fields(verdict: Verdict) -> (bool, Vec<String>) {
    let Ok(CommandOutcome::Altered { recorded, fields }) = verdict else { panic!("{verdict:?}") };
    (recorded, fields.iter().map(|f| format!("{}: {} → {}", f.field, f.before, f.after)).collect())
}
fn order_link(bench: &mut Bench, what: LinkOrder) {
    bench.order(Order::Link { link: "a".into(), what, reason: reason() }).unwrap();
}
fn fee_plan(plan: u32, from: u32) -> Command {
    Command::SetFeePlan(FeePlan {
        plan,
        from: BusinessDate(from),
        debit_ppm: 1,
        debit_cap_minor: None,
        credit_ppm: 1,
        credit_cap_minor: None,
        foreign_ppm: 1,
        foreign_cap_minor: None,
        fixed_minor: 0,
        minimum_minor: 0,
        refund_returns_fee: true,
    })
}

#[test]
fn each_refusal_changes_nothing_and_what_is_so_is_not_recorded() {
    let address = |text: &str| LinkChange { address: Some(text.into()), ..LinkChange::default() };
    let named = |text: String| MerchantChange { name: Some(text), ..MerchantChange::default() };
    let cnaps = |text: &str| MerchantChange {
        account: AccountChange { cnaps: Some(text.into()), ..AccountChange::default() },
        ..MerchantChange::default()
    };
    let plan = |plan| MerchantChange { fee_plan: Some(plan), ..MerchantChange::default() };
    let owner =
        |id: &str| TerminalChange { merchant: Some(id.parse().unwrap()), ..TerminalChange::default() };
    let timeout = |ms| LinkChange { answer_timeout_ms: Some(ms), ..LinkChange::default() };
    let credit = |max| LinkChange { credit_max: Some(max), ..LinkChange::default() };
    let dialect = LinkChange { dialect: Some(LinkDialect::Iso93Binary), ..LinkChange::default() };
    let rows: Vec<(&str, Order)> = vec![
        ("link is not registered", link("c", address("x:1"))),
        ("100 to 300000 ms", link("a", timeout(99))),
        ("100 to 300000 ms", link("a", timeout(300_001))),
        ("at most 65536", link("a", credit(65_537))),
        ("another dialect takes a link that is down", link("a", dialect)),
        ("the merchant's name: needs one line", merchant(named("two\nlines".into()))),
        ("the merchant's name: needs one line", merchant(named("x".repeat(141)))),
        ("the CNAPS code: needs 12 digits", merchant(cnaps("1234"))),
        ("a fee plan of this number that prices today", merchant(plan(9))),
        ("a fee plan of this number that prices today", merchant(plan(8))),
        ("terminal is not registered", terminal("T9999999", TerminalChange::default())),
        ("merchant is not registered", terminal("T0000001", owner("M99999999999999"))),
    ];
    let mut bench = Bench::new();
    bench.command(fee_plan(8, 4_000_000)).unwrap();
    for (why, order) in rows {
        let (digest, records) = (bench.core.state().digest(), bench.records.len());
        for order in [order.clone(), tried(order)] {
            let refused = bench.order(order.clone()).unwrap_err().to_string();
            assert!(refused.contains(why), "{order:?}: {refused}");
        }
        assert_eq!((bench.core.state().digest(), bench.records.len()), (digest, records), "{why}");
    }
    let known = bench.core.state().registry().link_settings(LINK_A).unwrap();
    for order in [
        link("a", address(&known.address)),
        merchant(MerchantChange::default()),
        terminal("T0000001", TerminalChange::default()),
    ] {
        let records = bench.records.len();
        assert_eq!(fields(bench.order(order)), (false, vec![]));
        assert_eq!(bench.records.len(), records);
    }
}

#[test]
fn a_link_changes_for_what_comes_after_and_outlives_a_restart() {
    let mut bench = Bench::new();
    let change = LinkChange {
        address: Some("10.9.9.9:1".into()),
        answer_timeout_ms: Some(500),
        credit_max: Some(3),
        ..LinkChange::default()
    };
    let before = bench.ask(&Ask::sale_a(10, 500));
    let would = fields(bench.order(tried(link("a", change.clone()))));
    let (recorded, told) = fields(bench.order(link("a", change.clone())));
    assert_eq!((recorded, &told), (true, &would.1), "a dry run says what is done");
    assert_eq!(told[1..], ["answer-timeout-ms: 10000 → 500", "credit: as configured → 3"]);
    let Record::LinkChanged { link: LINK_A, change: recorded, .. } = &bench.records.last().unwrap().record
    else {
        panic!("{:?}", bench.records.last())
    };
    assert_eq!((recorded.before.answer_timeout_ms, recorded.after.answer_timeout_ms), (10_000, 500));
    let after = bench.ask(&Ask::sale_a(11, 600));
    bench.pass(600);
    assert_eq!(bench.code_of(after), "98", "half a second is over");
    assert!(bench.silent(before), "the one before has the time that it was asked under");
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.code_of(before), "98");
    bench.crash();
    let settings = bench.core.state().registry().link_settings(LINK_A).unwrap();
    assert_eq!(
        (settings.address.as_str(), settings.answer_timeout_ms, settings.credit_max),
        ("10.9.9.9:1", 500, Some(3))
    );
    let default = LinkChange { credit_max: Some(0), ..LinkChange::default() };
    assert_eq!(fields(bench.order(link("a", default))).1, ["credit: 3 → as configured"]);
    bench.connect(LINK_A);
    bench.drain();
}

#[test]
fn another_dialect_waits_until_nothing_can_be_answered_in_the_one_before() {
    let dialect =
        || link("a", LinkChange { dialect: Some(LinkDialect::Iso2003Ascii), ..LinkChange::default() });
    let mut bench = Bench::new();
    let under_way = bench.ask(&Ask::sale_a(10, 500));
    let sent = bench.last_request();
    order_link(&mut bench, LinkOrder::Drain);
    assert!(matches!(bench.order(dialect()), Err(CommandError::NotNow { .. })), "a request is under way");
    bench.answer(&sent, "00");
    assert_eq!(bench.code_of(under_way), "00");
    assert!(fields(bench.order(dialect())).0, "drained, it may");
    // With a reversal that waits a drained link is not quiet; one that is down is.
    let mut bench = Bench::new();
    let lost = bench.ask(&Ask::sale_a(10, 500));
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.code_of(lost), "98");
    order_link(&mut bench, LinkOrder::Drain);
    assert!(matches!(bench.order(dialect()), Err(CommandError::NotNow { .. })), "a reversal waits");
    order_link(&mut bench, LinkOrder::Down);
    assert!(fields(bench.order(dialect())).0);
    order_link(&mut bench, LinkOrder::Up);
    bench.disconnect(LINK_A);
    bench.connect(LINK_A);
    bench.drain();
    assert_eq!(bench.core.state().saf_waiting(), 0, "it goes out, and once");
}

/// Makes the first merchant one of another category.
fn category(bench: &mut Bench, mcc: u16) {
    let change = MerchantChange { mcc: Some(mcc), ..MerchantChange::default() };
    assert!(fields(bench.order(merchant(change))).0);
}

#[test]
fn a_limit_is_given_back_what_was_counted_whatever_the_merchant_is_by_then() {
    for (then, now, name) in [(5_812, 5_499, "counted, and given back"), (5_499, 5_812, "never counted")] {
        let mut bench = Bench::new();
        let about = Scope { mcc: vec![(5_812, 5_812)], ..Scope::default() };
        let then_61 = RiskAction::Decline(ResponseCode::AMOUNT_LIMIT);
        let test = RiskTest::Sum { of: RiskSubject::Merchant, window: RiskWindow::Day, minor_max: 1_000 };
        let rule = RiskRule { number: 1, reason: "restaurants".into(), about, test, then: then_61 };
        let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
        bench.command(Command::SetRiskRules(Box::new(rules))).unwrap();
        // What was counted before must not be given away.
        assert_eq!(bench.code(&Ask::sale(9, 400)), "00", "{name}");
        if then != 5_812 {
            category(&mut bench, then);
        }
        let sale = Ask::sale(10, 600);
        let ticket = bench.ask(&sale);
        category(&mut bench, now);
        let void = sale.follow(TransactionKind::Void, 11, bench.facts(ticket).rrn, None);
        assert_eq!(bench.code(&void), "00", "{name}");
        bench.crash();
        if now != 5_812 {
            category(&mut bench, 5_812);
        }
        assert_eq!(bench.code(&Ask::sale(12, 601)), "61", "{name}: 400 stand");
        assert_eq!(bench.code(&Ask::sale(13, 600)), "00", "{name}: and no more");
    }
}

#[test]
fn an_advice_that_waits_says_the_category_of_when_its_transaction_was_made() {
    let mut bench = Bench::new();
    order_link(&mut bench, LinkOrder::Down);
    let told = Ask::new(TransactionKind::OfflineSale, 10, 500, CARD_A);
    assert_eq!(bench.code(&told), "00");
    category(&mut bench, 5_499);
    order_link(&mut bench, LinkOrder::Up);
    bench.disconnect(LINK_A);
    bench.connect(LINK_A);
    bench.drain();
    let of = |stan: u32| {
        let mut opened = bench.records.iter().filter_map(|stamped| match &stamped.record {
            Record::Opened(opened) | Record::Decided { opened, .. } | Record::Advised { opened, .. } => {
                Some(opened)
            }
            _ => None,
        });
        opened.find(|opened| opened.key.stan.get() == stan).unwrap().mcc
    };
    assert_eq!(of(10), 5_812);
    assert_eq!(bench.core.state().saf_waiting(), 0, "it was told");
}

#[test]
fn a_merchant_changes_and_a_settlement_that_was_planned_before_is_refused() {
    let mut bench = Bench::new();
    bench.command(fee_plan(2, 0)).unwrap();
    let change = MerchantChange {
        name: Some("Tea Garden".into()),
        mcc: Some(5_499),
        account: AccountChange { number: Some("6222000011119999".into()), ..AccountChange::default() },
        fee_plan: Some(2),
    };
    let (recorded, told) = fields(bench.order(merchant(change)));
    assert!(recorded);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[1].ends_with("→ 5499") && told[3].ends_with("→ 2"), "{told:?}");
    assert!(told[2].ends_with("→ …9999"), "of an account people see the last characters: {told:?}");
    bench.ask(&Ask::sale_a(10, 500));
    assert_eq!(bench.take_request().opened.mcc, 5_499, "DE 18 of what comes after");
    bench.crash();
    let now = bench.core.state().registry().merchants().next().unwrap().1.clone();
    assert_eq!(
        (now.name.as_str(), now.account.number.as_str(), now.fee_plan),
        ("Tea Garden", "6222000011119999", 2)
    );

    let Ok(CommandOutcome::DayCut { day }) = bench.command(Command::CutDay) else { panic!("a cut") };
    let rendered =
        || Record::FilesRendered { day, files: vec![FileDigest { name: "a.csv".into(), sha256: [0; 32] }] };
    let settle = |merchant_changes| Command::RecordSettlement { records: vec![rendered()], merchant_changes };
    let planned_before = bench.command(settle(0));
    assert!(matches!(planned_before, Err(CommandError::NotNow { .. })), "{planned_before:?}");
    assert_eq!(bench.command(settle(1)), Ok(CommandOutcome::Recorded));
}

#[test]
fn who_a_merchant_is_and_where_its_money_goes_are_for_different_people() {
    let mut bench = Bench::new();
    bench.command(fee_plan(2, 0)).unwrap();
    for (name, role) in [("olga", Role::Operator), ("fay", Role::Finance), ("adam", Role::Admin)] {
        let add = UserCommand::Add {
            user: name.parse().unwrap(),
            roles: Roles::of([role]).unwrap(),
            password: PasswordRecord("first".into()),
        };
        bench.command(Command::User(add)).unwrap();
        let set = UserCommand::SetPassword {
            user: name.parse().unwrap(),
            password: PasswordRecord("own".into()),
            version: 1,
        };
        bench.command_as(Actor::User(name.parse().unwrap()), Command::User(set)).unwrap();
    }
    let name = |text: &str| MerchantChange { name: Some(text.into()), ..MerchantChange::default() };
    let holder = |text: &str| MerchantChange {
        account: AccountChange { holder: Some(text.into()), ..AccountChange::default() },
        ..MerchantChange::default()
    };
    let both = |text: &str| MerchantChange { fee_plan: Some(2), ..name(text) };
    let table = [
        ("olga", name("a"), true),
        ("olga", holder("a"), false),
        ("olga", both("b"), false),
        ("fay", name("c"), false),
        ("fay", holder("c"), true),
        ("fay", both("d"), false),
        ("adam", both("e"), true),
    ];
    for (who, change, may) in table {
        let done =
            bench.command_as(Actor::User(who.parse().unwrap()), Command::Order(merchant(change.clone())));
        assert_eq!(done.is_ok(), may, "{who}: {change:?}: {done:?}");
        if !may {
            assert!(matches!(done, Err(CommandError::Forbidden { .. })), "{done:?}");
        }
    }
}

#[test]
fn another_mac_algorithm_takes_a_sign_on_and_keys_that_were_made_for_the_one_before_are_dropped() {
    let mac = |mac| terminal("T0000001", TerminalChange { mac: Some(mac), ..TerminalChange::default() });
    let mut bench = Bench::new();
    let version = bench.key_versions[0];
    assert_eq!(fields(bench.order(mac(TerminalMac::X99))).1, ["mac: cup-ecb → x99"]);
    assert_eq!(bench.code(&Ask::sale(10, 500)), "77", "its keys were right, and are of no use any more");
    bench.crash();
    assert_eq!(bench.code(&Ask::sale(11, 500)), "77");
    bench.sign_on(0);
    assert_eq!(bench.key_versions[0], version + 1, "a version is given once");
    assert_eq!(bench.code(&Ask::sale(12, 500)), "00");
    // Keys that are on their way when the algorithm changes are for the one before.
    bench.hold_keys = true;
    let body = Body::SignOn { stan: stan(1), form: KeyForm::Double };
    let waits = bench.request_as("T0000001", MERCHANTS[0], MacCheck::NotRequired, body);
    fields(bench.order(mac(TerminalMac::CmacAes)));
    assert_eq!(bench.code_of(waits), "77");
    let (slot, version) = bench.held_keys[0];
    bench.step(Input::KeysMade { slot, made: Some(Box::new(made_keys(version))) });
    assert_eq!(bench.code(&Ask::sale(13, 500)), "77", "they are not put in force");
    bench.hold_keys = false;
    bench.sign_on(0);
    assert_eq!(bench.code(&Ask::sale(14, 500)), "00");
    assert_eq!(bench.code(&Ask { terminal: 1, ..Ask::sale(15, 500) }), "00", "the others were never asked");
}

#[test]
fn a_terminal_goes_to_another_merchant_with_an_empty_batch() {
    let moved = || {
        let merchant = Some(MERCHANTS[1].parse().unwrap());
        terminal("T0000001", TerminalChange { merchant, ..TerminalChange::default() })
    };
    let mut bench = Bench::new();
    assert_eq!(bench.code(&Ask::sale(10, 500)), "00");
    let refused = bench.order(moved());
    assert!(
        matches!(refused, Err(CommandError::NotNow { why }) if why.contains("close it first")),
        "{refused:?}"
    );
    let batch = named::batch(1);
    bench
        .order(Order::CloseBatch { terminal: "T0000001".parse().unwrap(), batch, reason: reason() })
        .unwrap();
    let told = fields(bench.order(moved()));
    assert_eq!(told, (true, vec![format!("merchant: {} → {}", MERCHANTS[0], MERCHANTS[1])]));
    let (payable_before, payable_of_other) = (bench.payable(0), bench.payable(1));
    assert_eq!(bench.code(&Ask::sale(11, 500)), "03", "it is not the first merchant's any more");
    bench.sign_on_at("T0000001", MERCHANTS[1]);
    let mut sale = Ask::sale(12, 700);
    sale.batch = 2;
    assert_eq!(bench.code_at("T0000001", MERCHANTS[1], 0, &sale), "00");
    assert_eq!((bench.payable(0), bench.payable(1)), (payable_before, payable_of_other + 700));
    bench.crash();
    assert_eq!(bench.code_at("T0000001", MERCHANTS[1], 0, &sale), "00", "its repeat");
}

#[test]
fn what_a_terminal_sold_for_its_merchant_before_is_refunded_by_another_of_that_merchant() {
    let mut bench = Bench::new();
    let sold = Ask::sale(10, 500);
    let ticket = bench.ask(&sold);
    let rrn = bench.facts(ticket).rrn;
    let close = |batch| Order::CloseBatch { terminal: "T0000001".parse().unwrap(), batch, reason: reason() };
    bench.order(close(named::batch(1))).unwrap();
    let owner = |merchant: &str| {
        let merchant = Some(merchant.parse().unwrap());
        terminal("T0000001", TerminalChange { merchant, ..TerminalChange::default() })
    };
    assert!(fields(bench.order(owner(MERCHANTS[1]))).0);
    bench.sign_on_at("T0000001", MERCHANTS[1]);
    let follow = |kind, stan, batch| sold.follow(kind, stan, rrn, None).minor(500).batch(batch);
    for kind in [TransactionKind::Refund, TransactionKind::Void] {
        let stan = 20 + u32::from(kind == TransactionKind::Void);
        let code = bench.code_at("T0000001", MERCHANTS[1], 0, &follow(kind, stan, 2));
        assert_eq!(code, "03", "{kind:?}: it is the merchant's before");
    }
    // Of what another terminal sold for another merchant nobody is told that it is there.
    let strange = Ask::sale(22, 300).terminal(1);
    let ticket = bench.ask(&strange);
    let strange = strange.follow(TransactionKind::Refund, 23, bench.facts(ticket).rrn, None).batch(2);
    assert_eq!(bench.code_at("T0000001", MERCHANTS[1], 0, &strange), "25");
    // The way out: another terminal of the merchant.
    let payable = bench.payable(0);
    let by_another = follow(TransactionKind::Refund, 24, 1).minor(200).terminal(1);
    assert_eq!(bench.code(&by_another), "00");
    assert_eq!(bench.payable(0), payable - 200);
    // Or this one, where it belongs to the merchant again.
    let close_next = bench.order(close(named::batch(2)));
    assert!(close_next.is_ok(), "{close_next:?}");
    assert!(fields(bench.order(owner(MERCHANTS[0]))).0);
    bench.sign_on(0);
    assert_eq!(bench.code(&follow(TransactionKind::Refund, 25, 3).minor(300)), "00");
}

#[test]
fn whether_a_terminal_takes_a_part_changes_without_a_sign_on() {
    let mut bench = Bench::new();
    let change = TerminalChange { takes_partial: Some(true), ..TerminalChange::default() };
    assert_eq!(fields(bench.order(terminal("T0000001", change))).1, ["takes-partial: false → true"]);
    let index = bench.core.state().registry().terminal_named(&"T0000001".parse().unwrap()).unwrap();
    let profile = bench.core.state().registry().profile(index);
    assert_eq!(profile, Some(TerminalProfile { takes_partial: true, ..TerminalProfile::default() }));
    assert_eq!(bench.code(&Ask::sale(10, 500)), "00");
}
