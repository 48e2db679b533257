//! Records as the ledger hands them out at start.

use crate::support::{Ask, Back, Bench, CARD_A, LINK_TIMEOUT_MS, ON_US, Pins, facts_of};
use std::sync::OnceLock;
use switchyard_core::{Body, Core, CoreConfig};
use switchyard_domain::{BatchTotals, Stamped, Stan, TransactionKind};

/// Records, each behind its length as a little-endian u16, follow on a ledger that has seen a bit of
/// everything. What decodes must survive its encoding, and a replay may refuse it but not panic.
pub fn record(bytes: &[u8]) {
    let mut core = Core::new(CoreConfig::default());
    before().iter().for_each(|stamped| core.replay(stamped).expect("decided by a core"));
    let mut rest = bytes;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (one, behind) = behind.split_at(length);
        rest = behind;
        let Ok(stamped) = Stamped::decode(one) else { continue };
        let mut encoded = Vec::new();
        stamped.encode(&mut encoded);
        assert_eq!(Stamped::decode(&encoded).expect("what was encoded decodes"), stamped);
        if core.replay(&stamped).is_err() {
            return;
        }
    }
    let _ = (core.state().digest(), core.state().book().trial_balance());
}

fn before() -> &'static [Stamped] {
    static RECORDS: OnceLock<Vec<Stamped>> = OnceLock::new();
    RECORDS.get_or_init(|| played().records)
}

/// Sales that were approved, voided, reversed, not answered; a hold; a batch that does not balance.
fn played() -> Bench {
    let mut bench = Bench::new();
    let sale = Ask::sale(10, 1_250);
    let ticket = bench.ask(&sale);
    let rrn = facts_of(&bench.only(ticket)).expect("recorded").rrn;
    bench.ask(&sale.follow(TransactionKind::Void, 11, rrn, None));
    bench.ask(&Ask::new(TransactionKind::PreAuth, 12, 500, ON_US));
    bench.ask(&Ask::new(TransactionKind::BalanceInquiry, 13, 0, ON_US).pin());
    bench.pins = Pins::Wrong;
    bench.ask(&Ask::sale(14, 100).pin());
    bench.pins = Pins::Right;
    bench.reverse(&Back::of(&Ask::sale(15, 100)));
    bench.link_code(&Ask::sale_a(16, 700), "00");
    bench.reverse(&Back::of(&Ask::sale_a(16, 700)));
    bench.ask(&Ask::new(TransactionKind::Sale, 17, 900, CARD_A));
    bench.pass(LINK_TIMEOUT_MS);
    bench.ask(&Ask::sale_b(18, 300));
    bench.totals(1, 1, BatchTotals::default());
    let mut totals = BatchTotals::default();
    totals.domestic.debit.add(1);
    bench.totals(2, 1, totals);
    bench.request(1, Body::SignOff { stan: Stan::try_from(9).expect("six digits") });
    bench.pass_days(1);
    bench
}

/// Seeds of [`record`]: one of each kind of record, and all in a row but the genesis.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let framed = |stamped: &Stamped| {
        let mut bytes = Vec::new();
        stamped.encode(&mut bytes);
        let mut framed = (bytes.len() as u16).to_le_bytes().to_vec();
        framed.extend(bytes);
        framed
    };
    let mut seeds: Vec<(String, Vec<u8>)> = Vec::new();
    for stamped in before() {
        let debug = format!("{:?}", stamped.record);
        let name: String = debug.chars().take_while(|c| c.is_alphanumeric()).collect();
        if !seeds.iter().any(|(known, _)| *known == name) {
            seeds.push((name, framed(stamped)));
        }
    }
    seeds.push(("all".into(), before().iter().skip(1).flat_map(framed).collect()));
    seeds
}
