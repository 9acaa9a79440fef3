//! `fonderie show`: one run, and the versions of its file.

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use fonderie_core::money::group_digits;
use fonderie_core::stage::RuleResult;
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_storage::Storage;
use serde::{Deserialize, Serialize};

use super::{ask, existing, moment};
use crate::Ending;
use crate::cli::{Shape, ShowArguments};
use crate::dataset::{DatasetFolder, Origin};
use crate::print::{self, align_right, escaped, say, table, unit};
use crate::state::{QUARANTINE, REPORTS, bucket_folder};

/// What the ledger answers.
#[derive(Deserialize)]
struct Answer {
    /// The ids that fit, newest first; at most [`CANDIDATES`] and one more.
    found: Vec<String>,
    run: Option<Run>,
}

/// Ids that are shown if several fit.
const CANDIDATES: usize = 10;

/// A run; what `--format json` prints, with [`Places`].
#[derive(Deserialize, Serialize)]
struct Run {
    run_id: String,
    status: String,
    dataset: Option<String>,
    source: Option<String>,
    as_of: Option<NaiveDate>,
    verdict: Option<String>,
    already_loaded: bool,
    halted_because: Option<String>,
    started_at: DateTime<Utc>,
    finished_at: DateTime<Utc>,
    bundle_sha256: Option<String>,
    /// Absent if the run failed before its file was known to the ledger.
    file: Option<File>,
    rows: Rows,
    stage_millis: Millis,
    amounts: Vec<Amount>,
    /// Those that a row broke.
    rules: Vec<RuleResult>,
    notices: Vec<String>,
    halts: Vec<String>,
    failure: Option<Failure>,
    models: Vec<Model>,
    /// Those of the tables that found violations.
    checks: Vec<Check>,
    /// Of the file, the newest first.
    versions: Vec<Version>,
}

