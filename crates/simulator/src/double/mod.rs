//! A small host for tests of the fleet itself: one lock, no durability, the issuer's books for money.
//!
//! It is no model of the switch. It only keeps the promises that a terminal relies on, so that a fleet
//! that reports an error against it is wrong itself.

mod host;
mod socket;

use crate::fleet::{FleetConfig, Mischief, Mix, run_fleet};
use crate::journal::{Journal, believed};
use crate::load::{LoadConfig, run_load};
use crate::terminal::FinalState;
use crate::world::{DemoSize, DemoWorld, KeySource};
use socket::Double;
use std::collections::BTreeMap;
use std::time::Duration;
use switchyard_domain::Rrn;

fn world() -> DemoWorld {
    DemoWorld::generate(11, &DemoSize::default(), KeySource::Seeded).unwrap()
}

fn config(double: &Double, transactions: u64) -> FleetConfig {
    let mut config = FleetConfig::new(double.address(), world(), transactions);
    config.answer_timeout = Duration::from_secs(10);
    config
}

#[tokio::test]
async fn a_whole_run_agrees_with_the_host() {
    let double = Double::start(world(), 0).await;
    let mut config = config(&double, 1_200);
    config.mix = Mix::every_kind();
    let report = run_fleet(config).await.unwrap();
    assert_eq!(report.errors, []);
    assert_eq!(report.unknown, 0);
    assert!(report.repeats >= 1 && report.reversed >= 1);
    for code in ["A0", "55", "51", "54", "14", "15", "97", "30", "77"] {
        assert!(report.declined.contains_key(code), "{code} in {:?}", report.declined);
    }
    assert_eq!(report.batches.len(), 16);
    assert_eq!(report.batches.iter().filter(|b| b.cases == 1 && b.uploaded > 0).count(), 1);
    let believed: BTreeMap<Rrn, u64> = report
        .outcomes
        .iter()
        .filter(|o| o.state == FinalState::Approved && o.amount_minor > 0)
        .map(|o| (o.rrn.unwrap(), o.amount_minor))
        .collect();
    assert_eq!(believed, double.standing());
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["latency_us"]["p99"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn lost_replies_are_reversed_and_nothing_is_left_open() {
    let double = Double::start(world(), 60).await;
    let mut config = config(&double, 300);
    config.mischief = Mischief::NONE;
    config.answer_timeout = Duration::from_millis(150);
    config.terminals = 4;
    let report = run_fleet(config).await.unwrap();
    assert!(report.reversed > 0, "the host lost replies");
    assert_eq!(report.errors, []);
    let approved = report.outcomes.iter().filter(|o| o.state == FinalState::Approved && o.amount_minor > 0);
    let believed: BTreeMap<Rrn, u64> = approved.map(|o| (o.rrn.unwrap(), o.amount_minor)).collect();
    assert_eq!(believed, double.standing());
}

#[tokio::test]
async fn a_killed_fleet_resumes_from_its_journal_and_agrees() {
    let path = std::env::temp_dir().join(format!("switchyard-sim-{}-kill.jsonl", std::process::id()));
    let double = Double::start(world(), 0).await;
    let mut config = config(&double, 100_000);
    config.journal = Some(path.clone());
    config.terminals = 5;
    // Dropping the run is the kill: every terminal stops where it is.
    tokio::select! {
        report = run_fleet(config.clone()) => panic!("ended before the kill: {report:?}"),
        () = double.posted(400) => {}
    }
    config.resume = true;
    config.transactions = 50;
    config.mischief = Mischief::NONE;
    let report = run_fleet(config).await.unwrap();
    assert_eq!(report.errors, []);
    let ended = believed(&Journal::read(&path).unwrap());
    let doubtful = ended.iter().find(|(_, entry)| !entry.is_consistent || entry.state == FinalState::Unknown);
    assert_eq!(doubtful, None);
    let approved = ended.values().filter(|e| e.state == FinalState::Approved && e.amount_minor > 0);
    let amounts: BTreeMap<Rrn, u64> = approved.map(|e| (e.rrn.unwrap(), e.amount_minor)).collect();
    std::fs::remove_file(&path).unwrap();
    assert!(amounts.len() > 100);
    assert_eq!(amounts, double.standing());
}

#[tokio::test]
async fn a_load_run_answers_everything() {
    let double = Double::start(world(), 0).await;
    let mut config = LoadConfig::new(double.address(), world(), 3_000);
    config.window = 16;
    config.verify_every = 1;
    let report = run_load(config).await.unwrap();
    assert_eq!((report.sent, report.approved, report.unanswered), (3_000, 3_000, 0));
    assert_eq!((report.mac_errors, report.strays, report.connections, report.terminals), (0, 0, 4, 16));
}
