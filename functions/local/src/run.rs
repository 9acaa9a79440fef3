//! `fonderie run`: files and folders through the pipeline, one after the other, scored and published once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use fonderie_contract::Dataset;
use fonderie_core::{ErrorCode, ObjectRef, ObjectVersion, Result, StageError};
use fonderie_warehouse::Table;

use crate::cli::{RunArguments, StateArguments};
use crate::dataset::DatasetFolder;
use crate::files::{Found, find};
use crate::pipeline::{Arrived, Asked, Finished, Pipeline};
use crate::print::{Output, escaped, escaped_lines, remark};
use crate::progress::Progress;
use crate::signals::Stop;
use crate::state::{BRONZE, Buckets, Database, check_known, connect};
use crate::{Ending, ends, outcome};

/// Files to be run.
pub(crate) struct Job<'a> {
    pub(crate) dataset: &'a DatasetFolder,
    /// Each with its key in bronze.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// What was to be run too and cannot be.
    pub(crate) refused: Vec<(PathBuf, StageError)>,
    pub(crate) as_of: Option<NaiveDate>,
    pub(crate) force: bool,
    pub(crate) strict: bool,
    pub(crate) state: &'a StateArguments,
    pub(crate) output: Output,
    /// Files whose content was run under their key before are left alone.
    pub(crate) new_only: bool,
    /// Between two files, the word to stop leaves the others.
    pub(crate) stop: Option<&'a Stop>,
}

pub(crate) async fn run(mut arguments: RunArguments) -> Result<Ending> {
    let output = Output::of(&arguments.output);
    arguments.state.quiet = arguments.output.quiet;
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    let Found { files, mut refused, skipped } = find(&arguments.paths, &dataset.name)?;
    if arguments.dataset.dataset.is_none() {
        check_dataset(&dataset, &files)?;
    }
    if output != Output::Quiet {
        skipped.iter().for_each(|sentence| remark!("skipped: {}", escaped(sentence)));
    }
    if files.is_empty() && !refused.is_empty() {
        // Nothing is started for nothing.
        if output == Output::Json {
            let dataset = dataset.compile()?;
            for (path, error) in refused.drain(..) {
                outcome::line(None, &dataset, &path, None, &Finished::Refused(Box::new(error)))?;
            }
            return Ok(Ending::Usage);
        }
        let (_, first) = refused.remove(0);
        refused.iter().for_each(|(_, error)| remark!("error: {}", escaped_lines(&error.to_string())));
        return Err(first);
    }
    let RunArguments { as_of, force, strict, state, .. } = &arguments;
    let (as_of, force, strict) = (*as_of, *force, *strict);
    let job =
        Job { dataset: &dataset, files, refused, as_of, force, strict, state, output, new_only: false, stop: None };
    run_files(job).await
}

/// Refuses files of which the dataset that is meant by default recognises none, and exactly one other dataset each.
///
/// # Errors
/// `SettingsInvalid`, with that dataset's name; `ContractInvalid`.
fn check_dataset(dataset: &DatasetFolder, files: &[(PathBuf, String)]) -> Result<()> {
    let known = |folder: &DatasetFolder| -> Result<usize> {
        let compiled = folder.compile()?;
        Ok(files.iter().filter(|(_, key)| compiled.sources_of_key(key).is_ok()).count())
    };
    if files.is_empty() || known(dataset)? > 0 {
        return Ok(());
    }
    let mut others = Vec::new();
    for name in dataset.origin.names()?.into_iter().filter(|name| *name != dataset.name) {
        // a dataset with mistakes is not the one that is meant
        let folder = dataset.origin.read(&name);
        if folder.and_then(|folder| known(&folder)).is_ok_and(|known| known == files.len()) {
            others.push(name);
        }
    }
    let [other] = others.as_slice() else { return Ok(()) };
    let message = format!(
        "dataset `{}`, which is meant if none is named, knows none of these files, and `{other}` knows them: add --dataset {other}",
        dataset.name
    );
    Err(StageError::new(ErrorCode::SettingsInvalid, message))
}

/// Runs files and reports what became of them.
pub(crate) async fn run_files(mut job: Job<'_>) -> Result<Ending> {
    // Mistakes in contracts are told before anything is started or written.
    let dataset = job.dataset.compile()?;
    let buckets = Buckets::open(&job.state.state)?;
    buckets.deploy(job.dataset).await?;
    let database = Database::open(job.state).await?;
    let progress = Progress::new(job.output);
    let (mut finished, failed) = all(&job, &buckets, &database, &progress).await;
    finished.extend(job.refused.drain(..).map(|(path, error)| (path, Finished::Refused(Box::new(error)))));
    let reported = report(&job, &dataset, &buckets, &finished);
    let mut shown = Ok(Vec::new());
    if job.output == Output::Text
        && failed.is_ok()
        && finished.iter().any(|(_, end)| matches!(end, Finished::Ran(report, _) if report.said.load.is_some()))
    {
        shown = show(&dataset, &database).await;
    }
    database.close().await;
    failed.and(reported)?;
    let is_good = finished.iter().all(|(_, end)| end.is_good());
    if job.output == Output::Text {
        // what a failed run did not make cannot be shown
        let shown = if is_good { shown? } else { shown.unwrap_or_default() };
        ends::summary(&buckets, &finished, &shown, &progress.times(), &dataset, job.state);
    }
    Ok(if is_good { Ending::Good } else { Ending::FileFailed })
}

