//! Several connections of one link.

use crate::orders::links;
use crate::support::*;
use switchyard_core::{Act, CoreConfig, Input, KeyArrival, KeyFault, LinkChange, Order, Stray};
use switchyard_domain::{
    KeyUse, LinkIndex, LinkOrder, Outcome, Record, TransactionId, TransactionKind::Void,
};

/// Another connection of the first link; it is signed on.
fn join(bench: &mut Bench) -> u32 {
    bench.generations[0] += 1;
    let generation = bench.generations[0];
    bench.step(Input::LinkConnected { link: LINK_A, generation });
    generation
}
fn lose(bench: &mut Bench, generation: u32) {
    bench.step(Input::LinkLost { link: LINK_A, generation });
}
/// A bench whose first link has two connections, and their numbers.
fn pair(config: CoreConfig) -> (Bench, u32, u32) {
    let mut bench = Bench::with(config);
    let first = bench.generations[0];
    let second = join(&mut bench);
    (bench, first, second)
}
fn pool() -> (Bench, u32, u32) {
    pair(CoreConfig::default())
}
/// A sale over a connection that is chosen for it: its ticket, and the request.
fn sale(bench: &mut Bench, stan: u32) -> (u64, Sent) {
    let ticket = bench.ask(&Ask::sale_a(stan, 500));
    (ticket, bench.last_request())
}
fn not_sent(bench: &mut Bench) {
    let request = bench.take_request();
    bench.step(Input::NotSent { link: LINK_A, transaction: request.opened.id, request: Some(request) });
}
fn facts(bench: &mut Bench) -> (String, usize, usize) {
    let facts = links(bench).remove(0);
    (facts.status.to_owned(), facts.connections_up, facts.connections_signed_on)
}

#[test]
fn requests_are_shared_out_and_only_the_connection_that_asked_hears_the_answer() {
    let (mut bench, first, second) = pool();
    let sales: Vec<(u64, Sent)> = (10..14).map(|stan| sale(&mut bench, stan)).collect();
    let over: Vec<u32> = sales.iter().map(|(_, sent)| sent.generation).collect();
    assert_eq!(over, [first, second, first, second]);
    // The other connection says so: that is no answer.
    let (ticket, asked) = sales[0];
    bench.answer(&Sent { generation: second, ..asked }, "00");
    assert!(bench.silent(ticket));
    assert_eq!(bench.strays.pop(), Some((LINK_A, Stray::Unmatched)));
    for (ticket, sent) in &sales {
        bench.answer(sent, "00");
        assert_eq!(bench.code_of(*ticket), "00");
    }
    // Two wait on the first connection, none on the second.
    let waiting: Vec<(u64, Sent)> = (20..23).map(|stan| sale(&mut bench, stan)).collect();
    let other = waiting.iter().find(|(_, sent)| sent.generation == second).unwrap();
    bench.answer(&other.1, "00");
    assert_eq!(sale(&mut bench, 24).1.generation, second);
    assert_eq!(sale(&mut bench, 25).1.generation, second);
}

#[test]
fn a_link_is_up_as_long_as_one_connection_is() {
    let (mut bench, first, second) = pool();
    assert_eq!(facts(&mut bench), ("signed-on".into(), 2, 2));
    let (lost, asked) = sale(&mut bench, 10);
    let (kept, other) = sale(&mut bench, 11);
    assert_eq!((asked.generation, other.generation), (first, second));
    lose(&mut bench, first);
    assert_eq!(facts(&mut bench), ("signed-on".into(), 1, 1));
    bench.answer(&asked, "00");
    assert!(bench.silent(lost), "its connection is gone");
    bench.answer(&other, "00");
    assert_eq!(bench.code_of(kept), "00");
    let (later, sent) = sale(&mut bench, 12);
    bench.answer(&sent, "00");
    assert_eq!((sent.generation, bench.code_of(later).as_str()), (second, "00"));
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.code_of(lost), "98");
    let (reversal, ..) = bench.reversals()[0];
    assert_eq!(reversal.generation, second, "what is left of the link takes it back");
    lose(&mut bench, second);
    assert_eq!(
        (facts(&mut bench), bench.code(&Ask::sale_a(13, 500)).as_str()),
        (("down".into(), 0, 0), "91")
    );
    // The queue goes on over whatever comes.
    let third = join(&mut bench);
    bench.drain();
    assert_eq!(bench.model.outcome(0), Outcome::Reversed);
    assert_eq!(bench.reversals().last().unwrap().0.generation, third);
}

