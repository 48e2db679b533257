//! Issuers that speak every dialect of ISO 8583: a fleet with all its mischief finds nothing wrong behind any.

use crate::support::{Process, World, free_ports, until};

/// Plays a fleet against a switch whose two links speak these dialects, with answers lost on the way.
fn check(dialects: &str) {
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&["--terminals", "8", "--issuer-ports", &ports, "--issuer-dialects", dialects]);
    let issuers = Process::start(world.command(&["sim", "issuer", "--drop-per-mille", "20"]), "");
    let serve = world.serve();
    world.wait_for_links();
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "240", "--output", "json"];
    let report = world.run(&sim).expect(0).json();
    assert_eq!(report["errors_count"], 0, "{dialects}: {report}");
    assert!(report["approved"].as_u64().unwrap() > 100, "{dialects}: {report}");
    until("every reversal to be delivered", || {
        let status = world.status();
        status["saf_waiting"] == 0 && status["unresolved"] == 0
    });
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
