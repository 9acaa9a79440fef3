//! What `publish` works with.

#[cfg(feature = "lambda")]
use fonderie_core::Result;
#[cfg(feature = "lambda")]
use fonderie_lambda_host::Settings;
#[cfg(feature = "lambda")]
use fonderie_storage::sdk_config;
use fonderie_storage::{Datasets, Storage};
use fonderie_warehouse::Database;

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context {
    pub(crate) storage: Storage,
    pub(crate) bundles: Datasets,
    pub(crate) database: Database,
    pub(crate) reports_bucket: String,
}

impl Context {
    /// A context of a store and a database.
    pub fn new(storage: Storage, database: Database, reports_bucket: String) -> Self {
        Self { bundles: Datasets::new(storage.clone()), storage, database, reports_bucket }
    }

    /// The function's context, from `REPORTS_BUCKET`, `DATABASE_SECRET_ARN`, `DATABASE_TLS` (`verify-full`, or `disable` for a local
    /// database) and `DATABASE_ROOTS_FILE`, the certificate authorities as PEM.
    ///
    /// # Errors
    /// When settings are missing.
    #[cfg(feature = "lambda")]
    pub fn from_environment() -> Result<Self> {
        let config = sdk_config();
        let (secret, reports) = Settings::read(|settings| (settings.database(), settings.text("REPORTS_BUCKET")))?;
        let database = Database::from_secret(&config, secret.arn, &secret.tls, secret.roots_file.as_deref())?;
        Ok(Self::new(Storage::from_config(&config), database, reports))
    }
}
