//! Operators' hands.

use crate::support::*;
use switchyard_core::{
    Body, Command, CommandError, CommandOutcome, CoreConfig, LinkFacts, Order, Reply, Upload,
};
use switchyard_domain::{
    Actor, BatchTotals, BlockCause, BlockedCard, CardClass, CaseFinding, CaseId, LinkMode, LinkOrder,
    MerchantOrder, Outcome, Record, ResponseCode, RiskAction, RiskRule, RiskRules, RiskSubject, RiskTest,
    RiskWindow, Route, RouteTarget, SafFinding, SafId, Scope, TerminalIndex, TerminalOrder, TransactionKind,
};

const DONE: Result<CommandOutcome, CommandError> = Ok(CommandOutcome::Recorded);
const SO_BEFORE: Result<CommandOutcome, CommandError> = Ok(CommandOutcome::RecordedBefore);

fn missing(what: &'static str) -> Result<CommandOutcome, CommandError> {
    Err(CommandError::Missing { what })
}
fn link(name: &str, what: LinkOrder) -> Order {
    Order::Link { link: name.into(), what, reason: reason() }
}
fn terminal(id: &str, what: TerminalOrder) -> Order {
    Order::Terminal { terminal: id.parse().unwrap(), what, reason: reason() }
}
fn merchant(id: &str, what: MerchantOrder) -> Order {
    Order::Merchant { merchant: id.parse().unwrap(), what, reason: reason() }
}
fn retry(saf: u64) -> Order {
    Order::RetrySaf { saf: SafId(saf), reason: reason() }
}
fn resolve(saf: u64, finding: SafFinding) -> Order {
    Order::ResolveSaf { saf: SafId(saf), finding, reason: reason() }
}
fn close(id: &str, batch: u32) -> Order {
    Order::CloseBatch { terminal: id.parse().unwrap(), batch: named::batch(batch), reason: reason() }
}
fn settle(case: u64) -> Order {
    Order::ResolveCase { case: CaseId(case), finding: CaseFinding::HostRight, reason: reason() }
}
fn blocked(pan: &str, cause: BlockCause) -> BlockedCard {
    BlockedCard { card: card_hash(pan), masked: Some(card_ref(pan).masked), cause }
}
fn block(pan: &str, cause: BlockCause) -> Order {
    Order::BlockCards { cards: vec![blocked(pan, cause)], reason: reason() }
}
pub(crate) fn links(bench: &mut Bench) -> Vec<LinkFacts> {
    match bench.command(Command::Links) {
        Ok(CommandOutcome::Links(facts)) => facts,
        other => panic!("{other:?}"),
    }
}
/// The last record, which an order made: by whom, and under which name.
#[track_caller]
fn by_operator(bench: &Bench) -> &Record {
    let last = bench.records.last().unwrap();
    assert_eq!(last.actor, Actor::Operator("anna".into()));
    &last.record
}

#[test]
fn a_link_that_drains_or_is_down_takes_nothing_new_until_it_is_up() {
    for (order, mode) in [(LinkOrder::Drain, LinkMode::Draining), (LinkOrder::Down, LinkMode::Down)] {
        let mut bench = Bench::new();
        let under_way = bench.ask(&Ask::sale_a(10, 500));
        let sent = bench.last_request();
        assert_eq!(links(&mut bench)[0].in_flight, 1);
        assert_eq!(bench.order(link("a", order)), DONE);
        assert!(matches!(by_operator(&bench), Record::LinkOrdered { link: LINK_A, .. }));
        assert_eq!(bench.order(link("a", order)), SO_BEFORE);
        assert_eq!(bench.code(&Ask::sale_a(11, 500)), "91");
        assert_eq!(bench.link_code(&Ask::sale_b(12, 5), "00").1, "00", "the other link goes on");
        bench.answer(&sent, "00");
        assert_eq!(bench.code_of(under_way), "00", "what was under way is answered");
        let facts = links(&mut bench);
        assert_eq!((facts[0].mode, facts[0].in_flight), (mode, 0));
        assert_eq!((facts[1].mode, facts[1].status), (LinkMode::Up, "signed-on"));
        bench.crash();
        assert_eq!(bench.core.state().registry().link_modes(), [mode, LinkMode::Up], "it outlives a restart");
        bench.connect(LINK_A);
        bench.connect(LINK_B);
        assert_eq!(bench.code(&Ask::sale_a(13, 500)), "91");
        assert_eq!(bench.order(link("a", LinkOrder::Up)), DONE);
        assert_eq!(bench.link_code(&Ask::sale_a(14, 500), "00").1, "00");
        assert_eq!(bench.order(link("a", LinkOrder::Up)), SO_BEFORE);
    }
}

