//! Whether the same sources give the same binary: they are built twice, in two places, and compared byte by byte.
//!
//! What would differ is taken out: paths of the sources, of the registry and of the target directory are mapped to fixed
//! names, in Rust and in the C that `ring` and others bring along.

use crate::report::Report;
use crate::root;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package whose binary is compared unless another is named.
const PACKAGE: &str = "switchyard-cli";

/// Builds the binaries of a package twice and compares them.
pub(crate) fn twice(report: &mut Report, package: Option<&str>) {
    let package = package.unwrap_or(PACKAGE);
    report.step("reproduce", |report| {
        // Names of different lengths: a path that stays in the binary moves everything behind it.
        let commit = head()?;
        let binaries = ["one", "the-other"].map(|name| build(name, &commit, package));
        let [one, other] = binaries;
        let (one, other) = (one?, other?);
        ensure!(!one.is_empty(), "{package} has no binary");
        for (one, other) in one.iter().zip(&other) {
            let (left, right) = (std::fs::read(one)?, std::fs::read(other)?);
            let name = one.file_name().unwrap_or_default().to_string_lossy();
            if left == right {
                println!("{name}: {} bytes, the same twice", left.len());
                report.pass(1);
            } else {
                let at = left.iter().zip(&right).position(|(a, b)| a != b);
                report.fail(format!(
                    "reproduce: {name} differs, at byte {at:?} first ({} and {} bytes)",
                    left.len(),
                    right.len()
                ));
            }
        }
        Ok(())
    });
}

/// What both builds are of: somebody may commit while the first one runs.
fn head() -> Result<String> {
    let found = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root()).output()?;
    ensure!(found.status.success(), "git rev-parse HEAD: {}", found.status);
    Ok(String::from_utf8(found.stdout)?.trim().to_owned())
}

/// The binaries of a package, built from a commit in a directory of its own.
fn build(name: &str, commit: &str, package: &str) -> Result<Vec<PathBuf>> {
    let place = root().join("target/reproduce").join(name);
    let (sources, target) = (place.join("sources"), place.join("target"));
    if place.exists() {
        std::fs::remove_dir_all(&place).context("an earlier run cannot be removed")?;
    }
    std::fs::create_dir_all(&sources)?;
    let archive = place.join("sources.tar");
    run(Command::new("git").args(["archive", "--output"]).arg(&archive).arg(commit).current_dir(root()))?;
    run(Command::new("tar").arg("xf").arg(&archive).current_dir(&sources))?;
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    let places = [(&*sources, "/sources"), (&*target, "/target"), (&*cargo_home, "/cargo")];
    let flags = |option: &str| {
        let mut flags = OsString::new();
        for (from, to) in &places {
            flags.push(option);
            flags.push(from);
            flags.push("=");
            flags.push(to);
            flags.push(" ");
        }
        flags
    };
    run(Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--package", package])
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", flags("--remap-path-prefix="))
        .env("CFLAGS", flags("-ffile-prefix-map="))
        .current_dir(&sources))?;
    executables(&target.join("release"))
}

/// Files without an extension that may be run, in order.
fn executables(dir: &Path) -> Result<Vec<PathBuf>> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let runs = path.metadata()?.permissions().mode() & 0o111 != 0;
        if path.is_file() && path.extension().is_none() && runs {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
