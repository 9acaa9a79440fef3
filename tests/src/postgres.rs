//! A PostgreSQL that a test can take away and bring back: on one port and one data directory as long as it lives.

use std::net::{Ipv4Addr, TcpListener};

use fonderie_postgres_server::{Server, ServerOptions};
use tempfile::TempDir;

use crate::stack::Database;
use crate::{Result, warehouse};

/// A server, running or stopped. Dropping it stops it and removes its data.
pub struct Postgres {
    server: Option<Server>,
    options: ServerOptions,
    port: u16,
    // Behind the server, which has to be stopped before its data go.
    _folder: TempDir,
}

impl Postgres {
    /// Starts a new server.
    ///
    /// # Errors
    /// There are no PostgreSQL binaries, or it does not start.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("fonderie-e2e-postgres-").tempdir()?;
        // Where the tests run as root, the server runs as another user, who must be able to enter.
        #[cfg(unix)]
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut options = ServerOptions::for_tests(folder.path().join("data"));
        options.settings.push(("port".to_owned(), port.to_string()));
        let mut postgres = Self { server: None, options, port, _folder: folder };
        postgres.bring_back()?;
        Ok(postgres)
    }

    /// Stops the server, if it runs.
    ///
    /// # Errors
    /// It had to be killed.
    pub fn take_away(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |server| Ok(server.stop()?))
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

    /// Makes an empty database.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn create(&self, name: &str) -> Result<Database> {
        let client = warehouse::connect(&self.database("postgres").url()).await?;
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await?;
        Ok(self.database(name))
    }

    fn database(&self, name: &str) -> Database {
        Database {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            username: "fonderie".to_owned(),
            password: "trusted".to_owned(),
            dbname: name.to_owned(),
        }
    }
}

impl Database {
    /// The connection's URL.
    pub fn url(&self) -> String {
        format!("postgresql://{}@{}:{}/{}", self.username, self.host, self.port, self.dbname)
    }
}
