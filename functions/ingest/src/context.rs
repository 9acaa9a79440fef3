//! What `ingest` works with.

use fonderie_core::Result;
use fonderie_lambda_host::{Settings, Topic};
use fonderie_storage::{Datasets, Storage, sdk_config};

use crate::executions::StateMachine;

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context<E = StateMachine> {
    pub(crate) storage: Storage,
    pub(crate) bundles: Datasets,
    pub(crate) datasets_bucket: String,
    pub(crate) datasets: Vec<String>,
    pub(crate) quarantine_bucket: String,
    pub(crate) executions: E,
    pub(crate) topic: Option<Topic>,
}

impl<E> Context<E> {
    /// A context of a store; the first of `datasets` is the one of keys that name none. Without a topic nobody is told.
    pub fn new(
        storage: Storage,
        datasets_bucket: String,
        datasets: Vec<String>,
        quarantine_bucket: String,
        executions: E,
        topic: Option<Topic>,
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

impl Context {
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
        let (executions, topic) = (StateMachine::new(&config, arn), Topic::new(&config, topic));
        Ok(Self::new(Storage::from_config(&config), bucket, datasets, quarantine, executions, Some(topic)))
    }
}
