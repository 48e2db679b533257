//! PIN keys of links change over real sockets while cards with PINs are at work: issuers send new ones, and operators ask for
//! them; no PIN is refused, and a host takes none under a key that it has given up.

use crate::support::{Process, World, free_ports, until};
use serde_json::Value;
use std::time::Duration;

fn pin_keys(world: &World) -> Vec<Value> {
    let status = world.run(&["link", "status", "--output", "json"]).expect(0).json();
    status.as_array().unwrap().iter().map(|link| link["pin_key"].clone()).collect()
}

/// Plays a fleet while the keys of both links change all the time.
fn check(dialects: &str) {
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&["--terminals", "8", "--issuer-ports", &ports, "--issuer-dialects", dialects]);
    let issuers = Process::start(world.command(&["sim", "issuer", "--new-key-ms", "150"]), "");
    let first = pin_keys(&world);
    let serve = world.serve();
    world.wait_for_links();
    let names: Vec<String> = world.made["links"].as_array().unwrap().iter().map(name_of).collect();
    let taken = |name: &str| {
        let series = format!("switch_link_key_changes_total{{link=\"{name}\",outcome=\"taken\"}}");
        serve.metric(&series)
    };
    let target = serve.terminals.to_string();
    let play = ["sim", "terminals", "--target", &target, "--transactions", "240", "--output", "json"];
    let mut fleet = Process::start(world.command(&play), "");
    let mut asked = 0;
    while fleet.is_running() {
        for name in &names {
            // A key that the host has just sent stands in the way now and then: an operator tries again.
            let order = world.run(&["link", "new-key", name, "--reason", "every so often"]);
            asked += u64::from(order.code == 0);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let report = fleet.finish().expect(0).json();
    assert_eq!(report["errors_count"], 0, "{dialects}: {report}");
    assert!(report["approved"].as_u64().unwrap() > 100, "{dialects}: {report}");
    assert!(asked > 0, "{dialects}: operators asked");
    for name in &names {
        until("keys to change by both ways", || taken(name) > 2);
    }
    assert!(pin_keys(&world).iter().zip(&first).all(|(now, then)| now != then), "{dialects}");
    drop(issuers);
    let records = ledger_records(&world);
    let brought = records.iter().filter(|record| !record["message"].is_null()).count();
    assert!(brought > 0 && brought < records.len(), "{dialects}: brought {brought} of {}", records.len());
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
}

fn name_of(link: &Value) -> String {
    link["name"].as_str().unwrap().to_owned()
}

/// What the ledger says of keys that came over links.
fn ledger_records(world: &World) -> Vec<Value> {
    let ran = world.run(&["ledger", "export"]).expect(0);
    let changed = ran.json_lines().into_iter().filter_map(|line| {
        let change = line["record"]["link_key_changed"].clone();
        change.is_object().then_some(change)
    });
    changed.collect()
}

#[test]
fn pin_keys_change_in_1987_and_1993_and_no_pin_is_refused() {
    check("iso87-binary,iso93-ascii");
}

#[test]
fn pin_keys_change_in_2003_and_in_ebcdic_and_no_pin_is_refused() {
    check("iso2003-binary,iso87-ebcdic");
}
