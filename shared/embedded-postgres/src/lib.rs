//! A PostgreSQL inside the process, for machines that have none installed: PostgreSQL 17 in WebAssembly, by `pglite-oxide`.
//!
//! It needs no rights, no network and no second process, so that a killed program leaves nothing behind but its data, which
//! repair themselves at the next start. Its clients reach it through a Unix socket
//! in its data directory, which only this user can enter. The engine asks for no password, so that there is no network.
//!
//! The engine serves one connection at a time and lets another one wait without a word; and a connection that breaks off at
//! a bad moment ends it. So a gate stands before it (`gate`): a connection waits a few seconds for the one before it to end,
//! then is refused with PostgreSQL's own error for "too many connections"; an engine that ended is started again.
//!
//! What it writes outlives the process at any moment, killed or not. It outlives a power cut once [`Server::stop`] has
//! returned: the engine itself never asks the disk to keep anything.
//!
//! Beside the data directory it unpacks its program (some 100 MB) once per user, into the user's cache directory.

mod engine;
mod gate;
mod protocol;
mod server;
mod sockets;
mod turn;

pub use server::{Server, ServerOptions};

/// Why the server could not be started or stopped: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ServerError {
    message: String,
    #[source]
    source: Option<std::io::Error>,
}

impl ServerError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    fn io(message: impl Into<String>, source: std::io::Error) -> Self {
        let message = format!("{}: {source}", message.into());
        Self { message, source: Some(source) }
    }
}
