//! What `ingest` works with.

use fonderie_core::Result;
use fonderie_lambda_host::Settings;
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
}

impl<E> Context<E> {
    /// A context of a store; the first of `datasets` is the one of keys that name none.
    pub fn new(
        storage: Storage,
        datasets_bucket: String,
        datasets: Vec<String>,
        quarantine_bucket: String,
        executions: E,
    ) -> Self {
        Self {
            bundles: Datasets::new(storage.clone()),
            storage,
            datasets_bucket,
            datasets,
            quarantine_bucket,
            executions,
        }
    }

    /// What starts the executions.
    pub fn executions(&self) -> &E {
        &self.executions
    }
}

impl Context {
    /// The function's context, from `DATASETS`, `DATASETS_BUCKET`, `QUARANTINE_BUCKET` and `STATE_MACHINE_ARN`.
    ///
    /// # Errors
    /// When settings are missing.
    pub async fn from_environment() -> Result<Self> {
        let config = sdk_config().await;
        let (datasets, bucket, quarantine, arn) = Settings::read(|settings| {
            let bucket = settings.text("DATASETS_BUCKET");
            (settings.list("DATASETS"), bucket, settings.text("QUARANTINE_BUCKET"), settings.text("STATE_MACHINE_ARN"))
        })?;
        let executions = StateMachine::new(&config, arn);
        Ok(Self::new(Storage::from_config(&config), bucket, datasets, quarantine, executions))
    }
}
