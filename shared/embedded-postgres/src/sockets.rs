//! The directory of a server's sockets: in the data directory, which only this user can enter.

use std::fs::{DirBuilder, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ServerError;

/// The directories' names: this, the process, a number.
const NAME: &str = "sockets-";
/// A socket's path has at most 107 bytes; the longest name in the directory, `/.s.PGSQL.5432`, has 14.
const LIMIT: usize = 107 - 14;

/// A directory that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Sockets {
    directory: PathBuf,
    /// The directory, by a path that is short enough for sockets in it.
    short: PathBuf,
    /// What `short` leads to, if it is not the directory's own path.
    _open: Option<File>,
}

impl Sockets {
    /// Makes one in a data directory. Those of processes that were killed are removed on the way.
    pub(crate) fn make(data: &Path) -> Result<Self, ServerError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        for entry in std::fs::read_dir(data).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner: Option<u32> =
                name.to_str().and_then(|name| name.strip_prefix(NAME)?.split('-').next()?.parse().ok());
            if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let directory = data.join(format!("{NAME}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        // left by a process that had our number
        let _ = std::fs::remove_dir_all(&directory);
        let failed = |error| ServerError::io(format!("the directory {} cannot be made", directory.display()), error);
        DirBuilder::new().mode(0o700).create(&directory).map_err(failed)?;
        if directory.as_os_str().len() <= LIMIT {
            return Ok(Self { short: directory.clone(), directory, _open: None });
        }
        // the kernel's name of it as an open file of this process, which other processes of this user can use too
        let open = File::open(&directory).map_err(failed)?;
        let short = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), open.as_raw_fd()));
        Ok(Self { directory, short, _open: Some(open) })
    }

    /// A short path of the directory.
    pub(crate) fn path(&self) -> &Path {
        &self.short
    }

    /// Where clients connect: the name that PostgreSQL's clients expect for port 5432.
    pub(crate) fn front(&self) -> PathBuf {
        self.short.join(".s.PGSQL.5432")
    }

    /// Where the engine listens.
    pub(crate) fn back(&self) -> PathBuf {
        self.short.join("engine")
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
