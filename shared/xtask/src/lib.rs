//! What `cargo xtask` does, for tests to call too.

pub mod package;

use std::process::Command;

/// Cargo, from within a program that Cargo runs.
///
/// Such a program is told its own package in the environment, and build scripts (ring's) run again when those variables
/// change: a build by a `cargo` that inherits them compiles half of the dependencies anew, and so does the next one without.
pub fn cargo() -> Command {
    const OWN: [&str; 6] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|text| OWN.iter().any(|own| text.starts_with(own))) {
            command.env_remove(name);
        }
    }
    command
}

/// The functions that are deployed: folder, binary and Terraform key in one.
pub const FUNCTIONS: [&str; 12] = [
    "ingest",
    "admit",
    "transform",
    "validate",
    "load",
    "score",
    "publish",
    "summarize",
    "record-failure",
    "rebuild",
    "prepare-database",
    "rotate-secret",
];
