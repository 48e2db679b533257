//! What is registered becomes another, beside a running switch and on the data of one that does not run.

use crate::support::{World, until};
use serde_json::{Value, json};

const WHY: [&str; 4] = ["--reason", "a test", "--output", "json"];

fn change(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &WHY].concat()).expect(0).json()
}
fn shown(world: &World, arguments: &[&str]) -> Value {
    world.run(&[arguments, &["--output", "json"]].concat()).expect(0).json()
}
fn named<'v>(world: &'v World, kind: &str, field: &str, place: usize) -> &'v str {
    world.made[kind][place][field].as_str().unwrap()
}
fn refused(world: &World, arguments: &[&str], why: &str) {
    let refused = world.run(&[arguments, &WHY].concat()).expect(2);
    assert!(refused.stderr.contains(why), "{refused:?}");
}
fn link_of(world: &World, name: &str) -> Value {
    let links = shown(world, &["link", "status"]);
    links.as_array().unwrap().iter().find(|link| link["name"] == name).unwrap().clone()
}

/// Whoever carries it out: `take` tells one run from another.
fn changes_do_what_they_say(world: &World, take: u32) {
    let (tid, mid) = (named(world, "terminals", "tid", 0), named(world, "merchants", "mid", 0));
    let link = named(world, "links", "name", 0);
    let (timeout, before) = (7_000 + take, link_of(world, link)["answer_timeout_ms"].clone());
    let timeout = timeout.to_string();
    let wait = ["link", "change", link, "--answer-timeout-ms", &timeout];
    let fields = json!([{"field": "answer-timeout-ms", "before": before.to_string(), "after": timeout}]);
    let would = change(world, &[&wait[..], &["--dry-run"]].concat());
    assert_eq!(would, json!({"recorded": false, "fields": fields}));
    assert_eq!(link_of(world, link)["answer_timeout_ms"], before, "a dry run changes nothing");
    assert_eq!(change(world, &wait), json!({"recorded": true, "fields": fields}));
    assert_eq!(link_of(world, link)["answer_timeout_ms"].to_string(), timeout);
    assert_eq!(change(world, &wait), json!({"recorded": false, "fields": []}));
    let credit = (100 + take).to_string();
    change(world, &["link", "change", link, "--credit", &credit]);
    assert_eq!(link_of(world, link)["credit_max"].to_string(), credit);
    change(world, &["link", "change", link, "--credit", "default"]);
    refused(
        world,
        &["link", "change", link, "--dialect", "iso93-ascii"],
        "another dialect takes a link that",
    );
    refused(world, &["link", "change", link, "--address", "nowhere"], "address is refused");
    refused(world, &["link", "change", link, "--framing", "by-pigeon"], "no framing");
    refused(world, &["link", "change", "nobody", "--credit", "3"], "link is not registered");
    world.run(&["link", "change", link, "--reason", "nothing named"]).expect(64);

    let (name, number) = (format!("Tea House {take}"), format!("62220000111122{take:02}"));
    let renamed = ["merchant", "change", mid, "--name", &name, "--account-number", &number];
    let told = change(world, &renamed);
    assert_eq!(told["fields"][0]["after"], name.as_str());
    assert!(!told.to_string().contains(&number), "of an account people see the last characters: {told}");
    until("the projection to follow", || shown(world, &["merchant", "show", mid])["name"] == name.as_str());
    let account = &shown(world, &["merchant", "show", mid])["account"]["number"];
    assert_eq!(account.as_str().unwrap().trim_start_matches('…'), &number[number.len() - 4..]);
    refused(world, &["merchant", "change", mid, "--fee-plan", "99"], "fee plan of this number");
    refused(world, &["merchant", "change", mid, "--account-cnaps", "1"], "needs 12 digits");

    let mac = if take.is_multiple_of(2) { "x99" } else { "cmac-aes" };
    let told = change(world, &["terminal", "change", tid, "--mac", mac]);
    assert_eq!((&told["recorded"], &told["fields"][0]["after"]), (&json!(true), &json!(mac)));
    until("the projection to follow", || {
        let terminal = shown(world, &["terminal", "show", tid]);
        terminal["mac"] == mac && terminal["signed_on"] == false
    });
    let (free, other) = (named(world, "terminals", "tid", 1), named(world, "merchants", "mid", 1));
    let home = shown(world, &["terminal", "show", free])["mid"].as_str().unwrap().to_owned();
    let away = if home == other { mid } else { other };
    for owner in [away, &home] {
        change(world, &["terminal", "change", free, "--merchant", owner]);
        until("the projection to follow", || shown(world, &["terminal", "show", free])["mid"] == owner);
    }
}

#[test]
fn changes_are_made_by_a_running_switch_and_outlive_it() {
    let world = World::make(&[]);
    let serve = world.serve();
    changes_do_what_they_say(&world, 1);
    serve.stop();
    let mid = named(&world, "merchants", "mid", 0);
    assert_eq!(
        shown(&world, &["merchant", "show", mid])["name"],
        "Tea House 1",
        "without the switch as well"
    );
    changes_do_what_they_say(&world, 2);
    let export = world.run(&["ledger", "export"]).expect(0).json_lines();
    let changed = |kind: &str| export.iter().filter(|record| record["record"][kind].is_object()).count();
    assert_eq!((changed("merchant_changed"), changed("terminal_changed")), (2, 6));
    let both = export.iter().find_map(|record| record["record"]["merchant_changed"]["change"].as_object());
    let both = both.unwrap();
    assert_eq!(both["after"]["name"], "Tea House 1");
    assert_ne!(both["before"]["name"], both["after"]["name"], "what it was is told too");
    let serve = world.serve();
    let link = named(&world, "links", "name", 0);
    assert_eq!(link_of(&world, link)["answer_timeout_ms"], 7_002);
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
}
