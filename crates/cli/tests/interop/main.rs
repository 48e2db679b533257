//! Hosts and clients that nobody here wrote, over real sockets: iso8583sim, pyiso8583, iso_8583 for Node, and
//! Wireshark's reading of what passed. What cannot be installed is skipped, and said so.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

mod clients;
mod recorder;
#[path = "../support/mod.rs"]
mod support;

use recorder::{Prefix, Recorder};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Process, World, free_ports, skipped, until, venv_program};

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// iso8583sim approves, declines what is above one amount and is silent about what is above another.
fn rules(path: &Path) {
    let sale = |amount: u64, answer: Value| {
        let mut rule = json!({"match": {"mti": ["0200"], "fields": {"3": "000000"}, "amount_gt": amount}});
        rule.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        rule
    };
    let rules = json!({"rules": [
        sale(38_000, json!({"action": "drop"})),
        sale(30_000, json!({"respond": "51"})),
        {"respond": "00"},
    ]});
    std::fs::write(path, rules.to_string()).unwrap();
}

/// Waits until somebody listens there.
fn wait_for_port(port: u16) {
    until("the host to listen", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
}

#[test]
fn hosts_of_others_answer_what_the_switch_asks() {
    let pyiso8583 = venv_program("python3", &["-c", "import iso8583"]);
    let (Some(python), Some(sim)) = (pyiso8583, venv_program("iso8583sim", &["version"])) else {
        skipped("interop: pyiso8583 or iso8583sim is not installed");
        return;
    };
    let [harbour, river, river_host] = free_ports::<3>();
    let ports = format!("{harbour},{river}");
    let world = World::make(&["--terminals", "8", "--issuer-ports", &ports]);
    let rules_file = world.root().join("rules.json");
    rules(&rules_file);

    let mut command = Command::new(python);
    command.arg(script("pyiso8583_host.py")).arg(harbour.to_string());
    let packed = Process::start(command, "");
    let mut command = Command::new(sim);
    command.args(["serve", "--format", "ascii-hex", "--header", "4a", "--port", &river_host.to_string()]);
    command.arg("--rules").arg(&rules_file);
    let _characters = Process::start(command, "");
    wait_for_port(harbour);
    wait_for_port(river_host);
    let tap = Recorder::between(river, river_host, Prefix::Digits);

    let serve = world.serve();
    world.wait_for_links();
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "400", "--output", "json"];
    let report = world.run(&sim).json();
    until("every reversal to be delivered", || {
        let status = world.status();
        status["saf_waiting"] == 0 && status["unresolved"] == 0
    });
    serve.stop();

    let stories = stories(&world);
    compare_report(&report, &stories);
    compare_host(packed.stdout().lines(), &stories);
    read_by_wireshark(&tap, river_host, &world.root().join("link.pcap"));
}

/// What the ledger says, by reference number.
fn stories(world: &World) -> BTreeMap<String, Value> {
    let all = world.run(&["ledger", "query", "--output", "json", "--limit", "100000"]).expect(0).json();
    let all = all.as_array().unwrap().iter();
    all.map(|story| (story["rrn"].as_str().unwrap().to_owned(), story.clone())).collect()
}

/// The terminals did not expect what these hosts refuse by amount: each such refusal is a difference, and there is no
/// other. What was not answered ends as a reversal, also where the terminal was gone before it could hear of it.
fn compare_report(report: &Value, stories: &BTreeMap<String, Value>) {
    let errors = report["errors"].as_array().unwrap();
    assert!(!errors.is_empty() && errors.iter().all(|e| e["got"] == "51"), "{errors:?}");
    assert_eq!(report["errors_count"], errors.len());
    assert_eq!(report["unknown"], 0);
    let silent = report["declined"]["98"].as_u64().unwrap() as usize;
    let reversed = stories.values().filter(|s| s["outcome"] == "reversed" && s["code"] == "98").count();
    assert!(silent > 0 && reversed >= silent, "{reversed} of {silent}");
}

/// Every request that the host answered stands in the ledger with its reference, amount and outcome.
fn compare_host<'a>(lines: impl Iterator<Item = &'a str>, stories: &BTreeMap<String, Value>) {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in lines.map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let (mti, code) = (line["mti"].as_str().unwrap(), line["code"].as_str().unwrap());
        *counts.entry((mti.to_owned(), code.to_owned())).or_default() += 1;
        let Some(story) = line["37"].as_str().and_then(|rrn| stories.get(rrn)) else {
            assert_eq!(mti, "0800", "the ledger does not know {line}");
            continue;
        };
        assert_eq!(
            line["4"].as_str().unwrap().parse::<u64>().unwrap(),
            story["amount_minor"],
            "{line} {story}"
        );
        let expected: &[&str] = match (mti, code) {
            ("0420" | "0421", _) | (_, "silent") => &["reversed"],
            (_, "00") => &["approved", "reversed"],
            _ => &["declined"],
        };
        assert!(expected.contains(&story["outcome"].as_str().unwrap()), "{line} {story}");
    }
    for seen in [("0200", "00"), ("0200", "51"), ("0200", "silent"), ("0420", "00"), ("0800", "00")] {
        assert!(counts.contains_key(&(seen.0.to_owned(), seen.1.to_owned())), "no {seen:?}: {counts:?}");
    }
}

/// Wireshark finds a message in everything that passed on the link, and nothing wrong in any.
fn read_by_wireshark(tap: &Recorder, port: u16, file: &Path) {
    let Some(messages) = read_messages(tap, port, file, &[]) else { return };
    assert!(
        ["0200", "0210", "0420", "0430", "0800", "0810"].iter().all(|mti| messages.contains(*mti)),
        "{messages:?}"
    );
}

/// The message types that Wireshark finds in what passed, with nothing wrong in any; none when it is not installed.
fn read_messages(tap: &Recorder, port: u16, file: &Path, options: &[&str]) -> Option<BTreeSet<String>> {
    let packets = tap.save(file);
    assert!(packets > 20, "only {packets} packets");
    let output = Command::new("tshark")
        .arg("-r")
        .arg(file)
        .args(["-d", &format!("tcp.port=={port},iso8583"), "-T", "fields"])
        .args(["-o", "iso8583.len_endian:Big endian"])
        .args(options)
        .args(["-e", "iso8583.mti", "-e", "_ws.malformed", "-e", "_ws.expert.message"])
        .output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        skipped("interop: tshark is not installed, nobody reads the capture");
        return None;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let mut messages = BTreeSet::new();
    for line in text.lines() {
        let mut columns = line.split('\t');
        let mti = columns.next().unwrap();
        assert!(!mti.is_empty() && columns.all(str::is_empty), "{line:?} of\n{text}");
        messages.extend(mti.split(',').map(str::to_owned));
    }
    Some(messages)
}
