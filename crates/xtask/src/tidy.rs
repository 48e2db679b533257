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
    sources(report)?;
    threats(report)
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
/// What the threat model names as the proof of a row.
const THREATS: &str = "docs/threat-model.md";

/// Every test, file of tests and fuzz target that the threat model names is there: a test that was renamed must not leave a
/// row that nothing shows. A row that names none fails, too.
fn threats(report: &mut Report) -> Result<()> {
    let output = Command::new("git").args(["ls-files", "*.rs", "*.md"]).current_dir(root()).output()?;
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let sources: Vec<String> =
        listing.lines().filter_map(|name| std::fs::read_to_string(root().join(name)).ok()).collect();
    let is_there = |proof: &str| match proof.rsplit_once('.') {
        Some((_, "rs" | "md")) => {
            listing.lines().any(|file| file == proof || file.ends_with(&format!("/{proof}")))
        }
        _ => {
            let test = format!("fn {proof}(");
            let target = format!("fuzz/fuzz_targets/{proof}.rs");
            sources.iter().any(|text| text.contains(&test)) || listing.lines().any(|file| file == target)
        }
    };
    for (threat, proofs) in rows(&std::fs::read_to_string(root().join(THREATS))?) {
        if proofs.is_empty() {
            report.fail(format!("tidy: {THREATS}: nothing shows what stands against: {threat}"));
        }
        // A command of this program is its own proof.
        for proof in proofs.iter().filter(|proof| !proof.contains(' ')) {
            if is_there(proof) {
                report.pass(1);
            } else {
                report.fail(format!("tidy: {THREATS} names {proof}, which is nowhere"));
            }
        }
    }
    Ok(())
}

/// The rows of the table of threats: what each is about, and the names in its last column.
fn rows(text: &str) -> Vec<(String, Vec<String>)> {
    let table =
        text.split("## Threats").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(2).map(cells);
    let rows = lines.filter_map(|cells| match cells.as_slice() {
        [threat, _, proofs] => {
            Some((threat.clone(), proofs.split('`').skip(1).step_by(2).map(str::to_owned).collect()))
        }
        _ => None,
    });
    rows.collect()
}

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

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn the_last_column_of_a_threat_names_its_proofs() {
        let text = "| a | b |\n## Threats\n\n| threat | against | shown by |\n|---|---|---|\n\
                    | lies | `x` | `one_test`, `other.rs` (so) |\n| nothing | y | by hand |\n\n## Left\n| c | d | `e` |\n";
        let expected = [
            ("lies".to_owned(), vec!["one_test".to_owned(), "other.rs".to_owned()]),
            ("nothing".to_owned(), Vec::new()),
        ];
        assert_eq!(rows(text), expected);
    }
}
