//! One connection, for one stage, closed at its end.
//!
//! The embedded PostgreSQL serves one connection at a time, and a second one hangs without an error: so a stage opens one,
//! under a time-out, and closes it before the next stage begins.

use std::time::Duration;

use fonderie_core::Deadline;
use fonderie_core::{ErrorCode, Result, StageError};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls};

use crate::error::{Doing, database_error};
use crate::settings::DatabaseSettings;

/// Limits of a connection.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// What the database's own views call this connection.
    pub application_name: String,
    /// For the connection and its first answer.
    pub connect_timeout: Duration,
    /// For one lock; the dataset's own among them.
    pub lock_timeout: Duration,
    /// For one statement.
    pub statement_timeout: Duration,
    /// How long a transaction whose client fell silent keeps its locks.
    pub idle_in_transaction_timeout: Duration,
}

impl ConnectOptions {
    /// Of a stage: its statements end while there is time to report it, if there is a deadline.
    pub fn of_stage(stage: &str, deadline: Deadline) -> Self {
        let options = Self { application_name: format!("fonderie {stage}"), ..Self::default() };
        match deadline.left() {
            None => options,
            Some(left) => options.within(left),
        }
    }

    /// The same, so that nothing waits longer than for the time that is left, and a lock for half of it: work comes after it.
    fn within(mut self, left: Duration) -> Self {
        let least = Duration::from_secs(1);
        self.connect_timeout = self.connect_timeout.min(left).max(least);
        self.statement_timeout = self.statement_timeout.min(left).max(least);
        self.lock_timeout = self.lock_timeout.min(left / 2).max(least);
        // Who was killed or frozen does no more work once its time is over: its locks are freed soon after.
        self.idle_in_transaction_timeout = self.idle_in_transaction_timeout.min(left).max(least);
        self
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            application_name: "fonderie".into(),
            connect_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(60),
            statement_timeout: Duration::from_secs(840),
            idle_in_transaction_timeout: Duration::from_secs(120),
        }
    }
}

/// A connection to the warehouse.
#[derive(Debug)]
pub struct Warehouse {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
}

impl Warehouse {
    /// Connects and sets the session's limits.
    ///
    /// # Errors
    /// [`ErrorCode::DatabaseUnavailable`] where nobody answers in time, [`ErrorCode::DatabaseBusy`] where no connection is
    /// left, [`ErrorCode::AccessDenied`], [`ErrorCode::SettingsInvalid`] (TLS not verified, no such database).
    pub async fn connect(settings: &DatabaseSettings, options: &ConnectOptions) -> Result<Self> {
        let doing = format!("connecting to {}", settings.place());
        let attempt = async {
            let (client, driver) = open(settings, options, &doing).await?;
            client.batch_execute(&session(options)).await.doing(&doing)?;
            Ok(Self { client, driver })
        };
        match tokio::time::timeout(options.connect_timeout, attempt).await {
            Ok(result) => result,
            Err(_) => Err(StageError::new(
                ErrorCode::DatabaseUnavailable,
                format!(
                    "the database did not answer within {} s while {doing}: check that it is up and has a free connection",
                    options.connect_timeout.as_secs()
                ),
            )),
        }
    }

    /// Breaks the connection off, with what is under way on it.
    pub(crate) fn abandon(self) {
        self.driver.abort();
    }

    /// Ends the connection and waits until it is gone.
    pub async fn close(self) {
        let Self { client, driver } = self;
        drop(client);
        if tokio::time::timeout(Duration::from_secs(5), driver).await.is_err() {
            tracing::warn!("the database connection did not close within 5 s");
        }
    }
}

/// Opens the connection and drives it in a task of its own.
async fn open(settings: &DatabaseSettings, options: &ConnectOptions, doing: &str) -> Result<(Client, JoinHandle<()>)> {
    let mut config = settings.config.clone();
    config
        .application_name(&options.application_name)
        .connect_timeout(options.connect_timeout)
        .keepalives_idle(Duration::from_secs(30))
        .tcp_user_timeout(Duration::from_secs(60));
    match settings.tls.connector() {
        Some(tls) => {
            config.ssl_mode(SslMode::Require);
            let (client, connection) = config.connect(tls).await.doing(doing)?;
            Ok((client, tokio::spawn(async move { ended(connection.await) })))
        }
        None => {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect(NoTls).await.doing(doing)?;
            Ok((client, tokio::spawn(async move { ended(connection.await) })))
        }
    }
}

/// The end of a connection: whoever uses it sees it closed, the reason goes to the log.
fn ended(result: Result<(), tokio_postgres::Error>) {
    if let Err(error) = result {
        let error = database_error("being connected", &error);
        tracing::warn!(code = %error.code, cause = error.chain(), "the database connection ended");
    }
}

/// The session's settings. They are set by statements, since not every server takes them as start-up options.
fn session(options: &ConnectOptions) -> String {
    let millis = |duration: Duration| duration.as_millis().clamp(1, 2_147_483_647);
    format!(
        "SET lock_timeout = {}; SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET client_min_messages = warning; SET timezone = 'UTC'; SET datestyle = 'ISO'; SET jit = off",
        millis(options.lock_timeout),
        millis(options.statement_timeout),
        millis(options.idle_in_transaction_timeout),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_longer_than_the_stage_has_time() {
        let limits = |seconds| {
            let options = ConnectOptions::default().within(Duration::from_secs(seconds));
            [
                options.connect_timeout,
                options.lock_timeout,
                options.statement_timeout,
                options.idle_in_transaction_timeout,
            ]
            .map(|limit| limit.as_secs())
        };
        assert_eq!(limits(3600), [10, 60, 840, 120]);
        assert_eq!(limits(50), [10, 25, 50, 50]);
        assert_eq!(limits(0), [1, 1, 1, 1]);
    }
}
