//! Every fuzz target for a short while, from its committed corpus.

use crate::report::Report;
use crate::root;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// Seconds a target in the smoke run.
pub(crate) const SECONDS_DEFAULT: u64 = 10;
/// Seconds a target at night.
pub(crate) const SECONDS_SOAK: u64 = 120;
/// Largest input: a frame has at most 64 KiB behind its length.
const INPUT_BYTES_MAX: u32 = 70_000;

/// Builds and runs all targets. The stable toolchain is enough: coverage needs no sanitizer.
pub(crate) fn smoke(report: &mut Report, seconds: u64) {
    if !is_installed() && !install() {
        report.skip("fuzz smoke: cargo-fuzz is not installed and could not be".into());
        return;
    }
    let mut targets = Vec::new();
    report.step("fuzz targets build", |_| {
        targets = list()?;
        fuzz(&["build", "--sanitizer", "none"])
    });
    for target in targets {
        report.step(&format!("fuzz {target}"), |_| run(&target, seconds));
    }
}

fn is_installed() -> bool {
    Command::new(env!("CARGO")).args(["fuzz", "--version"]).output().is_ok_and(|o| o.status.success())
}

fn install() -> bool {
    println!("installing cargo-fuzz");
    let arguments = ["install", "cargo-fuzz", "--locked", "--version", "0.13.2"];
    Command::new(env!("CARGO")).args(arguments).status().is_ok_and(|s| s.success())
}

fn list() -> Result<Vec<String>> {
    let output = Command::new(env!("CARGO")).args(["fuzz", "list"]).current_dir(root()).output()?;
    if !output.status.success() {
        bail!("cargo fuzz list: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(|l| l.trim().to_owned()).collect())
}

fn fuzz(arguments: &[&str]) -> Result<()> {
    // Instrumented objects belong into `fuzz/target`, not among those of whoever runs this.
    let status = Command::new(env!("CARGO"))
        .arg("fuzz")
        .args(arguments)
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(root())
        .status()?;
    if status.success() { Ok(()) } else { bail!("cargo fuzz {} failed", arguments.join(" ")) }
}

fn run(target: &str, seconds: u64) -> Result<()> {
    // Seeds stay as they are committed: new inputs go to a corpus beside them that nobody commits.
    let grown = root().join("fuzz/target/corpus").join(target);
    std::fs::create_dir_all(&grown)?;
    let seeds = format!("fuzz/seeds/{target}");
    let dictionary = "fuzz/dictionaries/iso8583.dict";
    let (time, length) = (format!("-max_total_time={seconds}"), format!("-max_len={INPUT_BYTES_MAX}"));
    let words = format!("-dict={dictionary}");
    let grown = grown.to_string_lossy().into_owned();
    let mut arguments = vec!["run", "--sanitizer", "none", target, grown.as_str()];
    if root().join(&seeds).is_dir() {
        arguments.push(&seeds);
    }
    arguments.extend(["--", time.as_str(), length.as_str(), "-print_final_stats=1"]);
    if Path::new(&root().join(dictionary)).is_file() {
        arguments.push(&words);
    }
    fuzz(&arguments)
}
