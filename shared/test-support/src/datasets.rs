//! A dataset's folder as text, for tests that compile or change it.

use std::path::{Path, PathBuf};

/// All files of a dataset below its folder that may belong into a bundle: path relative to the folder, and text.
///
/// # Panics
/// When the folder cannot be read.
pub fn dataset_files(name: &str) -> Vec<(String, String)> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets").join(name))
}

/// The folder of the datasets for the engine's tests.
pub fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets")
}

/// The folder of a shop with customers, products, orders and order lines.
pub fn shop() -> PathBuf {
    datasets().join("shop")
}

/// All files of the shop, as [`dataset_files`] gives them.
///
/// # Panics
/// When the folder cannot be read.
pub fn shop_files() -> Vec<(String, String)> {
    files(&shop())
}

fn files(root: &Path) -> Vec<(String, String)> {
    let mut files = vec![("dataset.toml".to_owned(), text(&root.join("dataset.toml")))];
    if root.join("messages.toml").exists() {
        files.push(("messages.toml".to_owned(), text(&root.join("messages.toml"))));
    }
    for folder in ["records", "sources", "models", "checks", "preparation", "marts", "queries", "exports", "warehouse"]
    {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        files.extend(names.into_iter().map(|name| (format!("{folder}/{name}"), text(&root.join(folder).join(&name)))));
    }
    files
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
