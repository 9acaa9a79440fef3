//! What `admit` works with.

#[cfg(feature = "lambda")]
use fonderie_core::Result;
#[cfg(feature = "lambda")]
use fonderie_lambda_host::Settings;
#[cfg(feature = "lambda")]
use fonderie_storage::sdk_config;
use fonderie_storage::{Datasets, Storage};

/// The buckets of a backfill.
#[derive(Clone, Debug)]
pub struct Buckets {
    /// Files as they came.
    pub bronze: String,
    /// Reports, and the runs of backfills.
    pub reports: String,
}

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context {
    pub(crate) storage: Storage,
    pub(crate) bundles: Datasets,
    pub(crate) datasets_bucket: String,
    pub(crate) datasets: Vec<String>,
    pub(crate) buckets: Buckets,
}

impl Context {
    /// A context of a store; the first of `datasets` is the one of keys that name none.
    pub fn new(storage: Storage, datasets_bucket: String, datasets: Vec<String>, buckets: Buckets) -> Self {
        Self { bundles: Datasets::new(storage.clone()), storage, datasets_bucket, datasets, buckets }
    }

    /// The function's context, from `DATASETS`, `DATASETS_BUCKET`, `BRONZE_BUCKET` and `REPORTS_BUCKET`.
    ///
    /// # Errors
    /// When settings are missing.
    #[cfg(feature = "lambda")]
    pub fn from_environment() -> Result<Self> {
        let (bucket, datasets, buckets) = Settings::read(|settings| {
            let buckets = Buckets { bronze: settings.text("BRONZE_BUCKET"), reports: settings.text("REPORTS_BUCKET") };
            (settings.text("DATASETS_BUCKET"), settings.list("DATASETS"), buckets)
        })?;
        Ok(Self::new(Storage::from_config(&sdk_config()), bucket, datasets, buckets))
    }
}
