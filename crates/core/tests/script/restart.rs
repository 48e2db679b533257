//! A process ends at any record; the next one leaves nothing in the air.

use crate::support::*;
use switchyard_core::{ApplyError, Core, CoreConfig};
use switchyard_domain::{Outcome, Record, SafId, TransactionKind};

/// Everything at once; returns what was asked, in order.
fn busy() -> (Bench, Vec<Ask>) {
    let mut bench = Bench::new();
    let mut asked = Vec::new();
    let mut ask = |bench: &mut Bench, ask: Ask, issuer: Option<&str>| {
        asked.push(ask);
        let ticket = bench.ask(&ask);
        if let Some(code) = issuer {
            let sent = bench.last_request();
            bench.answer(&sent, code);
        }
        ticket
    };
    let sale = Ask::sale(10, 1_000);
    let a = ask(&mut bench, sale, None);
    let a = bench.facts(a);
    let over = Ask::sale_a(11, 700);
    let b = ask(&mut bench, over, Some("00"));
    let b = bench.facts(b);
    ask(&mut bench, Ask::sale_b(12, 5).pin(), Some("51"));
    ask(&mut bench, sale.follow(TransactionKind::Refund, 13, a.rrn, None).minor(300), None);
    ask(&mut bench, over.follow(TransactionKind::Void, 14, b.rrn, None), None);
    let pre = Ask::new(TransactionKind::PreAuth, 15, 400, CARD_A);
    let c = ask(&mut bench, pre, Some("00"));
    let c = bench.facts(c);
    ask(&mut bench, pre.follow(TransactionKind::Completion, 16, c.rrn, c.auth_code), None);
    ask(&mut bench, Ask::sale_b(17, 9), None);
    bench.pass(LINK_TIMEOUT_MS);
    bench.reverse(&Back::of(&Ask::sale(10, 1_000)));
    let wanted = Ask::sale_a(18, 44);
    ask(&mut bench, wanted, None);
    bench.reverse(&Back::of(&wanted));
    ask(&mut bench, Ask::sale_a(19, 45), None);
    (bench, asked)
}

#[test]
fn a_restart_at_any_record_leaves_nothing_pending() {
    let (live, asked) = busy();
    // Before the terminals have signed on there is nothing to ask.
    let first = live.records.iter().position(|s| s.record_is_signed_on()).unwrap() + 3;
    for cut in first..=live.records.len() {
        let mut bench = Bench::reopen(&live.records[..cut], CoreConfig::default(), live.now, 7);
        bench.key_versions = [1; 4];
        bench.generations = [10; 2];
        let pending = |b: &Bench| b.model.transactions.values().any(|t| t.outcome == Outcome::Pending);
        assert!(!pending(&bench), "cut at {cut}");
        // Every request that was taken has one answer now, and it stays.
        for ask in &asked {
            let key = ask.financial().stan;
            let Some(told) = bench.model.transactions.values().find(|t| t.opened.key.stan == key) else {
                continue;
            };
            let outcome = told.outcome;
            let heard = bench.ask(ask);
            let heard = bench.only(heard);
            assert_eq!(
                facts_of(&heard).unwrap().rrn,
                bench.model.transactions.values().find(|t| t.opened.key.stan == key).unwrap().opened.rrn
            );
            if outcome == Outcome::Unknown {
                assert_eq!(heard.code.as_str(), "98", "cut at {cut}");
            }
            let again = bench.ask(ask);
            assert_eq!(bench.only(again), heard);
        }
        // What the earlier process queued may have been sent: it goes as a repeat.
        let old: Vec<_> = live.records[..cut].iter().flat_map(|s| s.queued()).collect();
        bench.connect(LINK_A);
        bench.connect(LINK_B);
        bench.drain();
        assert_eq!(bench.core.state().unresolved(), 0, "cut at {cut}");
        let mut seen = std::collections::BTreeSet::new();
        for (_, entry, repeat) in bench.reversals() {
            let is_first = seen.insert(entry.id);
            assert_eq!(repeat, old.contains(&entry.id) || !is_first, "cut at {cut}");
        }
    }
}

#[test]
fn an_answer_to_the_process_before_is_not_heard() {
    let mut bench = Bench::new();
    let ask = Ask::sale_a(10, 500);
    bench.ask(&ask);
    let sent = bench.last_request();
    bench.crash();
    bench.connect(LINK_A);
    bench.answer(&sent, "00");
    bench.answer(&Sent { generation: bench.generations[0], ..sent }, "00");
    assert_eq!(bench.code(&ask), "98");
    bench.drain();
    assert_eq!((bench.model.outcome(0), bench.payable(0)), (Outcome::Reversed, 0));
}

#[test]
fn a_request_in_pin_work_is_forgotten_and_may_come_again() {
    let mut bench = Bench::new();
    bench.pins = Pins::Held;
    let ask = Ask::sale(10, 500).pin();
    bench.ask(&ask);
    bench.crash();
    assert_eq!(bench.code(&ask), "00");
}

trait Facts {
    fn record_is_signed_on(&self) -> bool;
    fn queued(&self) -> Option<switchyard_domain::SafId>;
}
impl Facts for switchyard_domain::Stamped {
    fn record_is_signed_on(&self) -> bool {
        matches!(self.record, switchyard_domain::Record::SignedOn { .. })
    }
    fn queued(&self) -> Option<switchyard_domain::SafId> {
        match &self.record {
            switchyard_domain::Record::Resolved { saf, .. }
            | switchyard_domain::Record::ReversalTaken { saf, .. } => saf.map(|s| s.id),
            _ => None,
        }
    }
}

#[test]
fn a_store_and_forward_entry_out_of_order_is_refused() {
    let mut bench = Bench::new();
    bench.ask(&Ask::sale_a(10, 100));
    bench.pass(LINK_TIMEOUT_MS);
    let (last, before) = bench.records.split_last().unwrap();
    for have in [1, u64::MAX] {
        let mut core = Core::new(CoreConfig::default());
        before.iter().for_each(|stamped| core.replay(stamped).unwrap());
        let mut last = last.clone();
        let Record::Resolved { saf: Some(entry), .. } = &mut last.record else { panic!("{last:?}") };
        entry.id = SafId(have);
        let what = "store-and-forward entry";
        assert_eq!(core.replay(&last), Err(ApplyError::Order { what, need: 0, have }));
    }
}
