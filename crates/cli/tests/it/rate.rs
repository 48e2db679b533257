//! Rates, and links whose cardholders are billed in another currency.

use crate::support::{Process, World, free_ports, until};
use serde_json::{Value, json};

const WHY: [&str; 2] = ["--reason", "a test"];

fn json_of(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
}

fn set(world: &World, arguments: &[&str]) -> Value {
    json_of(world, &[&["rate", "set"], arguments, &WHY].concat())
}

#[test]
fn rates_are_set_listed_and_quoted() {
    let world = World::make(&[]);
    assert_eq!(json_of(&world, &["rate", "list"]), json!([]));
    let dry = set(&world, &["CNY", "USD", "0.1389", "--markup-ppm", "30000", "--dry-run"]);
    assert_eq!((&dry["recorded"], &dry["billed"]), (&json!(false), &json!("143.07 USD")));
    assert_eq!(json_of(&world, &["rate", "list"]), json!([]), "a dry run changes nothing");
    let recorded = json!({"recorded": true});
    assert_eq!(set(&world, &["CNY", "USD", "0.1389", "--markup-ppm", "30000"]), recorded);
    assert_eq!(set(&world, &["CNY", "USD", "0.14", "--from-time", "2099-01-01T09:00"]), recorded);
    assert_eq!(set(&world, &["156", "JPY", "20.5"]), recorded);
    let listed = json_of(&world, &["rate", "list"]);
    let told: Vec<_> =
        listed.as_array().unwrap().iter().map(|rate| [&rate["to"], &rate["rate"], &rate["state"]]).collect();
    let told = json!(told);
    assert_eq!(
        told,
        json!([["JPY", "20.5", "in force"], ["USD", "0.1389", "in force"], ["USD", "0.14", "ahead"]])
    );
    assert_eq!(listed[1]["billed_rate"], "0.143067");
    let quote = json_of(&world, &["rate", "quote", "CNY", "USD", "123.45"]);
    assert_eq!((&quote["unmarked"], &quote["billed"]), (&json!("17.15 USD"), &json!("17.66 USD")));
    let elements = json!([quote["de6"], quote["de10"], quote["de51"]]);
    assert_eq!(elements, json!(["000000001766", "60143067", "840"]));
    assert_eq!(json_of(&world, &["rate", "quote", "CNY", "JPY", "1"])["billed"], "20 JPY", "half to even");
    world.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn what_is_no_rate_is_refused_with_its_reason() {
    let world = World::make(&[]);
    set(&world, &["CNY", "USD", "0.1389"]);
    for (arguments, exit, words) in [
        (&["rate", "set", "CNY", "XYZ", "1"][..], 64, "currency: not one that is known"),
        (&["rate", "set", "CNY", "USD", "0"], 2, "above zero"),
        (&["rate", "set", "CNY", "USD", "-0.1"], 2, "above zero"),
        (&["rate", "set", "CNY", "USD", "0.12345678"], 2, "seven significant digits"),
        (&["rate", "set", "CNY", "USD", "1e3"], 2, "a rate is a number"),
        (&["rate", "set", "CNY", "CNY", "1"], 2, "needs no rate into itself"),
        (&["rate", "set", "CNY", "USD", "1.389"], 2, "--allow-jump"),
        (&["rate", "set", "CNY", "EUR", "0.128", "--markup-ppm", "300000"], 2, "more than 200000"),
        (&["rate", "set", "CNY", "EUR", "0.128", "--from-time", "2020-01-01"], 2, "core.rate_age_hours_max"),
        (&["rate", "set", "CNY", "EUR", "0.128", "--from-time", "tomorrow"], 2, "is no time"),
        (&["rate", "quote", "CNY", "EUR", "1"], 2, "there is no rate from CNY to EUR"),
        (&["rate", "quote", "USD", "CNY", "1"], 2, "is not turned round"),
        (&["rate", "quote", "CNY", "USD", "1.234"], 2, "at most 2 decimals"),
        (&["rate", "quote", "CNY", "USD", "0.01"], 2, "less than the smallest unit of USD"),
    ] {
        let because = if arguments[1] == "set" { &WHY[..] } else { &[] };
        let refused = world.run(&[arguments, because].concat()).expect(exit);
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
    }
    world.run(&["rate", "set", "CNY", "USD", "0.139"]).expect(64);
    assert_eq!(json_of(&world, &["rate", "list"]).as_array().unwrap().len(), 1);
    let jump = set(&world, &["CNY", "USD", "1.389", "--allow-jump"]);
    assert_eq!(jump, json!({"recorded": true}));
}

/// The simulated issuers refuse with 30 whatever does not add up, which terminals that expect an approval report as an
/// error.
#[test]
fn a_fleet_is_billed_in_dollars_and_yen() {
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&[
        "--terminals",
        "4",
        "--issuer-ports",
        &ports,
        "--issuer-dialects",
        "iso87-ascii,iso2003-binary",
    ]);
    let issuers = Process::start(world.command(&["sim", "issuer", "--drop-per-mille", "20"]), "");
    set(&world, &["CNY", "USD", "0.1389"]);
    set(&world, &["CNY", "JPY", "20.5", "--markup-ppm", "15000"]);
    let links = world.made["links"].as_array().unwrap();
    for (link, currency) in links.iter().zip(["USD", "JPY"]) {
        let name = link["name"].as_str().unwrap();
        json_of(&world, &[&["link", "bill", name, "--currency", currency], &WHY[..]].concat());
    }
    let serve = world.serve();
    world.wait_for_links();
    let status = json_of(&world, &["link", "status"]);
    let billed: Vec<_> = status.as_array().unwrap().iter().map(|link| &link["bills_in"]).collect();
    assert_eq!(json!(billed), json!(["USD", "JPY"]));
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "160", "--output", "json"];
    let report = world.run(&sim).expect(0).json();
    assert_eq!(report["errors_count"], 0, "{report}");
    assert!(report["approved"].as_u64().unwrap() > 60, "{report}");
    until("every reversal to be delivered", || {
        let status = world.status();
        status["saf_waiting"] == 0 && status["unresolved"] == 0
    });
    serve.stop();
    drop(issuers);
    let all = json_of(&world, &["transaction", "search", "--limit", "100000"]);
    let linked =
        all.as_array().unwrap().iter().filter(|told| told["code"] == "00" && told["over_link"] == true);
    let mut seen = std::collections::BTreeSet::new();
    for told in linked.take(40) {
        let explained = json_of(&world, &["explain", "transaction", told["rrn"].as_str().unwrap()]);
        let head = &explained["transaction"];
        if head["kind"] == "balance_inquiry" {
            continue;
        }
        let billed = head["billed"].as_str().unwrap_or_else(|| panic!("{explained}"));
        seen.insert((head["rate"].as_str().unwrap().to_owned(), billed[billed.len() - 3..].to_owned()));
    }
    let expected = [("0.1389", "USD"), ("20.8075", "JPY")];
    assert_eq!(seen, expected.map(|(rate, currency)| (rate.to_owned(), currency.to_owned())).into());
    world.run(&["ledger", "verify"]).expect(0);
}
