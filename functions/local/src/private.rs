//! Folders that hold personal data are closed to other users.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use fonderie_core::{ErrorCode, Result, StageError};

use crate::print::path;

/// Nobody else.
const CLOSED: u32 = 0o700;
/// Others may pass through to what they know of, and see nothing.
const PASSAGE: u32 = 0o711;
/// The mark of a folder that many users share, such as /tmp.
const SHARED: u32 = 0o1000;

/// Makes or closes the state folder. Run by root, it lets others pass through, because PostgreSQL runs as another user then.
///
/// # Errors
/// [`ErrorCode::SettingsInvalid`]: it cannot be made, belongs to somebody else and is open, or is shared.
pub(crate) fn close_state(folder: &Path) -> Result<()> {
    close(folder, if user()? == 0 { PASSAGE } else { CLOSED })
}

/// Makes or closes a folder in the state folder.
///
/// # Errors
/// As [`close_state`].
pub(crate) fn close_inside(folder: &Path) -> Result<()> {
    close(folder, CLOSED)
}

fn close(folder: &Path, widest: u32) -> Result<()> {
    let unusable = |error| {
        let message = format!("the folder {} cannot be made or closed: name another with --state", path(folder));
        StageError::new(ErrorCode::SettingsInvalid, message).caused_by(error)
    };
    DirBuilder::new().recursive(true).mode(widest).create(folder).map_err(unusable)?;
    let found = std::fs::metadata(folder).map_err(unusable)?;
    match to_do(&found, user()?, widest) {
        ToDo::Nothing => Ok(()),
        ToDo::Close(mode) => std::fs::set_permissions(folder, Permissions::from_mode(mode)).map_err(unusable),
        ToDo::Refuse(reason) => {
            let message = format!("the folder {} {reason}: name another with --state", path(folder));
            Err(StageError::new(ErrorCode::SettingsInvalid, message))
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum ToDo {
    Nothing,
    Close(u32),
    Refuse(&'static str),
}

fn to_do(found: &Metadata, user: u32, widest: u32) -> ToDo {
    let mode = found.mode() & 0o7777;
    if mode & SHARED != 0 {
        return ToDo::Refuse("is shared by all users of this machine");
    }
    if mode & 0o777 & !widest == 0 {
        return ToDo::Nothing;
    }
    if found.uid() != user {
        return ToDo::Refuse("belongs to another user and is open to others, for whom personal data are not");
    }
    ToDo::Close(mode & widest)
}

/// Who runs this program: a process's directory in /proc belongs to its effective user.
fn user() -> Result<u32> {
    std::fs::metadata("/proc/self").map(|own| own.uid()).map_err(|error| {
        StageError::new(ErrorCode::SettingsInvalid, "this machine does not show who runs the program: mount /proc")
            .caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_open_folder_is_closed_and_a_shared_or_foreign_one_is_refused() {
        let folder = std::env::temp_dir().join(format!("fonderie-private-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        close(&folder, CLOSED).unwrap();
        let mode = || std::fs::metadata(&folder).unwrap().mode() & 0o7777;
        assert_eq!(mode(), 0o700);
        let open = |mode| std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
        for (before, widest, after) in [
            (0o777, CLOSED, 0o700),
            (0o755, PASSAGE, 0o711),
            (0o770, PASSAGE, 0o710),
            (0o750, CLOSED, 0o700),
            (0o700, PASSAGE, 0o700),
        ] {
            open(before);
            close(&folder, widest).unwrap();
            assert_eq!(mode(), after, "{before:o}");
        }
        open(0o1777);
        let error = close(&folder, PASSAGE).unwrap_err();
        assert!(error.message.contains("is shared by all users"), "{error}");
        assert_eq!((error.code, mode()), (ErrorCode::SettingsInvalid, 0o1777));
        open(0o755);
        let found = std::fs::metadata(&folder).unwrap();
        assert!(
            matches!(to_do(&found, found.uid() + 1, PASSAGE), ToDo::Refuse(reason) if reason.contains("another user"))
        );
        open(0o700);
        let found = std::fs::metadata(&folder).unwrap();
        assert_eq!(to_do(&found, found.uid() + 1, PASSAGE), ToDo::Nothing);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
