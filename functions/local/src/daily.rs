//! `fonderie daily` and `fonderie score`: what is loaded is scored, checked and published, without a file.

use chrono::Utc;
use fonderie_contract::Dataset;
use fonderie_core::stage::AdmitInput;
use fonderie_core::{DatasetRun, Result};
use serde_json::json;

use crate::Ending;
use crate::cli::{DailyArguments, ScoreArguments};
use crate::dataset::DatasetFolder;
use crate::pipeline::Pipeline;
use crate::print::{self, escaped, path, say};
use crate::progress::Progress;
use crate::run_id::run_id;
use crate::state::{Buckets, Database, check_known, connect};

/// What a schedule does in the cloud: scores, all checks, marts as of today, and the question which expected file did not come.
pub(crate) async fn run(arguments: DailyArguments) -> Result<Ending> {
    of_dataset(&arguments, "daily", false).await
}

/// The same as of the date that was last published; the models are trained again if that is asked for.
pub(crate) async fn score(arguments: ScoreArguments) -> Result<Ending> {
    of_dataset(&arguments.daily, "score", arguments.retrain).await
}

async fn of_dataset(arguments: &DailyArguments, command: &str, retrain: bool) -> Result<Ending> {
    let folder = DatasetFolder::read(&arguments.dataset)?;
    let dataset = folder.compile()?;
    if !arguments.state.state.is_dir() {
        return Err(Database::nothing_here(&arguments.state.state));
    }
    let buckets = Buckets::open(&arguments.state.state)?;
    buckets.deploy(&folder).await?;
    let database = Database::open(&arguments.state).await?;
    let pipeline = Pipeline::new(&buckets.storage, &dataset.name, &database.settings);
    let done = match admitted(arguments, command, retrain, &dataset, &buckets, &database, &pipeline).await {
        Ok(run) => published(run, &buckets, &pipeline).await,
        Err(error) => Err(error),
    };
    database.close().await;
    done
}

/// The run, as `admit` pins it.
async fn admitted(
    arguments: &DailyArguments,
    command: &str,
    retrain: bool,
    dataset: &Dataset,
    buckets: &Buckets,
    database: &Database,
    pipeline: &Pipeline,
) -> Result<DatasetRun> {
    check_known(buckets, database, &dataset.name).await?;
    let mut as_of = arguments.as_of;
    if command == "score" && as_of.is_none() {
        let mut warehouse = connect(&database.settings).await?;
        let published = match warehouse.ready(&dataset.layout).await {
            Ok(()) => warehouse.published_as_of(&dataset.name).await,
            Err(error) => Err(error),
        };
        warehouse.close().await;
        as_of = published?;
    }
    let started_at = Utc::now();
    let mut request =
        json!({ "dataset": dataset.name, "force": arguments.force || arguments.as_of.is_none(), "retrain": retrain });
    if let Some(as_of) = as_of {
        request["as_of"] = json!(as_of);
    }
    let execution_name = run_id(command, started_at);
    pipeline.admit_dataset(AdmitInput { execution_name, started_at, machine: Default::default(), request }).await
}

async fn published(run: DatasetRun, buckets: &Buckets, pipeline: &Pipeline) -> Result<Ending> {
    let progress = Progress::new(print::Output::Text);
    progress.begin(1, 1, &run.bundle.dataset);
    let done = pipeline.dataset(run.clone(), None, &|stage| progress.stage(stage)).await;
    progress.end();
    let (score, publish, report) = done?;
    say!("{} as of {}", run.bundle.dataset, run.as_of);
    score.models.iter().for_each(|model| say!("  {model}"));
    publish.checks.iter().for_each(|checked| say!("  check {}", escaped(&checked.to_string())));
    publish.lines().iter().for_each(|line| say!("  {}", escaped(line)));
    say!("  report {}", path(&buckets.path(&report)));
    Ok(if publish.blocked.is_empty() { Ending::Good } else { Ending::FileFailed })
}
