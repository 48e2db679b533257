//! Reading commands over what is derived from the ledger: queries, statements, lists, with and without a switch.

use crate::support::{World, until};
use serde_json::Value;
use std::collections::BTreeMap;

fn rows(world: &World, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["ledger", "query", "--output", "json"], arguments].concat();
    let ran = world.run(&arguments);
    assert!(ran.code <= 1, "{ran:?}");
    let rows = ran.json().as_array().unwrap().clone();
    assert_eq!(ran.code == 1, rows.is_empty(), "{arguments:?}");
    rows
}

fn plain(rows: &[Value]) -> Vec<Value> {
    let strip = |row: &Value| {
        let mut row = row.clone();
        row["cursor"].take();
        row
    };
    rows.iter().map(strip).collect()
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or_else(|| panic!("{name} of {row}"))
}

/// Every way of asking gives the transactions that a look at all of them gives, in the same order.
fn every_question_agrees(world: &World) {
    let all = rows(world, &["--limit", "1000000"]);
    assert!(all.len() > 100, "{}", all.len());
    let all_plain = plain(&all);
    let of = |pick: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        all_plain.iter().filter(|row| pick(row)).cloned().collect()
    };
    let row = &all[all.len() / 2];
    let number = |name: &str| row[name].to_string();
    let (terminal, merchant) = (text(row, "terminal"), text(row, "merchant"));
    let (batch, stan, amount) = (number("batch"), number("stan"), number("amount_minor"));
    let card_row = all.iter().find(|row| row["card"].is_string()).unwrap();
    let (hash, card, day) = (text(card_row, "card_hash"), text(card_row, "card"), text(card_row, "day"));
    let card_amount = card_row["amount_minor"].to_string();
    let many = ["--limit", "1000000"];
    let ask = |arguments: &[&str]| plain(&rows(world, &[arguments, &many].concat()));
    let same = |name: &'static str, value: Value| move |row: &Value| row[name] == value;
    assert_eq!(ask(&["--rrn", text(row, "rrn")]), of(&same("rrn", row["rrn"].clone())));
    assert_eq!(ask(&["--terminal", terminal]), of(&same("terminal", terminal.into())));
    assert_eq!(ask(&["--merchant", merchant]), of(&same("merchant", merchant.into())));
    assert_eq!(ask(&["--card-hash", hash]), of(&same("card_hash", hash.into())));
    assert_eq!(
        ask(&["--terminal", terminal, "--batch", &batch]),
        of(&|r| r["terminal"] == terminal && r["batch"] == row["batch"])
    );
    assert_eq!(
        ask(&["--terminal", terminal, "--batch", &batch, "--stan", &stan]),
        of(&|r| r["terminal"] == terminal && r["batch"] == row["batch"] && r["stan"] == row["stan"])
    );
    assert_eq!(
        ask(&["--card", card, "--amount", &card_amount, "--date", day]),
        of(&|r| r["card"] == card && r["amount_minor"] == card_row["amount_minor"] && r["day"] == day)
    );
    assert_eq!(ask(&["--merchant", merchant, "--amount", &amount]), {
        of(&|r| r["merchant"] == merchant && r["amount_minor"] == row["amount_minor"])
    });
    let mut oldest = ask(&["--merchant", merchant, "--oldest-first"]);
    oldest.reverse();
    assert_eq!(oldest, of(&same("merchant", merchant.into())));
    assert_eq!(ask(&["--merchant", merchant, "--from", "2001-01-01", "--to", "2999-01-01"]), {
        of(&same("merchant", merchant.into()))
    });
    assert!(ask(&["--merchant", merchant, "--from", "2999-01-01"]).is_empty());
    assert!(ask(&["--merchant", merchant, "--to", "2001-01-01"]).is_empty());
    for nobody in
        [["--terminal", "NOBODY"], ["--merchant", "NOBODY"], ["--rrn", "x"], ["--rrn", "000000000000"]]
    {
        assert!(ask(&nobody).is_empty(), "{nobody:?}");
    }
    for (limit, order) in [("1", None), ("7", None), ("7", Some("--oldest-first"))] {
        let mut paged: Vec<Value> = Vec::new();
        let mut arguments = vec!["--terminal", terminal, "--limit", limit];
        arguments.extend(order);
        let mut cursor = None::<String>;
        loop {
            let more = cursor.iter().flat_map(|c| ["--cursor", c.as_str()]);
            let page = rows(world, &arguments.iter().copied().chain(more).collect::<Vec<_>>());
            let Some(last) = page.last() else { break };
            cursor = Some(text(last, "cursor").to_owned());
            paged.extend(page);
        }
        let mut expected = of(&same("terminal", terminal.into()));
        if order.is_some() {
            expected.reverse();
        }
        assert_eq!(plain(&paged), expected, "{limit} {order:?}");
    }
}

