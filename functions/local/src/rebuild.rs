//! `fonderie rebuild`: the warehouse made again from silver, else from bronze.

use std::path::PathBuf;

use chrono::{NaiveDate, Utc};
use fonderie_contract::Dataset;
use fonderie_core::stage::Published;
use fonderie_core::stage::{DatasetSummaryInput, ScoreInput, Scored, SummarizeInput, TransformInput, ValidateInput};
use fonderie_core::{BundleRef, DatasetRun, ErrorCode, Result, RunRecord, StageError};
use fonderie_storage::Datasets;
use fonderie_warehouse::Warehouse;

use crate::Ending;
use crate::cli::RebuildArguments;
use crate::dataset::DatasetFolder;
use crate::pipeline::{Asked, Finished, Pipeline};
use crate::print::{self, escaped, say};
use crate::progress::Progress;
use crate::rebuild_plan::{From, Ledger, Lost, Plan, Step, plan};
use crate::run_id::run_id;
use crate::state::{Buckets, DATASETS, Database, connect};

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
    let mut warehouse = connect(&database.settings).await?;
    let ledger = match ledger(&warehouse, &dataset.name).await {
        Ok(ledger) => ledger,
        Err(error) => {
            warehouse.close().await;
            return Err(error);
        }
    };
    let found = plan(&buckets.storage, &present, ledger).await;
    let begun = match &found {
        Ok(plan) => match allowed(dataset, plan, partial) {
            Ok(()) => warehouse.begin_rebuild(&dataset.name, &dataset.warehouse, &dataset.marts).await,
            Err(error) => Err(error),
        },
        Err(_) => Ok(Vec::new()),
    };
    // the embedded server has one connection at a time
    warehouse.close().await;
    let (plan, aside) = (found?, begun?);
    let pipeline = Pipeline::new(&buckets.storage, &dataset.name, &database.settings);
    let progress = Progress::new(print::Output::Text);
    let loaded = load_all(&pipeline, &plan, &progress).await;
    progress.end();
    let changed = loaded?;
    let mut warehouse = connect(&database.settings).await?;
    let ended = match warehouse.migrate(&dataset.name, &dataset.warehouse).await {
        Ok(_) => warehouse.end_rebuild(&dataset.name, &dataset.warehouse).await,
        Err(error) => Err(error),
    };
    warehouse.close().await;
    ended?;
    let as_of = plan.steps.iter().map(|step| step.record.run.as_of).max();
    let finished = run_unknown(&pipeline, &plan.unknown, as_of, &progress).await?;
    finished.iter().for_each(|(path, end)| print::line(path, end));
    let published = publish(&pipeline, &present, as_of, &progress).await?;
    report(&plan, changed, &aside, &published);
    let failed = finished.iter().any(|(_, end)| !matches!(end, Finished::Ran(..)));
    Ok(if failed { Ending::FileFailed } else { Ending::Good })
}

async fn ledger(warehouse: &Warehouse, dataset: &str) -> Result<Ledger> {
    let loads = warehouse.ledger_loads(dataset).await?;
    Ok(Ledger { loads, versions: warehouse.ledger_versions(dataset).await? })
}

/// Whether a rebuild may begin: it has something to load, and nothing is lost but what may be.
fn allowed(dataset: &Dataset, plan: &Plan, partial: bool) -> Result<()> {
    plan.lost.iter().for_each(|Lost { object, because }| {
        say!("LOST     {} (version {}): {because}", escaped(&object.key), escaped(&object.version_id));
    });
    let invalid = |message: String| Err(StageError::new(ErrorCode::ObjectMissing, message));
    if plan.steps.is_empty() && plan.unknown.is_empty() && plan.lost.is_empty() {
        return invalid(format!(
            "there is nothing to make the warehouse of `{}` from: no run of it is in the ledger or in silver, and no file in bronze; nothing was changed",
            dataset.name
        ));
    }
    if !plan.lost.is_empty() && !partial {
        return invalid(format!(
            "{} that were loaded cannot be loaded again (above); nothing was changed: send their files again first, or go on without them with --partial",
            versions(plan.lost.len())
        ));
    }
    Ok(())
}

