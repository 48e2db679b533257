//! What the switch asks of the kernel, in order: no answer and no request to an issuer leaves before the record it
//! reports is written and synced. strace tells; the ledger says which record that is.

use crate::support::{Process, Serve, World, free_ports, skipped, unhex, until};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use switchyard_wire::{Dialect, MtiFunction, detect_frame_for};

/// Bytes of a call's buffer that strace prints: a block's header, a whole answer.
const SHOWN_BYTES: &str = "600";
/// What a block begins with, and where its first sequence and its count stand.
const BLOCK_MAGIC: &[u8] = b"SWYBLOCK";
const FIRST_SEQ_AT: usize = 56;
const COUNT_AT: usize = 64;

#[test]
fn nothing_leaves_before_its_record_is_synced() {
    if Command::new("strace").arg("--version").output().is_err() {
        skipped("order of system calls: strace is not installed");
        return;
    }
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&["--terminals", "8", "--issuer-ports", &ports]);
    let (trace, journal) = (world.root().join("trace"), world.root().join("journal"));
    let mut issuing = Process::start(world.command(&["sim", "issuer"]), "");
    issuing.wait_for_line(|line| line.starts_with("river-bank").then_some(()));
    let serve = traced(&world, &trace);
    world.wait_for_links();
    let target = serve.terminals.to_string();
    let mut terminals = world.command(&["sim", "terminals", "--transactions", "400", "--target", &target]);
    terminals.arg("--journal").arg(&journal);
    Process::start(terminals, "").finish().expect(0);
    serve.stop();
    issuing.kill();
    until("strace to end", || std::fs::read_to_string(&trace).unwrap().contains("+++ exited"));

    let records = Records::of(&world);
    let mut disk = Disk::default();
    let (mut answers, mut requests) = (0, 0);
    for event in events(&std::fs::read_to_string(&trace).unwrap()) {
        match event {
            Event::Block { thread, file, next_seq } => disk.write(thread, file, next_seq),
            Event::Synced { thread, file } => disk.sync(thread, file),
            Event::Sent(bytes) => match Message::read(&bytes) {
                Some(Message::Answer { rrn, code }) => {
                    let Some(seq) = records.answered.get(&(rrn.clone(), code.clone())) else {
                        assert!(["A0", "30", "97", "77"].contains(&code.as_str()), "{rrn} {code}");
                        continue;
                    };
                    assert!(*seq < disk.durable, "answer {rrn} {code}: record {seq}, {disk:?}");
                    answers += 1;
                }
                Some(Message::Request { rrn }) => {
                    let seq = records.opened[&rrn];
                    assert!(seq < disk.durable, "request {rrn}: record {seq}, {disk:?}");
                    requests += 1;
                }
                None => {}
            },
        }
    }
    assert!(answers > 250 && requests > 60, "{answers} answers and {requests} requests were looked at");
}

/// `serve` with a tracer beside it: the child is the switch itself.
fn traced(world: &World, trace: &Path) -> Serve {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-xx", "-s", SHOWN_BYTES, "-e", "trace=pwrite64,fdatasync,sendto", "-o"]);
    command.arg(trace).arg(env!("CARGO_BIN_EXE_switchyard")).arg("--data").arg(world.data());
    command.args(["serve", "--config"]).arg(world.config()).env_remove("RUST_LOG");
    Serve::start(command)
}

/// What the disk holds for certain.
#[derive(Debug, Default)]
struct Disk {
    /// By thread and file: the sequence behind the block written last and not synced yet.
    written: HashMap<(u32, u32), u64>,
    /// Records below this sequence are durable.
    durable: u64,
}

impl Disk {
    fn write(&mut self, thread: u32, file: u32, next_seq: u64) {
        let before = self.written.insert((thread, file), next_seq);
        assert_eq!(before, None, "a block was written before the one before it was synced");
    }
    fn sync(&mut self, thread: u32, file: u32) {
        if let Some(next_seq) = self.written.remove(&(thread, file)) {
            self.durable = next_seq;
        }
    }
}

