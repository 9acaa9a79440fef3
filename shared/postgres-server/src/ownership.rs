//! Whose the files of a data directory are. A copy that keeps no owners (`cp -r`, an archive) makes them all the copier's, and
//! PostgreSQL can read none of them.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use crate::ServerError;
use crate::account::Account;

/// Gives all files of a data directory to the account, if we may; they have to be its already if not.
///
/// # Errors
/// A sentence that names the first file which is another's and cannot be given.
pub(crate) fn repair(data: &Path, account: &Account) -> Result<(), ServerError> {
    let owner = account.ids().unwrap_or_else(|| {
        let own = std::fs::metadata("/proc/self").map(|own| (own.uid(), own.gid()));
        own.unwrap_or((u32::MAX, u32::MAX))
    });
    // Without /proc nobody knows who we are: PostgreSQL itself will report what it cannot read.
    if owner.0 == u32::MAX { Ok(()) } else { walk(data, owner, account.ids().is_some()) }
}

fn walk(folder: &Path, owner: (u32, u32), may_give: bool) -> Result<(), ServerError> {
    let failed = |path: &Path, error| ServerError::io(format!("{} cannot be read", path.display()), error);
    for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let entry = entry.map_err(|error| failed(folder, error))?;
        let path = entry.path();
        // Not followed: a link's target is none of ours.
        let metadata = entry.metadata().map_err(|error| failed(&path, error))?;
        if metadata.uid() != owner.0 {
            give(&path, &metadata, owner, may_give)?;
        }
        if metadata.is_dir() {
            walk(&path, owner, may_give)?;
        }
    }
    Ok(())
}

fn give(path: &Path, metadata: &Metadata, (uid, gid): (u32, u32), may_give: bool) -> Result<(), ServerError> {
    let advice = |why: &str| {
        format!(
            "{} belongs to user {} and PostgreSQL runs as user {uid}{why}: give it the whole folder (as root: chown -R {uid}:{gid} {})",
            path.display(),
            metadata.uid(),
            path.parent().unwrap_or(path).display()
        )
    };
    if !may_give {
        return Err(ServerError::new(advice("")));
    }
    // The other name may be anywhere on the disk, and that file is not ours to give.
    if !metadata.is_dir() && metadata.nlink() > 1 {
        return Err(ServerError::new(advice(", and the file has another name elsewhere")));
    }
    lchown(path, Some(uid), Some(gid)).map_err(|error| ServerError::io(advice(""), error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn files_of_another_user_are_given_or_named() {
        let folder = std::env::temp_dir().join(format!("fonderie-ownership-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("base/1")).unwrap();
        fs::write(folder.join("base/1/2"), "x").unwrap();
        let own = fs::metadata(&folder).unwrap();
        walk(&folder, (own.uid(), own.gid()), false).unwrap();
        let error = walk(&folder, (own.uid() + 1, own.gid()), false).unwrap_err();
        assert!(error.to_string().contains("chown -R"), "{error}");
        if own.uid() == 0 {
            std::os::unix::fs::symlink("/etc/passwd", folder.join("base/link")).unwrap();
            walk(&folder, (65_534, 65_534), true).unwrap();
            for name in ["base", "base/1", "base/1/2", "base/link"] {
                assert_eq!(fs::symlink_metadata(folder.join(name)).unwrap().uid(), 65_534, "{name}");
            }
            assert_eq!(fs::metadata("/etc/passwd").unwrap().uid(), 0);
            // A hard link may lead to a file of the system's.
            fs::write(folder.join("system"), "x").unwrap();
            fs::hard_link(folder.join("system"), folder.join("base/hard")).unwrap();
            assert!(walk(&folder, (65_534, 65_534), true).unwrap_err().to_string().contains("another name"));
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