#[test]
fn queries_agree_beside_a_running_switch_and_without_one() {
    let world = World::make(&[]);
    let serve = world.serve();
    let target = serve.terminals.to_string();
    let sim = |seed: &str| {
        let sim = ["sim", "terminals", "--target", &target, "--transactions", "150", "--terminals", "4"];
        world.run(&[&sim[..], &["--seed", seed]].concat()).expect(0);
    };
    sim("1");
    every_question_agrees(&world);
    let index_files = || {
        let entries = std::fs::read_dir(world.data().join("ledger")).unwrap();
        entries.filter(|e| e.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".index")).count()
    };
    // Enough for a segment of one MiB to be sealed, and its index with it.
    let mut seed = 2;
    while index_files() == 0 {
        sim(&seed.to_string());
        seed += 1;
        assert!(seed < 40, "no segment was sealed");
    }
    every_question_agrees(&world);
    serve.stop();
    every_question_agrees(&world);
    let made = world.run(&["ledger", "reindex", "--output", "json"]).expect(0).json();
    assert!(made["segments"].as_u64() >= Some(1) && made["keys"].as_u64() > Some(1_000), "{made}");
    every_question_agrees(&world);
    for wrong in [
        &["--card", "6225880000000008", "--amount", "1", "--date", "2026-01-01"][..],
        &["--card-hash", "00"],
        &["--cursor", "zz"],
        &["--merchant", "x", "--from", "yesterday"],
        &["--account", "nothing/0/CNY"],
    ] {
        let ran = world.run(&[&["ledger", "query"], wrong].concat());
        assert!(ran.code == 2 || ran.code == 1, "{ran:?}");
        assert!(!ran.stderr.contains("6225880000000008"), "{ran:?}");
    }
    world.run(&["ledger", "query", "--rrn", "x", "--terminal", "y"]).expect(64);
    world.run(&["ledger", "query", "--stan", "1"]).expect(64);
    statements_agree(&world);
}

/// Statements of every account against the sums of the exported postings, and with the trial balance.
fn statements_agree(world: &World) {
    let table = world.run(&["ledger", "export", "--format", "csv"]).expect(0).stdout;
    let mut posted: BTreeMap<String, Vec<(u64, i128)>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.rsplitn(5, ',').collect();
        let (phase, minor, credit, debit) = (cells[0], cells[1].parse::<i128>().unwrap(), cells[2], cells[3]);
        let sequence: u64 = line.split(',').next().unwrap().parse().unwrap();
        let moved = if phase == "Posted" || phase.starts_with("PostPending") { minor } else { 0 };
        posted.entry(debit.to_owned()).or_default().push((sequence, -moved));
        posted.entry(credit.to_owned()).or_default().push((sequence, moved));
    }
    assert!(posted.len() > 4, "{} accounts", posted.len());
    let end = world.run(&["ledger", "export"]).expect(0).stdout.lines().count() as u64;
    for (account, lines) in posted.iter().step_by(3) {
        let statement =
            world.run(&["ledger", "statement", "--account", account, "--output", "json"]).expect(0).json();
        let sum =
            |until: u64| lines.iter().filter(|(seq, _)| *seq < until).map(|(_, minor)| minor).sum::<i128>();
        let net = |balance: &Value| balance["net_credit_minor"].as_str().unwrap().parse::<i128>().unwrap();
        assert_eq!(net(&statement["opening"]), 0);
        assert_eq!(net(&statement["closing"]), sum(u64::MAX), "{account}");
        let told = statement["lines"].as_array().unwrap();
        assert_eq!(told.len(), lines.len(), "{account}");
        let mut running = 0;
        for (line, (sequence, minor)) in told.iter().zip(lines) {
            running += minor;
            assert_eq!(line["sequence"], *sequence);
            assert_eq!(net(&line["balance"]), running, "{account} at {sequence}");
        }
        for at in [0, end / 2, end] {
            let at_text = at.to_string();
            let there =
                ["ledger", "statement", "--account", account, "--at-seq", &at_text, "--output", "json"];
            let there = world.run(&there).expect(0).json();
            assert_eq!(net(&there["closing"]), sum(at), "{account} at {at}");
            assert_eq!(there["opening"], there["closing"]);
        }
        let listed = rows(world, &["--account", account, "--oldest-first", "--limit", "1000000"]);
        assert_eq!(listed.len(), lines.len());
    }
    world
        .run(&["ledger", "statement", "--account", "bank/0/CNY", "--at-seq", &(end + 1).to_string()])
        .expect(2);
    let none = world.run(&["ledger", "statement", "--account", "suspense/7/USD"]).expect(0).stdout;
    assert!(none.contains("opening balance of Suspense/7/USD: 0"), "{none}");
}

