//! Python environments of our own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, cache, run};

/// The version that LocalStack works with: on 3.11 it fails in STS.
const VERSION: &str = "3.13";

/// The interpreter of an environment that has these packages, installed from PyPI the first time.
///
/// `arguments` are pip's: requirements and options. `salt` is whatever else decides on the content, a file's say.
///
/// # Errors
/// There is no Python 3.13, or pip fails.
pub fn environment(name: &str, arguments: &[&str], salt: &[&[u8]]) -> Result<PathBuf> {
    let mut ingredients: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    ingredients.extend(salt);
    let folder = cache::made_once(name, &ingredients, |folder| {
        run(Command::new(interpreter()?).args(["-m", "venv"]).arg(folder))?;
        pip(&folder.join("bin/python"), arguments)
    })?;
    Ok(folder.join("bin/python"))
}

/// `pip install` into the environment of an interpreter.
///
/// # Errors
/// pip fails.
pub fn pip(python: &Path, arguments: &[&str]) -> Result<()> {
    run(Command::new(python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(arguments))?;
    Ok(())
}

/// `$FONDERIE_PYTHON`, `python3.13`, pyenv's, `python3`: the first that is a Python 3.13. A name alone proves nothing,
/// since pyenv puts a `python3.13` on the path that runs only where that version is the chosen one.
///
/// # Errors
/// None is; with what to do.
pub fn interpreter() -> Result<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(chosen) = std::env::var_os("FONDERIE_PYTHON") {
        candidates.push(PathBuf::from(chosen));
    }
    candidates.push(format!("python{VERSION}").into());
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".pyenv")))
        .map(|root| root.join("versions"));
    for version in pyenv.and_then(|versions| versions.read_dir().ok()).into_iter().flatten().flatten() {
        if version.file_name().to_string_lossy().starts_with(VERSION) {
            candidates.push(version.path().join("bin/python"));
        }
    }
    candidates.push("python3".into());
    let print = "import sys; print('%d.%d' % sys.version_info[:2])";
    candidates
        .into_iter()
        .find(|python| {
            let version = Command::new(python).args(["-c", print]).output();
            version.is_ok_and(|output| output.stdout.trim_ascii() == VERSION.as_bytes())
        })
        .ok_or_else(|| {
            format!("LocalStack needs Python {VERSION}, which was not found: install it, or name it in FONDERIE_PYTHON")
                .into()
        })
}
