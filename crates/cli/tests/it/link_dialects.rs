//! Issuers that speak every dialect of ISO 8583: a fleet with all its mischief finds nothing wrong behind any.

use crate::support::{Process, World, free_ports, until};

/// Plays a fleet against a switch whose two links speak these dialects, with answers lost on the way.
fn check(dialects: &str) {
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&["--terminals", "8", "--issuer-ports", &ports, "--issuer-dialects", dialects]);
    let issuers = Process::start(
        world.command(&["sim", "issuer", "--drop-per-mille", "20", "--script-per-mille", "400"]),
        "",
    );
    let serve = world.serve();
    world.wait_for_links();
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "240", "--output", "json"];
    let report = world.run(&sim).expect(0).json();
    assert_eq!(report["errors_count"], 0, "{dialects}: {report}");
    assert!(report["approved"].as_u64().unwrap() > 100, "{dialects}: {report}");
    let told = report["kinds"]["script_result"].as_u64().unwrap_or(0);
    assert!(told > 10, "{dialects}: chips were sent scripts: {report}");
    until("every reversal to be delivered", || {
        let status = world.status();
        status["saf_waiting"] == 0 && status["unresolved"] == 0
    });
    assert_eq!(world.status()["saf_dead"], 0, "{dialects}: every issuer takes what it is told");
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
    drop(issuers);
}

#[test]
fn ebcdic_and_1993_in_characters() {
    check("iso87-ebcdic,iso93-ascii");
}

#[test]
fn packed_1993_and_2003_in_characters() {
    check("iso93-binary,iso2003-ascii");
}

#[test]
fn packed_2003_and_1987_with_a_binary_bitmap() {
    check("iso2003-binary,iso87-ascii-binbitmap");
}

/// Hosts that repeat no more than their links' keys have: a reference here, a trace number and the terminal there.
#[test]
fn hosts_repeat_what_was_agreed_and_nothing_else() {
    for keys in ["37", "11,41"] {
        let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
        let world = World::make(&["--terminals", "4", "--issuer-ports", &ports]);
        let issuers =
            Process::start(world.command(&["sim", "issuer", "--drop-per-mille", "20", "--echo", keys]), "");
        for link in world.made["links"].as_array().unwrap() {
            let name = link["name"].as_str().unwrap();
            world.run(&["link", "match", name, "--on", keys, "--reason", "their interface"]).expect(0);
        }
        let serve = world.serve();
        world.wait_for_links();
        let target = serve.terminals.to_string();
        let sim = ["sim", "terminals", "--target", &target, "--transactions", "120", "--output", "json"];
        let report = world.run(&sim).expect(0).json();
        assert_eq!(report["errors_count"], 0, "{keys}: {report}");
        assert!(report["approved"].as_u64().unwrap() > 50, "{keys}: {report}");
        until("every reversal to be delivered", || {
            let status = world.status();
            status["saf_waiting"] == 0 && status["unresolved"] == 0
        });
        let status = world.run(&["link", "status", "--output", "json"]).expect(0).json();
        assert!(status.as_array().unwrap().iter().all(|link| link["matches_by"] == keys), "{status}");
        serve.stop();
        world.run(&["ledger", "verify"]).expect(0);
        drop(issuers);
    }
}
