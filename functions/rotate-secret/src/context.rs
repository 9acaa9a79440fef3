//! What `rotate-secret` works with.

use fonderie_core::Result;
use fonderie_lambda_host::Settings;
use fonderie_storage::sdk_config;
use fonderie_warehouse::{SecretsManager, Tls};

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context<S = SecretsManager> {
    pub(crate) secret: S,
    pub(crate) tls: Tls,
}

impl<S> Context<S> {
    /// A context of a secret.
    pub fn new(secret: S, tls: Tls) -> Self {
        Self { secret, tls }
    }
}

impl Context {
    /// The function's context, from `DATABASE_SECRET_ARN`, `DATABASE_TLS` (`verify-full`, or `disable` for a local database)
    /// and, optional, `DATABASE_ROOTS_FILE`, certificate authorities as PEM.
    ///
    /// # Errors
    /// When settings are missing.
    pub fn from_environment() -> Result<Self> {
        let secret = Settings::read(|settings| settings.database())?;
        let tls = Tls::from_settings(&secret.tls, secret.roots_file.as_deref())?;
        Ok(Self::new(SecretsManager::new(&sdk_config(), secret.arn), tls))
    }
}
