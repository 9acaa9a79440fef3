//! `fonderie withdraw`: a file that was sent by mistake leaves the warehouse; `--undo` restores it.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use chrono::Utc;
use fonderie_contract::Dataset;
use fonderie_core::money::{format_cents, group_digits};
use fonderie_core::withdrawal::{RecordWithdrawal, WithdrawOrder, WithdrawalStatus, Withdrawn, WithdrawnObject};
use fonderie_core::{BundleRef, DatasetRun, Deadline, ErrorCode, Result, StageError, Tally};
use fonderie_storage::Datasets;
use fonderie_warehouse::{KnownVersion, Warehouse};
use serde::Serialize;

use crate::cli::WithdrawArguments;
use crate::dataset::DatasetFolder;
use crate::pipeline::{Asked, Finished, Pipeline};
use crate::print::{self, Output, align_right, escaped, path, say, table, unit};
use crate::progress::Progress;
use crate::run_id::run_id;
use crate::state::{Buckets, DATASETS, Database, check_known, connect};
use crate::terminal::{Colour, painted};
use crate::{Ending, ends, ledger};

/// Keys that are listed if several have the name.
const CANDIDATES: usize = 10;

pub(crate) async fn run(mut arguments: WithdrawArguments) -> Result<Ending> {
    arguments.state.quiet = arguments.json;
    let folder = DatasetFolder::read(&arguments.dataset)?;
    let dataset = folder.compile()?;
    if !arguments.state.state.is_dir() {
        return Err(Database::nothing_here(&arguments.state.state));
    }
    let buckets = Buckets::open(&arguments.state.state)?;
    buckets.deploy(&folder).await?;
    let database = ledger::open(&arguments.state).await?;
    let done = withdraw(&arguments, &dataset, &buckets, &database).await;
    database.close().await;
    done
}

async fn withdraw(
    arguments: &WithdrawArguments,
    dataset: &Dataset,
    buckets: &Buckets,
    database: &Database,
) -> Result<Ending> {
    check_known(buckets, database, &dataset.name).await?;
    let (present, _) = Datasets::new(buckets.storage.clone()).newest(DATASETS, &dataset.name).await?;
    let mut warehouse = connect(&database.settings).await?;
    let found = find(arguments, dataset, &mut warehouse).await;
    // the embedded server has one connection at a time
    warehouse.close().await;
    let run = pinned(dataset, present, found?, arguments.undo);
    let pipeline = Pipeline::new(&buckets.storage, &dataset.name, &database.settings);
    let output = if arguments.json { Output::Json } else { Output::Text };
    let progress = Progress::new(output);
    progress.begin(1, 1, &arguments.what);
    progress.stage("load");
    let withdrawn = fonderie_load::withdraw(&pipeline.load, &run.order, Deadline::default()).await;
    let withdrawn = match withdrawn {
        Ok(withdrawn) => withdrawn,
        Err(error) => {
            progress.end();
            return Err(error);
        }
    };
    let finished = match withdrawn.has(WithdrawalStatus::Released) {
        true => run_again(&pipeline, &withdrawn, &run, &progress).await,
        false => Ok(Vec::new()),
    };
    let ended = match finished {
        Ok(finished) => {
            let stage = |stage| progress.stage(stage);
            pipeline.dataset(run.order, Some(withdrawn.clone()), &stage).await.map(|end| (finished, end))
        }
        Err(error) => Err(error),
    };
    progress.end();
    let (finished, (score, publish, report)) = ended?;
    let report = buckets.path(&report);
    if arguments.json {
        let run_id = run.run_id;
        print::document(&Document { run_id: &run_id, withdrawn: &withdrawn, report: report.display().to_string() })?;
    } else {
        text(dataset, &withdrawn);
        finished.iter().for_each(|end| ends::line(Path::new(&withdrawn.object.key), end));
        score.models.iter().for_each(|model| say!("         {model}"));
        publish.violated().for_each(|checked| say!("         CHECK {}", escaped(&checked.to_string())));
        say!("         {publish}");
        say!("         report {}", path(&report));
        hint(arguments, &withdrawn);
    }
    Ok(if finished.iter().all(Finished::is_good) { Ending::Good } else { Ending::FileFailed })
}

/// A run of the dataset that withdraws or restores.
struct Pinned {
    run_id: String,
    order: DatasetRun,
}

/// The version that is meant, and what "today" is.
struct Meant {
    object: WithdrawnObject,
    as_of: Option<chrono::NaiveDate>,
}

fn pinned(dataset: &Dataset, bundle: BundleRef, meant: Meant, undo: bool) -> Pinned {
    let started_at = Utc::now();
    let run_id = run_id(if undo { "restore" } else { "withdraw" }, started_at);
    // a withdrawal does not move the marts' date
    let as_of = meant.as_of.unwrap_or_else(|| started_at.with_timezone(&dataset.time_zone).date_naive());
    let order = DatasetRun {
        withdraw: Some(WithdrawOrder { object: meant.object, undo }),
        ..DatasetRun::new(run_id.clone(), started_at, as_of, true, bundle)
    };
    Pinned { run_id, order }
}

