//! Folders of earlier versions, whose attributes belong to files and not to contents.

use std::fs::{self, File};
use std::path::Path;

use fonderie_core::{ErrorCode, Result, StageError};

use crate::attributes::Attributes;
use crate::layout::Layout;

/// Completes the attributes of a bucket's objects with the digests of their contents, so that they outlive a copy of the folder.
/// For a folder that is not served yet, or by nobody but the caller.
///
/// # Errors
/// `SettingsInvalid`: an object cannot be read, or its attributes not be written.
pub fn complete_digests(root: &Path, bucket: &str) -> Result<()> {
    let failed = |error: std::io::Error| {
        let message = format!("the objects of {} cannot be completed with their digests", root.join(bucket).display());
        StageError::new(ErrorCode::SettingsInvalid, message).caused_by(error)
    };
    let layout = Layout::open(root).map_err(failed)?;
    match layout.existing_bucket(bucket) {
        Ok(folder) => complete(&layout, bucket, &folder, "").map_err(failed),
        Err(_) => Ok(()),
    }
}

fn complete(layout: &Layout, bucket: &str, folder: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file whose name is no text is no object.
        let Some(key) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            complete(layout, bucket, &entry.path(), &format!("{key}/"))?;
        } else if kind.is_file() {
            let path = layout.attributes(bucket, &key);
            let Some(stored) = Attributes::read(&path) else { continue };
            let (attributes, another) = Attributes::of(Some(stored), &mut File::open(entry.path())?)?;
            if another {
                attributes.save(&path, &path.with_extension("new"))?;
            }
        }
    }
    Ok(())
}
