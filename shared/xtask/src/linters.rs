//! The linters of `.github/requirements.txt`, in a Python environment of their own below the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file that names them, with the hash of each wheel.
const REQUIREMENTS: &str = ".github/requirements.txt";

/// The folder of their programs. They are installed the first time, and again when [`REQUIREMENTS`] changes.
///
/// # Errors
/// There is no Python 3, or pip cannot install them.
pub(crate) fn installed(workspace: &Path) -> Result<PathBuf, String> {
    let cache =
        std::env::var_os("FONDERIE_CACHE").map_or_else(|| workspace.join("target/fonderie-cache"), PathBuf::from);
    let folder = cache.join("linters");
    let (programs, installed) = (folder.join("bin"), folder.join("requirements.txt"));
    let wanted = fs::read(workspace.join(REQUIREMENTS)).map_err(|error| format!("{REQUIREMENTS}: {error}"))?;
    if fs::read(&installed).is_ok_and(|content| content == wanted) {
        return Ok(programs);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(programs.join("python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement"])
        .arg(workspace.join(REQUIREMENTS)))?;
    // Last, so that an environment that was left unfinished is made again.
    fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))?;
    Ok(programs)
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
