//! How a server is to be run.

use std::path::PathBuf;
use std::time::Duration;

/// How a server is to be run.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where its data are, or will be.
    pub data_dir: PathBuf,
    /// Further settings, as `postgres -c name=value` takes them.
    pub settings: Vec<(String, String)>,
    /// How long it may take until it answers; after a crash it repairs itself first.
    pub start_timeout: Duration,
    /// A port of the loopback interface that takes passwords too, 0 for any that is free. Without it there is no network:
    /// only the socket.
    pub port: Option<u16>,
    /// If given, the network takes only connections over TLS.
    pub tls: Option<ServerTls>,
}

/// What a server shows to those who connect over TLS.
#[derive(Clone)]
pub struct ServerTls {
    /// Its certificate, and those between it and the authority, as PEM.
    pub certificate_pem: String,
    /// The certificate's private key, as PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerTls")
    }
}

impl ServerOptions {
    /// A server whose data outlive it.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let start_timeout = Duration::from_secs(60);
        Self { data_dir: data_dir.into(), settings: Vec::new(), start_timeout, port: None, tls: None }
    }

    /// A server for tests: nothing needs to outlive the machine's power.
    pub fn for_tests(data_dir: impl Into<PathBuf>) -> Self {
        let settings = [
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "200"),
            ("autovacuum", "off"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { settings, ..Self::new(data_dir) }
    }

    /// Whether nothing needs to reach the disk.
    pub(crate) fn is_quick(&self) -> bool {
        self.settings.iter().any(|(name, value)| name == "fsync" && value == "off")
    }
}
