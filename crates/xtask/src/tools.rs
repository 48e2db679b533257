//! Other implementations that tests compare with: fetched when they can be, never a failure.

use crate::report::Report;
use crate::root;
use std::process::{Command, Stdio};

/// Python packages, each in the version that was looked at, by the module that shows that they are there.
const PYTHON: &[(&str, &str)] = &[
    ("iso8583", "pyiso8583==4.0.1"),
    ("iso8583sim", "iso8583sim==1.6.0"),
    ("psec", "psec==1.3.0"),
    ("pyemv", "pyemv==1.5.0"),
    ("pydukpt", "pydukpt==0.1.0"),
    ("duckdb", "duckdb==2.0.0"),
];
/// Packages of Node.
const NODE: &[(&str, &str)] = &[("iso_8583", "iso_8583@2.6.7")];
/// Programs and the system's packages that bring them.
const PROGRAMS: &[(&str, &str)] = &[
    ("tshark", "tshark"),
    ("strace", "strace"),
    ("mkfs.ext4", "e2fsprogs"),
    ("npm", "npm"),
    ("softhsm2-util", "softhsm2"),
];

/// A Python environment and Node's packages under `target/`; programs where packages may be installed.
pub(crate) fn install(report: &mut Report) {
    for (program, package) in PROGRAMS {
        let found = has(program)
            || (is_root() && (fetched(package) || (lists() && fetched(package))) && has(program));
        note(report, found, program);
    }
    let venv = root().join("target/venv");
    let python = venv.join("bin/python3");
    let is_there = |module: &str| runs(Command::new(&python).args(["-c", &format!("import {module}")]));
    let made = || python.exists() || runs(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    for (module, package) in PYTHON {
        let pip = || {
            let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package];
            runs(Command::new(&python).args(arguments))
        };
        note(report, is_there(module) || (made() && pip() && is_there(module)), package);
    }
    let node = root().join("target/node");
    for (name, package) in NODE {
        let is_there = || node.join("node_modules").join(name).join("package.json").exists();
        let npm = || {
            let arguments = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
            runs(Command::new("npm").args(arguments).arg(&node).arg(package))
        };
        note(report, is_there() || (npm() && is_there()), package);
    }
}

fn note(report: &mut Report, found: bool, what: &str) {
    if found {
        report.pass(1);
    } else {
        report.skip(format!("tools: {what} is not installed and could not be"));
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
