//! What `ingest` works with.

use std::sync::Arc;

#[cfg(feature = "lambda")]
use fonderie_core::Result;
use fonderie_core::Tell;
#[cfg(feature = "lambda")]
use fonderie_lambda_host::{Settings, Topic};
#[cfg(feature = "lambda")]
use fonderie_storage::sdk_config;
use fonderie_storage::{Datasets, Storage};

#[cfg(feature = "lambda")]
use crate::state_machine::StateMachine;

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context<E> {
    pub(crate) storage: Storage,
    pub(crate) bundles: Datasets,
    pub(crate) datasets_bucket: String,
    pub(crate) datasets: Vec<String>,
    pub(crate) quarantine_bucket: String,
    pub(crate) executions: E,
    pub(crate) topic: Option<Arc<dyn Tell>>,
}

impl<E> Context<E> {
    /// A context of a store; the first of `datasets` is the one of keys that name none. Without a topic nobody is told.
    pub fn new(
        storage: Storage,
        datasets_bucket: String,
        datasets: Vec<String>,
        quarantine_bucket: String,
        executions: E,
        topic: Option<Arc<dyn Tell>>,
    ) -> Self {
        Self {
            bundles: Datasets::new(storage.clone()),
            storage,
            datasets_bucket,
            datasets,
            quarantine_bucket,
            executions,
            topic,
        }
    }

    /// What starts the executions.
    pub fn executions(&self) -> &E {
        &self.executions
    }
}

#[cfg(feature = "lambda")]
impl Context<StateMachine> {
    /// The function's context, from `DATASETS`, `DATASETS_BUCKET`, `QUARANTINE_BUCKET`, `STATE_MACHINE_ARN` and `TOPIC_ARN`.
    ///
    /// # Errors
    /// When settings are missing.
    pub fn from_environment() -> Result<Self> {
        let config = sdk_config();
        let (datasets, bucket, quarantine, arn, topic) = Settings::read(|settings| {
            let (bucket, quarantine) = (settings.text("DATASETS_BUCKET"), settings.text("QUARANTINE_BUCKET"));
            let (arn, topic) = (settings.text("STATE_MACHINE_ARN"), settings.text("TOPIC_ARN"));
            (settings.list("DATASETS"), bucket, quarantine, arn, topic)
        })?;
        let (executions, topic) = (StateMachine::new(&config, arn), Arc::new(Topic::new(&config, topic)));
        Ok(Self::new(Storage::from_config(&config), bucket, datasets, quarantine, executions, Some(topic)))
    }
}