/// Loads all runs again, in their order; returns how many changed tables.
async fn load_all(pipeline: &Pipeline, plan: &Plan, progress: &Progress) -> Result<usize> {
    let mut changed = 0;
    for (index, Step { record, load, from }) in plan.steps.iter().enumerate() {
        progress.begin(index + 1, plan.steps.len(), record.run.object.file_name());
        let again;
        let record = match from {
            From::Bronze => {
                again = read_again(pipeline, record, progress).await?;
                &again
            }
            From::Silver | From::Nowhere => record,
        };
        progress.stage("load");
        fonderie_load::replay(&pipeline.load, record, load.as_ref()).await?;
        changed += usize::from(*from != From::Nowhere);
        progress.end();
    }
    Ok(changed)
}

/// Reads and validates a run's file once more, under the bundle and the date that it pinned.
async fn read_again(pipeline: &Pipeline, record: &RunRecord, progress: &Progress) -> Result<RunRecord> {
    let run = &record.run;
    progress.stage("transform");
    let transform = fonderie_transform::run(&pipeline.transform, TransformInput { run: run.clone() }).await?;
    progress.stage("validate");
    let input = ValidateInput { run: run.clone(), transform: transform.clone() };
    let validate = fonderie_validate::run(&pipeline.validate, input).await?;
    if validate.accepted != record.validate.accepted {
        let message = format!(
            "{} gives {} accepted records now, and gave {} when it was loaded: this release reads the file in another way; run the release that loaded it, or send the file again and leave this version out with --partial",
            run.object, validate.accepted, record.validate.accepted
        );
        return Err(StageError::new(ErrorCode::ObjectChanged, message));
    }
    Ok(RunRecord { run: run.clone(), transform, validate })
}

/// Runs files of which nothing is known but that they lie in bronze, under the present contracts.
async fn run_unknown(
    pipeline: &Pipeline,
    keys: &[String],
    as_of: Option<NaiveDate>,
    progress: &Progress,
) -> Result<Vec<(PathBuf, Finished)>> {
    let mut arrived = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        progress.begin(index + 1, keys.len(), key);
        let asked = Asked { as_of, force: true, strict: false };
        arrived.push(pipeline.load_file(key, asked, &|stage| progress.stage(stage)).await?);
        progress.end();
    }
    let finished = pipeline.finish(arrived, &|stage| progress.stage(stage)).await?;
    Ok(keys.iter().map(PathBuf::from).zip(finished).collect())
}

/// Scores, publishes and summarizes the dataset once, as of the last date that a run had.
async fn publish(
    pipeline: &Pipeline,
    present: &BundleRef,
    as_of: Option<NaiveDate>,
    progress: &Progress,
) -> Result<(Scored, Published)> {
    let started_at = Utc::now();
    let run = DatasetRun {
        run_id: run_id("rebuild", started_at),
        started_at,
        as_of: as_of.unwrap_or_else(|| started_at.date_naive()),
        force: true,
        bundle: present.clone(),
        object: None,
        prefix: None,
    };
    progress.stage("score");
    let score = fonderie_score::run(&pipeline.score, ScoreInput { run: run.clone() }).await?;
    progress.stage("publish");
    let publish = fonderie_publish::run(&pipeline.publish, ScoreInput { run: run.clone() }).await?;
    progress.stage("summarize");
    let said = DatasetSummaryInput { run, score: score.clone(), publish: publish.clone(), objects: None };
    fonderie_summarize::run(&pipeline.summarize, SummarizeInput::Dataset(Box::new(said))).await?;
    progress.end();
    Ok((score, publish))
}

fn report(plan: &Plan, changed: usize, aside: &[String], (score, publish): &(Scored, Published)) {
    let of = |from: From| plan.steps.iter().filter(|step| step.from == from).count();
    say!(
        "rebuilt  {changed} loads, {} of them known to the ledger: {} from silver, {} from bronze; {} not loaded again",
        plan.in_ledger.min(changed),
        of(From::Silver),
        of(From::Bronze),
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
