//! A PostgreSQL that takes passwords over TLS alone.

use std::path::Path;

use fonderie_postgres_server::{Server, ServerOptions};
use fonderie_warehouse::{Login, Place};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::Authority;

/// The name that the server's certificate is made for.
const HOST: &str = "localhost";

/// A server of one test: roles belong to a server, not to a database. Dropping it stops it and removes its data.
pub struct SecureServer {
    server: Server,
    // Behind the server, which has to be stopped before its data go.
    _folder: TempDir,
}

impl SecureServer {
    /// Starts a server with a certificate for `localhost` that this authority signed.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start(authority: &Authority) -> Self {
        let folder = tempfile::Builder::new().prefix("fonderie-secure-").tempdir().expect("a directory");
        // where tests run as root, the server runs as another user, who must be able to enter
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        let mut options = ServerOptions::for_tests(folder.path().join("data"));
        options.port = Some(0);
        options.tls = Some(authority.server(HOST));
        let server = Server::start(&options).unwrap_or_else(|error| panic!("{error}"));
        Self { server, _folder: folder }
    }

    /// Where one of its databases is.
    pub fn place(&self, database: &str) -> Place {
        Place { host: HOST.to_owned(), port: self.server.port(), dbname: database.to_owned() }
    }

    /// A login.
    pub fn login(&self, database: &str, user: &str, password: &str) -> Login {
        Login::new(&self.place(database), user, password.to_owned())
    }

    /// The superuser's connection, through the socket.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn superuser(&self, database: &str) -> Client {
        let url = self.server.url(database);
        let connected = tokio_postgres::connect(&url, NoTls).await;
        let (client, connection) = connected.unwrap_or_else(|error| panic!("no connection to {url}: {error:?}"));
        tokio::spawn(connection);
        client
    }

    /// What the server has logged so far.
    ///
    /// # Panics
    /// Where its log cannot be read.
    pub fn log(&self) -> String {
        let log = Path::new(self.server.data_dir()).join("server.log");
        std::fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()))
    }
}
