//! `fonderie run`: files and folders through the pipeline, one after the other, scored and published once.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use fonderie_contract::Dataset;
use fonderie_core::stage::Verdict;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use fonderie_warehouse::Table;

use crate::cli::{RunArguments, StateArguments};
use crate::dataset::{DatasetFolder, Ordinary, ordinary};
use crate::pipeline::{Arrived, Asked, Finished, Pipeline};
use crate::progress::Progress;
use crate::state::{BRONZE, Buckets, Database, connect};
use crate::{Ending, print};

/// Files to be run.
pub(crate) struct Job<'a> {
    pub(crate) dataset: &'a DatasetFolder,
    /// Each with its key in bronze.
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) as_of: Option<NaiveDate>,
    pub(crate) force: bool,
    pub(crate) strict: bool,
    pub(crate) state: &'a StateArguments,
}

pub(crate) async fn run(arguments: RunArguments) -> Result<Ending> {
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    let files = files(&arguments.paths, &dataset.name)?;
    let RunArguments { as_of, force, strict, state, .. } = &arguments;
    run_files(Job { dataset: &dataset, files, as_of: *as_of, force: *force, strict: *strict, state }).await
}

/// Runs files and says what became of them.
pub(crate) async fn run_files(job: Job<'_>) -> Result<Ending> {
    // Mistakes in contracts are told before anything is started or written.
    let dataset = job.dataset.compile()?;
    let buckets = Buckets::open(&job.state.state)?;
    buckets.deploy(job.dataset).await?;
    let database = Database::open(job.state).await?;
    let progress = Progress::default();
    let (finished, failed) = all(&job, &buckets, &database, &progress).await;
    finished.iter().for_each(|(path, end)| print::line(path, end));
    let mut shown = Ok(Vec::new());
    if failed.is_ok()
        && finished.iter().any(|(_, end)| matches!(end, Finished::Ran(report, _) if report.said.load.is_some()))
    {
        shown = show(&dataset, &database).await;
    }
    database.close().await;
    failed?;
    print::summary(&buckets, &finished, &shown?, &progress.times(), &dataset, job.state);
    let good =
        |end: &Finished| matches!(end, Finished::Ran(report, _) if report.said.validate.verdict != Verdict::Halted);
    Ok(if finished.iter().all(|(_, end)| good(end)) { Ending::Good } else { Ending::FileFailed })
}

