//! The state folder: buckets behind an embedded S3, and the database.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use fonderie_embedded_s3::{EmbeddedS3, Port, complete_digests};
use fonderie_storage::{Datasets, Storage};
use fonderie_warehouse::{ConnectOptions, DatabaseSettings, Warehouse};

use crate::cli::StateArguments;
use crate::dataset::DatasetFolder;
use crate::postgres::{Access, Postgres};
use crate::print::{escaped, remark};
use crate::private::{close_inside, close_state};
use crate::state_folder::{self, Age, Use};

pub(crate) const BRONZE: &str = "bronze";
pub(crate) const SILVER: &str = "silver";
pub(crate) const QUARANTINE: &str = "quarantine";
pub(crate) const REPORTS: &str = "reports";
pub(crate) const DATASETS: &str = "datasets";
pub(crate) const BUCKETS: [&str; 5] = [BRONZE, SILVER, QUARANTINE, REPORTS, DATASETS];
const DATABASE: &str = "fonderie";
/// The folder of the buckets.
const S3: &str = "s3";

/// Where a bucket of a state folder lies on the disk.
pub(crate) fn bucket_folder(state: &Path, bucket: &str) -> PathBuf {
    state.join(S3).join(bucket)
}

/// The buckets of a state folder, served.
pub(crate) struct Buckets {
    pub(crate) storage: Storage,
    server: EmbeddedS3,
    _used: Use,
}

impl Buckets {
    /// Serves the buckets of a state folder, which is made where there is none.
    pub(crate) fn open(state: &Path) -> Result<Self> {
        Self::open_on(state, Port::Any)
    }

    /// [`Self::open`] on a given port.
    pub(crate) fn open_on(state: &Path, port: Port) -> Result<Self> {
        close_state(state)?;
        let used = Use::share(state)?;
        close_inside(&state.join(S3))?;
        let server = EmbeddedS3::start_on(&state.join(S3), &BUCKETS, port)?;
        if state_folder::age(state)? == Age::Unrecorded {
            complete_digests(server.root(), BRONZE)?;
        }
        state_folder::record(state)?;
        let storage = Storage::for_endpoint(server.endpoint(), server.access_key(), server.secret_key());
        Ok(Self { storage, server, _used: used })
    }

    /// Puts a dataset's bundle where the stages look for it, unless the very same is there.
    pub(crate) async fn deploy(&self, dataset: &DatasetFolder) -> Result<()> {
        let json = serde_json::to_vec(&dataset.bundle).map_err(|error| {
            StageError::new(ErrorCode::Internal, "the dataset's bundle is no JSON").caused_by(error)
        })?;
        let object = ObjectRef { bucket: DATASETS.to_owned(), key: Datasets::key(&dataset.name) };
        // the store keeps no versions: a rebuild may need a bundle that another one has replaced
        let copy = ObjectRef { key: Datasets::kept_key(&dataset.name, &dataset.bundle.sha256()), ..object.clone() };
        self.put_unless_there(&copy, &json).await?;
        self.put_unless_there(&object, &json).await
    }

    async fn put_unless_there(&self, object: &ObjectRef, json: &[u8]) -> Result<()> {
        match self.storage.read(&object.bucket, &object.key, None, 64 << 20).await {
            Ok(bytes) if bytes == json => Ok(()),
            _ => self.storage.put(object, Bytes::copy_from_slice(json), "application/json").await,
        }
    }

    /// How other programs reach it: endpoint, access key, secret key.
    pub(crate) fn access(&self) -> (&str, &str, &str) {
        (self.server.endpoint(), self.server.access_key(), self.server.secret_key())
    }

    /// Where an object lies on the disk.
    pub(crate) fn path(&self, object: &ObjectRef) -> PathBuf {
        self.server.root().join(&object.bucket).join(&object.key)
    }
}

/// Refuses a database that knows nothing of a dataset of which runs have left reports: it was lost, or it is not the one that they used. What
/// they loaded would be missing in it, and nobody would notice.
///
/// # Errors
/// [`ErrorCode::SettingsInvalid`]; the store's and the database's.
pub(crate) async fn check_known(buckets: &Buckets, database: &Database, dataset: &str) -> Result<()> {
    if buckets.storage.list(REPORTS, &format!("{dataset}/"), 1).await?.objects.is_empty() {
        return Ok(());
    }
    let warehouse = connect(&database.settings).await?;
    let known = warehouse.knows(dataset).await;
    warehouse.close().await;
    if known? { Ok(()) } else { Err(StageError::new(ErrorCode::SettingsInvalid, lost_database())) }
}

