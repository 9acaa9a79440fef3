//! The directory of a server's sockets: short, for a socket's path has at most 107 bytes, and closed to others.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ServerError;

/// The directories' names: this, the process, a number.
const NAME: &str = "fonderie-embedded-";
/// What a directory's path may have, so that the sockets' names fit behind it.
const LIMIT: usize = 87;

/// A directory that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Sockets(PathBuf);

impl Sockets {
    /// Makes one. Those of processes that were killed are removed on the way.
    pub(crate) fn make() -> Result<Self, ServerError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let temporary = std::env::temp_dir();
        let longest = temporary.join(format!("{NAME}{0}-{0}", u32::MAX));
        let parent = if longest.as_os_str().len() > LIMIT { Path::new("/tmp") } else { &temporary };
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner: Option<u32> =
                name.to_str().and_then(|name| name.strip_prefix(NAME)?.split('-').next()?.parse().ok());
            if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let path = parent.join(format!("{NAME}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        // our own, left by a process that had our number; another user's stays, and is an error
        let _ = std::fs::remove_dir_all(&path);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| ServerError::io(format!("the directory {} cannot be made", path.display()), error))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where clients connect: the name that PostgreSQL's clients expect for port 5432.
    pub(crate) fn front(&self) -> PathBuf {
        self.0.join(".s.PGSQL.5432")
    }

    /// Where the engine listens.
    pub(crate) fn back(&self) -> PathBuf {
        self.0.join("engine")
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