/// Runs all files, up to an error that is none of one file's. What came that far has its end in any case.
async fn all(
    job: &Job<'_>,
    buckets: &Buckets,
    database: &Database,
    progress: &Progress,
) -> (Vec<(PathBuf, Finished)>, Result<()>) {
    let pipeline = Pipeline::new(&buckets.storage, &job.dataset.name, &database.settings);
    let (mut arrived, mut failed) = (Vec::new(), Ok(()));
    for (index, (path, key)) in job.files.iter().enumerate() {
        progress.begin(index + 1, job.files.len(), &path.display().to_string());
        let file = one(job, buckets, &pipeline, path, key, progress).await;
        progress.end();
        match file {
            Ok(file) => arrived.push(file),
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    progress.begin(job.files.len(), job.files.len(), &job.dataset.name);
    let ends = pipeline.finish(arrived, &|stage| progress.stage(stage)).await;
    progress.end();
    let paths = job.files.iter().map(|(path, _)| path.clone());
    match ends {
        Ok(ends) => (paths.zip(ends).collect(), failed),
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
) -> Result<Arrived> {
    progress.stage("upload");
    let object = ObjectRef { bucket: BRONZE.to_owned(), key: key.to_owned() };
    buckets.storage.put_file(path, &object, "application/octet-stream").await?;
    let asked = Asked { as_of: job.as_of, force: job.force, strict: job.strict };
    pipeline.load_file(key, asked, &|stage| progress.stage(stage)).await
}

/// The queries that the dataset shows at a run's end: title, and the rows asked for.
async fn show(dataset: &Dataset, database: &Database) -> Result<Vec<(String, Table)>> {
    let warehouse = connect(&database.settings).await?;
    let mut shown = Vec::new();
    let mut failed = Ok(());
    for entry in &dataset.summary {
        let Some((_, sql)) = dataset.queries.iter().find(|(name, _)| *name == entry.query) else { continue };
        match warehouse.query(sql).await {
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

/// Each file with its key in bronze: the dataset's name, then the path below the folder that was named.
fn files(paths: &[PathBuf], dataset: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for path in paths {
        match ordinary(path)? {
            Ordinary::Folder => {
                let before = files.len();
                walk(path, dataset, &mut files)?;
                if files.len() == before {
                    return Err(invalid(format!("the folder {} holds no file", path.display())));
                }
            }
            Ordinary::File => {
                let unreadable = |error| invalid(format!("{} cannot be read", path.display())).caused_by(error);
                std::fs::File::open(path).map_err(unreadable)?;
                let name = text(path, path.file_name().unwrap_or(path.as_os_str()))?;
                files.push((path.clone(), format!("{dataset}/{name}")));
            }
        }
    }
    let mut seen: HashMap<&str, &Path> = HashMap::new();
    for (path, key) in &files {
        // The same file twice is one content.
        if let Some(other) = seen.insert(key, path).filter(|other| !same_file(other, path)) {
            let message = format!(
                "{} and {} would both be the object {key}, as two versions of one file: run them one after the other if they are, else \
                 name the folder above them",
                other.display(),
                path.display()
            );
            return Err(invalid(message));
        }
    }
    Ok(files)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((std::fs::canonicalize(one), std::fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    let unreadable = |error| invalid(format!("{} cannot be read", folder.display())).caused_by(error);
    let mut entries: Vec<_> = std::fs::read_dir(folder).and_then(Iterator::collect).map_err(unreadable)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        // Hidden files are a desktop's, not a facility's.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let key = format!("{prefix}/{}", text(&path, &name)?);
        match ordinary(&path)? {
            Ordinary::Folder => walk(&path, &key, files)?,
            Ordinary::File => files.push((path, key)),
        }
    }
    Ok(())
}

/// A name as a part of a key. Two names that are no UTF-8 could be one key.
fn text<'a>(path: &Path, name: &'a OsStr) -> Result<&'a str> {
    name.to_str().ok_or_else(|| {
        let message = format!("the name of {} is no UTF-8, which keys are made of: rename the file", path.display());
        invalid(message)
    })
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_call_has_one_file_for_a_key() {
        let folder = std::env::temp_dir().join(format!("fonderie-files-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let at = |name: &str| folder.join(name);
        for name in ["jan", "feb", "mar", "odd"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["jan/a.csv", "feb/a.csv", "mar/b.csv"] {
            std::fs::write(at(name), name).unwrap();
        }
        let keys = |paths: &[PathBuf]| {
            let files = files(paths, "d")?;
            Ok::<_, StageError>(files.into_iter().map(|(_, key)| key).collect::<Vec<_>>())
        };
        assert_eq!(keys(&[folder.join(".")]).unwrap(), ["d/feb/a.csv", "d/jan/a.csv", "d/mar/b.csv"]);
        assert_eq!(keys(&[at("jan"), at("mar")]).unwrap(), ["d/a.csv", "d/b.csv"]);
        for both in [[at("jan"), at("feb")], [at("jan/a.csv"), at("feb/a.csv")]] {
            let error = keys(&both).unwrap_err();
            assert_eq!(error.code, ErrorCode::SettingsInvalid);
            assert!(error.message.contains("d/a.csv") && error.message.contains("two versions"), "{error}");
        }
        assert_eq!(keys(&[at("jan"), at("jan/a.csv")]).unwrap(), ["d/a.csv", "d/a.csv"]);
        let odd = |byte: u8| at("odd").join(OsString::from_vec(vec![b'a', byte]));
        std::fs::write(odd(0xe9), "x").unwrap();
        std::fs::write(odd(0xe8), "y").unwrap();
        for paths in [vec![at("odd")], vec![odd(0xe9)]] {
            assert!(keys(&paths).unwrap_err().message.contains("no UTF-8"));
        }
        symlink(".", at("mar/again")).unwrap();
        assert!(keys(&[at("mar")]).unwrap_err().message.contains("link back"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
