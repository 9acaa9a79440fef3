//! A PostgreSQL of a test's own, which the test can take away and bring back: on one port and one data directory as long as it lives.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fonderie_postgres_server::{Server, ServerOptions, ServerTls};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::{connect, try_connect};

/// How long a server's processes may take to end after a crash, or to answer again.
const LIMIT: Duration = Duration::from_secs(30);

/// The folders of servers, with the number of the test's process behind.
const FOLDER: &str = "fonderie-test-postgres-";

/// A server, running or taken away. Roles belong to a server, not to a database. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct OwnServer {
    server: Option<Server>,
    options: ServerOptions,
    // Behind the server, which has to be stopped before its data go.
    _folder: TempDir,
}

impl OwnServer {
    /// Starts a new server that takes its superuser's password, and removes what killed test runs left behind.
    ///
    /// # Panics
    /// If no PostgreSQL is installed, or it does not start: with what to do.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    pub(crate) fn start_with(tls: Option<ServerTls>) -> Self {
        let temporary = std::env::temp_dir();
        sweep(&temporary);
        let prefix = format!("{FOLDER}{}.", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(temporary).expect("a folder");
        // where tests run as root, the server runs as another user, who must be able to enter
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a mode");
        let mut options = ServerOptions::for_tests(folder.path().join("data"));
        (options.port, options.tls) = (Some(0), tls);
        let mut own = Self { server: None, options, _folder: folder };
        own.bring_back();
        own.options.port = Some(own.running().port());
        own
    }

    /// Where it listens whenever it runs.
    pub fn port(&self) -> u16 {
        self.options.port.unwrap_or_default()
    }

    /// The superuser's URL of a database, through the socket.
    ///
    /// # Panics
    /// If it does not run.
    pub fn url(&self, database: &str) -> String {
        self.running().url(database)
    }

    /// The superuser's connection to a database, through the socket.
    ///
    /// # Panics
    /// If there is none.
    pub async fn superuser(&self, database: &str) -> Client {
        connect(&self.url(database)).await
    }

    /// A statement of the superuser's, in the database `postgres`.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn execute(&self, statement: &str) {
        let done = self.superuser("postgres").await.batch_execute(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }

    /// Makes an empty database, and returns its URL.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn create(&self, name: &str) -> String {
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
        self.url(name)
    }

    /// What the server has logged so far.
    ///
    /// # Panics
    /// If its log cannot be read.
    pub fn log(&self) -> String {
        text(&self.running().data_dir().join("server.log"))
    }

    /// Stops the server, if it runs.
    ///
    /// # Panics
    /// If it had to be killed.
    pub fn take_away(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Starts the server, if it does not run.
    ///
    /// # Panics
    /// If it does not start.
    pub fn bring_back(&mut self) {
        if self.server.is_none() {
            self.server = Some(Server::start(&self.options).unwrap_or_else(|error| panic!("{error}")));
        }
    }

    /// Ends the server's first process as a crash does, and waits until its others have noticed: to be brought back.
    ///
    /// # Panics
    /// If it does not run, or one of its processes stays.
    pub fn crash(&mut self) {
        let file = text(&self.running().data_dir().join("postmaster.pid"));
        let postmaster = file.lines().next().unwrap_or_default().trim();
        let others = text(Path::new(&format!("/proc/{postmaster}/task/{postmaster}/children")));
        assert!(kill(postmaster), "the process {postmaster} cannot be killed");
        // it is not there to be asked, and is only waited for
        let _ = self.server.take().map(Server::stop);
        let limit = Instant::now() + LIMIT;
        while others.split_whitespace().any(|process| Path::new("/proc").join(process).exists()) {
            assert!(Instant::now() < limit, "processes of a PostgreSQL that was killed did not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the processes that serve connections to a database; the server then restarts all of itself and empties what is not
    /// logged. Returns how many there were, once it answers again.
    ///
    /// # Panics
    /// If it does not run, or does not come back.
    pub async fn kill_backends(&self, database: &str) -> usize {
        let client = self.superuser("postgres").await;
        let query = "SELECT pid::text FROM pg_stat_activity WHERE datname = $1";
        let found = client.query(query, &[&database]).await.expect("the server's processes");
        for row in &found {
            // one that ended meanwhile needs no signal
            kill(row.get(0));
        }
        drop(client);
        let limit = Instant::now() + LIMIT;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Ok(client) = try_connect(&self.url("postgres")).await
                && client.execute("SELECT 1", &[]).await.is_ok()
            {
                return found.len();
            }
            assert!(Instant::now() < limit, "PostgreSQL did not come back");
        }
    }

    fn running(&self) -> &Server {
        self.server.as_ref().expect("PostgreSQL was taken away: bring it back first")
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether there was such a process.
fn kill(process: &str) -> bool {
    let killed = Command::new("kill").args(["-KILL", process]).stderr(Stdio::null()).status();
    killed.is_ok_and(|status| status.success())
}

/// Removes the folders of test processes that are gone.
fn sweep(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(FOLDER))
            .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
