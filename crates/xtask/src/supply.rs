//! What the product is made of: licences, sources and bans against `deny.toml`, and the list of it all for a release.

use crate::report::Report;
use crate::root;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use spdx::{Expression, ParseMode};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

/// The part of cargo-deny's file that is checked here too.
#[derive(Debug, Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Named>,
    skip: Vec<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
}

/// A package of somebody else's.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    license: Option<String>,
}

/// Checks every package that any build of the workspace may use.
pub(crate) fn check(report: &mut Report) -> Result<()> {
    let text = std::fs::read_to_string(root().join("deny.toml")).context("deny.toml")?;
    let policy: Policy = toml::from_str(&text).context("deny.toml")?;
    let packages = packages()?;
    for package in packages.iter().filter(|package| package.source.is_some()) {
        match fault(package, &policy) {
            None => report.pass(1),
            Some(fault) => report.fail(format!("supply: {} {}: {fault}", package.name, package.version)),
        }
    }
    duplicates(report, &policy)?;
    let mut deny = Command::new(env!("CARGO"));
    deny.current_dir(root()).args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if deny.status().is_ok_and(|status| status.success()) {
        crate::steps::cargo(&["deny", "check", "bans", "licenses", "sources"])?;
        report.pass(1);
    } else {
        report.skip("supply: cargo-deny is not installed; its rules were checked by cargo xtask only".into());
    }
    advisories(report)?;
    let bill: Value = serde_json::from_str(&bill_of_materials()?)?;
    match bill["components"].as_array() {
        Some(components) if components.len() > 100 => report.pass(1),
        other => {
            report.fail(format!("supply: the bill of materials has {} parts", other.map_or(0, Vec::len)))
        }
    }
    Ok(())
}

/// Where advisories lie, when somebody has put them there: tests fetch none.
const ADVISORIES: &str = "SWITCHYARD_ADVISORIES";

/// Known holes in what is built in, by the database of advisories that is at hand.
fn advisories(report: &mut Report) -> Result<()> {
    let mut audit = Command::new(env!("CARGO"));
    audit.current_dir(root()).args(["audit", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = audit.status().is_ok_and(|status| status.success());
    match std::env::var(ADVISORIES) {
        Ok(database) if is_there => {
            crate::steps::cargo(&["audit", "--no-fetch", "--db", &database])?;
            report.pass(1);
        }
        _ => report.skip(format!("supply: no cargo-audit, or no database of advisories in {ADVISORIES}")),
    }
    Ok(())
}

/// What is wrong with a package.
fn fault(package: &Package, policy: &Policy) -> Option<String> {
    if policy.bans.deny.iter().any(|banned| banned.name == package.name) {
        return Some("is banned".into());
    }
    // A source is a registry or a repository; of registries there is one.
    if !package.source.as_deref()?.starts_with("registry+") {
        return Some(format!("comes from {}", package.source.as_deref()?));
    }
    let Some(license) = &package.license else { return Some("names no licence".into()) };
    match is_allowed(license, &policy.licenses.allow) {
        Ok(true) => None,
        Ok(false) => Some(format!("licence {license} is not allowed")),
        Err(error) => Some(format!("licence {license} cannot be read: {error}")),
    }
}

fn is_allowed(license: &str, allowed: &[String]) -> Result<bool> {
    let expression = Expression::parse_mode(license, ParseMode::LAX)?;
    Ok(expression.evaluate(|requirement| allowed.iter().any(|name| *name == requirement.to_string())))
}

/// Two versions of one package are two copies of its code in the binary and two sets of its types.
fn duplicates(report: &mut Report, policy: &Policy) -> Result<()> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version) in tree(&["--workspace"])? {
        versions.entry(name).or_default().insert(version);
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let skipped = |version: &&String| {
            let full = format!("{name}@{version}");
            policy.bans.skip.iter().any(|skip| skip.name == *name || skip.name == full)
        };
        if versions.iter().filter(|version| !skipped(version)).count() > 1 {
            report.fail(format!("supply: {name} in versions {versions:?}; deny.toml can give a reason"));
        }
    }
    report.pass(1);
    Ok(())
}

