//! The state folder as a whole: which version of the program wrote it, and who uses it.
//!
//! ```text
//! <state>/fonderie-state.json  the format of the folder, and the version of the program that last wrote it
//! <state>/fonderie.lock        held by each program that uses the folder; by a backup or a restore alone
//! <state>/s3                   the buckets
//! <state>/postgres…            the database, if it is started here
//! ```
//! Nothing in it names its own place, so it can be moved, copied and restored while nothing uses it.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use fonderie_core::{ErrorCode, Result, StageError};
use serde::{Deserialize, Serialize};

/// Raised when an earlier program would read the folder wrongly. 1: digests belong to contents.
const FORMAT: u32 = 1;
const RECORD: &str = "fonderie-state.json";
/// The lock's name.
pub(crate) const LOCK: &str = "fonderie.lock";
/// Where a restore keeps what it has verified and is about to put in place.
pub(crate) const UNFINISHED: &str = ".restore-unfinished";

/// Which program wrote a state folder. Later formats may have more fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u32,
    version: String,
}

/// What is to be done about an earlier program's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// This format.
    Current,
    /// It is new, or was written before there were formats.
    Unrecorded,
}

/// The use of a state folder; over when dropped, or when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Use {
    _lock: File,
}

impl Use {
    /// Uses a folder together with other programs, as far as buckets and database let them. It is made if it is not there.
    ///
    /// # Errors
    /// `SettingsInvalid`: it is being backed up or restored, a restore was interrupted, or a later version wrote it.
    pub(crate) fn share(state: &Path) -> Result<Self> {
        let used = Self::lock(state, File::try_lock_shared, "is being backed up or restored: wait until that ends")?;
        if state.join(UNFINISHED).exists() {
            let message = format!(
                "a restore of the state folder {} was interrupted while it replaced the folder's content: run it again, with --force",
                state.display()
            );
            return Err(invalid(message));
        }
        age(state)?;
        Ok(used)
    }

    /// Uses a folder alone.
    ///
    /// # Errors
    /// `SettingsInvalid`: another program uses it.
    pub(crate) fn alone(state: &Path) -> Result<Self> {
        Self::lock(state, File::try_lock, "is in use by another process: wait until that ends, or end it")
    }

    fn lock(
        state: &Path,
        lock: impl FnOnce(&File) -> std::result::Result<(), TryLockError>,
        taken: &str,
    ) -> Result<Self> {
        let unusable = |error| {
            let message =
                format!("the state folder {} cannot be made or written: name another with --state", state.display());
            invalid(message).caused_by(error)
        };
        // Others may pass through, for PostgreSQL may have to run as another user; what is inside is closed to them.
        DirBuilder::new().recursive(true).mode(0o711).create(state).map_err(unusable)?;
        let open = File::options().create(true).truncate(false).write(true).open(state.join(LOCK));
        let file = open.map_err(unusable)?;
        match lock(&file) {
            Ok(()) => Ok(Self { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(invalid(format!("the state folder {} {taken}", state.display()))),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}

/// How old a folder is.
///
/// # Errors
/// `SettingsInvalid`: a later version wrote it, or its record is damaged.
pub(crate) fn age(state: &Path) -> Result<Age> {
    let path = state.join(RECORD);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Age::Unrecorded),
        Err(error) => return Err(invalid(format!("{} cannot be read", path.display())).caused_by(error)),
    };
    let record: Record = serde_json::from_slice(&text).map_err(|error| {
        let message = format!(
            "{} is damaged: restore the state folder from a backup; or remove this file, if no later version than {} ever used the \
             folder",
            path.display(),
            version()
        );
        invalid(message).caused_by(error)
    })?;
    if record.format > FORMAT {
        return Err(invalid(format!(
            "the state folder {} was written by fonderie {} (format {}), and this is fonderie {} (format {FORMAT}): use that \
             version or a later one, or another folder with --state",
            state.display(),
            record.version,
            record.format,
            version()
        )));
    }
    Ok(Age::Current)
}

/// Whether a folder is a state folder, such as the demo's in the ordinary one.
pub(crate) fn is_state(folder: &Path) -> bool {
    folder.join(RECORD).exists()
}

/// Records that this version wrote the folder, in one step.
pub(crate) fn record(state: &Path) -> Result<()> {
    let ours = Record { format: FORMAT, version: version().to_owned() };
    let path = state.join(RECORD);
    if std::fs::read(&path).is_ok_and(|text| serde_json::from_slice::<Record>(&text).is_ok_and(|there| there == ours)) {
        return Ok(());
    }
    let new = state.join(format!("{RECORD}.{}.new", std::process::id()));
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&ours)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &path)
    };
    write().map_err(|error: io::Error| {
        let _ = std::fs::remove_file(&new);
        let (code, why) = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (ErrorCode::StorageUnavailable, "the disk is full")
            }
            _ => (ErrorCode::SettingsInvalid, "check the folder's owner and rights"),
        };
        StageError::new(code, format!("{} cannot be written: {why}", path.display())).caused_by(error)
    })
}

/// The program's own version.
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("fonderie-state-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_later_format_is_refused_and_this_and_none_are_accepted() {
        let state = folder("format");
        let used = Use::share(&state).unwrap();
        assert_eq!(age(&state).unwrap(), Age::Unrecorded);
        record(&state).unwrap();
        assert_eq!(age(&state).unwrap(), Age::Current);
        let text = std::fs::read_to_string(state.join(RECORD)).unwrap();
        assert_eq!(text, format!(r#"{{"format":1,"version":"{}"}}"#, version()));
        drop(used);
        std::fs::write(state.join(RECORD), r#"{"format":2,"version":"9.1.0","more":[1]}"#).unwrap();
        let error = Use::share(&state).unwrap_err();
        assert_eq!(error.code, ErrorCode::SettingsInvalid);
        assert!(error.message.contains("was written by fonderie 9.1.0 (format 2)"), "{error}");
        std::fs::write(state.join(RECORD), "{").unwrap();
        assert!(Use::share(&state).unwrap_err().message.contains("is damaged"));
        std::fs::remove_dir_all(&state).unwrap();
    }

    #[test]
    fn a_backup_has_the_folder_for_itself_and_an_interrupted_restore_is_no_state() {
        let state = folder("lock");
        let (first, second) = (Use::share(&state).unwrap(), Use::share(&state).unwrap());
        drop(first);
        assert!(Use::alone(&state).unwrap_err().message.contains("is in use by another process"));
        drop(second);
        let alone = Use::alone(&state).unwrap();
        assert!(Use::share(&state).unwrap_err().message.contains("is being backed up or restored"));
        drop(alone);
        std::fs::create_dir(state.join(UNFINISHED)).unwrap();
        assert!(Use::share(&state).unwrap_err().message.contains("was interrupted"));
        std::fs::remove_dir_all(&state).unwrap();
    }
}
