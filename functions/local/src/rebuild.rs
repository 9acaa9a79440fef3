//! `fonderie rebuild`: the warehouse made again from silver, else from bronze.

use std::path::PathBuf;

use chrono::{NaiveDate, Utc};
use fonderie_contract::Dataset;
use fonderie_core::replay::{ReplayFrom, ReplayInput};
use fonderie_core::stage::{Published, Scored, TransformInput, ValidateInput};
use fonderie_core::{BundleRef, DatasetRun, Deadline, Result, StageError};
use fonderie_rebuild::{Lost, Plan, allowed, plan};
use fonderie_storage::Datasets;

use crate::cli::RebuildArguments;
use crate::dataset::DatasetFolder;
use crate::pipeline::{Asked, Finished, Pipeline};
use crate::print::{self, escaped, say};
use crate::progress::Progress;
use crate::run_id::run_id;
use crate::state::{BRONZE, Buckets, DATASETS, Database, QUARANTINE, SILVER, connect};
use crate::{Ending, ends};

pub(crate) async fn run(arguments: RebuildArguments) -> Result<Ending> {
    let folder = DatasetFolder::read(&arguments.dataset)?;
    let dataset = folder.compile()?;
    if !arguments.state.state.is_dir() {
        return Err(Database::nothing_here(&arguments.state.state));
    }
    let buckets = Buckets::open(&arguments.state.state)?;
    buckets.deploy(&folder).await?;
    let database = Database::open(&arguments.state).await?;
    let rebuilt = rebuild(&dataset, &buckets, &database, arguments.partial).await;
    database.close().await;
    rebuilt
}

async fn rebuild(dataset: &Dataset, buckets: &Buckets, database: &Database, partial: bool) -> Result<Ending> {
    let (present, _) = Datasets::new(buckets.storage.clone()).newest(DATASETS, &dataset.name).await?;
    let places = fonderie_rebuild::Buckets {
        bronze: BRONZE.to_owned(),
        silver: SILVER.to_owned(),
        quarantine: QUARANTINE.to_owned(),
        datasets: DATASETS.to_owned(),
    };
    let mut warehouse = connect(&database.settings).await?;
    let begun = async {
        let plan = plan(&buckets.storage, &places, &warehouse, &present).await?;
        plan.lost.iter().for_each(|Lost { object, because }| {
            say!("LOST     {} (version {}): {because}", escaped(&object.key), escaped(&object.version_id));
        });
        allowed(&dataset.name, &plan, partial)?;
        let aside = warehouse.begin_rebuild(&dataset.layout).await?;
        Ok::<_, StageError>((plan, aside))
    };
    let begun = begun.await;
    // the embedded server has one connection at a time
    warehouse.close().await;
    let (plan, aside) = begun?;
    let pipeline = Pipeline::new(&buckets.storage, &dataset.name, &database.settings);
    let progress = Progress::new(print::Output::Text);
    let loaded = load_all(&pipeline, &plan.steps, &progress).await;
    progress.end();
    let changed = loaded?;
    let mut warehouse = connect(&database.settings).await?;
    let ended = match warehouse.migrate(&dataset.layout).await {
        Ok(_) => warehouse.end_rebuild(&dataset.layout, plan.lost.len() as u64).await,
        Err(error) => Err(error),
    };
    warehouse.close().await;
    ended?;
    let as_of = plan.steps.iter().map(|step| step.record.run.as_of).max();
    let finished = run_unknown(&pipeline, &plan.unknown, as_of, &progress).await?;
    finished.iter().for_each(|(path, end)| ends::line(path, end));
    let published = publish(&pipeline, &present, as_of, &progress).await?;
    report(&plan, changed, &aside, &published);
    let failed = finished.iter().any(|(_, end)| !matches!(end, Finished::Ran(..)));
    Ok(if failed { Ending::FileFailed } else { Ending::Good })
}

/// Loads all runs again, in their order; returns how many changed tables.
async fn load_all(pipeline: &Pipeline, steps: &[ReplayInput], progress: &Progress) -> Result<usize> {
    let mut changed = 0;
    for (index, step) in steps.iter().enumerate() {
        let (mut step, run) = (step.clone(), &step.record.run);
        progress.begin(index + 1, steps.len(), run.object.file_name());
        if step.from == ReplayFrom::Bronze {
            progress.stage("transform");
            let transform = fonderie_transform::run(&pipeline.transform, TransformInput { run: run.clone() }).await?;
            progress.stage("validate");
            let input = ValidateInput { run: run.clone(), transform: transform.clone() };
            step.validate = Some(fonderie_validate::run(&pipeline.validate, input).await?);
            step.transform = Some(transform);
        }
        progress.stage("load");
        changed += usize::from(step.from != ReplayFrom::Nowhere);
        fonderie_load::replay(&pipeline.load, step, Deadline::default()).await?;
        progress.end();
    }
    Ok(changed)
}

/// Runs files of which nothing is known but that they lie in bronze, under the present contracts.
async fn run_unknown(
    pipeline: &Pipeline,
    keys: &[String],
    as_of: Option<NaiveDate>,
    progress: &Progress,
) -> Result<Vec<(PathBuf, Finished)>> {
    let (mut arrived, mut paths) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for (index, key) in keys.iter().enumerate() {
        progress.begin(index + 1, keys.len(), key);
        let asked = Asked { as_of, force: true, strict: false };
        for record in pipeline.load_file(key, asked, &|stage| progress.stage(stage)).await? {
            arrived.push(record);
            paths.push(PathBuf::from(key));
        }
        progress.end();
    }
    let finished = pipeline.finish(arrived, &|stage| progress.stage(stage)).await?;
    Ok(paths.into_iter().zip(finished).collect())
}

/// Scores, publishes and summarizes the dataset once, as of the last date that a run had.
async fn publish(
    pipeline: &Pipeline,
    present: &BundleRef,
    as_of: Option<NaiveDate>,
    progress: &Progress,
) -> Result<(Scored, Published)> {
    let started_at = Utc::now();
    let as_of = as_of.unwrap_or_else(|| started_at.date_naive());
    let run = DatasetRun::new(run_id("rebuild", started_at), started_at, as_of, true, present.clone());
    let (score, publish, _) = pipeline.dataset(run, None, &|stage| progress.stage(stage)).await?;
    progress.end();
    Ok((score, publish))
}

fn report(plan: &Plan, changed: usize, aside: &[String], (score, publish): &(Scored, Published)) {
    say!(
        "rebuilt  {changed} loads, {} of them known to the ledger: {} from silver, {} from bronze; {} not loaded again",
        plan.in_ledger.min(changed),
        plan.loads(ReplayFrom::Silver),
        plan.loads(ReplayFrom::Bronze),
        versions(plan.lost.len())
    );
    score.models.iter().for_each(|model| say!("         {model}"));
    say!("         {publish}");
    if plan.under_present > 0 {
        say!(
            "         note: the contracts of {} runs are gone: they were loaded under the present ones",
            plan.under_present
        );
    }
    if !plan.unknown.is_empty() {
        say!(
            "         note: of {} files in bronze no run was known: they were run under the present contracts",
            plan.unknown.len()
        );
    }
    for schema in aside {
        say!(
            "         what stood there is in the schema {schema}: DROP SCHEMA {schema} CASCADE removes it when nobody needs it"
        );
    }
}

fn versions(count: usize) -> String {
    if count == 1 { "1 version".to_owned() } else { format!("{count} versions") }
}