#[test]
fn reversals_go_over_a_link_that_drains_and_wait_for_one_that_is_down() {
    for (order, goes) in [(LinkOrder::Drain, true), (LinkOrder::Down, false)] {
        let mut bench = Bench::new();
        bench.ask(&Ask::sale_a(10, 500));
        assert_eq!(bench.order(link("a", order)), DONE);
        bench.pass(LINK_TIMEOUT_MS);
        bench.pass(60_000);
        assert_eq!(!bench.reversals().is_empty(), goes, "{order:?}");
        assert_eq!(links(&mut bench)[0].saf_waiting, 1);
        bench.order(link("a", LinkOrder::Up)).unwrap();
        bench.drain();
        assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    }
}

#[test]
fn signing_a_link_on_again_needs_a_connection_and_stops_nothing() {
    let mut bench = Bench::new();
    bench.auto_network = false;
    let before = bench.sent.len();
    assert_eq!(bench.order(link("a", LinkOrder::SignOn)), DONE);
    assert_eq!(
        bench.sent[before..].iter().map(|s| (s.link, s.what)).collect::<Vec<_>>(),
        [(LINK_A, SentWhat::Network)]
    );
    assert_eq!(bench.link_code(&Ask::sale_a(10, 500), "00").1, "00");
    bench.disconnect(LINK_A);
    assert!(matches!(bench.order(link("a", LinkOrder::SignOn)), Err(CommandError::NotNow { .. })));
    assert_eq!(bench.order(link("nowhere", LinkOrder::Up)), missing("link"));
    bench.order(link("a", LinkOrder::Down)).unwrap();
    assert!(matches!(bench.order(link("a", LinkOrder::Drain)), Err(CommandError::NotNow { .. })));
}

#[test]
fn a_disabled_terminal_hears_58_and_a_disabled_merchant_03() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(&Ask::sale(10, 500)), "00");
    for (off, on, code) in [
        (terminal("T0000001", TerminalOrder::Disable), terminal("T0000001", TerminalOrder::Enable), "58"),
        (merchant(MERCHANTS[0], MerchantOrder::Disable), merchant(MERCHANTS[0], MerchantOrder::Enable), "03"),
    ] {
        let version = bench.core.state().registry().version();
        assert_eq!(bench.order(off.clone()), DONE);
        by_operator(&bench);
        assert_eq!(bench.order(off), SO_BEFORE);
        let records = bench.records.len();
        assert_eq!(bench.code(&Ask::sale(11, 500)), code);
        assert_eq!(bench.reverse_code(&Back::of(&Ask::sale(10, 500))), code);
        let echo = bench.request(0, Body::Echo);
        assert_eq!(bench.code_of(echo), code);
        assert_eq!(bench.records.len(), records, "a refusal like this leaves no record");
        assert_eq!(bench.code(&Ask::sale(12, 5).terminal(2)), "00", "others are not touched");
        bench.crash();
        assert_eq!(bench.code(&Ask::sale(13, 500)), code, "after a restart as well");
        assert_eq!(bench.order(on.clone()), DONE);
        assert_eq!(bench.order(on), SO_BEFORE);
        assert_eq!(bench.core.state().registry().version(), version + 2);
        let stan = if code == "58" { 14 } else { 15 };
        assert_eq!(bench.code(&Ask::sale(stan, 500)), "00");
        bench.code(&Ask::sale(20 + stan, 5).terminal(2));
    }
    // What waits for its PIN when the order is given is not approved behind it.
    for (off, code) in [
        (terminal("T0000001", TerminalOrder::Disable), "58"),
        (merchant(MERCHANTS[0], MerchantOrder::Disable), "03"),
    ] {
        let mut bench = Bench::new();
        bench.pins = Pins::Held;
        let ticket = bench.ask(&Ask::sale(10, 500).pin());
        assert_eq!(bench.order(off), DONE);
        let records = bench.records.len();
        bench.pin_done(Pins::Right);
        assert_eq!((bench.code_of(ticket).as_str(), bench.records.len()), (code, records));
    }
    assert_eq!(bench.order(terminal("NOBODY", TerminalOrder::Disable)), missing("terminal"));
    assert_eq!(bench.order(merchant("NOBODY", MerchantOrder::Disable)), missing("merchant"));
}

