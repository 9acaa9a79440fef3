//! The dataset's folder as text.

use std::collections::BTreeMap;

use fonderie_core::{digest, hex};

/// The files of a dataset that make a pipeline: path relative to the dataset's folder, and text.
///
/// As an object in S3 it is a plain JSON map from path to text, which Terraform's `jsonencode` can write by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Bundle {
    files: BTreeMap<String, String>,
}

impl Bundle {
    /// Whether a file of a dataset's folder is part of its bundle (scenarios and notes are not).
    pub fn takes(path: &str) -> bool {
        let in_folder = |folder: &str, ending: &str| {
            path.strip_prefix(folder).and_then(|name| name.strip_suffix(ending)).is_some_and(|stem| !stem.contains('/'))
        };
        path == "dataset.toml"
            || path == "messages.toml"
            || in_folder("records/", ".toml")
            || in_folder("sources/", ".toml")
            || in_folder("warehouse/", ".sql")
            || in_folder("models/", ".sql")
            || in_folder("preparation/", ".sql")
            || in_folder("marts/", ".sql")
            || in_folder("checks/", ".sql")
            || in_folder("queries/", ".sql")
            || in_folder("exports/", ".toml")
            || in_folder("exports/", ".sql")
    }

    /// A bundle of the files that belong into one; the others are left out.
    pub fn from_files(files: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { files: files.into_iter().filter(|(path, _)| Self::takes(path)).collect() }
    }

    /// Reads a bundle as it lies in S3.
    ///
    /// # Errors
    /// When it is not a JSON map from text to text.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(Self::from_files(serde_json::from_slice::<BTreeMap<String, String>>(json)?))
    }

    /// SHA-256 over paths and texts, in hexadecimal: equal for equal bundles, whatever carried them.
    pub fn sha256(&self) -> String {
        hex(digest(self.files.iter().flat_map(|(path, text)| [path.as_str(), text])))
    }

    /// Whether `dataset.toml` has `default = true`: of several datasets, this one is meant if none is named.
    pub fn is_default(&self) -> bool {
        let document = self.file("dataset.toml").and_then(|text| text.parse::<toml::Table>().ok());
        document.is_some_and(|document| document.get("default").and_then(toml::Value::as_bool) == Some(true))
    }

    /// The files, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files of a folder, by the stem of their names.
    pub(crate) fn folder<'a>(
        &'a self,
        folder: &'a str,
        ending: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        self.files.iter().filter_map(move |(path, text)| {
            let stem = path.strip_prefix(folder)?.strip_suffix(ending)?;
            Some((path.as_str(), stem, text.as_str()))
        })
    }

    pub(crate) fn file(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }
}
