//! What a backup is: a tar archive, compressed with zstd, of the state folder's folders and files; its last entry lists each file with
//! size and SHA-256.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fonderie_core::{ErrorCode, Result, StageError};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

/// The last entry's name.
pub(crate) const MANIFEST: &str = "fonderie-backup.json";
/// Raised when an earlier program cannot restore the archive.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const BUFFER: usize = 256 * 1024;

/// The last entry. Whatever is cut off lacks it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    /// The program's version.
    pub(crate) version: String,
    pub(crate) files: BTreeMap<String, Entry>,
}

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// How far the work has come, and whether it is to go on.
#[derive(Clone)]
pub(crate) struct Work {
    bar: ProgressBar,
    stopped: Arc<AtomicBool>,
}

impl Work {
    fn new(title: &str) -> Self {
        // Drawn on a terminal only.
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix} {bar:30} {bytes} of {total_bytes} [{elapsed}]");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(title.to_owned());
        Self { bar, stopped: Arc::default() }
    }

    pub(crate) fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    /// Counts bytes.
    ///
    /// # Errors
    /// A person stopped the work.
    pub(crate) fn advance(&self, bytes: usize) -> io::Result<()> {
        self.bar.inc(bytes as u64);
        if self.stopped.load(Ordering::Relaxed) { Err(io::Error::other("stopped")) } else { Ok(()) }
    }

    /// The reason for an error: a person stopped the work, or what else is given.
    pub(crate) fn reason(&self, otherwise: impl FnOnce() -> StageError) -> StageError {
        if self.stopped.load(Ordering::Relaxed) {
            return StageError::new(ErrorCode::Internal, "stopped: nothing was changed");
        }
        otherwise()
    }
}

/// Does blocking work, which Ctrl-C ends in order, so that it leaves nothing behind.
pub(crate) async fn interruptible<T: Send + 'static>(
    title: &str,
    work: impl FnOnce(&Work) -> Result<T> + Send + 'static,
) -> Result<T> {
    let state = Work::new(title);
    let (bar, stopped, own) = (state.bar.clone(), state.stopped.clone(), state);
    let mut job = tokio::task::spawn_blocking(move || work(&own));
    let ended = tokio::select! {
        ended = &mut job => ended,
        _ = tokio::signal::ctrl_c() => {
            stopped.store(true, Ordering::Relaxed);
            job.await
        }
    };
    bar.finish_and_clear();
    ended.map_err(|error| StageError::new(ErrorCode::Internal, "the work ended unexpectedly").caused_by(error))?
}

/// The error of a file that cannot be read or written.
pub(crate) fn failed(doing: &str, path: &Path, error: io::Error) -> StageError {
    let at = path.display();
    let (code, message) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
            ErrorCode::StorageUnavailable,
            format!("the disk that holds {at} is full: free some space; nothing was changed"),
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorCode::AccessDenied, format!("{at} cannot be {doing}: check its owner and rights"))
        }
        io::ErrorKind::NotFound => (ErrorCode::SettingsInvalid, format!("{at} cannot be {doing}: it is not there")),
        _ => (ErrorCode::Internal, format!("{at} cannot be {doing}")),
    };
    StageError::new(code, message).caused_by(error)
}
