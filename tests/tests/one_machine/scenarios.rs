//! Every scenario of every dataset: the folder's input files through the one-machine binary, and what must come out.
//!
//! A scenario is a folder under `datasets/<dataset>/scenarios/`: `scenario.toml` (the as-of date, and for each run the files
//! and the exit code), `input/`, and `expected/` with `report.txt` (a line per file), `silver.csv` (accepted records),
//! the CSV of refused rows under the dataset's name for it, and `warehouse.csv` (the rows of `scenarios/warehouse.sql`). Dropping in a folder
//! adds a test; `UPDATE_SCENARIOS=1` writes what came out, to be read before it is committed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::ArrayRef;
use arrow_cast::display::array_value_to_string;
use fonderie_tests::{packages, workspace};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    as_of: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    files: Vec<String>,
    exit: i32,
}

/// The folders below a folder, by name.
fn folders(path: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

#[tokio::test]
async fn every_scenario_of_every_dataset() {
    let fonderie = packages::build().unwrap().1;
    let (mut run, mut wrong) = (0, Vec::new());
    for dataset in folders(&workspace().join("datasets")) {
        for folder in folders(&dataset.join("scenarios")) {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let database = fonderie_test_support::database(&name).await;
            wrong.extend(
                check(&fonderie, &dataset, &folder, &database.url).into_iter().map(|told| format!("{name}: {told}")),
            );
            run += 1;
        }
    }
    assert!(run >= 4, "only {run} scenarios were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a scenario; gives what is not as expected.
fn check(fonderie: &Path, dataset: &Path, folder: &Path, database: &str) -> Vec<String> {
    let scenario: Scenario = toml::from_str(&fs::read_to_string(folder.join("scenario.toml")).unwrap()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let arguments = |command: &mut Command| {
        command.args(["--datasets".as_ref(), dataset.parent().unwrap().as_os_str()]);
        command.args(["--dataset".as_ref(), dataset.file_name().unwrap()]);
        command.args(["--database-url", database, "--state"]).arg(state.path());
        let output = command.current_dir(folder.join("input")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (mut wrong, mut report) = (Vec::new(), String::new());
    for run in &scenario.runs {
        let mut command = Command::new(fonderie);
        let (code, out, error) = arguments(command.arg("run").args(&run.files).args(["--as-of", &scenario.as_of]));
        if code != Some(run.exit) {
            wrong.push(format!("exit code {code:?} instead of {}\n{out}{error}", run.exit));
        }
        // The files' own lines; the tables after the first blank line repeat them.
        out.lines().take_while(|line| !line.is_empty()).for_each(|line| writeln!(report, "{line}").unwrap());
    }
    let s3 = state.path().join("s3");
    let mut query = Command::new(fonderie);
    let warehouse =
        arguments(query.arg("query").arg(dataset.join("scenarios/warehouse.sql")).args(["--format", "csv"]));
    let silver = of_runs(&s3.join("silver"), "accepted.parquet", records);
    let refused = rejects_name(dataset);
    let rejects = of_runs(&s3.join("quarantine"), &refused, |path| {
        fs::read_to_string(path).unwrap().trim_start_matches('\u{feff}').replace("\r\n", "\n")
    });
    for (name, got) in [
        ("report.txt", &report),
        ("silver.csv", &silver),
        (refused.as_str(), &rejects),
        ("warehouse.csv", &warehouse.1),
    ] {
        let path = folder.join("expected").join(name);
        if std::env::var_os("UPDATE_SCENARIOS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, got).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let differs = expected.lines().zip(got.lines()).find(|(expected, got)| expected != got);
        if let Some((expected, got)) = differs {
            wrong.push(format!("{name}:\n  expected {expected}\n  got      {got}"));
        } else if expected != *got {
            let (expected, got) = (expected.lines().count(), got.lines().count());
            wrong.push(format!("{name}: {expected} lines expected, {got} got (first ones alike)"));
        }
    }
    wrong
}

/// The name of the CSV of refused rows, as the dataset says it.
fn rejects_name(dataset: &Path) -> String {
    let messages: toml::Table = fs::read_to_string(dataset.join("messages.toml")).unwrap_or_default().parse().unwrap();
    let file = messages.get("rejects").and_then(|rejects| rejects.get("file")).and_then(toml::Value::as_str);
    file.unwrap_or("rejects.csv").to_owned()
}

/// The texts of an object that runs write under `<dataset>/<source>/<run id>/`, in the order of the runs.
fn of_runs(bucket: &Path, name: &str, text: impl Fn(&Path) -> String) -> String {
    let mut runs: Vec<(String, String, PathBuf)> = Vec::new();
    for source in folders(bucket).iter().flat_map(|dataset| folders(dataset)) {
        for run in folders(&source).into_iter().filter(|run| run.join(name).is_file()) {
            let id = run.file_name().unwrap().to_string_lossy().into_owned();
            // A run's id ends with the time at which it began, and random characters.
            let began = id.rsplit('-').nth(1).unwrap().to_owned();
            runs.push((began, source.file_name().unwrap().to_string_lossy().into_owned(), run.join(name)));
        }
    }
    runs.sort();
    runs.iter().map(|(_, source, path)| format!("# {source}\n{}", text(path))).collect()
}

/// A Parquet file as CSV, without quotes: `|` between values, line ends shown.
fn records(path: &Path) -> String {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let mut text = String::new();
    for batch in reader {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            let value = |column: &ArrayRef| array_value_to_string(column, row).unwrap().replace('\n', "\\n");
            let values: Vec<String> = batch.columns().iter().map(value).collect();
            writeln!(text, "{}", values.join("|")).unwrap();
        }
    }
    text
}
