//! What `summarize` works with.

use std::sync::Arc;

#[cfg(feature = "lambda")]
use fonderie_core::Result;
use fonderie_core::Tell;
#[cfg(feature = "lambda")]
use fonderie_lambda_host::{Settings, Topic};
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
    pub(crate) quarantine_bucket: String,
    pub(crate) topic: Option<Arc<dyn Tell>>,
}

impl Context {
    /// A context of a store and a database; without a topic nobody is told.
    pub fn new(
        storage: Storage,
        database: Database,
        reports_bucket: String,
        quarantine_bucket: String,
        topic: Option<Arc<dyn Tell>>,
    ) -> Self {
        Self { bundles: Datasets::new(storage.clone()), storage, database, reports_bucket, quarantine_bucket, topic }
    }

    /// The function's context, from `REPORTS_BUCKET`, `QUARANTINE_BUCKET`, `TOPIC_ARN`, and the database's settings
    /// ([`Settings::database`]).
    ///
    /// # Errors
    /// When settings are missing.
    #[cfg(feature = "lambda")]
    pub fn from_environment() -> Result<Self> {
        let config = sdk_config();
        let (secret, reports, quarantine, topic) = Settings::read(|settings| {
            let (reports, quarantine) = (settings.text("REPORTS_BUCKET"), settings.text("QUARANTINE_BUCKET"));
            (settings.database(), reports, quarantine, settings.text("TOPIC_ARN"))
        })?;
        let database = Database::from_secret(&config, secret.arn, &secret.tls, secret.roots_file.as_deref())?;
        let topic = Some(Arc::new(Topic::new(&config, topic)) as Arc<dyn Tell>);
        Ok(Self::new(Storage::from_config(&config), database, reports, quarantine, topic))
    }
}
