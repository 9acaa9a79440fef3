//! What `admit` works with.

#[cfg(feature = "lambda")]
use fonderie_core::{ErrorCode, Result, StageError};
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
    /// The bytes of the largest file that is accepted; any size if there is no limit.
    pub(crate) largest: Option<u64>,
}

/// The bytes of a megabyte.
#[cfg(feature = "lambda")]
const MEGABYTE: u64 = 1 << 20;

impl Context {
    /// A context of a store; the first of `datasets` is the one of keys that name none.
    pub fn new(storage: Storage, datasets_bucket: String, datasets: Vec<String>, buckets: Buckets) -> Self {
        Self { bundles: Datasets::new(storage.clone()), storage, datasets_bucket, datasets, buckets, largest: None }
    }

    /// The same, with the bytes of the largest file that is accepted.
    #[must_use]
    pub fn with_largest(self, bytes: u64) -> Self {
        Self { largest: Some(bytes), ..self }
    }

    /// The function's context, from `DATASETS`, `DATASETS_BUCKET`, `BRONZE_BUCKET`, `REPORTS_BUCKET` and `LARGEST_FILE_MB` (megabytes of 1,048,576
    /// bytes).
    ///
    /// # Errors
    /// When settings are missing, or are no number where one is needed.
    #[cfg(feature = "lambda")]
    pub fn from_environment() -> Result<Self> {
        let (bucket, datasets, buckets, largest) = Settings::read(|settings| {
            let buckets = Buckets { bronze: settings.text("BRONZE_BUCKET"), reports: settings.text("REPORTS_BUCKET") };
            (settings.text("DATASETS_BUCKET"), settings.list("DATASETS"), buckets, settings.text("LARGEST_FILE_MB"))
        })?;
        let megabytes: u32 = largest.parse().map_err(|_| {
            let message = format!("LARGEST_FILE_MB is `{largest}`: set it to a whole number of megabytes, such as 256");
            StageError::new(ErrorCode::SettingsInvalid, message)
        })?;
        let context = Self::new(Storage::from_config(&sdk_config()), bucket, datasets, buckets);
        Ok(context.with_largest(u64::from(megabytes) * MEGABYTE))
    }
}
