//! The seeded simulation: a fixed set of seeds in every run of the tests, as many as one likes by hand.

use crate::report::Report;
use crate::root;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Seeds of every run of the tests. They are a number and not a time, so that every run plays the same; on the two
/// cores of the build machine they take under two minutes without optimization.
const SEEDS: &str = "200";
/// Events of each before its queues drain.
const STEPS: &str = "20000";

/// The fixed set.
pub(crate) fn fixed(report: &mut Report) {
    report.step(&format!("simulation, {SEEDS} seeds"), |report| {
        let output = command(&[])
            .args(["--seeds", SEEDS, "--steps", STEPS, "--output", "json"])
            .stderr(std::process::Stdio::inherit())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let played: serde_json::Value =
            serde_json::from_str(&text).context("the simulation gave no report")?;
        for (name, key) in [
            ("simulated hours", "simulated_hours"),
            ("faults", "faults_injected"),
            ("breaks", "invariant_breaks"),
        ] {
            println!("{name}: {}", played[key]);
        }
        println!("counts: {}", played["counts"]);
        for failure in played["failures"].as_array().into_iter().flatten() {
            report.fail(format!(
                "simulation, seed {}: {} ({})",
                failure["seed"], failure["rule"], failure["again"]
            ));
        }
        let seeds = played["seeds"].as_u64().unwrap_or(0);
        report.pass(seeds - played["invariant_breaks"].as_u64().unwrap_or(seeds));
        if output.status.success() {
            Ok(())
        } else {
            bail!("an invariant broke; the seed above plays it again")
        }
    });
}

/// What the command line says, optimized.
pub(crate) fn play(arguments: &[&str]) -> Result<bool> {
    Ok(command(&["--release"]).args(arguments).status()?.success())
}

fn command(profile: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "switchyard-simulation",
        "--example",
        "simulate",
    ]);
    command.args(profile).arg("--").current_dir(root());
    command
}