#[test]
fn a_terminal_is_made_to_sign_on_and_its_empty_batch_gets_a_higher_number() {
    let mut bench = Bench::new();
    assert_eq!(bench.order(terminal("T0000001", TerminalOrder::RenewKeys)), DONE);
    assert_eq!(bench.order(terminal("T0000001", TerminalOrder::ForceSignOn)), DONE);
    assert_eq!(bench.order(terminal("T0000001", TerminalOrder::ForceSignOn)), SO_BEFORE);
    assert_eq!(bench.order(terminal("T0000001", TerminalOrder::RenewKeys)), SO_BEFORE);
    let ticket = bench.ask(&Ask::sale(10, 500));
    let Reply { code, requirement, .. } = bench.only(ticket);
    assert_eq!((code, requirement), (ResponseCode::SIGN_ON_REQUIRED, 3));
    bench.sign_on(0);
    assert_eq!(bench.code(&Ask::sale(11, 500)), "00");
    let reset = |number| terminal("T0000001", TerminalOrder::ResetBatch(named::batch(number)));
    assert!(matches!(bench.order(reset(7)), Err(CommandError::NotNow { .. })), "there is money in it");
    assert_eq!(bench.order(reset(1)), SO_BEFORE);
    assert_eq!(bench.order(close("T0000001", 1)), DONE);
    assert!(matches!(bench.order(reset(1)), Err(CommandError::NotNow { .. })), "a number is used once");
    assert!(
        matches!(bench.order(reset(900_001)), Err(CommandError::NotNow { .. })),
        "the numbers would start over"
    );
    assert_eq!(bench.order(reset(7)), DONE);
    assert_eq!(bench.code(&Ask::sale(12, 5).batch(7)), "77", "it has to hear of it first");
    bench.sign_on(0);
    assert_eq!(bench.code(&Ask::sale(12, 5).batch(2)), "77");
    assert_eq!(bench.code(&Ask::sale(12, 5).batch(7)), "00");
}

#[test]
fn a_batch_is_closed_without_its_terminal_only_when_nothing_is_under_way() {
    let mut bench = Bench::new();
    assert!(matches!(bench.order(close("T0000001", 1)), Err(CommandError::NotNow { .. })), "it is empty");
    assert_eq!(bench.code(&Ask::sale(10, 500)), "00");
    bench.ask(&Ask::sale_a(11, 70));
    assert!(matches!(bench.order(close("T0000001", 1)), Err(CommandError::NotNow { .. })), "one is pending");
    let sent = bench.last_request();
    bench.answer(&sent, "00");
    assert!(matches!(bench.order(close("T0000001", 2)), Err(CommandError::NotNow { .. })), "another batch");
    let totals = bench.model.recount(TerminalIndex(0), named::batch(1));
    assert_eq!(bench.order(close("T0000001", 1)), DONE);
    assert!(matches!(by_operator(&bench), Record::BatchForceClosed { cases, .. } if cases.is_empty()));
    assert_eq!(bench.code(&Ask::sale(12, 500)), "77");
    assert_eq!(bench.totals(0, 1, totals).code.as_str(), "00", "a terminal that agrees hears so");
    assert_eq!(bench.totals(0, 1, BatchTotals::default()).code.as_str(), "77", "one that does not signs on");
    assert_eq!(bench.code(&Ask::sale(10, 5).batch(2)), "00");
    assert_eq!(bench.order(close("NOBODY", 1)), missing("terminal"));
}

