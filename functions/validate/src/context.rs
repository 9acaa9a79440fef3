//! What `validate` works with.

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
    pub(crate) silver_bucket: String,
    pub(crate) quarantine_bucket: String,
}

impl Context {
    /// A context of a store.
    pub fn new(storage: Storage, silver_bucket: String, quarantine_bucket: String) -> Self {
        Self { bundles: Datasets::new(storage.clone()), storage, silver_bucket, quarantine_bucket }
    }

    /// The function's context, from `SILVER_BUCKET` and `QUARANTINE_BUCKET`.
    ///
    /// # Errors
    /// When settings are missing.
    #[cfg(feature = "lambda")]
    pub fn from_environment() -> Result<Self> {
        let (silver, quarantine) =
            Settings::read(|settings| (settings.text("SILVER_BUCKET"), settings.text("QUARANTINE_BUCKET")))?;
        Ok(Self::new(Storage::from_config(&sdk_config()), silver, quarantine))
    }
}
