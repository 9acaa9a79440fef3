//! What `rebuild` works with.

#[cfg(feature = "lambda")]
use fonderie_core::Result;
#[cfg(feature = "lambda")]
use fonderie_lambda_host::Settings;
#[cfg(feature = "lambda")]
use fonderie_storage::sdk_config;
use fonderie_storage::{Datasets, Storage};
use fonderie_warehouse::Database;

/// Where a plan looks.
#[derive(Clone, Debug)]
pub struct Buckets {
    /// Files as they came.
    pub bronze: String,
    /// Canonical records, and what their runs were.
    pub silver: String,
    /// What was refused, and how runs failed.
    pub quarantine: String,
    /// The datasets' bundles.
    pub datasets: String,
}

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context {
    pub(crate) storage: Storage,
    pub(crate) bundles: Datasets,
    pub(crate) database: Database,
    pub(crate) buckets: Buckets,
    pub(crate) reports_bucket: String,
}

impl Context {
    /// A context of a store and a database.
    pub fn new(storage: Storage, database: Database, buckets: Buckets, reports_bucket: String) -> Self {
        Self { bundles: Datasets::new(storage.clone()), storage, database, buckets, reports_bucket }
    }

    /// The function's context, from `BRONZE_BUCKET`, `SILVER_BUCKET`, `QUARANTINE_BUCKET`, `DATASETS_BUCKET`, `REPORTS_BUCKET`,
    /// `DATABASE_SECRET_ARN`, `DATABASE_TLS` and `DATABASE_ROOTS_FILE`.
    ///
    /// # Errors
    /// When settings are missing.
    #[cfg(feature = "lambda")]
    pub fn from_environment() -> Result<Self> {
        let (secret, buckets, reports) = Settings::read(|settings| {
            let buckets = Buckets {
                bronze: settings.text("BRONZE_BUCKET"),
                silver: settings.text("SILVER_BUCKET"),
                quarantine: settings.text("QUARANTINE_BUCKET"),
                datasets: settings.text("DATASETS_BUCKET"),
            };
            (settings.database(), buckets, settings.text("REPORTS_BUCKET"))
        })?;
        let config = sdk_config();
        let database = Database::from_secret(&config, secret.arn, &secret.tls, secret.roots_file.as_deref())?;
        Ok(Self::new(Storage::from_config(&config), database, buckets, reports))
    }
}
