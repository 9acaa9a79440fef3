//! Datasets as folders.

use std::fs;
use std::path::{Path, PathBuf};

use fonderie_contract::{Bundle, Dataset};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::cli::DatasetArguments;

/// A dataset's folder, read.
pub(crate) struct DatasetFolder {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) bundle: Bundle,
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

impl DatasetFolder {
    /// Reads the dataset that the arguments name, or the only one that is there.
    pub(crate) fn read(arguments: &DatasetArguments) -> Result<Self> {
        let folder = &arguments.datasets;
        let names = names(folder)?;
        let name = match (&arguments.dataset, names.as_slice()) {
            (Some(name), _) if names.contains(name) => name.clone(),
            (Some(name), _) => {
                let message = format!("{} has no dataset `{name}`: there are {}", folder.display(), names.join(", "));
                return Err(invalid(message));
            }
            (None, [name]) => name.clone(),
            (None, []) => {
                let message = format!(
                    "{} holds no dataset (a folder with a dataset.toml): name the folder of datasets with --datasets",
                    folder.display()
                );
                return Err(invalid(message));
            }
            (None, several) => {
                let message = format!(
                    "{} has several datasets, choose one with --dataset: {}",
                    folder.display(),
                    several.join(", ")
                );
                return Err(invalid(message));
            }
        };
        let mut files = Vec::new();
        let path = folder.join(&name);
        collect(&path, "", &mut files)?;
        Ok(Self { bundle: Bundle::from_files(files), path, name })
    }
}

impl DatasetFolder {
    /// Checks everything and compiles it.
    ///
    /// # Errors
    /// `ContractInvalid` with all mistakes.
    pub(crate) fn compile(&self) -> Result<Dataset> {
        self.bundle.compile().map_err(|mistakes| StageError::new(ErrorCode::ContractInvalid, mistakes.to_string()))
    }
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|error| {
        let message = format!("the folder of datasets {} cannot be read: name it with --datasets", folder.display());
        invalid(message).caused_by(error)
    })?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("dataset.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// The texts that belong into a bundle, with paths relative to the dataset's folder.
fn collect(root: &Path, below: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    let folder = root.join(below);
    let failed = |path: PathBuf, error: std::io::Error| {
        invalid(format!("{} cannot be read: its rights, or its text (it must be UTF-8)", path.display()))
            .caused_by(error)
    };
    for entry in fs::read_dir(&folder).map_err(|error| failed(folder.clone(), error))? {
        let entry = entry.map_err(|error| failed(folder.clone(), error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let relative = if below.is_empty() { name } else { format!("{below}/{name}") };
        let path = entry.path();
        if path.is_dir() && below.is_empty() {
            collect(root, &relative, files)?;
        } else if Bundle::takes(&relative) {
            let text = fs::read_to_string(&path).map_err(|error| failed(path, error))?;
            files.push((relative, text));
        }
    }
    Ok(())
}
