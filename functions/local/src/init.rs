//! `fonderie init`: a dataset that the program carries, copied out to be edited.

use std::fs;
use std::path::Path;

use fonderie_core::{ErrorCode, Result, StageError};

use crate::cli::InitArguments;
use crate::generate::unwritten;
use crate::print::{path, say};
use crate::{Ending, carried, dataset};

pub(crate) fn run(arguments: &InitArguments) -> Result<Ending> {
    let InitArguments { name, to } = arguments;
    let invalid = |message: String| StageError::new(ErrorCode::SettingsInvalid, message);
    let known = carried::names();
    if !known.contains(name) {
        return Err(invalid(format!("the program carries no dataset `{name}`: it has {}", known.join(", "))));
    }
    let folder = to.join(dataset::FOLDER);
    let target = folder.join(name);
    let taken = || {
        let message = "is there already, and nothing is overwritten: take it away, or name another folder with --to";
        invalid(format!("{} {message}", target.display()))
    };
    if fs::symlink_metadata(&target).is_ok() {
        return Err(taken());
    }
    // Under a hidden name until it is whole.
    let part = folder.join(format!(".{name}.{}.new", std::process::id()));
    let result = write(name, &part).and_then(|count| match fs::rename(&part, &target) {
        Ok(()) => Ok(count),
        Err(_) if fs::symlink_metadata(&target).is_ok() => Err(taken()),
        Err(error) => Err(unwritten(&target, error)),
    });
    if result.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    let count = result?;
    say!("made {}: {count} files", path(&target));
    say!("Edit them; commands that are given in {} use this copy (`fonderie datasets` shows it).", path(to));
    Ok(Ending::Good)
}

/// Writes a carried dataset into a folder; returns the number of its files.
fn write(name: &str, folder: &Path) -> Result<usize> {
    let mut count = 0;
    for (below, text) in carried::files(name) {
        let file = folder.join(below);
        let parent = file.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| unwritten(parent, error))?;
        fs::write(&file, text).map_err(|error| unwritten(&file, error))?;
        count += 1;
    }
    Ok(count)
}
