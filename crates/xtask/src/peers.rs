//! Other crates as oracles: they live in a workspace of their own, which has to be fetched first.

use crate::report::Report;
use crate::{root, steps};
use anyhow::Result;
use std::process::Command;

/// Fetches, builds and runs the tests of `benches/peers`.
pub(crate) fn test(report: &mut Report) -> Result<()> {
    if !cargo(&["fetch", "--locked"]).status()?.success() {
        report
            .skip("peers: their crates could not be fetched, so that nothing was compared with them".into());
        return Ok(());
    }
    // What could not be compared is in the output of tests that pass.
    let mut command = cargo(&["test", "--locked", "--no-fail-fast", "--color=never", "--", "--nocapture"]);
    steps::counted(report, &mut command)
}

/// Cargo in the peers' workspace: configuration is found from the directory, objects go into its own target.
fn cargo(arguments: &[&str]) -> Command {
    println!("cargo {} # in benches/peers", arguments.join(" "));
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(root().join("benches/peers")).env_remove("CARGO_TARGET_DIR");
    command
}
