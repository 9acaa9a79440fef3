//! Roles, secret, migrations, readers: each step asks what is there, so that any of them can be the one that a killed
//! invocation did not come to.

use std::sync::Arc;

use fonderie_contract::Dataset;
use fonderie_core::failpoint::step;
use fonderie_core::measure::{Measured, Subject};
use fonderie_core::{Deadline, ErrorCode, Result, StageError};
use fonderie_warehouse::{
    ConnectOptions, DatabaseSettings, Label, Login, PIPELINE, RolesChanged, SecretLogin, SecretStore, Warehouse,
    is_login_refused, new_password,
};
use serde::{Deserialize, Serialize};

use crate::Context;

/// PostgreSQL's own limit.
const MOST_CONNECTIONS: i32 = 262_143;

/// What Terraform invokes the function with.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Input {
    /// The datasets to migrate; all that are deployed, where none are named.
    #[serde(default)]
    pub datasets: Vec<String>,
    /// Whether the bundles are those that are about to be published, as in a deployment; else the published ones.
    #[serde(default)]
    pub next: bool,
    /// What the invocation depends on, so that Terraform invokes again when it changes; told in the log.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// The connections that the server takes once it has started again; without them, those that it takes now.
    #[serde(default)]
    pub max_connections: Option<i32>,
    /// The dataset of which what is left is moved aside, so that its tables are made anew: the beginning of a rebuild.
    #[serde(default)]
    pub rebuild: Option<String>,
}

/// What became of the pipeline's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretOutcome {
    /// It had no value, and has one.
    Filled,
    /// It named another place, and names this one, with the same password.
    Moved,
    /// It was right.
    Kept,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prepared {
    /// The roles that were not there.
    pub roles_made: Vec<String>,
    /// How many connections the pipeline may open from now on, where that was another number.
    pub connections: Option<i32>,
    /// What became of the pipeline's secret.
    pub secret: SecretOutcome,
    /// Whether the pipeline's role was given the secret's password, because the database refused it.
    pub password_set: bool,
    /// The migrations that were applied, each with its dataset.
    pub migrations: Vec<String>,
    /// The schemas in which what stood there is found, of a dataset that is rebuilt.
    pub moved_aside: Vec<String>,
    /// The same for a person; nothing to do is a sentence too.
    pub sentences: Vec<String>,
}

impl Subject for Input {}

impl Measured for Prepared {}

/// Prepares the database.
///
/// # Errors
/// `RequestInvalid` for a dataset that is not deployed, the bundles', the secrets', the database's; `SettingsInvalid` where
/// the roles or the secret are there and are not what they should be.
pub async fn run<S: SecretStore>(context: &Context<S>, input: Input, deadline: Deadline) -> Result<Prepared> {
    tracing::info!(fingerprint = input.fingerprint.as_deref().unwrap_or("none"), "preparing the database");
    if let Some(connections) = input.max_connections.filter(|connections| !(1..=MOST_CONNECTIONS).contains(connections))
    {
        let message =
            format!("`max_connections` is {connections}: PostgreSQL takes 1 to {MOST_CONNECTIONS} connections");
        return Err(StageError::new(ErrorCode::RequestInvalid, message));
    }
    // first, for a bundle with a mistake must change nothing
    let asked: Vec<String> = input.datasets.into_iter().chain(input.rebuild.clone()).collect();
    let datasets = bundles(context, &asked, input.next).await?;
    let options = ConnectOptions::of_stage("prepare-database", deadline);
    let master = Login::from_json_at(&context.master.current().await?, &context.place)?;
    let settings = DatabaseSettings::from_login(&master, context.tls.clone());
    let mut master = Warehouse::connect(&settings, &options).await?;
    let prepared =
        prepare(context, &mut master, &options, &datasets, (input.rebuild.as_deref(), input.max_connections)).await;
    master.close().await;
    prepared
}

async fn bundles<S>(context: &Context<S>, asked: &[String], next: bool) -> Result<Vec<Arc<Dataset>>> {
    if let Some(unknown) = asked.iter().find(|name| !context.datasets.contains(name)) {
        let message = format!("there is no dataset `{unknown}`: deployed are {}", context.datasets.join(", "));
        return Err(StageError::new(ErrorCode::RequestInvalid, message));
    }
    let names = if asked.is_empty() { &context.datasets } else { asked };
    let mut datasets = Vec::with_capacity(names.len());
    for name in names {
        datasets.push(if next {
            context.bundles.next(&context.datasets_bucket, name).await?
        } else {
            context.bundles.newest(&context.datasets_bucket, name).await?.1
        });
    }
    Ok(datasets)
}

