//! Where the database is and how it is reached: from a URL on one machine, from a secret in the cloud.

use std::fmt;
use std::net::IpAddr;

use fonderie_core::{ErrorCode, Result, StageError};
use tokio_postgres::config::{Host, SslMode};

use crate::login::Login;
use crate::tls::Tls;

/// Where the database is, who connects, and how the connection is protected. Its `Debug` form has no password.
#[derive(Clone)]
pub struct DatabaseSettings {
    /// Boxed: it is large, and travels inside other values.
    pub(crate) config: Box<tokio_postgres::Config>,
    pub(crate) tls: Tls,
}

impl DatabaseSettings {
    /// Reads a connection URL (`postgresql://user@host:port/database`) or a `key=value` string, without TLS.
    ///
    /// # Errors
    /// [`ErrorCode::SettingsInvalid`] where it cannot be read, or where it names a host other than this machine without
    /// saying `sslmode=disable`: an unprotected connection over a network must be asked for.
    pub fn from_url(url: &str) -> Result<Self> {
        let settings = Self::from_url_with(url, Tls::disable())?;
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

    /// A login, with the connection protected as `tls` says.
    pub fn from_login(login: &Login, tls: Tls) -> Self {
        let mut config = tokio_postgres::Config::new();
        config.host(&login.host).port(login.port).user(&login.username).password(&login.password).dbname(&login.dbname);
        Self { config: Box::new(config), tls }
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_database(mut self, name: &str) -> Self {
        self.config.dbname(name);
        self
    }

    /// The same database, another user.
    #[must_use]
    pub(crate) fn with_user(mut self, user: &str, password: Option<&str>) -> Self {
        self.config.user(user);
        if let Some(password) = password {
            self.config.password(password);
        }
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
}