/// What to do about a state folder whose database is gone.
fn lost_database() -> &'static str {
    "the state folder has reports of runs that its database does not know: it was lost, or the runs used another one \
         (--database-url): give that one, or make the tables again from the buckets with `fonderie rebuild`; to begin anew, name another folder with \
     --state"
}

/// The database, and the server if it was started here.
pub(crate) struct Database {
    pub(crate) settings: DatabaseSettings,
    server: Option<Postgres>,
    /// Of the state folder, if the database lies there.
    _used: Option<Use>,
}

impl Database {
    /// The database of a URL, or one in the state folder; says which.
    pub(crate) async fn open(arguments: &StateArguments) -> Result<Self> {
        Self::open_with(arguments, false).await
    }

    /// [`Self::open`] for other programs too: over the network, if the server can ask for a password.
    pub(crate) async fn open_for_others(arguments: &StateArguments) -> Result<Self> {
        Self::open_with(arguments, true).await
    }

    async fn open_with(arguments: &StateArguments, network: bool) -> Result<Self> {
        if let Some(url) = &arguments.database_url {
            let settings = DatabaseSettings::from_url(url)?;
            if !arguments.quiet {
                remark!("database: {}", escaped(&settings.place()));
            }
            return Ok(Self { settings, server: None, _used: None });
        }
        close_state(&arguments.state)?;
        let used = Use::share(&arguments.state)?;
        let (state, forced, quiet) = (arguments.state.clone(), arguments.postgres, arguments.quiet);
        let started = tokio::task::spawn_blocking(move || Postgres::start(&state, forced, network, quiet)).await;
        let server = started
            .map_err(|error| StageError::new(ErrorCode::Internal, "PostgreSQL was not started").caused_by(error))??;
        let warehouse = connect(&DatabaseSettings::from_url(&server.url("postgres"))?).await?;
        let created = create(&warehouse).await;
        warehouse.close().await;
        created?;
        Ok(Self {
            settings: DatabaseSettings::from_url(&server.url(DATABASE))?,
            server: Some(server),
            _used: Some(used),
        })
    }

    /// [`Self::open`] of a database that an earlier run made: if there is none, nothing is made or started.
    pub(crate) async fn open_existing(arguments: &StateArguments) -> Result<Self> {
        if arguments.database_url.is_none() {
            if let Err(error) = std::fs::read_dir(&arguments.state)
                && error.kind() == std::io::ErrorKind::PermissionDenied
            {
                let message = format!(
                    "the state folder {} belongs to another user: be that user, or name another folder with --state",
                    crate::print::path(&arguments.state)
                );
                return Err(StageError::new(ErrorCode::SettingsInvalid, message).caused_by(error));
            }
            state_folder::age(&arguments.state)?;
        }
        if arguments.database_url.is_none() && !Postgres::holds(&arguments.state, arguments.postgres) {
            return Err(Self::nothing_here(&arguments.state));
        }
        Self::open(arguments).await
    }

    /// What a question gets before the first run.
    pub(crate) fn nothing_here(state: &Path) -> StageError {
        let reports = bucket_folder(state, REPORTS);
        if std::fs::read_dir(reports).is_ok_and(|mut entries| entries.next().is_some()) {
            return StageError::new(ErrorCode::SettingsInvalid, lost_database());
        }
        let state = state.display();
        let message =
            format!("nothing here yet: run files first, or name another state folder than {state} with --state");
        StageError::new(ErrorCode::SettingsInvalid, message)
    }

    /// How other programs reach it, if the server was started here.
    pub(crate) fn access(&self) -> Option<Access> {
        self.server.as_ref().map(|server| server.access(DATABASE))
    }

    /// Stops the server, if it was started here.
    pub(crate) async fn close(self) {
        if let Some(server) = self.server {
            let stopped = tokio::task::spawn_blocking(move || server.stop()).await;
            if let Ok(Err(error)) = stopped {
                tracing::warn!(%error, "PostgreSQL did not stop cleanly");
            }
        }
    }
}

/// A connection for the command line's own questions.
pub(crate) async fn connect(settings: &DatabaseSettings) -> Result<Warehouse> {
    Warehouse::connect(
        settings,
        &ConnectOptions { application_name: "fonderie".to_owned(), ..ConnectOptions::default() },
    )
    .await
}

async fn create(warehouse: &Warehouse) -> Result<()> {
    let there = warehouse.query(&format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'")).await?;
    if there.rows.is_empty() {
        warehouse.query(&format!("CREATE DATABASE {DATABASE}")).await?;
    }
    Ok(())
}
