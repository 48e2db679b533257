//! The steps of `cargo xtask test`.

use crate::report::Report;
use crate::{fuzz, peers, root, simulation, supply, tidy, tools};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Every step, in the order in which a mistake is cheapest to hear of.
pub(crate) fn all(report: &mut Report) {
    for step in ["fmt", "tidy", "supply", "clippy", "tools", "tests", "simulation", "peers", "fuzz"] {
        only(step, report).expect("the steps of this list exist");
    }
}

/// What a night is for: the same tests with more rounds. Each reads its number of rounds from the environment.
pub(crate) fn soak(report: &mut Report) {
    let longer = [
        ("200 kills", "switchyard-cli", "crash", ("SWITCHYARD_KILLS", "200")),
        ("32 power cuts", "switchyard-ledger", "power_cut", ("SWITCHYARD_POWER_CUTS", "32")),
    ];
    for (name, package, test, (variable, rounds)) in longer {
        report.step(name, |report| {
            cargo(&["build", "--locked", "--package", package, "--bins", "--examples"])?;
            let arguments = ["test", "--locked", "--package", package, "--test", test];
            let mut command = Command::new(env!("CARGO"));
            counted(report, command.args(arguments).env(variable, rounds).current_dir(root()))
        });
    }
    report.step("simulation, 2,000 seeds", |_| {
        if simulation::play(&["--seeds", "2000"])? { Ok(()) } else { bail!("an invariant broke") }
    });
    report.step("time of MAC comparisons", |_| {
        cargo(&["run", "--locked", "--release", "--package", "switchyard-hsm", "--example", "mac_timing"])
    });
    fuzz::smoke(report, fuzz::SECONDS_SOAK);
}

/// One step by name.
pub(crate) fn only(step: &str, report: &mut Report) -> Result<()> {
    match step {
        "fmt" => report.step("format", |_| cargo(&["fmt", "--all", "--check"])),
        "clippy" => report.step("lints", |_| {
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
        }),
        "tests" => report.step("tests and doc tests", tests),
        "simulation" => simulation::fixed(report),
        "peers" => report.step("other crates on the same messages", peers::test),
        "tidy" => report.step("tidy", tidy::check),
        "supply" => report.step("supply chain", supply::check),
        "tools" => report.step("tools to compare with", |report| {
            tools::install(report);
            Ok(())
        }),
        "fuzz" => fuzz::smoke(report, fuzz::SECONDS_DEFAULT),
        other => bail!(
            "there is no step {other:?}: fmt, tidy, supply, clippy, tools, tests, simulation, peers, fuzz"
        ),
    }
    Ok(())
}

/// Runs cargo in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    println!("cargo {}", arguments.join(" "));
    let status = Command::new(env!("CARGO")).args(arguments).current_dir(root()).status()?;
    if status.success() { Ok(()) } else { bail!("cargo {} failed", arguments.join(" ")) }
}

/// All tests, with the numbers of every test binary added up.
fn tests(report: &mut Report) -> Result<()> {
    let arguments = ["test", "--workspace", "--locked", "--no-fail-fast", "--color=never"];
    println!("cargo {}", arguments.join(" "));
    counted(report, Command::new(env!("CARGO")).args(arguments).current_dir(root()))
}

/// Lines of a failed test's own output that the end of the run repeats.
const LINES_OF_A_FAILURE: usize = 30;

/// Runs a `cargo test`, shows what it prints, and adds up its results. What failed is named again at the end of the
/// run: a log of two thousand tests is read from there.
pub(crate) fn counted(report: &mut Report, command: &mut Command) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo test did not start")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut failing: Option<Vec<String>> = None;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if line.starts_with("---- ") || line == "failures:" || line.starts_with("test result: ") {
            report.failures.extend(failing.take().map(|lines| lines.join("\n    ")));
        }
        if let Some(name) = line.strip_prefix("---- ") {
            failing = Some(vec![name.trim_end_matches(" stdout ----").to_owned()]);
        } else if let Some(lines) = failing.as_mut().filter(|lines| lines.len() <= LINES_OF_A_FAILURE)
            && !line.is_empty()
        {
            lines.push(line.clone());
        }
        if let Some(counts) = line.strip_prefix("test result: ") {
            report.pass(count(counts, "passed"));
            report.fail_count(count(counts, "failed"));
            if count(counts, "ignored") > 0 {
                report.skip(format!("{} ignored tests", count(counts, "ignored")));
            }
        }
        // A test that cannot run here says so in a line of its own and passes.
        if let Some(what) = line.strip_prefix("SKIPPED: ") {
            report.skip(what.to_owned());
        }
    }
    if child.wait()?.success() { Ok(()) } else { bail!("cargo test failed") }
}

/// The number before a word: `12 passed; 0 failed`.
fn count(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ';', '.']).filter(|w| !w.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_read_from_the_line_of_a_test_binary() {
        let line = "ok. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!((count(line, "passed"), count(line, "failed"), count(line, "ignored")), (12, 3, 1));
    }
}
