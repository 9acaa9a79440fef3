//! `fonderie status`: what is there, what is open, what is late.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use fonderie_contract::Dataset;
use fonderie_core::freshness::Freshness;
use fonderie_core::money::group_digits;
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_warehouse::NEWEST_ARRIVAL;
use serde::{Deserialize, Serialize};

use super::{ask, moment};
use crate::Ending;
use crate::cli::{Shape, StatusArguments};
use crate::dataset::DatasetFolder;
use crate::postgres::{EMBEDDED, NATIVE};
use crate::print::{self, align_right, escaped, say, table, unit};
use crate::state::{BUCKETS, bucket_folder};

/// What the ledger answers.
#[derive(Debug, Deserialize, Serialize)]
struct Ledger {
    /// Keys in bronze that a contract knows.
    files: u64,
    /// Their versions.
    versions: u64,
    runs: Runs,
    last_run: Option<DateTime<Utc>>,
    /// Of the versions whose rows are in the warehouse.
    rows: Rows,
    amounts: Vec<Amount>,
    open_rejects: OpenRejects,
    /// Versions that are withdrawn, in the order in which they were.
    withdrawn: Vec<Withdrawn>,
    models: Vec<Model>,
    #[serde(skip_serializing)]
    arrivals: BTreeMap<String, NaiveDate>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Runs {
    loaded: u64,
    unchanged: u64,
    halted: u64,
    failed: u64,
    withdrawn: u64,
    restored: u64,
}

#[derive(Debug, Deserialize, Serialize)]
struct Rows {
    read: u64,
    accepted: u64,
    rejected: u64,
}

/// Decimals as texts.
#[derive(Debug, Deserialize, Serialize)]
struct Amount {
    field: String,
    read: String,
    accepted: String,
    rejected: String,
}

/// Rows that the newest version of a file was refused, or all of a halted one.
#[derive(Debug, Deserialize, Serialize)]
struct OpenRejects {
    files: u64,
    rows: u64,
    halted_files: u64,
}

/// A version that is withdrawn.
#[derive(Debug, Deserialize, Serialize)]
struct Withdrawn {
    key: String,
    version_id: String,
    /// The run that withdrew it.
    run_id: String,
    withdrawn_at: Option<DateTime<Utc>>,
}

/// A model in force.
#[derive(Debug, Deserialize, Serialize)]
struct Model {
    model: String,
    run_id: String,
    as_of: NaiveDate,
    trained_at: DateTime<Utc>,
    /// Those that were scored by its training.
    rows: u64,
    /// Those that were new or changed since.
    changed_rows: u64,
    abnormal: u64,
    parameters: serde_json::Value,
    sha256: Option<String>,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Status {
    dataset: String,
    currency: Option<String>,
    #[serde(flatten)]
    ledger: Ledger,
    /// The day for which files are expected.
    today: NaiveDate,
    expected: Vec<Freshness>,
    disk: Disk,
}

/// Bytes on the disk.
#[derive(Serialize)]
struct Disk {
    state: String,
    total: u64,
    /// By part of the state folder; those that are absent are left out.
    parts: BTreeMap<String, u64>,
}

pub(crate) async fn run(arguments: StatusArguments) -> Result<Ending> {
    let dataset = DatasetFolder::read(&arguments.dataset)?.compile()?;
    let zone = dataset.time_zone;
    let sql = include_str!("status.sql").replace("{arrived}", NEWEST_ARRIVAL);
    let settings = [("fonderie.dataset", dataset.name.as_str()), ("fonderie.time_zone", zone.name())];
    let ledger: Ledger = ask(&arguments.state, &sql, &settings, &arguments.time).await?;
    let today = Utc::now().with_timezone(&zone).date_naive();
    let status = Status {
        expected: expected(&dataset, &ledger, today),
        disk: disk(&arguments.state.state)?,
        dataset: dataset.name,
        currency: dataset.currency,
        ledger,
        today,
    };
    match arguments.format {
        Shape::Json => print::document(&status)?,
        Shape::Text => text(&status),
    }
    Ok(Ending::Good)
}

/// The sources from which files are expected.
fn expected(dataset: &Dataset, ledger: &Ledger, today: NaiveDate) -> Vec<Freshness> {
    let source = |source: &fonderie_contract::Source| {
        let newest = ledger.arrivals.get(&source.id).copied();
        Some(Freshness::new(source.id.clone(), source.expected?, newest, today))
    };
    dataset.sources.iter().filter_map(source).collect()
}

fn text(status: &Status) {
    let Status { dataset, currency, ledger, today, expected, disk } = status;
    let number = |count: u64| group_digits(&count.to_string());
    let Ledger { runs, rows, open_rejects, .. } = ledger;
    say!("Dataset   {}", escaped(dataset));
    say!("Files     {}; versions: {}", number(ledger.files), number(ledger.versions));
    let last = ledger.last_run.map(|time| format!("; the last one {}", moment(time))).unwrap_or_default();
    let withdrawals = match (runs.withdrawn, runs.restored) {
        (0, 0) => String::new(),
        (withdrawn, restored) => format!(", {} withdrawn, {} restored", number(withdrawn), number(restored)),
    };
    say!(
        "Runs      {} loaded, {} unchanged, {} halted, {} failed{withdrawals}{last}",
        number(runs.loaded),
        number(runs.unchanged),
        number(runs.halted),
        number(runs.failed)
    );
    say!(
        "Rows      {} read, {} accepted, {} rejected, of the versions that are in the warehouse",
        number(rows.read),
        number(rows.accepted),
        number(rows.rejected)
    );
    say!(
        "Rejects   open: {} rows of {} files; {} files are halted",
        number(open_rejects.rows),
        number(open_rejects.files),
        number(open_rejects.halted_files)
    );
    for Withdrawn { key, version_id, withdrawn_at, .. } in &ledger.withdrawn {
        let since = withdrawn_at.map(|at| format!(" since {}", moment(at))).unwrap_or_default();
        say!("Withdrawn {}, version {}{since}", escaped(key), escaped(version_id));
    }
    for Model { model, as_of, trained_at, rows, changed_rows, abnormal, .. } in &ledger.models {
        let (rows, changed, abnormal) = (number(*rows), number(*changed_rows), number(*abnormal));
        say!(
            "Model     {}: {rows} rows scored, {abnormal} abnormal, as of {as_of}, {changed} rows changed since, trained {}",
            escaped(model),
            moment(*trained_at)
        );
    }
    if !ledger.amounts.is_empty() {
        let mut amounts = table(&[&format!("amount{}", unit(currency.as_deref())), "read", "accepted", "rejected"]);
        for Amount { field, read, accepted, rejected } in &ledger.amounts {
            let sums = [read, accepted, rejected].map(|sum| group_digits(sum));
            amounts.add_row(std::iter::once(escaped(field).into_owned()).chain(sums));
        }
        align_right(&mut amounts, 1);
        say!("\n{amounts}");
    }
    say!("\nExpected files, on {today}");
    for source in expected {
        say!("  {} {}", if source.missing { "LATE" } else { "ok  " }, escaped(&source.to_string()));
    }
    if expected.is_empty() {
        say!("  none: no source has [expected]");
    }
    say!("\nDisk      {} in {}", size(disk.total), escaped(&disk.state));
    disk.parts.iter().for_each(|(part, bytes)| say!("  {:>10}  {part}", size(*bytes)));
}

/// Bytes, for a person.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = "bytes";
    let (mut whole, mut tenths) = (bytes, 0);
    for next in units {
        if whole < 1024 {
            break;
        }
        (whole, tenths, unit) = (whole / 1024, whole % 1024 * 10 / 1024, next);
    }
    if unit == "bytes" { format!("{whole} {unit}") } else { format!("{whole}.{tenths} {unit}") }
}

/// What the state folder takes of the disk.
fn disk(state: &Path) -> Result<Disk> {
    let buckets = BUCKETS.iter().map(|bucket| bucket_folder(Path::new(""), bucket));
    let mut parts = BTreeMap::new();
    for part in buckets.chain([NATIVE, EMBEDDED].map(PathBuf::from)) {
        let path = state.join(&part);
        if path.exists() {
            parts.insert(part.to_string_lossy().into_owned(), used(&path)?);
        }
    }
    Ok(Disk {
        state: state.to_string_lossy().into_owned(),
        total: if state.exists() { used(state)? } else { 0 },
        parts,
    })
}

/// The bytes of the disk that a folder takes, without following links.
fn used(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let unreadable = |error| {
        let message = format!("the disk that {} takes cannot be counted: it cannot be read", folder.display());
        StageError::new(ErrorCode::SettingsInvalid, message).caused_by(error)
    };
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // What a database or another run takes away meanwhile takes nothing.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            match used(&entry.path()) {
                Err(_) if !entry.path().exists() => {}
                inside => bytes += inside?,
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        let sizes = [0, 1023, 1024, 1536, (1 << 20) - 1, 5 << 30].map(size);
        assert_eq!(sizes, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "5.0 GiB"]);
    }
}