async fn prepare<S: SecretStore>(
    context: &Context<S>,
    master: &mut Warehouse,
    options: &ConnectOptions,
    datasets: &[Arc<Dataset>],
    (rebuild, max_connections): (Option<&str>, Option<i32>),
) -> Result<Prepared> {
    // the secret before the role: a role whose password nobody knows would be found by the next invocation, and be of no use
    let (login, secret) = pipelines_login(context).await?;
    let RolesChanged { made: roles_made, connections } = master.make_roles(&login.password, max_connections).await?;
    let pipeline = SecretLogin::new(context.pipeline.clone(), context.tls.clone());
    let (mut pipeline, password_set) = match pipeline.connect(options).await {
        Err(error) if is_login_refused(&error) => {
            master.set_pipelines_password(&login.password).await?;
            (pipeline.connect(options).await?, true)
        }
        connected => (connected?, false),
    };
    let migrated = migrate(master, &mut pipeline, datasets, rebuild).await;
    let readers = match &migrated {
        Ok(_) => pipeline.let_readers_in(&datasets.iter().map(|dataset| &dataset.layout).collect::<Vec<_>>()).await,
        Err(_) => Ok(()),
    };
    pipeline.close().await;
    let (moved_aside, migrations) = migrated?;
    readers?;
    let mut prepared =
        Prepared { roles_made, connections, secret, password_set, migrations, moved_aside, sentences: Vec::new() };
    prepared.sentences = sentences(&prepared);
    Ok(prepared)
}

/// The login that the pipeline's secret holds, made or put right where that is needed.
async fn pipelines_login<S: SecretStore>(context: &Context<S>) -> Result<(Login, SecretOutcome)> {
    let Context { pipeline: store, place, .. } = context;
    let (login, outcome) = match store.value(Label::Current).await? {
        None => (Login::new(place, PIPELINE, new_password()?), SecretOutcome::Filled),
        Some(text) => {
            let login = Login::from_json(&text)?;
            if login.username != PIPELINE {
                let message = format!(
                    "the secret {} is of another user than `{PIPELINE}`: give the function the pipeline's own, or empty it",
                    store.arn()
                );
                return Err(StageError::new(ErrorCode::SettingsInvalid, message));
            }
            if login.place() == *place {
                return Ok((login, SecretOutcome::Kept));
            }
            // a database that was restored from a snapshot has another name, and the old passwords
            (login.moved_to(place), SecretOutcome::Moved)
        }
    };
    step("before the secret was written");
    // a version's name is as random as a password, and as long
    store.put(&new_password()?, Label::Current, &login.to_json()?).await?;
    step("after the secret was written");
    Ok((login, outcome))
}

/// Migrates as the pipeline, so that it owns what is made; it may make schemas for just as long.
///
/// Returns the schemas that were moved aside, and the migrations.
async fn migrate(
    master: &mut Warehouse,
    pipeline: &mut Warehouse,
    datasets: &[Arc<Dataset>],
    rebuild: Option<&str>,
) -> Result<(Vec<String>, Vec<String>)> {
    master.let_pipeline_make_schemas(true).await?;
    let migrated = migrate_all(pipeline, datasets, rebuild).await;
    let taken = master.let_pipeline_make_schemas(false).await;
    let migrated = migrated?;
    taken.map(|()| migrated)
}

async fn migrate_all(
    pipeline: &mut Warehouse,
    datasets: &[Arc<Dataset>],
    rebuild: Option<&str>,
) -> Result<(Vec<String>, Vec<String>)> {
    let (mut moved_aside, mut migrations) = (Vec::new(), Vec::new());
    for dataset in datasets {
        if rebuild == Some(dataset.name.as_str()) {
            moved_aside = pipeline.begin_rebuild(&dataset.layout).await?;
        }
        migrations.extend(pipeline.migrate(&dataset.layout).await?);
    }
    Ok((moved_aside, migrations))
}

fn sentences(prepared: &Prepared) -> Vec<String> {
    let Prepared { roles_made, connections, secret, password_set, migrations, moved_aside, .. } = prepared;
    let mut sentences = Vec::new();
    if !roles_made.is_empty() {
        sentences.push(format!("Roles made: {}.", roles_made.join(", ")));
    }
    if let Some(connections) = connections {
        sentences.push(format!("The pipeline may open {connections} connections at once."));
    }
    match secret {
        SecretOutcome::Filled => sentences.push("The pipeline's secret had no value and was filled.".to_owned()),
        SecretOutcome::Moved => {
            sentences.push("The pipeline's secret named another place and names this one now.".to_owned());
        }
        SecretOutcome::Kept => {}
    }
    if *password_set {
        sentences.push("The database refused the secret's password, which the role has now.".to_owned());
    }
    if !moved_aside.is_empty() {
        sentences.push(format!("What stood there is in the schemas {}.", moved_aside.join(", ")));
    }
    if !migrations.is_empty() {
        sentences.push(format!("Migrations applied: {}.", migrations.join(", ")));
    }
    if sentences.is_empty() {
        sentences.push("Roles, secret and schema were as they should be; nothing was changed.".to_owned());
    }
    sentences
}