#[test]
fn differences_become_cases_that_are_settled_once() {
    for forced in [false, true] {
        let mut bench = Bench::new();
        assert_eq!(bench.code(&Ask::sale(10, 500)), "00");
        assert_eq!(bench.code(&Ask::sale(11, 70)), "00");
        bench.totals(0, 1, BatchTotals::default());
        let items = vec![item(10, 501, None), item(12, 9, None)];
        assert_eq!(bench.upload(0, 1, Upload::Items(items)).code.as_str(), "00");
        if forced {
            assert_eq!(bench.order(close("T0000001", 1)), DONE);
        } else {
            assert_eq!(bench.upload(0, 1, Upload::End { count: 2 }).code.as_str(), "00");
        }
        let open: Vec<u64> = bench.core.state().open_cases().map(|(id, _)| id.0).collect();
        assert_eq!(open, [0, 1, 2], "another amount, only at the terminal, only at the host");
        assert_eq!(bench.order(settle(1)), DONE);
        assert!(matches!(by_operator(&bench), Record::CaseResolved { case: CaseId(1), .. }));
        assert_eq!(bench.order(settle(1)), missing("open case"));
        assert_eq!(bench.order(settle(9)), missing("open case"));
        bench.crash();
        assert_eq!(bench.core.state().open_cases().count(), 2);
    }
}

/// One reversal that the issuer refuses: it waits for an operator as the entry 0.
fn given_up(ask: &Ask) -> Bench {
    let mut bench = Bench::new();
    bench.ask(ask);
    bench.pass(LINK_TIMEOUT_MS);
    bench.pass(0);
    let (sent, ..) = bench.reversals()[0];
    bench.answer(&sent, "12");
    assert_eq!((bench.core.state().saf_waiting(), bench.core.state().saf_dead()), (0, 1));
    assert_eq!(bench.model.outcome(0), Outcome::Unknown);
    bench
}

#[test]
fn a_dead_letter_is_sent_again_as_the_repeat_that_it_is() {
    let mut bench = given_up(&Ask::sale_a(10, 500));
    let (first, ..) = bench.reversals()[0];
    assert_eq!(bench.order(retry(0)), DONE);
    let (sent, saf, repeat) = *bench.reversals().last().unwrap();
    assert!(repeat, "0421");
    assert_eq!((sent.stan, sent.at, saf.id), (first.stan, first.at, SafId(0)), "the same message");
    assert_eq!(bench.order(retry(0)), SO_BEFORE, "it waits already");
    bench.answer(&sent, "00");
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    assert_eq!(bench.order(retry(0)), missing("store-and-forward entry"));
    // The other links' entries and those after a restart alike.
    let mut bench = given_up(&Ask::sale_a(10, 500));
    bench.order(retry(0)).unwrap();
    bench.crash();
    assert_eq!(bench.core.state().saf_waiting(), 1);
    bench.connect(LINK_A);
    bench.drain();
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
}

