//! `fonderie daily`: what a schedule does in the cloud: scores, all checks, marts as of today, and the question which expected file did not come.

use chrono::Utc;
use fonderie_contract::Dataset;
use fonderie_core::{DatasetRun, Result};
use fonderie_storage::Datasets;

use crate::Ending;
use crate::cli::DailyArguments;
use crate::dataset::DatasetFolder;
use crate::pipeline::Pipeline;
use crate::print::{self, escaped, path, say};
use crate::progress::Progress;
use crate::run_id::run_id;
use crate::state::{Buckets, DATASETS, Database, check_known};

pub(crate) async fn run(arguments: DailyArguments) -> Result<Ending> {
    let folder = DatasetFolder::read(&arguments.dataset)?;
    let dataset = folder.compile()?;
    if !arguments.state.state.is_dir() {
        return Err(Database::nothing_here(&arguments.state.state));
    }
    let buckets = Buckets::open(&arguments.state.state)?;
    buckets.deploy(&folder).await?;
    let database = Database::open(&arguments.state).await?;
    let done = daily(&arguments, &dataset, &buckets, &database).await;
    database.close().await;
    done
}

async fn daily(
    arguments: &DailyArguments,
    dataset: &Dataset,
    buckets: &Buckets,
    database: &Database,
) -> Result<Ending> {
    check_known(buckets, database, &dataset.name).await?;
    let (bundle, _) = Datasets::new(buckets.storage.clone()).newest(DATASETS, &dataset.name).await?;
    let started_at = Utc::now();
    let run = DatasetRun {
        run_id: run_id("daily", started_at),
        started_at,
        as_of: arguments.as_of.unwrap_or_else(|| started_at.with_timezone(&dataset.time_zone).date_naive()),
        force: arguments.force || arguments.as_of.is_none(),
        bundle,
        object: None,
        prefix: None,
        items: None,
        rebuild: None,
        withdraw: None,
    };
    let pipeline = Pipeline::new(&buckets.storage, &dataset.name, &database.settings);
    let progress = Progress::new(print::Output::Text);
    progress.begin(1, 1, &dataset.name);
    let done = pipeline.dataset(run.clone(), None, &|stage| progress.stage(stage)).await;
    progress.end();
    let (score, publish, report) = done?;
    say!("{} as of {}", dataset.name, run.as_of);
    score.models.iter().for_each(|model| say!("  {model}"));
    publish.checks.iter().for_each(|checked| say!("  check {}", escaped(&checked.to_string())));
    publish.lines().iter().for_each(|line| say!("  {}", escaped(line)));
    say!("  report {}", path(&buckets.path(&report)));
    Ok(if publish.blocked.is_empty() { Ending::Good } else { Ending::FileFailed })
}
