//! `kill -9` of a switch under load, twenty times on one ledger and two hundred times in `cargo xtask soak`; then
//! three journals are held against each other: the terminals', the switch's and the issuers'.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

mod support;

use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use support::{Process, Ran, Serve, World, free_ports, until};
use switchyard_domain::{BatchNumber, Outcome, ResponseCode, Rrn, Stan, TerminalId, TransactionKind};
use switchyard_ledger::snapshots;
use switchyard_simulator::journal::{Believed, Journal, JournalLine, LineKind, TransactionKey, believed};
use switchyard_simulator::terminal::{AdminKind, FinalState, MessageKind};

/// Kills on one data directory, unless the environment says how many.
const KILLS: u64 = 20;
const KILLS_VARIABLE: &str = "SWITCHYARD_KILLS";
/// Bytes that the terminals' journal grows by before a kill: 300 each way are about one transaction.
const GROWTH_BYTES: (u64, u64) = (60_000, 600_000);
/// One life in so many lasts until it has made a snapshot.
const ROUNDS_PER_SNAPSHOT: u64 = 4;

/// A transaction as `ledger query` tells it.
#[derive(Debug, Deserialize)]
struct Story {
    terminal: TerminalId,
    batch: BatchNumber,
    stan: Stan,
    kind: TransactionKind,
    amount_minor: u64,
    rrn: Rrn,
    outcome: Outcome,
    code: Option<ResponseCode>,
    over_link: bool,
}

/// A line of the issuers' journal.
#[derive(Debug, Deserialize)]
struct Posted {
    rrn: Rrn,
    kind: TransactionKind,
    amount_minor: u64,
    reversed: bool,
}

#[test]
fn kills_lose_nothing_and_double_nothing() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |kills| kills.parse().unwrap());
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&["--terminals", "24", "--issuer-ports", &ports]);
    let (terminals, issuers) = (world.root().join("terminals.jsonl"), world.root().join("issuers.jsonl"));
    let mut issuing = world.command(&["sim", "issuer", "--drop-per-mille", "1", "--journal"]);
    issuing.arg(&issuers);
    let mut issuing = Process::start(issuing, "");
    issuing.wait_for_line(|line| line.starts_with("river-bank").then_some(()));
    let mut serve = world.serve();
    world.keep_addresses(&serve);

    let mut random = Random(0x5eed);
    let mut fleet: Option<Process> = None;
    let mut cut_off = HashSet::new();
    let mut snapshots_exact = 0;
    for round in 0..kills {
        let newest_snapshot = || snapshots(&world.data().join("snapshots")).unwrap().first().cloned();
        let at_start = newest_snapshot();
        world.wait_for_links();
        let running = fleet.get_or_insert_with(|| load(&world, &serve, &terminals, round));
        let goal = length(&terminals) + random.between(GROWTH_BYTES.0, GROWTH_BYTES.1);
        until("load", || {
            assert!(running.is_running(), "the terminals gave up: {}", running.stderr());
            length(&terminals) >= goal
        });
        // Most lives are too short for the patient thread that makes snapshots; some are long enough on purpose.
        if round % ROUNDS_PER_SNAPSHOT == 0 {
            until("a snapshot", || newest_snapshot() != at_start);
        }
        serve.process.kill();
        // A power cut takes the terminals too; otherwise they see their connections break, and go on.
        if random.between(0, 2) == 0 {
            fleet = None;
            let journal = believed(&Journal::read(&terminals).unwrap());
            cut_off.extend(journal.iter().filter(|(_, b)| b.answers == 0).map(|(place, _)| *place));
        }
        // Snapshots are made all the time: what a kill left of one gives exactly what its records give, or nothing.
        let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
        let exact = |snapshot: &&serde_json::Value| snapshot["verdict"] == "exact";
        snapshots_exact += verified["snapshots"].as_array().unwrap().iter().filter(exact).count();
        serve = world.serve();
    }
    drop(fleet);
    finish(&world, &serve, &terminals);
    until("every reversal to be delivered", || {
        let status = world.status();
        status["saf_waiting"] == 0 && status["unresolved"] == 0
    });
    serve.stop();
    issuing.kill();

    let verified = world.run(&["ledger", "verify", "--output", "json"]).expect(0).json();
    assert_eq!((&verified["verified"], &verified["closed"]), (&true.into(), &true.into()), "{verified}");
    let lines = Journal::read(&terminals).unwrap();
    let stories = stories(&world);
    let believed = believed(&lines);
    compare_terminals(&believed, &stories);
    compare_replies(&lines, &world);
    compare_issuers(&issuers, &stories);
    assert!(snapshots_exact > 0, "no kill found a snapshot");
    // The test has teeth: kills came between requests and their answers.
    let answered = cut_off.iter().filter(|place| believed[*place].answers > 0).count();
    assert!(answered > 0, "no request that a kill had cut off was asked again: {}", cut_off.len());
}

/// Terminals that do everything terminals do, without end.
fn load(world: &World, serve: &Serve, journal: &Path, round: u64) -> Process {
    let (target, seed) = (serve.terminals.to_string(), (round + 1).to_string());
    let mut command = world.command(&["sim", "terminals", "--transactions", "10000000", "--leave-open"]);
    command.args(["--target", &target, "--seed", &seed]).arg("--journal").arg(journal);
    if journal.exists() {
        command.arg("--resume");
    }
    Process::start(command, "")
}

