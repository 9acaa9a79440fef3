//! What `admit` works with.

#[cfg(feature = "lambda")]
use fonderie_core::Result;
#[cfg(feature = "lambda")]
use fonderie_lambda_host::Settings;
#[cfg(feature = "lambda")]
use fonderie_storage::sdk_config;
use fonderie_storage::{Datasets, Storage};

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context {
    pub(crate) storage: Storage,
    pub(crate) bundles: Datasets,
    pub(crate) datasets_bucket: String,
    pub(crate) datasets: Vec<String>,
}

impl Context {
    /// A context of a store; the first of `datasets` is the one of keys that name none.
    pub fn new(storage: Storage, datasets_bucket: String, datasets: Vec<String>) -> Self {
        Self { bundles: Datasets::new(storage.clone()), storage, datasets_bucket, datasets }
    }

    /// The function's context, from `DATASETS` and `DATASETS_BUCKET`.
    ///
    /// # Errors
    /// When settings are missing.
    #[cfg(feature = "lambda")]
    pub fn from_environment() -> Result<Self> {
        let (bucket, datasets) =
            Settings::read(|settings| (settings.text("DATASETS_BUCKET"), settings.list("DATASETS")))?;
        Ok(Self::new(Storage::from_config(&sdk_config()), bucket, datasets))
    }
}
