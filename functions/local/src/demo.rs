//! `fonderie demo`: a dataset's sample files, made or as they lie in its folder, and run.

use std::fs;
use std::path::PathBuf;

use chrono::NaiveDate;
use fonderie_core::{ErrorCode, Result, StageError};

use crate::Ending;
use crate::cli::{DemoArguments, SampleArguments};
use crate::dataset::DatasetFolder;
use crate::generate::{Request, generate, unwritten};
use crate::print::{Output, say};
use crate::run::{Job, run_files};

pub(crate) async fn run(arguments: DemoArguments) -> Result<Ending> {
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    let samples = dataset.samples()?;
    let (files, as_of) =
        if samples.is_empty() { made(&dataset, &arguments)? } else { copied(&dataset, samples, &arguments)? };
    run_files(Job {
        dataset: &dataset,
        files,
        refused: Vec::new(),
        as_of,
        // The date is the sample's, not a person's.
        force: as_of.is_some(),
        strict: false,
        state: &arguments.state,
        output: Output::Text,
        new_only: false,
        stop: None,
    })
    .await
}

/// Files, each with its key in bronze, and the as-of date of a run of them.
type Sample = (Vec<(PathBuf, String)>, Option<NaiveDate>);

/// Files made of `generate.toml`.
fn made(dataset: &DatasetFolder, arguments: &DemoArguments) -> Result<Sample> {
    let out = arguments.state.state.join("sample");
    let SampleArguments { rows, seed } = arguments.sample;
    let made = generate(dataset, &Request { out: &out, rows, seed, as_of: None, force: false })?;
    let (files, rows) = (made.files.len(), made.files.values().map(|file| file.truth.rows).sum::<u64>());
    say!(
        "made     {files} files, {rows} rows, as of {} (seed {}): {}\n         what is wrong in them: {}\n",
        made.as_of,
        made.seed,
        made.folder.display(),
        made.truth.display()
    );
    let files = made.files.keys().map(|name| (made.folder.join(name), format!("{}/{name}", dataset.name))).collect();
    Ok((files, Some(made.as_of)))
}

/// The dataset's own sample files, copied into the state folder.
fn copied(dataset: &DatasetFolder, samples: Vec<(String, Vec<u8>)>, arguments: &DemoArguments) -> Result<Sample> {
    if arguments.sample.rows.is_some() || arguments.sample.seed.is_some() {
        let message = format!(
            "{} has sample files of its own, so that --rows and --seed change nothing: leave them out",
            dataset.place()
        );
        return Err(StageError::new(ErrorCode::SettingsInvalid, message));
    }
    let folder = arguments.state.state.join("samples").join(&dataset.name);
    fs::create_dir_all(&folder).map_err(|error| unwritten(&folder, error))?;
    let mut files = Vec::new();
    for (name, content) in samples {
        let path = folder.join(&name);
        fs::write(&path, content).map_err(|error| unwritten(&path, error))?;
        files.push((path, format!("{}/{name}", dataset.name)));
    }
    say!("copied   {} sample files: {}\n", files.len(), folder.display());
    Ok((files, None))
}
