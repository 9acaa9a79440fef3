//! Lists the files of the repository's datasets, so that the program carries them.
//!
//! Everything below `datasets/<name>/` is carried, except hidden files and the scenarios, which are tests.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The folder of a dataset that is not carried.
const TESTS: &str = "scenarios";

fn main() -> io::Result<()> {
    let datasets = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../datasets").canonicalize()?;
    // Cargo looks at everything below it.
    println!("cargo::rerun-if-changed={}", datasets.display());
    let mut list = String::from("[\n");
    for (name, dataset) in entries(&datasets)? {
        if dataset.join("dataset.toml").is_file() {
            let mut files = Vec::new();
            collect(&dataset, "", &mut files)?;
            for (path, file) in files {
                let _ = writeln!(list, "    ({name:?}, {path:?}, include_str!({file:?})),");
            }
        }
    }
    list.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("carried.rs"), list)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

/// What is in a folder and is not hidden, by name.
fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| io::Error::other(format!("{}: {name:?} is no UTF-8", folder.display())))?;
        if !name.starts_with('.') {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

fn collect(folder: &Path, below: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for (name, path) in entries(folder)? {
        let relative = format!("{below}{name}");
        if path.is_file() {
            files.push((relative, path));
        } else if path.is_dir() && relative != TESTS {
            collect(&path, &format!("{relative}/"), files)?;
        }
    }
    Ok(())
}
