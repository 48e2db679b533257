//! Terminals that speak every generic dialect over sockets: a fleet with all its mischief finds nothing wrong in any.

use crate::support::{Process, World, free_ports, until};

/// Plays a fleet of sixteen terminals, with every MAC that terminals have, on the listener of a dialect. The issuers behind
/// the links speak others, and lose an answer now and then.
fn check(dialect: &str, issuers: &str, framing: &str, envelope: &str, extra: &[&str]) {
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&["--terminals", "16", "--issuer-ports", &ports, "--issuer-dialects", issuers]);
    let issuing = Process::start(
        world.command(&["sim", "issuer", "--drop-per-mille", "20", "--script-per-mille", "400"]),
        "",
    );
    let config = std::fs::read_to_string(world.config()).unwrap();
    let listener = format!("[terminals]\ngeneric = [\"127.0.0.1:0 {dialect} {framing} {envelope}\"]\n");
    std::fs::write(world.config(), config.replacen("[terminals]\n", &listener, 1)).unwrap();
    let mut serve = world.serve();
    let begins = format!("terminals that speak {dialect} on ");
    let target = serve.process.wait_for_line(|line| line.strip_prefix(&begins).map(str::to_owned));
    world.wait_for_links();
    for terminal in world.made["terminals"].as_array().unwrap() {
        let tid = terminal["tid"].as_str().unwrap();
        let order = ["terminal", "speak", tid, "--dialect", dialect, "--reason", "a test"];
        world.run(&[&order, extra].concat()).expect(0);
    }
    let speech = ["--dialect", dialect, "--framing", framing, "--envelope", envelope];
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "320", "--output", "json"];
    let report = world.run(&[&sim[..], &speech, extra].concat()).expect(0).json();
    assert_eq!(report["errors_count"], 0, "{dialect}: {report}");
    assert!(report["approved"].as_u64().unwrap() > 150, "{dialect}: {report}");
    let told = report["kinds"]["script_result"].as_u64().unwrap_or(0);
    assert!(told > 5, "{dialect}: chips were sent scripts: {report}");
    until("every advice and reversal to be delivered", || {
        let status = world.status();
        status["saf_waiting"] == 0 && status["unresolved"] == 0
    });
    assert_eq!(world.status()["saf_dead"], 0, "{dialect}: every issuer takes what it is told");
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
    let recorded = world.run(&["ledger", "export"]).expect(0).stdout;
    for kind in ["tip", "pre_auth_advice"] {
        assert!(recorded.contains(&format!("\"{kind}\"")), "{dialect}: no {kind}");
    }
    drop(issuing);
}

#[test]
fn of_1987_in_characters_and_packed() {
    check("iso87-ascii", "iso87-binary,iso93-ascii", "len4-ascii", "none", &[]);
    check("iso87-binary", "iso87-ascii,iso2003-binary", "len2-be", "tpdu", &[]);
}

#[test]
fn of_1993_in_characters_and_packed() {
    check("iso93-ascii", "iso93-binary,iso87-ascii", "len2-be", "none", &["--takes-partial"]);
    check("iso93-binary", "iso2003-ascii,iso87-ascii-binbitmap", "len2-be", "tpdu-header", &[]);
}

#[test]
fn of_2003_in_characters_and_packed_with_half_a_mac() {
    check("iso2003-ascii", "iso93-ascii,iso2003-binary", "len2-be", "none", &[]);
    check("iso2003-binary", "iso87-ebcdic,iso93-binary", "len2-bcd", "tpdu", &[]);
}

#[test]
fn in_ebcdic_and_without_a_mac() {
    check("iso87-ebcdic", "iso2003-ascii,iso93-ascii", "len2-be", "none", &[]);
    check("iso87-ascii-binbitmap", "iso87-ebcdic,iso87-ascii", "len2-be", "none", &["--no-mac"]);
}
