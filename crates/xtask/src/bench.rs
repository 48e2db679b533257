//! The instruction counts of the hot paths against their committed limits.

use crate::report::Report;
use crate::steps;
use std::process::Command;

/// Version of the runner: that of gungraun in the workspace.
const RUNNER: &str = "0.20.0";

/// Runs the counts; a count above its limit fails. Time is not looked at, so that a busy machine does not matter.
pub(crate) fn gate(report: &mut Report) {
    let valgrind = answers("valgrind", &["--version"]).is_some();
    let runner = answers("gungraun-runner", &["--version"]).is_some_and(|line| line.contains(RUNNER));
    if !valgrind {
        report.skip("bench gate: valgrind is not installed, so that no instruction was counted".into());
        return;
    }
    if !runner {
        let how = format!("cargo install gungraun-runner --version {RUNNER} --locked");
        report.skip(format!("bench gate: gungraun-runner {RUNNER} is not installed: {how}"));
        return;
    }
    report.step("instruction counts within their limits", |_| {
        steps::cargo(&["bench", "--locked", "-p", "switchyard-benches", "--bench", "wire_counts"])
    });
}

/// What a program says, if it can be run.
fn answers(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