/// Reports how each file ended, in the form that was asked for.
pub(crate) fn report(
    job: &Job<'_>,
    dataset: &Dataset,
    buckets: &Buckets,
    finished: &[(PathBuf, Finished)],
) -> Result<()> {
    let keys: HashMap<&Path, &str> = job.files.iter().map(|(path, key)| (path.as_path(), key.as_str())).collect();
    for (path, end) in finished {
        match job.output {
            Output::Json => outcome::line(Some(buckets), dataset, path, keys.get(path.as_path()).copied(), end)?,
            Output::Quiet if end.is_good() => {}
            Output::Quiet | Output::Text => ends::line(path, end),
        }
    }
    Ok(())
}

/// Runs all files, up to an error that is none of one file's. What came that far has its end in any case.
pub(crate) async fn all(
    job: &Job<'_>,
    buckets: &Buckets,
    database: &Database,
    progress: &Progress,
) -> (Vec<(PathBuf, Finished)>, Result<()>) {
    if let Err(error) = check_known(buckets, database, &job.dataset.name).await {
        return (Vec::new(), Err(error));
    }
    let pipeline = Pipeline::new(&buckets.storage, &job.dataset.name, &database.settings);
    let (mut arrived, mut paths, mut failed) = (Vec::new(), Vec::new(), Ok(()));
    for (index, (path, key)) in job.files.iter().enumerate() {
        if job.stop.is_some_and(Stop::asked) {
            break;
        }
        progress.begin(index + 1, job.files.len(), &path.display().to_string());
        let file = one(job, buckets, &pipeline, path, key, progress).await;
        progress.end();
        match file {
            Ok(records) => {
                paths.extend(records.iter().map(|_| path.clone()));
                arrived.extend(records);
            }
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    progress.begin(job.files.len(), job.files.len(), &job.dataset.name);
    let ends = pipeline.finish(arrived, &|stage| progress.stage(stage)).await;
    progress.end();
    match ends {
        Ok(ends) => (paths.into_iter().zip(ends).collect(), failed),
        Err(error) => (Vec::new(), failed.and(Err(error))),
    }
}

async fn one(
    job: &Job<'_>,
    buckets: &Buckets,
    pipeline: &Pipeline,
    path: &Path,
    key: &str,
    progress: &Progress,
) -> Result<Vec<Arrived>> {
    progress.stage("upload");
    let object = ObjectRef { bucket: BRONZE.to_owned(), key: key.to_owned() };
    match buckets.storage.put_file(path, &object, "application/octet-stream").await {
        // What was put just now was not run.
        Ok((there, false)) if job.new_only => {
            let ObjectRef { bucket, key } = object;
            if pipeline.was_run(&ObjectVersion { bucket, key, version_id: there.version_id }).await? {
                return Ok(vec![Arrived::Before]);
            }
        }
        Ok(_) => {}
        Err(error) if is_of_the_file(&error) => return Ok(vec![Arrived::Refused(Box::new(error))]),
        Err(error) => return Err(error),
    }
    let asked = Asked { as_of: job.as_of, force: job.force, strict: job.strict };
    pipeline.load_file(key, asked, &|stage| progress.stage(stage)).await
}

/// Whether an upload failed because of its file, so that the next one may not: it vanished, is written to, cannot be read, or has a
/// name that is too long.
fn is_of_the_file(error: &StageError) -> bool {
    matches!(error.code, ErrorCode::ObjectMissing | ErrorCode::ObjectChanged | ErrorCode::RequestInvalid)
}

/// The queries that the dataset shows at a run's end: title, and the rows asked for.
async fn show(dataset: &Dataset, database: &Database) -> Result<Vec<(String, Table)>> {
    let warehouse = connect(&database.settings).await?;
    let mut shown = Vec::new();
    let mut failed = Ok(());
    for entry in &dataset.summary {
        let Some(query) = dataset.queries.iter().find(|query| query.name == entry.query) else { continue };
        match warehouse.query(&query.sql).await {
            Ok(table) => shown.push((entry.title.clone(), narrowed(table, &entry.columns, entry.rows))),
            Err(error) => failed = Err(error),
        }
    }
    warehouse.close().await;
    failed.map(|()| shown)
}

/// The first rows of a table, and the columns named.
fn narrowed(table: Table, columns: &[String], rows: usize) -> Table {
    let place = |name: &String| table.columns.iter().position(|column| column == name);
    let places: Vec<usize> = if columns.is_empty() {
        (0..table.columns.len()).collect()
    } else {
        columns.iter().filter_map(place).collect()
    };
    let pick = |row: &Vec<Option<String>>| places.iter().map(|&at| row[at].clone()).collect();
    Table {
        columns: places.iter().map(|&at| table.columns[at].clone()).collect(),
        rows: table.rows.iter().take(rows).map(pick).collect(),
    }
}