#[test]
fn who_is_registered_is_told_by_the_switch_and_without_it() {
    let world = World::make(&["--terminals", "5", "--merchants", "2"]);
    let ask = |arguments: &[&str]| world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json();
    let without = (ask(&["merchant", "list"]), ask(&["terminal", "list"]));
    let made = |list: &str, name: &str| -> Vec<Value> {
        world.made[list].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
    };
    let told = |rows: &Value, name: &str| -> Vec<Value> {
        rows.as_array().unwrap().iter().map(|row| row[name].clone()).collect()
    };
    assert_eq!(told(&without.0, "mid"), made("merchants", "mid"));
    assert_eq!(told(&without.1, "tid"), made("terminals", "tid"));
    assert_eq!(told(&without.1, "mid"), made("terminals", "mid"));
    let mut serve = world.serve();
    until("the projections", || world.projects());
    assert_eq!(ask(&["merchant", "list"]), without.0);
    assert_eq!(ask(&["terminal", "list"]), without.1);
    let tid = made("terminals", "tid")[3].as_str().unwrap().to_owned();
    assert_eq!(ask(&["terminal", "show", &tid]), without.1[3]);
    assert_eq!(
        ask(&["terminal", "list", "--after", "1", "--limit", "2"]).as_array().unwrap()[..],
        [without.1[2].clone(), without.1[3].clone()]
    );
    let mid = made("merchants", "mid")[1].as_str().unwrap().to_owned();
    assert_eq!(ask(&["merchant", "show", &mid]), without.0[1]);
    world.run(&["terminal", "show", "NOBODY"]).expect(1);
    world.run(&["merchant", "show", "a name that is far too long"]).expect(1);
    let target = serve.terminals.to_string();
    world
        .run(&["sim", "terminals", "--target", &target, "--transactions", "20", "--terminals", "2"])
        .expect(0);
    let signed_on = |rows: &Value| rows.as_array().unwrap().iter().filter(|r| r["signed_on"] == true).count();
    let keyed = |rows: &Value| rows.as_array().unwrap().iter().filter(|r| r["key_version"] != 0).count();
    until("the sign-ons", || keyed(&ask(&["terminal", "list"])) == 2);
    let made_anew = world.run(&["ledger", "reindex", "--output", "json"]).expect(0).json();
    let live = ask(&["terminal", "list"]);
    assert!(made_anew["projected_records"].as_u64() > Some(20), "{made_anew}");
    // Killed, it leaves what it left; the next reader makes good whatever that is.
    serve.process.kill();
    let after = ask(&["terminal", "list"]);
    assert_eq!((signed_on(&after), &after), (signed_on(&live), &live));
    std::fs::remove_dir_all(world.data().join("projections")).unwrap();
    assert_eq!(ask(&["terminal", "list"]), after);
    let text = world.run(&["merchant", "list"]).expect(0).stdout;
    assert_eq!(text.lines().count(), 3, "a head and two rows: {text}");
}
