//! Backups, restores, archives and exports on the command line.

use crate::support::{Process, World, busy_world, run, skipped, venv_program};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use switchyard_core::{Core, CoreConfig};
use switchyard_domain::Stamped;
use switchyard_ledger::{Error, Reader};

fn verified(data: &Path) -> Value {
    run(["ledger", "verify", "--data", data.to_str().unwrap(), "--output", "json"]).expect(0).json()
}

/// The digest of the state that the first records of a ledger make.
fn digest_at(data: &Path, count: u64) -> String {
    let mut core = Core::new(CoreConfig::default());
    let mut seen = 0;
    Reader::open(&data.join("ledger"))
        .unwrap()
        .for_each(|sequence, bytes| -> Result<(), Error> {
            if sequence.0 < count {
                core.replay(&Stamped::decode(bytes).unwrap()).unwrap();
                seen += 1;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, count);
    format!("{:016x}", core.state().digest())
}

#[test]
fn a_backup_is_taken_while_the_switch_works_at_full_speed() {
    let world = World::make(&[]);
    let serve = world.serve();
    let target = serve.terminals.to_string();
    let load = ["sim", "load", "--target", &target, "--transactions", "30000", "--connections", "2"];
    let load = Process::start(world.command(&load), "");
    let mut before = 0;
    // The first copies may come before the load has begun; the last is taken of a ledger that is being filled.
    for round in 0.. {
        let copy = world.root().join(format!("copy-{round}"));
        let report =
            world.run(&["ledger", "backup", copy.to_str().unwrap(), "--output", "json"]).expect(0).json();
        let records = report["records"].as_u64().unwrap();
        assert!(records >= before, "{report}");
        before = records;
        let seen = verified(&copy);
        assert_eq!((&seen["records"], &seen["root"]), (&report["records"], &report["root"]));
        assert!(seen["state_digest"].is_string() && seen["verified"] == true, "{seen}");
        if before > 1_000 {
            break;
        }
        assert!(round < 200, "the load never came: {report}");
    }
    load.finish().expect(0);
    serve.stop();
    let whole = verified(&world.data());
    assert!(whole["records"].as_u64().unwrap() >= before, "{before} {whole}");
    let copy = world.root().join("copy-0");
    let refused = world.run(&["ledger", "backup", copy.to_str().unwrap()]).expect(2);
    assert!(refused.stderr.contains("exists already"), "{refused:?}");
}

#[test]
fn a_restore_has_the_digest_that_the_original_had_there() {
    let world = busy_world("60");
    let data = world.data();
    let whole = verified(&data);
    let count = whole["records"].as_u64().unwrap();
    assert_eq!(whole["state_digest"], digest_at(&data, count));
    let records = world.run(&["ledger", "export"]).expect(0).json_lines();
    let restore = |name: &str, options: &[&str], code: i32| {
        let target = world.root().join(name);
        let from = ["ledger", "restore", "--from", data.to_str().unwrap(), "--output", "json"];
        let ran = run([&from[..], options, &[target.to_str().unwrap()]].concat()).expect(code);
        (target, ran)
    };
    for upto in [1, count / 3, count / 2, count - 1, count] {
        let (target, ran) = restore(&format!("seq-{upto}"), &["--to-seq", &upto.to_string()], 0);
        let seen = verified(&target);
        assert_eq!(seen["records"], upto);
        assert_eq!(seen["state_digest"], digest_at(&data, upto), "at {upto}");
        assert_ne!(seen["ledger_id"], whole["ledger_id"]);
        assert_eq!(ran.json()["root"], seen["root"]);
    }
    let (target, _) = restore("all", &[], 0);
    assert_eq!(
        (&verified(&target)["root"], &verified(&target)["records"]),
        (&whole["root"], &whole["records"])
    );

    // By time: everything that was decided up to and with it.
    for pick in [count / 4, count / 2, count - 1] {
        let at = records[pick as usize]["at"].as_u64().unwrap();
        let expected = records.iter().filter(|record| record["at"].as_u64().unwrap() <= at).count() as u64;
        let text = jiff::Timestamp::from_microsecond(at as i64).unwrap().to_string();
        let (target, _) = restore(&format!("time-{pick}"), &["--to-time", &text], 0);
        let seen = verified(&target);
        assert_eq!(seen["records"], expected, "{text}");
        assert_eq!(seen["state_digest"], digest_at(&data, expected));
    }
    let (_, ran) = restore("beyond", &["--to-seq", &(count + 1).to_string()], 2);
    assert!(ran.stderr.contains("record count"), "{ran:?}");
    assert!(!world.root().join("beyond/ledger").exists());
    restore("seq-1", &[], 2);
    restore("both", &["--to-seq", "1", "--to-time", "2026-01-01T00:00:00Z"], 64);
    restore("no-time", &["--to-time", "yesterday"], 64);
    restore("no-offset", &["--to-time", "2026-01-01T00:00:00"], 64);
}

#[test]
fn a_part_is_verified_and_damage_outside_it_is_not_seen() {
    let world = busy_world("60");
    let all = verified(&world.data())["records"].as_u64().unwrap();
    let verify = |options: &[&str]| world.run(&[&["ledger", "verify", "--output", "json"], options].concat());
    let part = verify(&["--from", "20", "--to", "40"]).expect(0).json();
    assert!(part["from"].as_u64().unwrap() <= 20 && part["to"].as_u64().unwrap() >= 40, "{part}");
    assert_eq!((&part["verified"], &part["roots_compared"]), (&json!(true), &json!(false)));
    assert_eq!(verify(&["--to", &all.to_string()]).expect(0).json()["roots_compared"], true);
    verify(&["--from", &all.to_string()]).expect(2);
    verify(&["--to", &(all + 1).to_string()]).expect(2);
    verify(&["--from", "1", "--witness", "x"]).expect(64);
    let path = &world.segments()[0];
    let mut bytes = fs::read(path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[used - 10] ^= 1;
    fs::write(path, bytes).unwrap();
    verify(&["--to", "20"]).expect(0);
    let found = verify(&["--from", "20"]);
    assert!(found.code == 1 && found.json()["finding"].is_object(), "{found:?}");
}

#[test]
fn commands_read_across_the_ledger_and_its_archive() {
    let world = busy_world("1400");
    let data = world.data();
    let away = world.root().join("archive");
    let before = verified(&data);
    let used = before["segments"].as_u64().unwrap();
    assert!(used > 2, "{before}");
    let query = ["ledger", "query", "--limit", "100000", "--output", "json"];
    let (told, exported) =
        (world.run(&query).expect(0).json(), world.run(&["ledger", "export"]).expect(0).stdout);
    let stats = world.run(&["ledger", "stats", "--output", "json"]).expect(0).json();
    let archive = ["ledger", "archive", "--to", away.to_str().unwrap(), "--output", "json"];
    let first = world.run(&archive).expect(0).json();
    assert_eq!(first["kept"], 1);
    let rest = world.run(&[&archive[..], &["--keep", "0"]].concat()).expect(0).json();
    let moved = first["segments"].as_array().unwrap().len() + rest["segments"].as_array().unwrap().len();
    assert_eq!(moved as u64, used - 1, "{first} {rest}");
    let names = fs::read_dir(&away).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.ends_with(".log")).count() as u64, used - 1);

    assert_eq!(verified(&data), before);
    assert_eq!(world.run(&query).expect(0).json(), told);
    assert_eq!(world.run(&["ledger", "export"]).expect(0).stdout, exported);
    assert_eq!(world.run(&["ledger", "stats", "--output", "json"]).expect(0).json(), stats);
    world.run(&["ledger", "prove", "--record", "3"]).expect(0);

    // The switch goes on, and a missing archive is a finding with a name.
    let serve = world.serve();
    serve.stop();
    let aside = world.root().join("aside");
    fs::rename(&away, &aside).unwrap();
    let missing = world.run(&["ledger", "verify", "--output", "json"]).expect(1).json();
    assert_eq!(missing["finding"]["what"], "segment is archived, and its archive is not there");
    assert_eq!(missing["finding"]["segment"], 1);
    let refused = world.run(&query).expect(2);
    assert!(refused.stderr.contains("segment is archived, and its archive is not there"), "{refused:?}");
    let from = before["records"].as_u64().unwrap().to_string();
    world.run(&["ledger", "verify", "--from", &from]).expect(0);
    fs::rename(&aside, &away).unwrap();
    assert_eq!(verified(&data)["verified"], true);
}

#[test]
fn an_export_in_columns_holds_the_postings_of_the_table() {
    let world = busy_world("120");
    let path = world.root().join("postings.parquet");
    let out = ["ledger", "export", "--format", "parquet", "--out", path.to_str().unwrap()];
    world.run(&out).expect(0);
    assert_eq!(world.run(&out).expect(2).stdout, "", "a file that is there is never written over");
    let table = world.run(&["ledger", "export", "--format", "csv"]).expect(0).stdout;
    let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
    let names: Vec<_> = reader.metadata().file_metadata().schema_descr().columns().to_vec();
    let names: Vec<_> = names.iter().map(|column| column.name().to_owned()).collect();
    assert_eq!(table.lines().next().unwrap(), names.join(","));
    let mut rows = 0;
    for (row, line) in reader.get_row_iter(None).unwrap().zip(table.lines().skip(1)) {
        let row = row.unwrap();
        let cells: Vec<_> = line.split(',').collect();
        assert_eq!(row.get_ulong(0).unwrap().to_string(), cells[0], "{line}");
        let at = jiff::Timestamp::from_microsecond(row.get_timestamp_micros(1).unwrap()).unwrap();
        assert_eq!(at, cells[1].parse().unwrap(), "{line}");
        for (column, cell) in [(2, cells[2]), (3, cells[3]), (4, cells[4]), (5, cells[5]), (7, cells[7])] {
            assert_eq!(row.get_string(column).unwrap(), cell, "{line}");
        }
        assert_eq!(row.get_ulong(6).unwrap().to_string(), cells[6], "{line}");
        rows += 1;
    }
    assert_eq!(rows, table.lines().count() - 1);
    assert_eq!(rows as i64, reader.metadata().file_metadata().num_rows());
    // The same bytes on stdout, and the other forms into files.
    let jsonl = world.root().join("records.jsonl");
    world.run(&["ledger", "export", "--out", jsonl.to_str().unwrap()]).expect(0);
    assert_eq!(fs::read_to_string(&jsonl).unwrap(), world.run(&["ledger", "export"]).expect(0).stdout);
    assert!(!world.root().join("records.jsonl.partial").exists());
}

/// Prints the rows of a file in the order of the file, cells between tabs, times in microseconds, and what the amounts
/// add up to in the engine's own arithmetic.
const READ: &str = r#"
import duckdb, sys
rows = duckdb.connect().execute(
    'select sequence, epoch_us("at"), actor, record, debit, credit, amount_minor, phase from read_parquet(?)', [sys.argv[1]])
for row in rows.fetchall():
    print(*row, sep="\t")
total = duckdb.connect().execute("select count(*), sum(amount_minor) from read_parquet(?)", [sys.argv[1]])
print(*total.fetchone(), sep="\t")
"#;

#[test]
fn duckdb_reads_the_postings_of_the_table() {
    let Some(python) = venv_program("python3", &["-c", "import duckdb"]) else {
        skipped("duckdb is not installed: the export in columns is not read by it");
        return;
    };
    let world = busy_world("120");
    let path = world.root().join("postings.parquet");
    let path = path.to_str().unwrap();
    world.run(&["ledger", "export", "--format", "parquet", "--out", path]).expect(0);
    let table = world.run(&["ledger", "export", "--format", "csv"]).expect(0).stdout;

    let output = Command::new(python).args(["-c", READ, path]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8(output.stdout).unwrap();
    let (mut sum, mut read) = (0, output.lines());
    let postings: Vec<&str> = table.lines().skip(1).collect();
    assert!(postings.len() > 30, "{} postings", postings.len());
    for line in &postings {
        let cells: Vec<_> = line.split(',').map(str::to_owned).collect();
        let mut expected = cells.clone();
        expected[1] = cells[1].parse::<jiff::Timestamp>().unwrap().as_microsecond().to_string();
        sum += cells[6].parse::<u64>().unwrap();
        assert_eq!(read.next().unwrap().split('\t').collect::<Vec<_>>(), expected);
    }
    assert_eq!(read.next(), Some(format!("{}\t{sum}", postings.len()).as_str()));
    assert_eq!(read.next(), None);
}
