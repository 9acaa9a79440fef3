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

/// The five facilities' delimited files, as [`generate`] makes them.
pub const DELIMITED: [&str; 5] =
    ["etablissement_A.csv", "etablissement_B.csv", "etablissement_C.tsv", "etablissement_D.csv", "etablissement_E.csv"];
/// The same invoices of two of them in other formats.
pub const VARIANTS: [&str; 3] = ["etablissement_D.xlsx", "etablissement_E.xlsx", "etablissement_E_utf16.csv"];

/// Makes [`DELIMITED`] and [`VARIANTS`] in a folder, this many base rows each, and what is wrong in them beside them.
///
/// # Errors
/// The generator's Python packages cannot be installed, or it fails.
pub fn generate(generator: &Path, rows: u32, out: &Path) -> Result<()> {
    let packages = ["numpy==2.5.5", "pyarrow==26.0.1", "xlsxwriter==3.3.1"];
    let python = python::environment("generator", &packages, &[])?;
    run(Command::new(python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(generator)
        .args(["--rows", &rows.to_string(), "--xlsx", "de", "--e-csv", "iso-8859-15,utf-16", "--out"])
        .arg(out))?;
    Ok(())
}