#[test]
fn what_the_issuer_says_ends_the_doubt() {
    for finding in [SafFinding::Undone, SafFinding::NeverTaken, SafFinding::Stands] {
        let mut bench = given_up(&Ask::sale_a(10, 500));
        assert_eq!(bench.order(resolve(0, finding)), DONE);
        assert!(matches!(by_operator(&bench), Record::SafResolved { .. }));
        assert_eq!(bench.model.outcome(0), Outcome::Reversed);
        assert_eq!((bench.core.state().unresolved(), bench.core.state().saf_dead()), (0, 0));
        let kept = if finding == SafFinding::Stands { 500 } else { 0 };
        assert_eq!(bench.payable(0), 0, "the merchant heard 98: it is owed nothing");
        assert_eq!((bench.receivable(LINK_A), bench.suspense()), (kept, -kept), "{finding:?}");
        assert_eq!(bench.order(resolve(0, finding)), missing("store-and-forward entry"));
        // An approval that comes after all is undone where the issuer was thought never to have had it.
        let request =
            bench.sent.iter().find(|s| matches!(s.what, SentWhat::Request { .. })).copied().unwrap();
        bench.answer(&request, "00");
        let again = usize::from(finding == SafFinding::NeverTaken);
        assert_eq!(bench.core.state().saf_waiting(), again, "{finding:?}");
    }
}

#[test]
fn a_refund_that_stands_at_the_issuer_stays_taken_and_one_that_does_not_is_free_again() {
    for (finding, code) in [(SafFinding::Undone, "00"), (SafFinding::Stands, "61")] {
        let mut bench = Bench::new();
        let sale = Ask::sale_a(10, 500);
        let (ticket, _) = bench.link_code(&sale, "00");
        let rrn = bench.facts(ticket).rrn;
        let refund = |stan| sale.follow(TransactionKind::Refund, stan, rrn, None).minor(400);
        bench.ask(&refund(11));
        bench.pass(LINK_TIMEOUT_MS);
        bench.pass(0);
        let (sent, ..) = bench.reversals()[0];
        bench.answer(&sent, "12");
        assert_eq!(bench.order(resolve(0, finding)), DONE);
        assert_eq!(bench.link_code(&refund(12), "00").1, code, "{finding:?}");
        let kept = if finding == SafFinding::Stands { 400 } else { 0 };
        assert_eq!(bench.suspense(), kept);
    }
}

/// A terminal takes back what was approved; the issuer does not, and an operator says what became of it there.
fn taken_back(bench: &mut Bench, ask: &Ask, finding: SafFinding) {
    assert_eq!(bench.reverse_code(&Back::of(ask)), "00");
    let (sent, saf, _) = *bench.reversals().last().unwrap();
    bench.answer(&sent, "12");
    assert_eq!(bench.order(resolve(saf.id.0, finding)), DONE);
}

#[test]
fn what_an_issuer_keeps_though_the_terminal_took_it_back_is_not_free_for_another() {
    for (finding, code) in [(SafFinding::Undone, "00"), (SafFinding::Stands, "61")] {
        let mut bench = Bench::new();
        let test = RiskTest::Sum { of: RiskSubject::Card, window: RiskWindow::Day, minor_max: 1_000 };
        let (about, then) = (Scope::default(), RiskAction::Decline("61".parse().unwrap()));
        let rule = RiskRule { number: 1, reason: "test".into(), about, test, then };
        let rules = RiskRules { version: 1, rules: vec![rule], ..RiskRules::default() };
        bench.command(Command::SetRiskRules(Box::new(rules))).unwrap();
        let sale = Ask::sale_a(10, 600);
        assert_eq!(bench.link_code(&sale, "00").1, "00");
        taken_back(&mut bench, &sale, finding);
        assert_eq!(bench.link_code(&Ask::sale_a(11, 500), "00").1, code, "limit, {finding:?}");

        let mut bench = Bench::new();
        let sale = Ask::sale_a(10, 500);
        let (ticket, _) = bench.link_code(&sale, "00");
        let rrn = bench.facts(ticket).rrn;
        let refund = |stan| sale.follow(TransactionKind::Refund, stan, rrn, None).minor(400);
        assert_eq!(bench.link_code(&refund(11), "00").1, "00");
        taken_back(&mut bench, &refund(11), finding);
        assert_eq!(bench.link_code(&refund(12), "00").1, code, "refund, {finding:?}");
    }
}

