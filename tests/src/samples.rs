//! Files that look like the facilities': made by `../shared/bench/gen.py`, which is none of this project's code.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, in_ci, python, run, workspace};

/// The generator, where the checkout has it beside itself.
///
/// # Errors
/// It is not there, and this is a continuous-integration run, which has to have it.
pub fn generator() -> Result<Option<PathBuf>> {
    let path = workspace().join("../shared/bench/gen.py");
    if path.is_file() {
        return Ok(Some(path));
    }
    if in_ci() {
        return Err(format!("{} is not there, and CI must have it", path.display()).into());
    }
    Ok(None)
}

/// Makes the files of facilities A, B and C, this many base rows each; returns their paths.
///
/// # Errors
/// numpy or pyarrow cannot be installed, or the generator fails.
pub fn generate(generator: &Path, rows: u32, out: &Path) -> Result<[PathBuf; 3]> {
    let python = python::environment("generator", &["numpy==2.5.5", "pyarrow==26.0.1"], &[])?;
    run(Command::new(python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(generator)
        .args(["--rows", &rows.to_string(), "--facilities", "ABC", "--out"])
        .arg(out))?;
    Ok(["etablissement_A.csv", "etablissement_B.csv", "etablissement_C.tsv"].map(|name| out.join(name)))
}
