//! Node, and the packages of the checks in `tests/node`.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::{Result, cache, run, workspace};

/// The oldest version that has what the checks use.
const LEAST: u32 = 20;

/// The folder of the checks, with the packages of its lock file: installed the first time, and again when the lock file changes.
///
/// # Errors
/// There is no Node of that version, or npm fails.
pub fn checks() -> Result<PathBuf> {
    is_there()?;
    let folder = workspace().join("tests/node");
    let wanted = fs::read(folder.join("package-lock.json"))?;
    let installed = folder.join("node_modules/.installed");
    let cache = cache::folder();
    fs::create_dir_all(&cache)?;
    // One at a time: npm empties the folder first.
    let lock = File::create(cache.join("node-checks.lock"))?;
    lock.lock()?;
    if !fs::read(&installed).is_ok_and(|content| content == wanted) {
        let options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        run(Command::new("npm").args(options).current_dir(&folder))?;
        fs::write(installed, wanted)?;
    }
    Ok(folder)
}

fn is_there() -> Result<()> {
    let version = Command::new("node").arg("--version").output();
    let version = version.map_err(|error| format!("Node {LEAST} or later, with npm, is needed: {error}"))?;
    let text = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let major = text.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= LEAST) {
        return Ok(());
    }
    Err(format!("Node {LEAST} or later, with npm, is needed; here is {text}").into())
}