#[test]
fn what_never_left_goes_over_another_connection_as_it_was() {
    for ask in [Ask::sale_a(11, 500), Ask::sale_a(11, 500).pin()] {
        let (mut bench, first, second) = pool();
        let ticket = bench.ask(&ask);
        let (asked, records) = (bench.last_request(), bench.records.len());
        not_sent(&mut bench);
        let again = bench.last_request();
        assert_eq!((asked.generation, again.generation), (first, second));
        assert_eq!(again, Sent { generation: second, ..asked }, "nothing else is another");
        assert_eq!(bench.records.len(), records, "and nothing to record");
        bench.answer(&asked, "00");
        assert!(bench.silent(ticket), "the first connection was never asked");
        bench.answer(&again, "00");
        assert_eq!((bench.code_of(ticket).as_str(), bench.payable(0)), ("00", 500));
    }
    // A void follows its sale to the same host, over whichever connection.
    let (mut bench, ..) = pool();
    let (ticket, _) = bench.link_code(&Ask::sale_a(10, 500), "00");
    let sale = bench.facts(ticket);
    let void = bench.ask(&Ask::sale_a(10, 500).follow(Void, 11, sale.rrn, sale.auth_code));
    let asked = bench.last_request();
    not_sent(&mut bench);
    assert_ne!(bench.last_request().generation, asked.generation);
    // None is left, and there is no other way.
    not_sent(&mut bench);
    assert_eq!((bench.code_of(void).as_str(), bench.payable(0)), ("91", 500));
}

#[test]
fn what_has_no_time_left_goes_over_no_other_connection() {
    let (mut bench, ..) = pool();
    let (ticket, _) = sale(&mut bench, 10);
    let seen = bench.requests();
    bench.pass(LINK_TIMEOUT_MS * 9 / 10);
    not_sent(&mut bench);
    assert_eq!((bench.requests(), bench.code_of(ticket).as_str()), (seen, "91"));
    assert_eq!(bench.core.state().saf_waiting(), 0);
}

#[test]
fn nothing_overtakes_what_it_takes_back() {
    let (mut bench, first, second) = pool();
    let asked = [(10, CARD_A), (11, CARD_A_OTHER)].map(|(stan, card)| {
        bench.ask(&Ask::sale_a(stan, 500).card(Some(card)));
        bench.last_request()
    });
    assert_eq!(asked.map(|sent| sent.generation), [first, second]);
    bench.pass(LINK_TIMEOUT_MS);
    let taken_back = |bench: &Bench, from: usize| -> Vec<(u64, u32, bool)> {
        let reversals = bench.reversals().split_off(from);
        reversals
            .iter()
            .map(|(sent, entry, repeat)| (entry.transaction.0, sent.generation, *repeat))
            .collect()
    };
    assert_eq!(taken_back(&bench, 0), [(0, first, false), (1, second, false)], "behind its own request");
    // A connection that ends gives back what it had, and nothing else.
    lose(&mut bench, first);
    bench.pass(bench.config.saf_retry_ms);
    assert_eq!(taken_back(&bench, 2), [(0, second, true)]);
    bench.drain();
    assert_eq!([0, 1].map(|id| bench.model.outcome(id)), [Outcome::Reversed; 2]);
}

#[test]
fn a_host_signs_off_one_connection_at_a_time() {
    let (mut bench, first, second) = pool();
    let sign = |bench: &mut Bench, generation, on| {
        bench.step(Input::HostSigned { link: LINK_A, generation, on });
    };
    sign(&mut bench, first, false);
    assert_eq!(facts(&mut bench), ("signed-on".into(), 2, 1));
    assert_eq!([10, 11].map(|stan| sale(&mut bench, stan).1.generation), [second; 2]);
    sign(&mut bench, second, false);
    assert_eq!(facts(&mut bench), ("signed-off".into(), 2, 0));
    assert_eq!(bench.code(&Ask::sale_a(12, 500)), "91");
    // An order signs all of them on, whatever their hosts have said.
    let seen = bench.sent.len();
    bench.order(Order::Link { link: "a".into(), what: LinkOrder::SignOn, reason: reason() }).unwrap();
    let asked: Vec<u32> = bench.sent[seen..].iter().map(|sent| sent.generation).collect();
    assert_eq!((asked, facts(&mut bench)), (vec![first, second], ("signed-on".into(), 2, 2)));
    // What the first says of itself is not said of the second.
    bench.auto_network = false;
    let third = join(&mut bench);
    assert_eq!(facts(&mut bench), ("signed-on".into(), 3, 2));
    let network = *bench.sent.last().unwrap();
    bench.answer(&Sent { generation: second, ..network }, "00");
    assert_eq!(facts(&mut bench), ("signed-on".into(), 3, 2));
    bench.answer(&network, "00");
    assert_eq!((network.generation, facts(&mut bench)), (third, ("signed-on".into(), 3, 3)));
}

