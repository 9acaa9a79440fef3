//! A PostgreSQL that a test can take away and bring back: on one port and one data directory as long as it lives.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fonderie_postgres_server::{Server, ServerOptions};
use fonderie_test_security::Authority;
use tempfile::TempDir;

use crate::{Result, run, warehouse};

/// The name that a secure server's certificate is made for.
pub const HOST: &str = "localhost";

/// A server, running or stopped. Dropping it stops it and removes its data.
pub struct Postgres {
    server: Option<Server>,
    options: ServerOptions,
    port: u16,
    // Behind the server, which has to be stopped before its data go.
    _folder: TempDir,
}

impl Postgres {
    /// Starts a new server that takes its superuser's password.
    ///
    /// # Errors
    /// There are no PostgreSQL binaries, or it does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(None)
    }

    /// Starts a new server that takes passwords, and those over TLS alone; this authority signs its certificate.
    ///
    /// # Errors
    /// There are no PostgreSQL binaries, or it does not start.
    pub fn start_secure(authority: &Authority) -> Result<Self> {
        Self::start_with(Some(authority))
    }

    fn start_with(authority: Option<&Authority>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("fonderie-e2e-postgres-").tempdir()?;
        // Where the tests run as root, the server runs as another user, who must be able to enter.
        #[cfg(unix)]
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut options = ServerOptions::for_tests(folder.path().join("data"));
        options.port = Some(port);
        options.tls = authority.map(|authority| authority.server(HOST));
        let mut postgres = Self { server: None, options, port, _folder: folder };
        postgres.bring_back()?;
        Ok(postgres)
    }

    /// Where it listens, whenever it runs.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server, if it runs.
    ///
    /// # Errors
    /// It had to be killed.
    pub fn take_away(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |server| Ok(server.stop()?))
    }

    /// Ends the server's first process as a crash does, and waits until its others have noticed: to be brought back.
    ///
    /// # Errors
    /// It does not run, or one of its processes stays.
    pub fn crash(&mut self) -> Result<()> {
        let server = self.server.take().ok_or("PostgreSQL was taken away")?;
        let file = std::fs::read_to_string(server.data_dir().join("postmaster.pid"))?;
        let postmaster: u32 = file.lines().next().ok_or("postmaster.pid is empty")?.trim().parse()?;
        let others = children(postmaster)?;
        kill(postmaster)?;
        // it is not there to be asked, and is only waited for
        let _ = server.stop();
        let limit = Instant::now() + Duration::from_secs(30);
        while others.iter().any(|process| Path::new(&format!("/proc/{process}")).exists()) {
            if Instant::now() > limit {
                return Err("processes of a PostgreSQL that was killed did not end".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Kills the processes that serve connections to a database; the server then restarts all of itself and empties what is not
    /// logged. Returns how many there were, once it answers again.
    ///
    /// # Errors
    /// It does not run, or does not come back.
    pub async fn kill_backends(&self, database: &str) -> Result<usize> {
        let client = warehouse::connect(&self.url("postgres")?).await?;
        let query = "SELECT pid FROM pg_stat_activity WHERE datname = $1";
        let found = client.query(query, &[&database]).await?;
        for row in &found {
            // one that ended meanwhile needs no signal
            let _ = kill(u32::try_from(row.try_get::<_, i32>(0)?)?);
        }
        drop(client);
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            match warehouse::connect(&self.url("postgres")?).await {
                Ok(client) if client.execute("SELECT 1", &[]).await.is_ok() => return Ok(found.len()),
                _ if Instant::now() > limit => return Err("PostgreSQL did not come back".into()),
                _ => {}
            }
        }
    }

    /// Starts the server, if it does not run.
    ///
    /// # Errors
    /// It does not start.
    pub fn bring_back(&mut self) -> Result<()> {
        if self.server.is_none() {
            self.server = Some(Server::start(&self.options)?);
        }
        Ok(())
    }

    /// The superuser's URL of a database, through the socket.
    ///
    /// # Errors
    /// It does not run.
    pub fn url(&self, database: &str) -> Result<String> {
        let server = self.server.as_ref().ok_or("PostgreSQL was taken away")?;
        Ok(server.url(database))
    }

    /// Makes an empty database, and returns its URL.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn create(&self, name: &str) -> Result<String> {
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await?;
        self.url(name)
    }

    /// A statement of the superuser's, in the database `postgres`.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn execute(&self, statement: &str) -> Result<()> {
        let client = warehouse::connect(&self.url("postgres")?).await?;
        client.batch_execute(statement).await.map_err(|error| format!("{statement}: {error:?}"))?;
        Ok(())
    }
}

/// The processes that a process has started.
fn children(parent: u32) -> Result<Vec<u32>> {
    let text = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    Ok(text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?)
}

fn kill(process: u32) -> Result<()> {
    run(Command::new("kill").arg("-KILL").arg(process.to_string())).map(|_| ())
}