/// Finds the version that is meant: by a run's id, a version's id, a key in bronze, or a path or a part of it that only one key has.
async fn find(arguments: &WithdrawArguments, dataset: &Dataset, warehouse: &mut Warehouse) -> Result<Meant> {
    // a ledger of an earlier release is brought to this one's
    warehouse.ready(&dataset.layout).await?;
    let as_of = warehouse.published_as_of(&dataset.name).await?;
    let versions = warehouse.all_versions(&dataset.name).await?;
    let of_run = warehouse.version_of_run(&arguments.what).await?;
    let by_id = of_run.or_else(|| {
        versions.iter().map(|version| &version.object).find(|object| object.version_id == arguments.what).cloned()
    });
    let object = match by_id {
        Some(object) => {
            if arguments.version.as_ref().is_some_and(|version| *version != object.version_id) {
                let message = format!(
                    "`{}` is of version {}, and --version names another one: give the file with --version",
                    arguments.what, object.version_id
                );
                return Err(StageError::new(ErrorCode::RequestInvalid, message));
            }
            WithdrawnObject { bucket: object.bucket, key: object.key, version_id: Some(object.version_id) }
        }
        None => {
            let (bucket, key) = key_of(&arguments.what, &dataset.name, &versions)?;
            WithdrawnObject { bucket, key, version_id: arguments.version.clone() }
        }
    };
    Ok(Meant { object, as_of })
}

/// The bucket and the key of a file that is named by its key, or by a path of which one is the end of the other.
fn key_of(what: &str, dataset: &str, versions: &[KnownVersion]) -> Result<(String, String)> {
    let keys: BTreeSet<(&str, &str)> =
        versions.iter().map(|version| (version.object.bucket.as_str(), version.object.key.as_str())).collect();
    let owned = |(bucket, key): (&str, &str)| (bucket.to_owned(), key.to_owned());
    if let Some(exact) = keys.iter().find(|(_, key)| *key == what) {
        return Ok(owned(*exact));
    }
    let named = parts(what);
    let fits = |key: &str| {
        let below = key.strip_prefix(dataset).and_then(|rest| rest.strip_prefix('/')).unwrap_or(key);
        let below: Vec<&str> = below.split('/').collect();
        !named.is_empty() && (named.ends_with(&below) || below.ends_with(&named))
    };
    let found: Vec<_> = keys.into_iter().filter(|(_, key)| fits(key)).collect();
    let invalid = |message: String| Err(StageError::new(ErrorCode::RequestInvalid, message));
    match found.as_slice() {
        [one] => Ok(owned(*one)),
        [] => invalid(format!(
            "the ledger of `{dataset}` knows no file, version or run `{what}`; nothing was changed: `fonderie runs` lists the files"
        )),
        several => {
            let listed = several.iter().take(CANDIDATES).map(|(_, key)| format!("\n  {key}")).collect::<String>();
            let more = if several.len() > CANDIDATES { "\n  …" } else { "" };
            invalid(format!("several files are `{what}`; nothing was changed: name one by its key:{listed}{more}"))
        }
    }
}