#[test]
fn a_connection_that_nobody_answers_on_is_passed_over() {
    let config = CoreConfig { link_timeouts_max: 1, ..Default::default() };
    let (mut bench, first, second) = pair(config);
    // Nobody answers over the first; the second goes on.
    for stan in 10..14 {
        let (_, sent) = sale(&mut bench, stan);
        if sent.generation == second {
            bench.answer(&sent, "00");
        }
    }
    bench.pass(LINK_TIMEOUT_MS);
    for stan in 20..24 {
        let (_, sent) = sale(&mut bench, stan);
        bench.answer(&sent, "00");
        assert_eq!(sent.generation, second);
    }
    assert!(!links(&mut bench)[0].resting, "the link itself is answered on");
    // Then one request tries it.
    bench.pass(bench.config.link_rest_ms);
    let tried: Vec<u32> = (30..33).map(|stan| sale(&mut bench, stan).1.generation).collect();
    assert_eq!(tried.iter().filter(|generation| **generation == first).count(), 1, "{tried:?}");
}

#[test]
fn a_key_is_asked_for_over_one_connection_and_given_up_with_that_one() {
    let transport = switchyard_domain::KeyName { usage: KeyUse::Transport, owner: 7 };
    let (mut bench, ..) = pool();
    let install = switchyard_core::Command::InstallKey { name: transport, key: key() };
    bench.command_as(switchyard_domain::Actor::Installer, install).unwrap();
    let order = |bench: &mut Bench, what| {
        bench.order(Order::Link { link: "a".into(), what, reason: reason() }).unwrap();
    };
    order(&mut bench, LinkOrder::KeyUnder(Some(7)));
    bench.auto_network = false;
    order(&mut bench, LinkOrder::NewKey);
    let asked = *bench.sent.last().unwrap();
    let other = bench.generations[0] + bench.generations[0] - 1 - asked.generation;
    lose(&mut bench, other);
    assert!(bench.arrived.is_empty());
    lose(&mut bench, asked.generation);
    assert_eq!(bench.arrived, [(LINK_A, KeyArrival::Refused(KeyFault::Unanswered))]);
}

#[test]
fn a_late_approval_is_heard_where_the_request_went() {
    let (mut bench, ..) = pool();
    let (ticket, asked) = sale(&mut bench, 10);
    bench.pass(LINK_TIMEOUT_MS);
    assert_eq!(bench.code_of(ticket), "98");
    let good = answer_to(&asked, "00".parse().unwrap());
    let late = |bench: &Bench| {
        let about =
            |record: &Record| matches!(record, Record::LateAnswer { transaction: TransactionId(0), .. });
        bench.records.iter().filter(|stamped| about(&stamped.record)).count()
    };
    for generation in bench.generations[0] - 1..=bench.generations[0] {
        bench.answer_with(&Sent { generation, ..asked }, good.clone());
    }
    assert_eq!(late(&bench), 1);
    bench.drain();
    assert_eq!((bench.model.outcome(0), bench.payable(0)), (Outcome::Reversed, 0));
}

#[test]
fn a_link_has_from_one_to_sixteen_connections() {
    let mut bench = Bench::new();
    let change = |bench: &mut Bench, connections| {
        let change = LinkChange { connections: Some(connections), ..Default::default() };
        let order = Order::ChangeLink { link: "a".into(), change, reason: reason(), dry_run: false };
        assert_eq!(order.act(), Act::ChangeLink);
        bench.order(order).is_ok()
    };
    for (connections, fits) in [(0, false), (1, true), (16, true), (17, false), (2, true)] {
        assert_eq!(change(&mut bench, connections), fits, "{connections}");
    }
    let restored = through_image(bench.core.state());
    assert_eq!(restored.registry().link(LinkIndex(0)).unwrap().connections, 2);
    let mut link = link_named("c");
    link.connections = 17;
    assert!(bench.command(switchyard_core::Command::AddLink(Box::new(link))).is_err());
}
