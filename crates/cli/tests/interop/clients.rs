//! Terminals that nobody here wrote, on the listener of a generic dialect: iso_8583 for Node and iso8583sim.

use crate::recorder::{Prefix, Recorder};
use crate::support::{Process, Ran, Serve, World, free_ports, skipped, venv_program};
use crate::{read_messages, script};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// The terminal and merchant that iso8583sim always says it is.
const TERMINAL: &str = "TERM0001";
const MERCHANT: &str = "MERCHANT123456";

fn node_modules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/node/node_modules")
}

/// A world whose switch listens for terminals of 1987 in characters with a binary bitmap.
fn world(port: u16) -> World {
    let world = World::make(&["--terminals", "4"]);
    let config = std::fs::read_to_string(world.config()).unwrap();
    let listener = format!("[terminals]\ngeneric = [\"127.0.0.1:{port} iso87-ascii-binbitmap len2-be\"]\n");
    std::fs::write(world.config(), config.replacen("[terminals]\n", &listener, 1)).unwrap();
    world
}

/// Says that a terminal speaks that dialect, without a MAC.
fn speak(world: &World, terminal: &str) {
    let order =
        ["terminal", "speak", terminal, "--dialect", "iso87-ascii-binbitmap", "--no-mac", "--reason", "test"];
    world.run(&order).expect(0);
}

fn with_key(world: &World, arguments: &[&str]) -> Ran {
    Process::start(world.command(arguments), "0123456789ABCDEFFEDCBA9876543210").finish().expect(0)
}

#[test]
fn a_terminal_made_of_iso_8583_for_node_trades() {
    let installed = node_modules().join("iso_8583/package.json").exists();
    let runs = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !(installed && runs) {
        skipped("interop: iso_8583 for Node is not installed");
        return;
    }
    let [port, host] = free_ports::<2>();
    let world = world(host);
    let (terminal, card) = (&world.made["terminals"][0], own_card(&world));
    let (tid, mid) = (terminal["tid"].as_str().unwrap(), terminal["mid"].as_str().unwrap());
    let serve = world.serve();
    speak(&world, tid);
    let tap = Recorder::between(port, host, Prefix::Bytes);
    let mut command = Command::new("node");
    command.arg(script("iso_8583_client.js")).arg(node_modules()).arg(port.to_string()).args([tid, mid]);
    command.args([card["pan"].as_str().unwrap(), card["expiry"].as_str().unwrap()]);
    let answers = Process::start(command, "").finish().expect(0).json_lines();
    let heard: Vec<_> = answers.iter().map(|answer| (text(answer, "0"), text(answer, "39"))).collect();
    let expected = [
        ("0810", "00"),
        ("0210", "00"),
        ("0210", "00"),
        ("0210", "00"),
        ("0210", "00"),
        ("0410", "00"),
        ("0430", "00"),
        ("0210", "00"),
        ("0210", "00"),
        // The embedded issuer tells a balance for a PIN only.
        ("0210", "55"),
        ("0510", "00"),
    ];
    let expected = expected.map(|(mti, code)| (mti.to_owned(), code.to_owned()));
    assert_eq!(heard, expected, "{answers:#?}");
    assert_eq!(text(&answers[1], "37"), text(&answers[2], "37"), "a repeat hears of the same transaction");
    assert_eq!(text(&answers[10], "66"), "1", "the totals agree");
    let raw = ["-o", "iso8583.binencode:Bin data not encoded"];
    let read = read_messages(&tap, host, &world.root().join("terminal.pcap"), &raw);
    if let Some(messages) = read {
        for mti in ["0200", "0201", "0210", "0400", "0410", "0420", "0430", "0500", "0510", "0800", "0810"] {
            assert!(messages.contains(mti), "{mti}: {messages:?}");
        }
    }
    finish(&world, serve, 6);
}

#[test]
fn iso8583sim_sends_and_loads() {
    let Some(sim) = venv_program("iso8583sim", &["version"]) else {
        skipped("interop: iso8583sim is not installed");
        return;
    };
    let [port] = free_ports::<1>();
    let world = world(port);
    let merchant = [
        "merchant",
        "add",
        MERCHANT,
        "--name",
        "Test",
        "--mcc",
        "5411",
        "--fee-plan",
        "1",
        "--account-holder",
        "Test",
        "--account-number",
        "6222000000000000000",
        "--account-cnaps",
        "102100099996",
    ];
    world.run(&merchant).expect(0);
    with_key(&world, &["terminal", "add", TERMINAL, "--merchant", MERCHANT, "--mac", "x919"]);
    speak(&world, TERMINAL);
    let serve = world.serve();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&sim);
        command.args(arguments).args(["--port", &port.to_string(), "--format", "ascii-binary"]);
        Process::start(command, "").finish().expect(0).stdout
    };
    let load = run(&["load", "--count", "200", "--concurrency", "8"]);
    let timeouts = load.lines().find(|line| line.to_lowercase().contains("timeout"));
    assert!(timeouts.is_some_and(|line| line.contains('0')), "{load}");
    assert!(load.contains("200"), "every request was answered: {load}");
    let (card, bitmap) = (own_card(&world), "723C048000C08000");
    let pan = card["pan"].as_str().unwrap();
    let (code, amount, moment) = ("000000", "000000001500", "1118110640");
    let message = format!(
        "0200{bitmap}{:02}{pan}{code}{amount}{moment}0000421906401118{}01200{TERMINAL}{MERCHANT:<15}156",
        pan.len(),
        card["expiry"].as_str().unwrap(),
    );
    let sent = run(&["send", &message]);
    assert!(sent.contains("0210") && sent.contains("00"), "{sent}");
    finish(&world, serve, 201);
}

fn text(answer: &Value, de: &str) -> String {
    answer[de].as_str().unwrap_or_default().to_owned()
}

/// A card of the embedded issuer with money.
fn own_card(world: &World) -> Value {
    let cards = world.made["cards"].as_array().unwrap();
    let rich = |card: &&Value| card["on_us"] == true && card["balance_minor"].as_u64().unwrap() > 100_000;
    let valid = |card: &&Value| card["expiry"].as_str().unwrap() > "2700";
    cards.iter().find(|card| rich(card) && valid(card)).unwrap().clone()
}

/// The ledger has what the client asked for, and verifies.
fn finish(world: &World, serve: Serve, transactions: usize) {
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
    let stories = world.run(&["ledger", "query", "--output", "json", "--limit", "100000"]).expect(0).json();
    assert_eq!(stories.as_array().unwrap().len(), transactions);
}
