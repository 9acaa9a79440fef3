//! What `record-failure` works with: S3, and whoever is to be told.

use std::sync::Arc;

#[cfg(feature = "lambda")]
use fonderie_core::Result;
use fonderie_core::Tell;
#[cfg(feature = "lambda")]
use fonderie_lambda_host::{Settings, Topic};
use fonderie_storage::Storage;
#[cfg(feature = "lambda")]
use fonderie_storage::sdk_config;

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context {
    pub(crate) storage: Storage,
    pub(crate) quarantine_bucket: String,
    pub(crate) topic: Option<Arc<dyn Tell>>,
}

impl Context {
    /// A context of a store; without a topic nobody is told.
    pub fn new(storage: Storage, quarantine_bucket: String, topic: Option<Arc<dyn Tell>>) -> Self {
        Self { storage, quarantine_bucket, topic }
    }

    /// The function's context, from `QUARANTINE_BUCKET` and `TOPIC_ARN`.
    ///
    /// # Errors
    /// When settings are missing.
    #[cfg(feature = "lambda")]
    pub fn from_environment() -> Result<Self> {
        let config = sdk_config();
        let (quarantine, topic) =
            Settings::read(|settings| (settings.text("QUARANTINE_BUCKET"), settings.text("TOPIC_ARN")))?;
        Ok(Self::new(
            Storage::from_config(&config),
            quarantine,
            Some(Arc::new(Topic::new(&config, topic)) as Arc<dyn Tell>),
        ))
    }
}
