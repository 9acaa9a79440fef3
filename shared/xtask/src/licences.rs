//! Every dependency's licence against the list in `deny.toml`, and its origin: the registry, or this repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Checks all packages of the workspace's lock file; how many there are.
///
/// # Errors
/// A sentence per package that may not be depended on.
pub(crate) fn check(root: &Path, mut metadata: Command) -> Result<usize, String> {
    let config = std::fs::read_to_string(root.join("deny.toml")).map_err(|error| format!("deny.toml: {error}"))?;
    let (allowed, clarified) = read(&config)?;
    let output = metadata.args(["metadata", "--format-version", "1", "--locked"]).output();
    let output = output.map_err(|error| format!("cargo metadata cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata is not understood: {error}"))?;
    let mut packages = metadata.packages;
    for package in packages.iter_mut().filter(|package| package.license.is_none()) {
        package.license = clarified.get(&package.name).cloned();
    }
    let faults: Vec<String> = packages.iter().filter_map(|package| fault(package, &allowed)).collect();
    if faults.is_empty() { Ok(packages.len()) } else { Err(faults.join("\n")) }
}

/// The licences that `deny.toml` allows, and those that it states for packages which do not state theirs.
fn read(config: &str) -> Result<(BTreeSet<String>, BTreeMap<String, String>), String> {
    #[derive(Deserialize)]
    struct Config {
        licenses: Licenses,
    }
    #[derive(Deserialize)]
    struct Licenses {
        allow: BTreeSet<String>,
        #[serde(default)]
        clarify: Vec<Clarified>,
    }
    #[derive(Deserialize)]
    struct Clarified {
        #[serde(rename = "crate")]
        name: String,
        expression: String,
    }
    let Config { licenses } = toml::from_str(config).map_err(|error| format!("deny.toml: {error}"))?;
    let clarified = licenses.clarify.into_iter().map(|entry| (entry.name, entry.expression)).collect();
    Ok((licenses.allow, clarified))
}

fn fault(package: &Package, allowed: &BTreeSet<String>) -> Option<String> {
    let Package { name, version, license, source } = package;
    if source.as_ref().is_some_and(|source| !source.starts_with("registry+") && !source.starts_with("sparse+")) {
        return Some(format!("{name} {version} does not come from the registry"));
    }
    let Some(license) = license else { return Some(format!("{name} {version} states no licence")) };
    let accepted = |requirement: &LicenseReq| allowed.contains(&requirement.to_string());
    match Expression::parse_mode(license, ParseMode::LAX) {
        Ok(expression) if expression.evaluate(accepted) => None,
        Ok(_) => Some(format!("{name} {version} is under {license}, which deny.toml does not allow")),
        Err(_) => Some(format!("{name} {version} states the licence \"{license}\", which is no SPDX expression")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_and_origins() {
        let (allowed, _) = read("[licenses]\nallow = [\"MIT\", \"Apache-2.0 WITH LLVM-exception\"]").unwrap();
        let told = |license: Option<&str>, source: Option<&str>| {
            let package = Package {
                name: "x".to_owned(),
                version: "1".to_owned(),
                license: license.map(str::to_owned),
                source: source.map(str::to_owned),
            };
            fault(&package, &allowed)
        };
        let registry = Some("registry+https://example/index");
        for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "Apache-2.0 WITH LLVM-exception AND MIT"] {
            assert_eq!(told(Some(good), registry), None, "{good}");
        }
        for (bad, words) in [
            (Some("GPL-3.0-only"), "does not allow"),
            (Some("MIT AND GPL-3.0-only"), "does not allow"),
            (Some("see LICENSE"), "no SPDX"),
            (None, "states no licence"),
        ] {
            let told = told(bad, registry).unwrap();
            assert!(told.contains(words), "{told}");
        }
        assert!(told(Some("MIT"), Some("git+https://example/x")).unwrap().contains("registry"));
        assert_eq!(told(Some("MIT"), None), None);
    }
}
