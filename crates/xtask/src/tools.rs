//! Other implementations that tests compare with: fetched when they can be, never a failure.

use crate::report::Report;
use crate::root;
use std::process::{Command, Stdio};

/// A Python environment with pyiso8583 under `target/`, and tshark where packages may be installed.
pub(crate) fn install(report: &mut Report) {
    let venv = root().join("target/venv");
    let python = venv.join("bin/python3");
    let has_pyiso = || runs(Command::new(&python).args(["-c", "import iso8583"]));
    let venv_made = || runs(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let fetched = || {
        let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pyiso8583"];
        runs(Command::new(&python).args(arguments))
    };
    if has_pyiso() || (venv_made() && fetched() && has_pyiso()) {
        report.pass(1);
    } else {
        report.skip("tools: pyiso8583 could not be installed under target/venv".into());
    }
    let has_tshark = || runs(Command::new("tshark").arg("--version"));
    let apt = || {
        let arguments = ["install", "-y", "-q", "--no-install-recommends", "tshark"];
        runs(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
    };
    // A new machine has no package lists, or old ones.
    let lists = || runs(Command::new("apt-get").args(["update", "-q"]));
    if has_tshark() || (is_root() && (apt() || (lists() && apt())) && has_tshark()) {
        report.pass(1);
    } else {
        report.skip("tools: tshark is not installed and could not be".into());
    }
}

fn runs(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
