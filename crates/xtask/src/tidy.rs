//! The arrows between the rooms, checked against what the manifests say.

use crate::report::Report;
use crate::root;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::Command;

/// Which room may use which. A new arrow is a commit of its own, with its reason.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &[]),
    ("book", &["domain"]),
    ("keys", &["domain"]),
    ("hsm", &["keys"]),
    ("core", &["domain", "book", "wire"]),
    ("ledger", &["domain", "book"]),
    ("settlement", &["domain", "book", "ledger"]),
    ("server", &["domain", "wire", "book", "keys", "hsm", "core", "ledger", "settlement"]),
    ("simulator", &["domain", "wire", "keys"]),
    ("simulation", &["domain", "wire", "keys", "core", "ledger", "simulator"]),
    (
        "cli",
        &["domain", "wire", "book", "keys", "hsm", "core", "ledger", "settlement", "server", "simulator"],
    ),
    ("xtask", &[]),
    (
        "benches",
        &["domain", "wire", "book", "keys", "hsm", "core", "ledger", "settlement", "server", "simulator"],
    ),
];

/// Rooms that await nothing: no runtime may reach them, not even through somebody else.
const WITHOUT_RUNTIME: &[&str] = &["domain", "wire", "book", "keys", "core", "ledger", "settlement"];

/// Rooms that emit neither logs nor metrics.
const SILENT: &[&str] = &["domain", "wire", "book", "core"];

/// Longest source file that is still one thing.
const LINES_MAX: usize = 800;

/// Checks all of it.
pub(crate) fn check(report: &mut Report) -> Result<()> {
    arrows(report)?;
    for room in WITHOUT_RUNTIME {
        absent(report, room, "tokio")?;
    }
    for room in SILENT {
        absent(report, room, "tracing")?;
        absent(report, room, "metrics")?;
    }
    sources(report)
}

fn arrows(report: &mut Report) -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    for package in metadata["packages"].as_array().context("cargo metadata has no packages")? {
        let room = room_name(package["name"].as_str().unwrap_or_default());
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            report.fail(format!("tidy: crate {room} is not in the table of rooms"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let name = dependency["name"].as_str().unwrap_or_default();
            let normal = dependency["kind"].is_null();
            if !name.starts_with("switchyard-") || !normal {
                continue;
            }
            if allowed.contains(&room_name(name)) {
                report.pass(1);
            } else {
                report.fail(format!("tidy: {room} uses {}, which its row does not list", room_name(name)));
            }
        }
    }
    Ok(())
}

fn room_name(package: &str) -> &str {
    package.strip_prefix("switchyard-").unwrap_or(package)
}

/// That a room does not reach a package.
fn absent(report: &mut Report, room: &str, package: &str) -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-p", &format!("switchyard-{room}"), "-e", "normal", "--prefix", "none"])
        .args(["--format", "{p}"])
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        bail!("cargo tree -p switchyard-{room}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let tree = String::from_utf8_lossy(&output.stdout);
    if tree.lines().any(|line| line.split(' ').next() == Some(package)) {
        report.fail(format!("tidy: {package} reaches {room}"));
    } else {
        report.pass(1);
    }
    Ok(())
}

/// What no source file may hold.
fn sources(report: &mut Report) -> Result<()> {
    let output = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root()).output()?;
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let forbidden = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];
    for name in listing.lines() {
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        let lines = text.lines().count();
        if lines > LINES_MAX {
            report.fail(format!(
                "tidy: {name} has {lines} lines, more than {LINES_MAX}: split it by the state it owns"
            ));
        }
        for word in forbidden {
            if text.contains(word) {
                report.fail(format!("tidy: {name} has {word}"));
            }
        }
        report.pass(1);
    }
    Ok(())
}
