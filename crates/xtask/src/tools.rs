//! Other implementations that tests compare with: fetched when they can be, never a failure.

use crate::report::Report;
use crate::root;
use std::process::{Command, Stdio};

/// A Python environment with pyiso8583 under `target/`; tshark, strace and mkfs where packages may be installed.
pub(crate) fn install(report: &mut Report) {
    let venv = root().join("target/venv");
    let python = venv.join("bin/python3");
    let has_pyiso = || runs(Command::new(&python).args(["-c", "import iso8583"]));
    let venv_made = || runs(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let pip = || {
        let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pyiso8583"];
        runs(Command::new(&python).args(arguments))
    };
    if has_pyiso() || (venv_made() && pip() && has_pyiso()) {
        report.pass(1);
    } else {
        report.skip("tools: pyiso8583 could not be installed under target/venv".into());
    }
    for (tool, package) in [("tshark", "tshark"), ("strace", "strace"), ("mkfs.ext4", "e2fsprogs")] {
        if has(tool) || (is_root() && (fetched(package) || (lists() && fetched(package))) && has(tool)) {
            report.pass(1);
        } else {
            report.skip(format!("tools: {tool} is not installed and could not be"));
        }
    }
}

/// A package of the system's; `false` when it cannot be had.
fn fetched(package: &str) -> bool {
    let arguments = ["install", "-y", "-q", "--no-install-recommends", package];
    runs(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
}

/// A new machine has no package lists, or old ones.
fn lists() -> bool {
    runs(Command::new("apt-get").args(["update", "-q"]))
}

/// Whether a tool is there: every one of these knows how to say its version.
fn has(tool: &str) -> bool {
    let option = if tool.starts_with("mkfs") { "-V" } else { "--version" };
    runs(Command::new(tool).arg(option))
}

fn runs(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
