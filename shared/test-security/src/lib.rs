//! What tests of the database's security share: a certificate authority, a PostgreSQL that takes passwords over TLS alone, and
//! a secret as Secrets Manager keeps one.
//!
//! A failure here is a failure of the machine and not of the code under test, so that it panics with what to do.
#![allow(clippy::panic, clippy::expect_used)]

mod authority;
mod secret;
mod server;

pub use authority::Authority;
pub use secret::MemorySecret;
pub use server::SecureServer;
