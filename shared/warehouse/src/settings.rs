//! Where the database is and how it is reached: from a URL on one machine, from a secret in the cloud.

use std::fmt;
use std::net::IpAddr;

use fonderie_core::{ErrorCode, Result, StageError};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How the connection is protected.
#[derive(Clone, PartialEq, Eq)]
pub enum Tls {
    /// TLS, with the server's certificate and host name verified against these certificate authorities.
    VerifyFull {
        /// The authorities, as PEM.
        roots_pem: String,
    },
    /// No TLS: for a database on this machine.
    Disable,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tls::VerifyFull { .. } => "VerifyFull",
            Tls::Disable => "Disable",
        })
    }
}

/// Where the database is, who connects, and how the connection is protected. Its `Debug` form has no password.
#[derive(Clone)]
pub struct DatabaseSettings {
    /// Boxed: it is large, and travels inside other values.
    pub(crate) config: Box<tokio_postgres::Config>,
    pub(crate) tls: Tls,
}

/// The secret's JSON, as RDS makes it.
#[derive(Deserialize)]
struct Secret {
    host: String,
    #[serde(default = "default_port")]
    port: u16,
    username: String,
    password: String,
    dbname: String,
}

fn default_port() -> u16 {
    5432
}

impl DatabaseSettings {
    /// Reads a connection URL (`postgresql://user@host:port/database`) or a `key=value` string, without TLS.
    ///
    /// # Errors
    /// [`ErrorCode::SettingsInvalid`] where it cannot be read, or where it names a host other than this machine without
    /// saying `sslmode=disable`: an unprotected connection over a network must be asked for.
    pub fn from_url(url: &str) -> Result<Self> {
        let settings = Self::from_url_with(url, Tls::Disable)?;
        if settings.config.get_ssl_mode() != SslMode::Disable && !settings.is_local() {
            return Err(invalid(format!(
                "the database at {} is not on this machine and its URL gives no certificate authorities: add sslmode=disable to connect without TLS",
                settings.place()
            )));
        }
        Ok(settings)
    }

    /// Reads a connection URL or a `key=value` string; the connection is protected as `tls` says.
    ///
    /// # Errors
    /// [`ErrorCode::SettingsInvalid`] where it cannot be read or names no host, user or database.
    pub fn from_url_with(url: &str, tls: Tls) -> Result<Self> {
        let config: tokio_postgres::Config = url.parse().map_err(|_| {
            invalid("the database URL cannot be read: it must look like postgresql://user@host:5432/database".into())
        })?;
        if config.get_hosts().is_empty() || config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(invalid(
                "the database URL must name a user, a host and a database: postgresql://user@host:5432/database".into(),
            ));
        }
        Ok(Self { config: Box::new(config), tls })
    }

    /// Reads a secret as RDS makes it: JSON with `host`, `port` (5432 if absent), `username`, `password`, `dbname`; other
    /// keys are passed over.
    ///
    /// # Errors
    /// [`ErrorCode::SettingsInvalid`] where a key is missing; the message never holds a value of the secret.
    pub fn from_secret(json: &str, tls: Tls) -> Result<Self> {
        // serde's message may quote a value of the wrong type, so that only its place is told
        let secret: Secret = serde_json::from_str(json).map_err(|error| {
            invalid(format!(
                "the database's secret cannot be read (line {}, column {}): it must be JSON with host, port, username, password and dbname",
                error.line(),
                error.column()
            ))
        })?;
        let mut config = tokio_postgres::Config::new();
        config
            .host(secret.host)
            .port(secret.port)
            .user(secret.username)
            .password(secret.password)
            .dbname(secret.dbname);
        Ok(Self { config: Box::new(config), tls })
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_database(mut self, name: &str) -> Self {
        self.config.dbname(name);
        self
    }

    /// Host, port and database, for a message.
    pub fn place(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "?".into(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", self.config.get_dbname().unwrap_or("?"))
    }

    /// All hosts are this machine.
    fn is_local(&self) -> bool {
        self.config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        })
    }

    /// The TLS connector where there is TLS.
    pub(crate) fn connector(&self) -> Result<Option<MakeRustlsConnect>> {
        let Tls::VerifyFull { roots_pem } = &self.tls else {
            return Ok(None);
        };
        let unusable = || {
            invalid(
                "the database's certificate authorities cannot be read: they must be certificates in PEM form".into(),
            )
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(roots_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| unusable().caused_by(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable().caused_by(error))?;
        }
        if roots.is_empty() {
            return Err(unusable());
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable().caused_by(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Some(MakeRustlsConnect::new(config)))
    }
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("place", &self.place())
            .field("user", &self.config.get_user())
            .field("tls", &self.tls)
            .finish()
    }
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SECRET: &str = r#"{"engine":"postgres","host":"db.example","port":5433,"username":"loader","password":"hunter2","dbname":"fonderie"}"#;

    #[test]
    fn a_secret_is_read_and_its_password_is_never_shown() {
        let settings = DatabaseSettings::from_secret(SECRET, Tls::Disable).unwrap();
        assert_eq!(settings.place(), "db.example:5433/fonderie");
        assert_eq!(settings.config.get_password(), Some(&b"hunter2"[..]));
        assert!(!format!("{settings:?}").contains("hunter2"));
        let error = DatabaseSettings::from_secret(&SECRET.replace("5433", "\"hunter2\""), Tls::Disable).unwrap_err();
        assert_eq!(error.code, ErrorCode::SettingsInvalid);
        assert!(!error.message.contains("hunter2") && !error.chain().contains("hunter2"), "{error}");
    }

    #[test]
    fn only_this_machine_goes_without_tls_unasked() {
        for url in [
            "postgresql://f@127.0.0.1:5432/d",
            "postgresql://f@localhost/d",
            "host=/tmp user=f dbname=d",
            "postgresql://f@db.example/d?sslmode=disable",
        ] {
            assert!(DatabaseSettings::from_url(url).is_ok(), "{url}");
        }
        for url in
            ["postgresql://f:hunter2@db.example/d", "postgresql://f@10.0.0.1/d", "postgresql://127.0.0.1/d", "nonsense"]
        {
            let error = DatabaseSettings::from_url(url).unwrap_err();
            assert_eq!(error.code, ErrorCode::SettingsInvalid, "{url}");
            assert!(!error.message.contains("hunter2"));
        }
    }

    #[test]
    fn authorities_must_be_certificates() {
        for roots_pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let tls = Tls::VerifyFull { roots_pem: roots_pem.into() };
            let settings = DatabaseSettings::from_secret(SECRET, tls).unwrap();
            assert_eq!(settings.connector().err().map(|error| error.code), Some(ErrorCode::SettingsInvalid));
        }
    }
}