#[derive(Deserialize, Serialize)]
struct File {
    key: String,
    version_id: String,
    size: u64,
    sha256: String,
    same_bytes_as: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Rows {
    read: Option<u64>,
    accepted: Option<u64>,
    rejected: Option<u64>,
    inserted: Option<u64>,
    updated: Option<u64>,
    unchanged: Option<u64>,
    superseded: Option<u64>,
    removed: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct Millis {
    transform: Option<u64>,
    validate: Option<u64>,
    load: Option<u64>,
}

/// The sum is a decimal as text.
#[derive(Deserialize, Serialize)]
struct Amount {
    field: String,
    stage: String,
    sum: String,
    unreadable: u64,
}

#[derive(Deserialize, Serialize)]
struct Failure {
    stage: Option<String>,
    code: Option<String>,
    sentence: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Model {
    model: String,
    status: String,
    rows: u64,
    /// The run that trained the model by which these are the scores.
    in_force: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Check {
    check: String,
    severity: String,
    status: String,
    violations: u64,
    message: String,
}

#[derive(Deserialize, Serialize)]
struct Version {
    version_id: String,
    order: DateTime<Utc>,
    size: u64,
    sha256: String,
    /// The run that put its rows into the warehouse.
    loaded_by: Option<String>,
    /// The run that withdrew it, if it is withdrawn.
    withdrawn_by: Option<String>,
    runs: Vec<VersionRun>,
}

#[derive(Deserialize, Serialize)]
struct VersionRun {
    run_id: String,
    status: String,
    started_at: DateTime<Utc>,
}

/// Where what the run wrote lies, if it is there.
#[derive(Serialize)]
struct Places {
    report: Option<String>,
    rejects: Option<String>,
    failure_record: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    run: Run,
    currency: Option<String>,
    #[serde(flatten)]
    places: Places,
}

pub(crate) async fn run(arguments: ShowArguments) -> Result<Ending> {
    let settings = [("fonderie.run", arguments.run.as_str())];
    let answer: Answer = ask(&arguments.state, include_str!("show.sql"), &settings, &arguments.time).await?;
    let run = match (answer.run, answer.found.as_slice()) {
        (Some(run), _) => run,
        (None, []) => {
            let message = format!("the ledger knows no run `{}`: `fonderie runs` lists them", arguments.run);
            return Err(StageError::new(ErrorCode::RequestInvalid, message));
        }
        (None, several) => {
            let shown = several.iter().take(CANDIDATES).map(|id| format!("\n  {id}")).collect::<String>();
            let more = if several.len() > CANDIDATES { "\n  …" } else { "" };
            let message = format!("several runs have `{}` in their id, give more of it:{shown}{more}", arguments.run);
            return Err(StageError::new(ErrorCode::RequestInvalid, message));
        }
    };
    let places = places(&arguments.state.state, &run);
    let currency = run.dataset.as_ref().and_then(|name| currency(&arguments, name));
    let shown = Shown { run, currency, places };
    match arguments.format {
        Shape::Json => print::document(&shown)?,
        Shape::Text => text(&shown),
    }
    Ok(Ending::Good)
}

/// The unit of the run's amounts, if its dataset is there and declares one. A run is shown without its dataset too.
fn currency(arguments: &ShowArguments, dataset: &str) -> Option<String> {
    let origin = Origin::of(&arguments.datasets);
    let known = origin.names().ok()?.iter().any(|name| name == dataset);
    let read = |name| origin.read(name).and_then(|folder: DatasetFolder| folder.compile()).ok();
    known.then(|| read(dataset)).flatten()?.currency
}

fn places(state: &Path, run: &Run) -> Places {
    let folder = |bucket: &str| {
        let (dataset, source) = (run.dataset.as_deref()?, run.source.as_deref()?);
        Some(bucket_folder(state, bucket).join(dataset).join(source).join(&run.run_id))
    };
    let record = Storage::failure_record(QUARANTINE, &run.run_id);
    Places {
        report: folder(REPORTS).and_then(|folder| existing(&folder.join(fonderie_core::Run::REPORT))),
        rejects: folder(QUARANTINE).and_then(|folder| csv(&folder)).and_then(|file| existing(&file)),
        failure_record: existing(&bucket_folder(state, &record.bucket).join(record.key)),
    }
}

/// What the run refused, in the one CSV of its folder, which the dataset names.
fn csv(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "csv"))
}

fn text(shown: &Shown) {
    let Shown { run, currency, places } = shown;
    let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| group_digits(&count.to_string()));
    let line = |name: &str, value: &str| say!("{name:<10}{}", escaped(value));
    line("Run", &run.run_id);
    let because = run.halted_because.as_ref().map(|because| format!(": {because}")).unwrap_or_default();
    line("Status", &format!("{}{because}", run.status));
    if let Some(failure) = &run.failure {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
        line("Failed", &format!("in {}: {}: {}", word(&failure.stage), word(&failure.code), word(&failure.sentence)));
    }
    line("Time", &format!("{} to {}", moment(run.started_at), moment(run.finished_at)));
    if let Some(File { key, version_id, size, sha256, same_bytes_as }) = &run.file {
        line("File", &format!("{key}, {} bytes", group_digits(&size.to_string())));
        line("Version", &format!("{version_id}, SHA-256 {sha256}"));
        if let Some(other) = same_bytes_as {
            line("", &format!("the same bytes as {other}, which came first"));
        }
    }
    if let (Some(dataset), Some(source)) = (&run.dataset, &run.source) {
        let as_of = run.as_of.map(|day| format!(", as of {day}")).unwrap_or_default();
        line("Contract", &format!("dataset {dataset}, source {source}{as_of}"));
    }
    if run.rows.read.is_some() {
        let Rows { read, accepted, rejected, inserted, updated, unchanged, superseded, removed } = run.rows;
        let (read, accepted, rejected) = (number(read), number(accepted), number(rejected));
        say!("Rows      {read} read, {accepted} accepted, {rejected} rejected");
        let (inserted, updated, unchanged) = (number(inserted), number(updated), number(unchanged));
        let (superseded, removed) = (number(superseded), number(removed));
        say!(
            "          {inserted} inserted, {updated} updated, {unchanged} unchanged, {superseded} superseded, {removed} removed"
        );
        let Millis { transform, validate, load } = run.stage_millis;
        say!(
            "Stages    transform {} ms, validate {} ms, load {} ms",
            number(transform),
            number(validate),
            number(load)
        );
    }
    if let (None, Some(removed)) = (run.rows.read, run.rows.removed) {
        say!("Rows      {} withdrawn", number(Some(removed)));
    } else if let (None, Some(restored)) = (run.rows.read, run.rows.accepted) {
        say!("Rows      {} restored", number(Some(restored)));
    }
    for Check { check, severity, status, violations, message } in &run.checks {
        line("Check", &format!("{check}: {violations} ({status}, {severity}): {message}"));
    }
    for Model { model, status, rows, in_force } in &run.models {
        let by = in_force.as_ref().map(|run| format!(", with the model of run {run}")).unwrap_or_default();
        line("Model", &format!("{model}: {status}, {} rows{by}", number(Some(*rows))));
    }
    run.notices.iter().for_each(|notice| line("Notice", notice));
    run.halts.iter().for_each(|halt| line("Halt", halt));
    if !run.amounts.is_empty() {
        let mut amounts =
            table(&[&format!("amount{}", unit(currency.as_deref())), "of the rows", "sum", "unreadable cells"]);
        for Amount { field, stage, sum, unreadable } in &run.amounts {
            let row = [escaped(field).into_owned(), stage.clone(), group_digits(sum), number(Some(*unreadable))];
            amounts.add_row(row);
        }
        align_right(&mut amounts, 2);
        say!("\n{amounts}");
    }
    if !run.rules.is_empty() {
        let mut rules = table(&["rule", "severity", "rows", "allowed"]);
        for RuleResult { rule, severity, rows, budget } in &run.rules {
            rules.add_row([
                escaped(rule).into_owned(),
                severity.clone(),
                number(Some(*rows)),
                budget.map(|budget| number(Some(budget))).unwrap_or_default(),
            ]);
        }
        align_right(&mut rules, 2);
        say!("\n{rules}");
    }
    if !run.versions.is_empty() {
        let mut versions = table(&["version of the file, newest first", "bytes", "runs"]);
        for Version { version_id, order, size, loaded_by, withdrawn_by, runs, .. } in &run.versions {
            let run = |run: &VersionRun| {
                let loaded = if loaded_by.as_ref() == Some(&run.run_id) { ", in the warehouse" } else { "" };
                format!("{} {}{loaded}", moment(run.started_at), run.status)
            };
            let runs = runs.iter().map(run).collect::<Vec<_>>().join("\n");
            let withdrawn = if withdrawn_by.is_some() { "\nWITHDRAWN" } else { "" };
            let version = format!("{} of {}{withdrawn}", escaped(version_id), moment(*order));
            versions.add_row([version, number(Some(*size)), runs]);
        }
        say!("\n{versions}");
    }
    let Places { report, rejects, failure_record } = places;
    for (name, place) in [("Report", report), ("Rejects", rejects), ("Failure", failure_record)] {
        place.iter().for_each(|place| line(name, place));
    }
}
