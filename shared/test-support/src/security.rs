//! What tests of the database's security share: a certificate authority, a server that takes passwords over TLS only, and a
//! secret as Secrets Manager keeps one.

mod authority;
mod secret;

use fonderie_warehouse::{Login, Place};

use crate::OwnServer;

pub use authority::Authority;
pub use secret::MemorySecret;

/// The name that a server's certificate is made for.
const HOST: &str = "localhost";

impl OwnServer {
    /// Starts a new server that takes passwords, over the network only with TLS; this authority signs its certificate.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_secure(authority: &Authority) -> Self {
        Self::start_with(Some(authority.server(HOST)))
    }

    /// Where one of its databases is.
    pub fn place(&self, database: &str) -> Place {
        Place { host: HOST.to_owned(), port: self.port(), dbname: database.to_owned() }
    }

    /// A login.
    pub fn login(&self, database: &str, user: &str, password: &str) -> Login {
        Login::new(&self.place(database), user, password.to_owned())
    }
}