/// The names in a path, without `.` and what `..` leaves.
fn parts(what: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for component in Path::new(what).components() {
        match component {
            Component::Normal(name) => parts.extend(name.to_str()),
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts
}

/// Runs a file of which silver has no records any more, if bronze still has the version.
async fn run_again(
    pipeline: &Pipeline,
    withdrawn: &Withdrawn,
    run: &Pinned,
    progress: &Progress,
) -> Result<Vec<Finished>> {
    let object = &withdrawn.object;
    if !pipeline.is_in_bronze(object).await? {
        let message = format!(
            "version {} of {} is no longer withdrawn, but neither its silver nor this version of the file is there, so that it was not loaded: \
             send the file again",
            object.version_id, object.key
        );
        return Err(StageError::new(ErrorCode::ObjectMissing, message));
    }
    let asked = Asked { as_of: Some(run.order.as_of), force: true, strict: false };
    let arrived = pipeline.load_file(&object.key, asked, &|stage| progress.stage(stage)).await?;
    pipeline.finish(arrived, &|stage| progress.stage(stage)).await
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    run_id: &'a str,
    #[serde(flatten)]
    withdrawn: &'a Withdrawn,
    report: String,
}

fn text(dataset: &Dataset, withdrawn: &Withdrawn) {
    let mark = match withdrawn.changed() {
        true => painted(if withdrawn.undo { "restored" } else { "withdrawn" }, Colour::Green),
        false => painted("unchanged", Colour::Yellow),
    };
    let object = &withdrawn.object;
    say!("{mark} {} (version {})", escaped(&object.key), escaped(&object.version_id));
    let changed = |record: &&RecordWithdrawal| !record.rows.is_empty();
    for record in &withdrawn.records {
        let named = if withdrawn.records.len() > 1 { format!("{}: ", record.record) } else { String::new() };
        say!("         {named}{}", sentence(record, withdrawn.undo));
    }
    withdrawn.notices.iter().for_each(|notice| say!("         note: {}", escaped(notice)));
    let records: Vec<_> = withdrawn.records.iter().filter(changed).collect();
    if records.iter().any(|record| !record.rows.amounts.is_empty()) {
        say!("\nAmounts{}\n{}\n", unit(dataset.currency.as_deref()), amounts(&records, withdrawn.undo));
    }
}

fn sentence(record: &RecordWithdrawal, undo: bool) -> String {
    let rows = |count: u64| group_digits(&count.to_string());
    match (record.status, record.outcomes) {
        (WithdrawalStatus::Withdrawn, _) => {
            let other = record.rows.rows.saturating_sub(record.left + record.reverted);
            format!(
                "{} rows: {} left the tables, {} are back in an earlier state, {} are as another file shows them",
                rows(record.rows.rows),
                rows(record.left),
                rows(record.reverted),
                rows(other)
            )
        }
        (WithdrawalStatus::Restored, Some(outcomes)) => format!(
            "{} rows: {} inserted, {} updated, {} unchanged, {} superseded",
            rows(record.rows.rows),
            rows(outcomes.inserted),
            rows(outcomes.updated),
            rows(outcomes.unchanged),
            rows(outcomes.superseded)
        ),
        (WithdrawalStatus::Restored, None) => format!("{} rows", rows(record.rows.rows)),
        (WithdrawalStatus::Released, _) => {
            "no longer withdrawn; its silver is gone, so that the file is run".to_owned()
        }
        (WithdrawalStatus::Unchanged, _) if undo => "it is not withdrawn: nothing was changed".to_owned(),
        (WithdrawalStatus::Unchanged, _) => "it was withdrawn before: nothing was changed".to_owned(),
    }
}

fn amounts(records: &[&RecordWithdrawal], undo: bool) -> comfy_table::Table {
    let mut table = table(&["record", "amount", if undo { "restored" } else { "withdrawn" }]);
    for RecordWithdrawal { record, rows: Tally { amounts, .. }, .. } in records {
        for (column, amount) in amounts {
            table.add_row([record.clone(), column.clone(), group_digits(&format_cents(amount.sum))]);
        }
    }
    align_right(&mut table, 2);
    table
}

/// How to go back, as a command that can be copied.
fn hint(arguments: &WithdrawArguments, withdrawn: &Withdrawn) {
    if withdrawn.undo || !withdrawn.has(WithdrawalStatus::Withdrawn) {
        return;
    }
    let place = match &arguments.state.database_url {
        // The URL may hold a password, so it is not repeated.
        Some(_) => format!("--state {} --database-url URL", path(&arguments.state.state)),
        None => format!("--state {}", path(&arguments.state.state)),
    };
    let program = std::env::args().next().unwrap_or_else(|| "fonderie".to_owned());
    let (key, version) = (escaped(&withdrawn.object.key), escaped(&withdrawn.object.version_id));
    say!("\nTo restore it:  {program} withdraw --undo {place} --version {version} '{key}'");
}

#[cfg(test)]
mod tests {
    use fonderie_core::ObjectVersion;

    use super::*;

    fn key(what: &str) -> String {
        let versions = ["d/a.csv", "d/2026/b.csv", "d/2025/b.csv", "d/2026/c.csv"].map(|key| {
            let object = ObjectVersion { bucket: "bronze".into(), key: key.into(), version_id: "v".into() };
            KnownVersion::of(object, "lines", "s")
        });
        key_of(what, "d", &versions).map_or_else(|error| error.message, |(_, key)| key)
    }

    #[test]
    fn a_file_is_named_by_its_path_its_key_or_its_name() {
        for (what, expected) in [
            ("d/a.csv", "d/a.csv"),
            ("a.csv", "d/a.csv"),
            ("./inbox/../a.csv", "d/a.csv"),
            ("/home/me/inbox/a.csv", "d/a.csv"),
            ("c.csv", "d/2026/c.csv"),
            ("inbox/2026/c.csv", "d/2026/c.csv"),
            ("d/2025/b.csv", "d/2025/b.csv"),
            ("2025/b.csv", "d/2025/b.csv"),
            ("inbox/2026/b.csv", "d/2026/b.csv"),
        ] {
            assert_eq!(key(what), expected, "{what}");
        }
        let several = key("b.csv");
        assert!(several.contains("several files are `b.csv`") && several.contains("\n  d/2025/b.csv\n  d/2026/b.csv"));
        for unknown in ["csv", "b", "inbox/c.csv/", "2024/c.csv", "", "..", "xa.csv"] {
            let message = key(unknown);
            let known = ["d/2026/c.csv"].contains(&message.as_str());
            assert!(known == (unknown == "inbox/c.csv/") || message.contains("knows no file"), "{unknown}: {message}");
        }
    }
}