#[test]
fn an_entry_that_still_waits_can_be_resolved_and_is_not_sent_again() {
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 500));
    bench.ask(&Ask::sale_a(11, 70));
    bench.pass(LINK_TIMEOUT_MS);
    bench.pass(0);
    let (sent, ..) = bench.reversals()[0];
    assert_eq!(bench.order(resolve(0, SafFinding::Undone)), DONE);
    bench.answer(&sent, "00");
    assert_eq!(bench.core.state().saf_waiting(), 1, "the answer to it says nothing of the next");
    bench.pass(bench.config.saf_retry_ms);
    assert_eq!(bench.reversals().last().unwrap().1.id, SafId(1));
    bench.drain();
    assert_eq!(bench.core.state().unresolved(), 0);
}

#[test]
fn a_hot_card_hears_why_and_may_still_be_given_its_money_back() {
    for (cause, code) in
        [(BlockCause::Lost, "41"), (BlockCause::Stolen, "43"), (BlockCause::Restricted, "62")]
    {
        let mut bench = Bench::new();
        let (own, foreign) = (Ask::sale(10, 500), Ask::sale_b(11, 70));
        let ticket = bench.ask(&own);
        let rrn = bench.facts(ticket).rrn;
        assert_eq!(bench.link_code(&foreign, "00").1, "00");
        for pan in [ON_US, CARD_B] {
            let changed = |count, unchanged| Ok(CommandOutcome::Changed { count, unchanged });
            assert_eq!(bench.order(block(pan, cause)), changed(1, 0));
            assert!(matches!(by_operator(&bench), Record::CardBlocked { .. }));
            assert_eq!(bench.order(block(pan, cause)), changed(0, 1));
        }
        let requests = bench.requests();
        assert_eq!(bench.code(&Ask::sale(20, 5)), code);
        assert_eq!(bench.code(&Ask::sale_b(21, 5)), code, "behind a link as well");
        assert_eq!(bench.code(&Ask::sale(22, 5).pin()), code, "before its PIN is looked at");
        assert_eq!(bench.requests(), requests, "no issuer is asked");
        assert_eq!(bench.code(&Ask::sale(23, 5).card(Some(ON_US_OTHER))), "00");
        assert_eq!(bench.code(&own.follow(TransactionKind::Refund, 24, rrn, None).minor(100)), "00");
        bench.crash();
        assert_eq!(bench.code(&Ask::sale(25, 5)), code, "the list outlives a restart");
        let unblock = Order::UnblockCard { card: card_hash(ON_US), reason: reason() };
        assert_eq!(bench.order(unblock.clone()), DONE);
        assert_eq!(bench.order(unblock), missing("blocked card"));
        assert_eq!(bench.code(&Ask::sale(26, 5)), "00");
    }
    let mut bench = Bench::new();
    let cards = vec![blocked(ON_US, BlockCause::Lost); Order::CARDS_MAX + 1];
    let order = Order::BlockCards { cards, reason: reason() };
    assert!(matches!(bench.order(order), Err(CommandError::TooMany { have: 1_001, .. })));
    assert_eq!(bench.core.state().registry().blocked_cards().count(), 0);
}

