//! What the repository says of itself to the tools around it.

use std::fs;
use std::process::Command;

use fonderie_tests::{run, workspace};

fn read(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn manifest(file: &str) -> toml::Table {
    toml::from_str(&read(file)).unwrap()
}

/// A version's numbers, so that 1.100 comes after 1.99.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap()).collect()
}

#[test]
fn rustup_takes_the_toolchain_that_the_checks_are_run_with() {
    let toolchain = manifest("rust-toolchain.toml");
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let rustc = run(Command::new("rustc").arg("--version").current_dir(workspace())).unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    assert_eq!(version.split(' ').nth(1), Some(channel));
    let cargo = manifest("Cargo.toml");
    let least = cargo["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(numbers(channel) >= numbers(least), "{channel} is older than rust-version {least}");
}

/// Dependabot passes over a folder that is not there in silence.
#[test]
fn dependency_updates_look_where_dependencies_are_declared() {
    let configuration = read(".github/dependabot.yml");
    let folders: Vec<_> = configuration.lines().filter_map(|line| line.trim().strip_prefix("directory: /")).collect();
    assert!(folders.len() > 2, "only {folders:?}");
    for folder in folders {
        assert!(workspace().join(folder).is_dir(), "{folder} is not there");
    }
    for pattern in ["environments", "modules"] {
        assert!(configuration.contains(&format!("- /terraform/{pattern}/*")), "terraform/{pattern}");
    }
}