/// Terminals that end what is open, do a little more and close their batches.
fn finish(world: &World, serve: &Serve, journal: &Path) {
    world.wait_for_links();
    let target = serve.terminals.to_string();
    let mut command = world.command(&["sim", "terminals", "--resume", "--transactions", "300"]);
    command.args(["--output", "json", "--target", &target]).arg("--journal").arg(journal);
    let ran: Ran = Process::start(command, "").finish();
    let report = ran.json();
    assert_eq!((ran.code, &report["errors_count"]), (0, &0.into()), "{}", report["errors"]);
    assert_eq!(report["unknown"], 0);
    let batches = report["batches"].as_array().unwrap();
    assert!(batches.len() >= 24 && batches.iter().all(|batch| batch["closed"] == true), "{batches:?}");
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn stories(world: &World) -> BTreeMap<TransactionKey, Story> {
    let all = world.run(&["ledger", "query", "--output", "json", "--limit", "10000000"]).expect(0);
    let all: Vec<Story> = serde_json::from_str(&all.stdout).unwrap();
    let count = all.len();
    let by_place: BTreeMap<_, _> = all.into_iter().map(|s| ((s.terminal, s.batch, s.stan), s)).collect();
    assert_eq!(by_place.len(), count, "a trace number has two transactions");
    by_place
}

/// Every answer is in the ledger as it was heard, every request has ended, and nobody else asked.
fn compare_terminals(
    believed: &BTreeMap<TransactionKey, Believed>,
    stories: &BTreeMap<TransactionKey, Story>,
) {
    for (place, belief) in believed {
        assert!(belief.is_consistent, "a repeat heard something else: {place:?} {belief:?}");
        let Some(story) = stories.get(place) else {
            // A refusal that leaves no trace, or a request that was undone before it was taken.
            let is_undone = belief.state == FinalState::Reversed && belief.answers == 0;
            assert!(belief.is_unrecorded() || is_undone, "not in the ledger: {place:?} {belief:?}");
            continue;
        };
        let agrees = match belief.state {
            FinalState::Approved => story.outcome == Outcome::Approved,
            FinalState::Declined => matches!(story.outcome, Outcome::Declined | Outcome::Reversed),
            FinalState::Reversed => matches!(story.outcome, Outcome::Declined | Outcome::Reversed),
            FinalState::Unknown => false,
        };
        let same = (belief.kind, belief.amount_minor) == (story.kind, story.amount_minor);
        let heard = belief.answers == 0 || (belief.code, belief.rrn) == (story.code, Some(story.rrn));
        assert!(agrees && same && heard, "{place:?}: terminal {belief:?}, ledger {story:?}");
    }
    for (place, story) in stories {
        assert!(believed.contains_key(place), "no terminal asked for {story:?}");
    }
    let approved = believed.values().filter(|b| b.state == FinalState::Approved).count();
    assert!(approved > 1_000, "only {approved} approved");
}

/// Every reply that reports money or the state of a terminal stands in a record: sign-ons, reversals and
/// totals as well as transactions.
fn compare_replies(lines: &[JournalLine], world: &World) {
    let mut recorded: HashMap<String, HashSet<String>> = HashMap::new();
    for record in world.run(&["ledger", "export"]).expect(0).json_lines() {
        let body = record["record"].as_object().unwrap().values().next().unwrap();
        if let (Some(rrn), Some(code)) = (body["reply"]["rrn"].as_str(), body["reply"]["code"].as_str()) {
            recorded.entry(rrn.to_owned()).or_default().insert(code.to_owned());
        }
        // The reference of a transaction stands where it was opened; its outcome may come later.
        if let Some(rrn) = body["opened"]["rrn"].as_str().or(body["rrn"].as_str()) {
            recorded.entry(rrn.to_owned()).or_default();
        }
    }
    for line in lines.iter().filter(|line| line.t == LineKind::Rep) {
        let is_refusal = line.code.is_some_and(|code| ["A0", "30", "97", "77"].contains(&code.as_str()));
        let is_kept = !matches!(line.kind, MessageKind::Admin(AdminKind::EchoTest | AdminKind::Upload));
        if is_refusal || !is_kept {
            continue;
        }
        let rrn = line.rrn.unwrap_or_else(|| panic!("no reference: {line:?}"));
        let codes = recorded.get(rrn.as_str()).unwrap_or_else(|| panic!("not in the ledger: {line:?}"));
        assert!(line.code.is_none_or(|code| codes.contains(code.as_str())), "{codes:?} for {line:?}");
    }
}

/// For each reference the issuers moved what the ledger says, once.
fn compare_issuers(journal: &Path, stories: &BTreeMap<TransactionKey, Story>) {
    let mut posted: HashMap<Rrn, i64> = HashMap::new();
    let (mut reversals, text) = (0, std::fs::read_to_string(journal).unwrap());
    for line in text.lines() {
        let entry: Posted = serde_json::from_str(line).unwrap();
        let amount = if entry.reversed { 0 } else { entry.kind.signed_minor(entry.amount_minor) };
        let before = posted.insert(entry.rrn, amount);
        assert_eq!(before.is_some(), entry.reversed, "posted twice, or reversed before: {entry:?}");
        reversals += usize::from(entry.reversed);
    }
    assert!(reversals > 0, "no issuer had anything to reverse");
    for story in stories.values() {
        let is_posted = story.over_link && story.outcome == Outcome::Approved;
        let ours = if is_posted { story.kind.signed_minor(story.amount_minor) } else { 0 };
        assert_eq!(
            posted.remove(&story.rrn).unwrap_or(0),
            ours,
            "the issuer has something else for {story:?}"
        );
    }
    posted.retain(|_, amount| *amount != 0);
    assert!(posted.is_empty(), "the ledger does not know {posted:?}");
}

/// xorshift64: a failure is played again by its seed.
struct Random(u64);
impl Random {
    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + self.0 % (high - low)
    }
}
