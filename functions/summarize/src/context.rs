//! What `summarize` works with.

use fonderie_core::Result;
use fonderie_lambda_host::Settings;
use fonderie_storage::{Datasets, Storage, sdk_config};
use fonderie_warehouse::Database;

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context {
    pub(crate) storage: Storage,
    pub(crate) bundles: Datasets,
    pub(crate) database: Database,
    pub(crate) reports_bucket: String,
    pub(crate) quarantine_bucket: String,
}

impl Context {
    /// A context of a store and a database.
    pub fn new(storage: Storage, database: Database, reports_bucket: String, quarantine_bucket: String) -> Self {
        Self { bundles: Datasets::new(storage.clone()), storage, database, reports_bucket, quarantine_bucket }
    }

    /// The function's context, from `REPORTS_BUCKET`, `QUARANTINE_BUCKET`, `DATABASE_SECRET_ARN`, `DATABASE_TLS` (`verify-full`,
    /// or `disable` for a local database) and `DATABASE_ROOTS_FILE`, the certificate authorities as PEM.
    ///
    /// # Errors
    /// When settings are missing.
    pub async fn from_environment() -> Result<Self> {
        let config = sdk_config().await;
        let (arn, tls, roots, reports, quarantine) = Settings::read(|settings| {
            let tls = settings.optional("DATABASE_TLS").unwrap_or_else(|| "verify-full".to_owned());
            let roots = if tls == "disable" { String::new() } else { settings.text("DATABASE_ROOTS_FILE") };
            let buckets = (settings.text("REPORTS_BUCKET"), settings.text("QUARANTINE_BUCKET"));
            (settings.text("DATABASE_SECRET_ARN"), tls, roots, buckets.0, buckets.1)
        })?;
        let database = Database::from_secret(&config, arn, &tls, &roots)?;
        Ok(Self::new(Storage::from_config(&config), database, reports, quarantine))
    }
}
