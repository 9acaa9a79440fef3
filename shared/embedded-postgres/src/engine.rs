//! The engine behind the gate, and its data.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use pglite_oxide::PgliteServer;

use crate::ServerError;

/// Where a data directory holds the database itself.
const CLUSTER: &str = "tmp/pglite/base";

#[derive(Debug)]
pub(crate) struct Engine {
    data: PathBuf,
    socket: PathBuf,
    started: SystemTime,
    running: Mutex<Option<PgliteServer>>,
}

impl Engine {
    /// Starts the engine on a data directory.
    pub(crate) fn start(data: &Path, socket: PathBuf) -> Result<Self, ServerError> {
        let running = Mutex::new(Some(launch(data, &socket)?));
        Ok(Self { data: data.to_owned(), socket, started: SystemTime::now(), running })
    }

    /// A connection of its own. An engine that ended over an earlier connection is started again.
    pub(crate) fn connect(&self) -> Result<UnixStream, ServerError> {
        if let Ok(stream) = UnixStream::connect(&self.socket) {
            return Ok(stream);
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ended) = running.take()
            && let Err(error) = ended.shutdown()
        {
            tracing::warn!(cause = %format!("{error:#}"), "the embedded PostgreSQL ended and is started again");
        }
        *running = Some(launch(&self.data, &self.socket)?);
        drop(running);
        UnixStream::connect(&self.socket).map_err(|error| ServerError::io("the embedded PostgreSQL ended", error))
    }

    /// Stops the engine and brings its data to the disk.
    ///
    /// # Errors
    /// It does not stop in time, or the disk fails.
    pub(crate) fn stop(&self, limit: Duration) -> Result<(), ServerError> {
        let server = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(server) = server else { return Ok(()) };
        // it waits for a statement under way, however long that takes
        let (tell, told) = mpsc::channel();
        let stopper = std::thread::Builder::new().name("postgres-stop".into());
        let spawned = stopper.spawn(move || tell.send(server.shutdown()));
        spawned.map_err(|error| ServerError::io("a thread to stop PostgreSQL cannot be started", error))?;
        match told.recv_timeout(limit) {
            // one that ended by itself left its data as a crash does
            Ok(Err(error)) => tracing::warn!(cause = %format!("{error:#}"), "the embedded PostgreSQL had ended"),
            Ok(Ok(())) => {}
            Err(_) => {
                return Err(ServerError::new(format!(
                    "the embedded PostgreSQL did not stop within {} s: it repairs its data at the next start",
                    limit.as_secs()
                )));
            }
        }
        sync(&self.data.join(CLUSTER), self.started)
            .map_err(|error| ServerError::io(format!("{} cannot be brought to the disk", self.data.display()), error))
    }
}

/// Whether a directory holds a database of the engine's.
pub(crate) fn is_there(data: &Path) -> bool {
    data.join(CLUSTER).exists()
}

fn launch(data: &Path, socket: &Path) -> Result<PgliteServer, ServerError> {
    let (data, socket) = (data.to_owned(), socket.to_owned());
    let named = data.display().to_string();
    // On a thread that no asynchronous runtime owns, for the engine brings one of its own.
    let starter = std::thread::Builder::new().name("postgres-start".into());
    let started = starter
        .spawn(move || PgliteServer::builder().path(data).unix(socket).username(crate::protocol::USER).start())
        .map_err(|error| ServerError::io("a thread for PostgreSQL cannot be started", error))?
        .join();
    let told = match started {
        Ok(Ok(server)) => return Ok(server),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "it panicked".to_owned(),
    };
    let advice = if told.contains("already in use") {
        "another process uses it: wait for it or end it, or choose another directory"
    } else if told.contains("cache") {
        "it unpacks its program into the user's cache directory, which must be writable (XDG_CACHE_HOME names another)"
    } else {
        "check that the directory is writable and the disk is not full"
    };
    Err(ServerError::new(format!("the embedded PostgreSQL cannot be started on {named} ({told}): {advice}")))
}

/// Brings to the disk what was written since, directories included.
fn sync(folder: &Path, since: SystemTime) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = std::fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            sync(&path, since)?;
        } else if metadata.is_file() && metadata.modified()? >= since {
            std::fs::File::open(&path)?.sync_all()?;
        }
    }
    std::fs::File::open(folder)?.sync_all()
}
