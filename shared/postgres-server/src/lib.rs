//! Starts and stops a native PostgreSQL server of one's own: for the one-machine binary and for the tests.
//!
//! The server belongs to the process that started it. It listens on a socket in its data directory, which only its account can
//! enter, and on the loopback interface only if it is asked to; both take the password that lies in the data directory, and the
//! network takes it only over TLS if there is a certificate. It stops when it is told to, when its [`Server`] is dropped, and
//! when its parent dies (if `setpriv` of util-linux is there to arrange that). What a killed run left behind does not block the
//! next start.

mod access;
mod account;
mod binaries;
mod leftover;
mod options;
mod ownership;
mod server;
mod socket;

pub use binaries::Binaries;
pub use options::{ServerOptions, ServerTls};
pub use server::Server;

/// Why a server could not be found, started or stopped: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ServerError {
    message: String,
    /// No PostgreSQL is installed here, as opposed to one that does not start.
    not_found: bool,
    #[source]
    source: Option<std::io::Error>,
}

impl ServerError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), not_found: false, source: None }
    }

    fn io(message: impl Into<String>, source: std::io::Error) -> Self {
        let message = format!("{}: {source}", message.into());
        Self { message, not_found: false, source: Some(source) }
    }

    /// Whether no PostgreSQL is installed here.
    pub fn is_not_found(&self) -> bool {
        self.not_found
    }
}
