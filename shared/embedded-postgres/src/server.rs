//! A server's life: prepared, started, ready, stopped.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::Engine;
use crate::gate::Gate;
use crate::sockets::Sockets;
use crate::{ServerError, engine, protocol};

/// How long a server may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How a server is to be run.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where its data are, or will be.
    pub data_dir: PathBuf,
    /// How long a connection waits for the one before it to end. Less than what clients give a connection, so that they
    /// are told why they are refused.
    pub patience: Duration,
    /// How long it may take until it answers; after a crash it repairs itself first.
    pub start_timeout: Duration,
}

impl ServerOptions {
    /// A server whose data outlive it.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), patience: Duration::from_secs(5), start_timeout: Duration::from_secs(120) }
    }
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    gate: Arc<Gate>,
    keeper: Option<JoinHandle<()>>,
    data: PathBuf,
    sockets: Sockets,
}

impl Server {
    /// Starts a server on a data directory, which is made where there is none. Returns once it takes connections.
    ///
    /// Blocking: call it from a thread that may wait.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the directory, or what the engine said.
    pub fn start(options: &ServerOptions) -> Result<Self, ServerError> {
        let data = std::path::absolute(&options.data_dir)
            .map_err(|error| ServerError::io(format!("{} cannot be resolved", options.data_dir.display()), error))?;
        own_directory(&data)?;
        let sockets = Sockets::make(&data)?;
        let listener = UnixListener::bind(sockets.front())
            .map_err(|error| ServerError::io("the socket of the embedded PostgreSQL cannot be made", error))?;
        let gate = Gate::new(Engine::start(&data, sockets.back())?, options.patience);
        let keeper = Some(gate.serve(listener)?);
        let server = Self { gate, keeper, data, sockets };
        let greeted = UnixStream::connect(server.sockets.front()).and_then(|mut stream| {
            stream.set_read_timeout(Some(options.start_timeout))?;
            protocol::greet(&mut stream)
        });
        match greeted {
            Ok(()) => Ok(server),
            Err(error) => Err(ServerError::io(
                format!("the embedded PostgreSQL on {} does not answer", server.data.display()),
                error,
            )),
        }
    }

    /// Whether a directory holds a database of this kind.
    pub fn is_there(data_dir: &Path) -> bool {
        engine::is_there(data_dir)
    }

    /// A URL of one of its databases, for its superuser. `postgres` is there from the start.
    pub fn url(&self, database: &str) -> String {
        let mut host = String::new();
        for byte in self.sockets.path().as_os_str().as_encoded_bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => host.push(char::from(*byte)),
                _ => host.push_str(&format!("%{byte:02X}")),
            }
        }
        format!("postgresql://{}@{host}:5432/{database}", protocol::USER)
    }

    /// The directory of its socket, which `psql -h` takes.
    pub fn socket_directory(&self) -> &Path {
        self.sockets.path()
    }

    /// Where its data are.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Ends the open connection, if there is one, stops the server and waits until everything is on the disk.
    ///
    /// Blocking: call it from a thread that may wait.
    ///
    /// # Errors
    /// Where it did not stop in time; it repairs itself at the next start.
    pub fn stop(mut self) -> Result<(), ServerError> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), ServerError> {
        let Some(keeper) = self.keeper.take() else { return Ok(()) };
        let stopped = self.gate.close(STOP_TIMEOUT);
        // it looks whether the gate is closed when somebody comes
        if UnixStream::connect(self.sockets.front()).is_ok() {
            let _ = keeper.join();
        }
        stopped
    }
}

/// Makes a directory that only this user can enter, or closes one that is there and is this user's.
fn own_directory(directory: &Path) -> Result<(), ServerError> {
    let failed = |error| ServerError::io(format!("the directory {} cannot be made", directory.display()), error);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let owner = std::fs::metadata(directory).map_err(failed)?.uid();
    // a process's directory in /proc belongs to its effective user
    if owner != std::fs::metadata("/proc/self").map_err(failed)?.uid() {
        return Err(ServerError::new(format!(
            "the directory {} belongs to another user (number {owner}), who could read and change the database in it: choose another one, or take it over (chown -R) if it is a copy of yours",
            directory.display()
        )));
    }
    std::fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed)
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::warn!(%error, "stopping the embedded PostgreSQL");
        }
    }
}
