//! The server's socket: in the data directory, which only its account can enter.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::ServerError;

/// A socket's path has at most 107 bytes; its longest name, `/.s.PGSQL.65535`, has 15.
const DIRECTORY_LIMIT: usize = 107 - 15;

/// A short path of a directory, for the sockets in it.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    /// What a short path of a directory with a long one leads to.
    _open: Option<File>,
}

impl Socket {
    /// The directory itself; if its path is too long, the kernel's name of it as an open file of this process, which other
    /// processes of this user can use too.
    pub(crate) fn in_directory(directory: &Path) -> Result<Self, ServerError> {
        if directory.as_os_str().len() <= DIRECTORY_LIMIT {
            return Ok(Self { path: directory.to_owned(), _open: None });
        }
        let open = File::open(directory)
            .map_err(|error| ServerError::io(format!("{} cannot be opened", directory.display()), error))?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), open.as_raw_fd());
        Ok(Self { path: path.into(), _open: Some(open) })
    }

    /// The host of a URL.
    pub(crate) fn host(&self) -> String {
        percent_encode(self.path.as_os_str().as_bytes(), NON_ALPHANUMERIC).to_string()
    }
}