fn packages() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    let metadata: Metadata = serde_json::from_slice(&output(&arguments)?)?;
    Ok(metadata.packages)
}

/// Name and version of what is built for this machine.
fn tree(arguments: &[&str]) -> Result<BTreeSet<(String, String)>> {
    let all = [&["tree", "--locked", "--prefix", "none", "--format", "{p}"], arguments].concat();
    let text = String::from_utf8(output(&all)?)?;
    let package = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        Some((name.to_owned(), rest.split(' ').next()?.strip_prefix('v')?.to_owned()))
    };
    Ok(text.lines().filter_map(package).collect())
}

fn output(arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output()?;
    if !output.status.success() {
        bail!("cargo {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

/// The bill of materials of the binary, in the form of CycloneDX 1.5. It names no time, so that the same sources give
/// the same bytes.
pub(crate) fn bill_of_materials() -> Result<String> {
    let licenses: BTreeMap<_, _> = packages()?
        .into_iter()
        .map(|package| ((package.name, package.version), (package.license, package.source)))
        .collect();
    let checksums = checksums()?;
    let mut components = Vec::new();
    for place in tree(&["--package", "switchyard-cli", "--edges", "normal,build"])? {
        let (name, version) = (&place.0, &place.1);
        let purl = format!("pkg:cargo/{name}@{version}");
        let mut component = json!({
            "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        });
        if let Some(license) = licenses.get(&place).and_then(|(license, _)| license.as_ref()) {
            // Old manifests separate licences in ways of their own.
            let expression = Expression::canonicalize(license)?.unwrap_or_else(|| license.clone());
            component["licenses"] = json!([{"expression": expression}]);
        }
        if let Some(checksum) = checksums.get(&place) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        components.push(component);
    }
    let bill = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {"type": "application", "name": "switchyard", "version": env!("CARGO_PKG_VERSION")}},
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&bill)?)
}

/// What `Cargo.lock` says about the contents of each package.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let text = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let lock: Value = toml::from_str(&text)?;
    let text = |package: &Value, key: &str| package[key].as_str().map(str::to_owned);
    let packages = lock["package"].as_array().context("Cargo.lock has no packages")?.iter();
    let entry = |package: &Value| {
        Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?))
    };
    Ok(packages.filter_map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(license: Option<&str>, source: &str) -> Package {
        let text = str::to_owned;
        Package {
            name: text("a"),
            version: text("1.0.0"),
            source: Some(text(source)),
            license: license.map(text),
        }
    }

    #[test]
    fn licences_sources_and_bans_are_judged() {
        let named = |name: &str| Named { name: name.into() };
        let allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).to_vec();
        let mut policy =
            Policy { licenses: Licenses { allow }, bans: Bans { deny: vec![named("b")], skip: vec![] } };
        let registry = "registry+https://example.org/index";
        for (license, source, is_good) in [
            (Some("MIT"), registry, true),
            (Some("MIT/Apache-2.0"), registry, true),
            (Some("MIT OR GPL-3.0-only"), registry, true),
            (Some("Apache-2.0 WITH LLVM-exception"), registry, true),
            (Some("MIT AND GPL-3.0-only"), registry, false),
            (Some("AGPL-3.0-or-later"), registry, false),
            (Some("no licence at all"), registry, false),
            (None, registry, false),
            (Some("MIT"), "git+https://example.org/a", false),
        ] {
            assert_eq!(fault(&package(license, source), &policy).is_none(), is_good, "{license:?} {source}");
        }
        policy.bans.deny.push(named("a"));
        assert!(fault(&package(Some("MIT"), registry), &policy).is_some());
    }
}