#[test]
fn a_route_that_is_removed_leads_nowhere_and_the_wider_one_takes_over() {
    let mut bench = Bench::new();
    let narrow = route(6225, CardClass::Debit, RouteTarget::Link(LINK_B));
    let (low, high) = (narrow.low, narrow.low + 10_u64.pow(14) - 1);
    let narrow = Route { high, ..narrow };
    let version = bench.core.state().registry().version();
    bench.command(Command::AddRoute(narrow.clone())).unwrap();
    assert_eq!(bench.core.state().registry().version(), version + 1);
    let remove = |low, high| Order::RemoveRoute { low, high, reason: reason() };
    assert_eq!(bench.order(remove(low, high)), DONE);
    assert!(matches!(by_operator(&bench), Record::RouteRemoved { route, .. } if *route == narrow));
    assert_eq!(bench.order(remove(low, high)), missing("route"));
    bench.ask(&Ask::sale_a(10, 5));
    assert_eq!(bench.last_request().link, LINK_A);
    let wide = route(6225, CardClass::Credit, RouteTarget::Link(LINK_A));
    assert_eq!(bench.order(remove(wide.low, wide.high)), DONE);
    assert_eq!(bench.code(&Ask::sale_a(11, 5)), "15");
}

#[test]
fn a_route_over_a_range_that_is_there_waits_behind_it_and_the_same_one_is_refused() {
    let mut bench = Bench::new();
    let known = route(6225, CardClass::Credit, RouteTarget::Link(LINK_A));
    let other = |class, target| route(6225, class, target);
    let behind = |ahead| Ok(CommandOutcome::RecordedBehind { ahead });
    let exists = || Err(CommandError::Exists { what: "route" });
    let wider = Route { low: known.low - 1, ..known.clone() };
    for (name, route, expected) in [
        ("the same", known.clone(), exists()),
        ("another link", other(CardClass::Credit, RouteTarget::Link(LINK_B)), behind(1)),
        ("which waits by now", other(CardClass::Credit, RouteTarget::Link(LINK_B)), exists()),
        ("another class", other(CardClass::Debit, RouteTarget::Link(LINK_A)), behind(2)),
        ("another issuer", Route { issuer: known.issuer + 1, ..known.clone() }, behind(3)),
        ("the first once more", known.clone(), exists()),
        ("another range", wider, DONE),
    ] {
        let before = bench.records.len();
        assert_eq!(bench.command(Command::AddRoute(route)), expected, "{name}");
        assert_eq!(bench.records.len() - before, usize::from(expected.is_ok()), "{name}");
    }
    bench.ask(&Ask::sale_a(10, 5));
    assert_eq!(bench.last_request().link, LINK_A, "the one that was there first counts");
    let (low, high) = (known.low, known.high);
    assert_eq!(bench.order(Order::RemoveRoute { low, high, reason: reason() }), DONE);
    bench.ask(&Ask::sale_a(11, 5));
    assert_eq!(bench.last_request().link, LINK_B, "and then the next");
    assert_eq!(bench.command(Command::AddRoute(known)), behind(3), "it may come back");
}

#[test]
fn a_command_on_what_has_changed_since_is_refused() {
    let mut bench = Bench::new();
    let version = bench.core.state().registry().version();
    let expecting = |version, id: &str| Command::Expecting {
        version,
        command: Box::new(Command::Register(Box::new(merchant_named(id)))),
    };
    assert_eq!(bench.command(expecting(version, "M00000000000003")), DONE);
    let moved = CommandError::Moved { need: version, have: version + 1 };
    assert_eq!(bench.command(expecting(version, "M00000000000004")), Err(moved));
    assert_eq!(bench.command(expecting(version + 1, "M00000000000004")), DONE);
    let twice = Command::Expecting { version: version + 2, command: Box::new(expecting(version + 2, "M5")) };
    assert!(matches!(bench.command(twice), Err(CommandError::Invalid { .. })));
}

#[test]
fn rules_can_be_changed_without_a_restart() {
    let mut bench = Bench::new();
    let dear = bench.config.no_pin_minor_max + 1;
    assert_eq!(bench.code(&Ask::sale(10, dear)), "55");
    let records = bench.records.len();
    let config = CoreConfig { no_pin_minor_max: dear, ..bench.config.clone() };
    assert_eq!(bench.command(Command::Configure(Box::new(config))), SO_BEFORE);
    assert_eq!(bench.records.len(), records, "what decides is not what happened");
    assert_eq!(bench.code(&Ask::sale(11, dear)), "00");
}
