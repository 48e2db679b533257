//! `check-config`, and what `serve` says to a configuration or a data directory that it cannot use.

use crate::support::{World, run};
use serde_json::json;

#[test]
fn the_shipped_configuration_is_fine() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/switchyard.toml");
    let ran = run(["check-config", "--config", path]).expect(0);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("fine"), "{ran:?}");
    let ran = run(["check-config", "--config", path, "--output", "json"]).expect(0);
    assert_eq!(ran.json(), json!([]));
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.toml");
    let check = |text: &str, expected: &[(&str, u64)]| {
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let ran = run(["check-config", "--config", path, "--output", "json"]).expect(1);
        let found: Vec<_> = ran.json().as_array().unwrap().clone();
        let found: Vec<_> =
            found.iter().map(|f| (f["key"].as_str().unwrap(), f["line"].as_u64().unwrap())).collect();
        assert_eq!(found, expected, "{text}");
        let ran = run(["check-config", "--config", path]).expect(1);
        assert_eq!(ran.stdout.lines().count(), expected.len(), "{ran:?}");
        for ((key, line), text) in expected.iter().zip(ran.stdout.lines()) {
            assert!(text.starts_with(path) && text.contains(key), "{text}");
            assert!(text.contains(&format!("line {line}")), "{text}");
        }
        // A switch does not start from it either.
        let data = dir.path().join("no-data");
        let ran = run(["serve", "--config", path, "--data", data.to_str().unwrap()]).expect(2);
        assert!(ran.stderr.contains(path), "{ran:?}");
    };
    check("\n[terminals]\nlisten_on = \"x\"\n", &[("terminals.listen_on", 3)]);
    check("[terminals]\nlisten = 8583\n", &[("terminals.listen", 2)]);
    check("[terminals]\nframe_bytes_max = 1\n", &[("terminals.frame_bytes_max", 2)]);
    check(
        "[log]\nlevel = \"loud\"\n\n[ledger]\nsegment_mib = 0\n",
        &[("log.level", 2), ("ledger.segment_mib", 5)],
    );
    check("[terminal]\n", &[("terminal", 1)]);
    check("profile = \"demo\n", &[("", 1)]);
}

#[test]
fn a_file_that_is_not_there_could_not_be_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing.toml");
    let ran = run(["check-config", "--config", path.to_str().unwrap()]).expect(2);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("missing.toml"), "{ran:?}");
}

#[test]
fn serve_wants_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run(["serve", "--data", dir.path().join("none").to_str().unwrap()]).expect(2);
    assert!(ran.stderr.contains("holds no ledger") && ran.stderr.contains("init --demo"), "{ran:?}");
}

#[test]
fn production_refuses_the_keys_of_a_demonstration() {
    let world = World::make(&[]);
    let hash = world.root().join("card-hash");
    std::fs::rename(world.data().join("keys/card-hash"), &hash).unwrap();
    let text = std::fs::read_to_string(world.config()).unwrap();
    let keys = format!("profile = \"production\"\n[keys]\ncard_hash_file = {:?}\n", hash.to_str().unwrap());
    let refused = |text: &str| {
        std::fs::write(world.config(), text).unwrap();
        world.run(&["serve", "--config", world.config().to_str().unwrap()]).expect(2).stderr
    };
    let stderr = refused(&format!("{keys}{text}"));
    assert!(stderr.contains("settlement.account_number") && stderr.contains("the demo's"), "{stderr}");
    let account = "[settlement]\naccount_number = \"6222000000009999\"\n";
    let stderr = refused(&format!("{keys}{account}{text}"));
    assert!(stderr.contains("hsm.accept_software") && stderr.contains("not PCI PIN compliant"), "{stderr}");
    let whole = format!("{keys}{account}[hsm]\naccept_software = true\n{text}");
    let stderr = refused(&whole);
    assert!(stderr.contains("demo key") && stderr.contains("production"), "{stderr}");
    // Other marks on the key files make no other ledger of it.
    for file in [hash, world.data().join("keys/lmk")] {
        let key = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, key.replace("# switchyard demo key", "# switchyard key")).unwrap();
    }
    let stderr = refused(&whole);
    assert!(stderr.contains("init --demo") && stderr.contains("production"), "{stderr}");
}

#[test]
fn init_puts_the_keys_where_the_configuration_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let (data, keys) = (dir.path().join("data"), dir.path().join("elsewhere"));
    let config = dir.path().join("switchyard.toml");
    let text = format!(
        "profile = \"production\"\n[terminals]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [ledger]\nsegment_mib = 1\n[settlement]\naccount_number = \"6222000000009999\"\n\
         [keys]\ncard_hash_file = {:?}\n",
        keys.join("card-hash").to_str().unwrap()
    );
    std::fs::write(&config, &text).unwrap();
    let (data, config) = (data.to_str().unwrap(), config.to_str().unwrap());
    let init = ["init", "--data", data, "--acquirer", "48720000", "--config", config];
    assert!(
        run(init).expect(2).stderr.contains("hsm.accept_software"),
        "production is told of its key store"
    );
    std::fs::write(config, format!("{text}[hsm]\naccept_software = true\n")).unwrap();
    assert!(run(init).expect(0).stderr.contains("not PCI PIN compliant"));
    assert!(keys.join("card-hash").is_file());
    assert!(!std::path::Path::new(data).join("keys/card-hash").exists());
    let serve = crate::support::switchyard(["serve", "--data", data, "--config", config]);
    let stderr = crate::support::Serve::start(serve).stop();
    assert!(stderr.contains("not PCI PIN compliant"), "{stderr}");
}

#[test]
fn a_switch_that_dies_leaves_no_core_file() {
    let world = World::make(&[]);
    let serve = world.serve();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serve.process.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);
    serve.stop();
}
