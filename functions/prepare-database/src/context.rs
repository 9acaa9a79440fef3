//! What `prepare-database` works with.

use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_lambda_host::Settings;
use fonderie_storage::{Datasets, Storage, sdk_config};
use fonderie_warehouse::{Place, SecretsManager, Tls};

/// Settings and clients, made once.
#[derive(Debug)]
pub struct Context<S = SecretsManager> {
    pub(crate) bundles: Datasets,
    pub(crate) datasets_bucket: String,
    pub(crate) datasets: Vec<String>,
    /// The master user's secret: a user and a password.
    pub(crate) master: S,
    /// The pipeline's secret: a whole login.
    pub(crate) pipeline: S,
    pub(crate) place: Place,
    pub(crate) tls: Tls,
}

impl<S> Context<S> {
    /// A context of a store, whose bucket holds the bundles of `datasets`, and of the database at a place.
    pub fn new(
        storage: Storage,
        (datasets_bucket, datasets): (String, Vec<String>),
        (master, pipeline): (S, S),
        (place, tls): (Place, Tls),
    ) -> Self {
        Self { bundles: Datasets::new(storage), datasets_bucket, datasets, master, pipeline, place, tls }
    }
}

impl Context {
    /// The function's context, from `MASTER_SECRET_ARN`, `DATABASE_HOST`, `DATABASE_PORT`, `DATABASE_NAME`,
    /// `DATABASE_SECRET_ARN` (the pipeline's), `DATABASE_TLS` (`verify-full`, or `disable` for a local database),
    /// `DATABASE_ROOTS_FILE` (optional: certificate authorities as PEM), `DATASETS` and `DATASETS_BUCKET`.
    ///
    /// # Errors
    /// When settings are missing.
    pub fn from_environment() -> Result<Self> {
        let (secret, master, host, port, dbname, bucket, datasets) = Settings::read(|settings| {
            (
                settings.database(),
                settings.text("MASTER_SECRET_ARN"),
                settings.text("DATABASE_HOST"),
                settings.text("DATABASE_PORT"),
                settings.text("DATABASE_NAME"),
                settings.text("DATASETS_BUCKET"),
                settings.list("DATASETS"),
            )
        })?;
        let port = port.parse().map_err(|_| {
            let message = format!("DATABASE_PORT is `{port}`: set it to the database's port, such as 5432");
            StageError::new(ErrorCode::SettingsInvalid, message)
        })?;
        let config = sdk_config();
        let secrets = (SecretsManager::new(&config, master), SecretsManager::new(&config, secret.arn));
        let tls = Tls::from_settings(&secret.tls, secret.roots_file.as_deref())?;
        let database = (Place { host, port, dbname }, tls);
        Ok(Self::new(Storage::from_config(&config), (bucket, datasets), secrets, database))
    }
}
