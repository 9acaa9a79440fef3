//! `fonderie run`: files and folders through the pipeline, one after the other, scored and published once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fonderie_core::stage::Verdict;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::RunArguments;
use crate::dataset::DatasetFolder;
use crate::pipeline::{Arrived, Finished, Pipeline};
use crate::state::{BRONZE, Buckets, Database};
use crate::{Ending, print};

pub(crate) async fn run(arguments: RunArguments) -> Result<Ending> {
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    // Mistakes in contracts are told before anything is started or written.
    dataset.bundle.compile().map_err(|mistakes| StageError::new(ErrorCode::ContractInvalid, mistakes.to_string()))?;
    let files = files(&arguments.paths, &dataset.name)?;
    let buckets = Buckets::open(&arguments.state.state)?;
    buckets.deploy(&dataset).await?;
    let database = Database::open(&arguments.state).await?;
    let pipeline = Pipeline::new(&buckets.storage, &dataset.name, &database.settings);
    let mut arrived = Vec::new();
    let mut failed = Ok(());
    for (index, (path, key)) in files.iter().enumerate() {
        let progress = Progress::begin(index + 1, files.len(), path);
        let result = one(&buckets, &pipeline, path, key, &arguments, &progress).await;
        progress.end();
        match result {
            Ok(file) => arrived.push(file),
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    // What came before a failure is loaded, and has its scores and reports.
    let progress = Progress::begin(files.len(), files.len(), Path::new(&dataset.name));
    let result = pipeline.finish(arrived, &|stage| progress.stage(stage)).await;
    progress.end();
    database.close().await;
    let ends = failed.and(result)?;
    let finished: Vec<(PathBuf, Finished)> = files.iter().map(|(path, _)| path.clone()).zip(ends).collect();
    finished.iter().for_each(|(path, end)| print::line(path, end));
    print::summary(&buckets, &finished, &arguments.state);
    let good = |end: &Finished| matches!(end, Finished::Ran(report, _) if report.validate.verdict != Verdict::Halted);
    Ok(if finished.iter().all(|(_, end)| good(end)) { Ending::Good } else { Ending::FileFailed })
}

async fn one(
    buckets: &Buckets,
    pipeline: &Pipeline,
    path: &Path,
    key: &str,
    arguments: &RunArguments,
    progress: &Progress,
) -> Result<Arrived> {
    progress.stage("upload");
    let object = ObjectRef { bucket: BRONZE.to_owned(), key: key.to_owned() };
    buckets.storage.put_file(path, &object, "application/octet-stream").await?;
    pipeline.load_file(key, arguments.as_of, &|stage| progress.stage(stage)).await
}

/// Each file with its key in bronze: the dataset's name, then the path below the folder that was named.
fn files(paths: &[PathBuf], dataset: &str) -> Result<Vec<(PathBuf, String)>> {
    let invalid = |message: String| StageError::new(ErrorCode::SettingsInvalid, message);
    let mut files = Vec::new();
    for path in paths {
        let missing = |error| invalid(format!("{} cannot be read", path.display())).caused_by(error);
        let kind = std::fs::metadata(path).map_err(missing)?;
        if kind.is_dir() {
            let before = files.len();
            walk(path, dataset, &mut files)?;
            if files.len() == before {
                return Err(invalid(format!("the folder {} holds no file", path.display())));
            }
        } else {
            std::fs::File::open(path).map_err(missing)?;
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            files.push((path.clone(), format!("{dataset}/{name}")));
        }
    }
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    let unreadable = |error| {
        StageError::new(ErrorCode::SettingsInvalid, format!("{} cannot be read", folder.display())).caused_by(error)
    };
    let mut entries: Vec<_> = std::fs::read_dir(folder).and_then(Iterator::collect).map_err(unreadable)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        // Hidden files are a desktop's, not a facility's.
        if name.starts_with('.') {
            continue;
        }
        let key = format!("{prefix}/{name}");
        if path.is_dir() {
            walk(&path, &key, files)?;
        } else {
            files.push((path, key));
        }
    }
    Ok(())
}

/// A spinner with the stage on a terminal; nothing elsewhere, where the line at the file's end says enough.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn begin(index: usize, of: usize, path: &Path) -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {prefix} {msg} [{elapsed}]");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(format!("[{index}/{of}] {}", path.display()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    fn stage(&self, stage: &'static str) {
        self.bar.set_message(stage);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
