//! A switch whose PIN work and keys are those of a token behind PKCS#11: SoftHSM2, where it is installed.

use crate::support::{Process, Serve, World, free_ports, skipped, until};
use std::path::{Path, PathBuf};

/// Where Debian puts the library of SoftHSM2.
const SOFTHSM: [&str; 2] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
/// The library finds its tokens through the environment of its process.
const CONFIGURATION: &str = "SOFTHSM2_CONF";
const PIN: &str = "123456";

/// Makes a token and puts it into the switch's configuration; gives what the library reads.
fn token(world: &World, library: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let (configuration, tokens) = (world.root().join("softhsm2.conf"), world.root().join("tokens"));
    std::fs::create_dir(&tokens).unwrap();
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let made = std::process::Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "switchyard", "--pin", PIN, "--so-pin", "654321"])
        .env(CONFIGURATION, &configuration)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let pin_file = world.root().join("pin");
    std::fs::write(&pin_file, PIN).unwrap();
    std::fs::set_permissions(&pin_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let section = format!(
        "[hsm]\nbackend = \"pkcs11\"\nmodule = \"{library}\"\ntoken = \"switchyard\"\npin_file = \"{}\"\nheartbeat_s = 1\n",
        pin_file.display()
    );
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text + &section).unwrap();
    configuration
}

fn serve(world: &World, configuration: &Path) -> Serve {
    let mut command = world.command(&["serve", "--config"]);
    command.arg(world.config()).env(CONFIGURATION, configuration);
    let serve = Serve::start(command);
    until("the token to be well", || serve.get("/readyz").0.contains("200 OK"));
    serve
}

#[test]
fn a_switch_works_with_a_token_and_again_after_a_restart() {
    let library = SOFTHSM.into_iter().find(|path| Path::new(path).exists());
    let has_tool = std::process::Command::new("softhsm2-util").arg("--version").output().is_ok();
    let Some(library) = library.filter(|_| has_tool) else {
        return skipped("softhsm2 is not installed (cargo xtask tools): no switch ran with a token");
    };
    let ports = free_ports::<2>().map(|port| port.to_string()).join(",");
    let world = World::make(&["--terminals", "4", "--issuer-ports", &ports]);
    let mut issuing = Process::start(world.command(&["sim", "issuer"]), "");
    issuing.wait_for_line(|line| line.starts_with("river-bank").then_some(()));
    let configuration = token(&world, library);
    for run in 0..2 {
        let serve = serve(&world, &configuration);
        world.wait_for_links();
        let target = serve.terminals.to_string();
        let sim = ["sim", "terminals", "--target", &target, "--transactions", "120", "--terminals", "4"];
        let sim = [&sim[..], &["--well-behaved", "--output", "json"]].concat();
        let report = world.run(&sim).expect(0).json();
        assert!(report["approved"].as_u64().unwrap() > 60, "run {run}: {report}");
        assert_eq!(report["errors_count"], 0, "run {run}: {report}");
        let job = |outcome: &str| serve.metric(&format!("switch_key_jobs_total{{outcome=\"{outcome}\"}}"));
        // Working keys were made in the token; PINs were compared and brought under the links' keys in it.
        assert!(job("made") >= 4 && job("verified") > 0 && job("translated") > 0, "run {run}");
        assert_eq!((job("failed"), serve.metric("switch_mac_failures_total")), (0, 0), "run {run}");
        serve.stop();
    }
    world.run(&["ledger", "verify"]).expect(0);
}
