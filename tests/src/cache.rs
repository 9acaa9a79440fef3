//! What is made once per machine, not once per test run: Python environments, Terraform's providers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use fonderie_core::hex;
use sha2::{Digest, Sha256};

use crate::{Result, workspace};

/// `$FONDERIE_CACHE`, else `target/fonderie-cache`.
pub fn folder() -> PathBuf {
    std::env::var_os("FONDERIE_CACHE").map_or_else(|| workspace().join("target/fonderie-cache"), PathBuf::from)
}

/// The folder `<name>-<hash of the ingredients>` of the cache, made by `make` unless it was made before.
///
/// Two test runs at once make it once: the second waits. What a killed run left unfinished is removed first.
///
/// # Errors
/// Those of `make`, and of the file system.
pub fn made_once(name: &str, ingredients: &[&[u8]], make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    for ingredient in ingredients {
        hash.update((ingredient.len() as u64).to_be_bytes());
        hash.update(ingredient);
    }
    let entry = format!("{name}-{}", hex(&hash.finalize()[..8]));
    let cache = folder();
    fs::create_dir_all(&cache)?;
    let cache = cache.canonicalize()?;
    let (path, done) = (cache.join(&entry), cache.join(format!("{entry}.done")));
    let lock = File::create(cache.join(format!("{entry}.lock")))?;
    lock.lock()?;
    if !done.exists() {
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        make(&path)?;
        File::create(done)?;
    }
    Ok(path)
}