/// Where the ledger says what was answered and asked.
struct Records {
    answered: HashMap<(String, String), u64>,
    opened: HashMap<String, u64>,
}

impl Records {
    fn of(world: &World) -> Self {
        let mut records = Self { answered: HashMap::new(), opened: HashMap::new() };
        for line in world.run(&["ledger", "export"]).expect(0).json_lines() {
            let seq = line["sequence"].as_u64().unwrap();
            let body = line["record"].as_object().unwrap().values().next().unwrap();
            let rrns = [&body["opened"]["rrn"], &body["rrn"], &body["reply"]["rrn"]];
            for rrn in rrns.into_iter().filter_map(Value::as_str) {
                records.opened.entry(rrn.to_owned()).or_insert(seq);
            }
            // A transaction that was decided at once carries its reference where it was opened.
            let rrn = body["opened"]["rrn"].as_str().or(body["reply"]["rrn"].as_str());
            if let (Some(rrn), Some(code)) = (rrn, body["reply"]["code"].as_str()) {
                records.answered.entry((rrn.to_owned(), code.to_owned())).or_insert(seq);
            }
        }
        records
    }
}

/// What the switch sent, as far as it bears on the order.
enum Message {
    Answer { rrn: String, code: String },
    Request { rrn: String },
}

impl Message {
    fn read(bytes: &[u8]) -> Option<Self> {
        ["unionpay-pos", "iso87-binary", "iso87-ascii"].iter().find_map(|name| {
            let dialect = Dialect::builtin(name).unwrap();
            let detected = detect_frame_for(dialect, bytes);
            let message = dialect.parse(&bytes[detected.body]).ok()?;
            let rrn = message.text(37)?.into_owned();
            let is_answer = message.mti().function() == MtiFunction::Response;
            let code = message.text(39).map(|code| code.into_owned());
            match code {
                Some(code) if is_answer => Some(Self::Answer { rrn, code }),
                _ => Some(Self::Request { rrn }),
            }
        })
    }
}

/// A call that bears on the order of things.
enum Event {
    Block { thread: u32, file: u32, next_seq: u64 },
    Synced { thread: u32, file: u32 },
    Sent(Vec<u8>),
}

/// Reads a trace. A sync counts where it returned, anything else where it began.
fn events(trace: &str) -> Vec<Event> {
    let mut syncing: HashMap<u32, u32> = HashMap::new();
    trace.lines().filter_map(|line| event(line, &mut syncing)).collect()
}

fn event(line: &str, syncing: &mut HashMap<u32, u32>) -> Option<Event> {
    let (thread, call) = line.split_once(' ')?;
    let (thread, call) = (thread.parse().ok()?, call.trim_start());
    if call.starts_with("<... fdatasync resumed") {
        let file = syncing.remove(&thread)?;
        return call.trim_end().ends_with("= 0").then_some(Event::Synced { thread, file });
    }
    let (name, arguments) = call.split_once('(')?;
    let number = arguments.split([',', ')', ' ']).next()?;
    let file = number.parse().ok()?;
    match name {
        "fdatasync" if call.ends_with("<unfinished ...>") => {
            syncing.insert(thread, file);
            None
        }
        "fdatasync" => call.ends_with("= 0").then_some(Event::Synced { thread, file }),
        "pwrite64" => {
            let bytes = buffer(arguments)?;
            if !bytes.starts_with(BLOCK_MAGIC) {
                return None;
            }
            let first = u64::from_le_bytes(bytes[FIRST_SEQ_AT..][..8].try_into().unwrap());
            let count = u32::from_le_bytes(bytes[COUNT_AT..][..4].try_into().unwrap());
            Some(Event::Block { thread, file, next_seq: first + u64::from(count) })
        }
        "sendto" => Some(Event::Sent(buffer(arguments)?)),
        _ => None,
    }
}

/// The bytes between the quotes: `"\x53\x57"`.
fn buffer(arguments: &str) -> Option<Vec<u8>> {
    let text = arguments.split('"').nth(1)?;
    Some(unhex(&text.replace("\\x", "")))
}
