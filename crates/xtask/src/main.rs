//! Developer commands: `cargo xtask test` is what the README names and what CI runs.

mod bench;
mod fuzz;
mod peers;
mod report;
mod reproduce;
mod simulation;
mod steps;
mod supply;
mod tidy;
mod tools;

use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Developer commands of Switchyard

  cargo xtask test               everything CI runs: format, lints, tests, doc tests, simulation, tidy, peers, fuzz smoke
  cargo xtask test --only STEP   one step of it: fmt, tidy, supply, clippy, tools, tests, simulation, peers, fuzz
  cargo xtask tools              fetch what tests compare with: Python and Node packages, tshark, strace
  cargo xtask tidy               the arrows between the crates, and what may not be in them
  cargo xtask supply             licences, sources and versions of everything that is built in (deny.toml)
  cargo xtask reproduce [PACKAGE] the binary built twice in two places, and compared byte by byte
  cargo xtask sbom               the bill of materials of the binary, CycloneDX 1.5
  cargo xtask bench --gate       instruction counts of the hot paths against their limits (valgrind, gungraun)
  cargo xtask fuzz [--seconds N] every fuzz target for N seconds each (default 10)
  cargo xtask simulate [--seeds N] [--seed S] [--steps K] [--seconds T] [--output json]
                                 a whole switch with terminals, issuers, network and disk, one seed after another
  cargo xtask soak               the nightly form: 200 kills, 32 power cuts, 2,000 seeds of the simulation,
                                 the time of MAC comparisons, every fuzz target for two minutes
";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut report = report::Report::default();
    match words.as_slice() {
        ["test"] => steps::all(&mut report),
        ["test", "--only", step] => steps::only(step, &mut report)?,
        ["tools"] => steps::only("tools", &mut report)?,
        ["tidy"] => steps::only("tidy", &mut report)?,
        ["supply"] => steps::only("supply", &mut report)?,
        ["sbom"] => {
            println!("{}", supply::bill_of_materials()?);
            return Ok(true);
        }
        ["reproduce"] => reproduce::twice(&mut report, None),
        ["reproduce", package] => reproduce::twice(&mut report, Some(package)),
        ["bench", "--gate"] => bench::gate(&mut report),
        ["fuzz"] => fuzz::smoke(&mut report, fuzz::SECONDS_DEFAULT),
        ["fuzz", "--seconds", seconds] => fuzz::smoke(&mut report, seconds.parse()?),
        ["simulate", arguments @ ..] => return simulation::play(arguments),
        ["soak"] => steps::soak(&mut report),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return Ok(true);
        }
        other => bail!("unknown command {other:?}\n\n{HELP}"),
    }
    Ok(report.close())
}

/// The workspace's root.
fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).map(PathBuf::from).unwrap_or(manifest)
}
