//! `fonderie demo`: sample files of all sources, made and run.

use fonderie_core::Result;

use crate::Ending;
use crate::cli::DemoArguments;
use crate::dataset::DatasetFolder;
use crate::generate::{Request, generate};
use crate::print::{Output, say};
use crate::run::{Job, run_files};

pub(crate) async fn run(arguments: DemoArguments) -> Result<Ending> {
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    let out = arguments.state.state.join("sample");
    let request =
        Request { out: &out, rows: arguments.sample.rows, seed: arguments.sample.seed, as_of: None, force: false };
    let made = generate(&dataset, &request)?;
    let (files, rows) = (made.files.len(), made.files.values().map(|file| file.truth.rows).sum::<u64>());
    say!(
        "made     {files} files, {rows} rows, as of {} (seed {}): {}\n         what is wrong in them: {}\n",
        made.as_of,
        made.seed,
        made.folder.display(),
        made.truth.display()
    );
    let files = made.files.keys().map(|name| (made.folder.join(name), format!("{}/{name}", dataset.name))).collect();
    let as_of = Some(made.as_of);
    // The date is the sample's, not a person's.
    run_files(Job {
        dataset: &dataset,
        files,
        refused: Vec::new(),
        as_of,
        force: true,
        strict: false,
        state: &arguments.state,
        output: Output::Text,
        new_only: false,
        stop: None,
    })
    .await
}
