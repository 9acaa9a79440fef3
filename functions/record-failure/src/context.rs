//! What `record-failure` works with: S3 alone.

use fonderie_core::Result;
use fonderie_lambda_host::Settings;
use fonderie_storage::{Storage, sdk_config};

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context {
    pub(crate) storage: Storage,
    pub(crate) quarantine_bucket: String,
}

impl Context {
    /// A context of a store.
    pub fn new(storage: Storage, quarantine_bucket: String) -> Self {
        Self { storage, quarantine_bucket }
    }

    /// The function's context, from `QUARANTINE_BUCKET`.
    ///
    /// # Errors
    /// When settings are missing.
    pub async fn from_environment() -> Result<Self> {
        let quarantine = Settings::read(|settings| settings.text("QUARANTINE_BUCKET"))?;
        Ok(Self::new(Storage::from_config(&sdk_config().await), quarantine))
    }
}
