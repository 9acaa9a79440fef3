//! The load: one object version, one transaction.
//!
//! The rows go into a table of the run's own first, without any lock, since that is the long part. Then the dataset's
//! advisory lock is taken and held to the end of the transaction: merges of one dataset come one after another, so that the
//! statements of [`fonderie_tables::load`] see the tables at rest.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Instant;

use arrow_array::RecordBatch;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use fonderie_contract::{Field, Layout, Owns, Record};
use fonderie_core::failpoint::step;
use fonderie_core::stage::{LoadWarning, Loaded, Outcomes, Transformed, Validated};
use fonderie_core::{ErrorCode, Result, Run, StageError, Tally, money};
use fonderie_tables::Table;
use futures::{SinkExt, Stream, StreamExt};
use tokio_postgres::{CopyInSink, Transaction};

use crate::as_of::check_as_of;
use crate::complete::{self, Judged};
use crate::connect::Warehouse;
use crate::copy::Encoder;
use crate::error::Doing;
use crate::later::{check_shown_beyond, with_later_columns};
use crate::ledger::{self, Ending, RunStatus, unsigned};
use crate::lock::dataset_lock;
use crate::sql::{create_incoming, incoming_columns, quote};

/// What a load needs to know, besides the rows.
#[derive(Clone, Copy, Debug)]
pub struct LoadPlan<'a> {
    /// The pinned run.
    pub run: &'a Run,
    /// What `transform` said: the content's hash, what was read and refused.
    pub transform: &'a Transformed,
    /// What `validate` said: what must arrive here, to the row and the cent.
    pub validate: &'a Validated,
    /// The canonical record.
    pub record: &'a Record,
    /// What the source sends all of, if the record's files are complete.
    pub owns: &'a Owns,
    /// The dataset's tables.
    pub layout: &'a Layout,
}

/// How much memory one sort or hash table of the merge may take: within what the smallest RDS instance can give to the few
/// loads that run at once.
pub(crate) const WORK_MEM: &str = "64MB";

const MERGING: &str = "merging into the dataset's tables";

/// Makes the table that names the version.
pub(crate) const LOADING: &str = "CREATE TEMP TABLE loading (dataset text NOT NULL, object_version_key bigint NOT NULL, \
                                  source_file text NOT NULL, withdrawn boolean NOT NULL, blind boolean NOT NULL) ON COMMIT DROP";

/// A load that is done but not committed: dropped, it is rolled back.
pub struct Uncommitted<'w> {
    transaction: Transaction<'w>,
    loaded: Loaded,
    at: DateTime<Utc>,
}

impl Uncommitted<'_> {
    /// What the load did.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// When, by the database's clock.
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// Commits it.
    ///
    /// # Errors
    /// The database's.
    pub async fn commit(self) -> Result<Loaded> {
        step("before the load was committed");
        self.transaction.commit().await.doing("committing the load")?;
        step("after the load was committed");
        Ok(self.loaded)
    }
}

impl Warehouse {
    /// Loads the accepted records: all or nothing, once it is committed. The schema must be migrated. Batches have the record's
    /// fields by name, and `source_line` and `source_record` as 64-bit integers.
    ///
    /// The same run again gives the numbers of its first time; another run of an object version that is already loaded
    /// alike writes the ledger alone, and reads no batch; a run of a withdrawn one writes the ledger alone too.
    ///
    /// # Errors
    /// [`ErrorCode::NotConserved`] where rows or cents do not arrive or are not accounted for, [`ErrorCode::DatabaseBusy`]
    /// where the dataset's lock is not had in time, [`ErrorCode::AsOfEarlier`], [`ErrorCode::ObjectChanged`] where the ledger knows the version with
    /// other content; the stream's errors and the database's.
    pub async fn load<S>(
        &mut self,
        plan: &LoadPlan<'_>,
        batches: S,
        judged: Option<Judged<'_>>,
    ) -> Result<Uncommitted<'_>>
    where
        S: Stream<Item = Result<RecordBatch>>,
    {
        let started = Instant::now();
        let transaction = self.client.transaction().await.doing("beginning the load")?;
        match load_in(&transaction, plan, batches, judged, started).await {
            Ok((loaded, at)) => Ok(Uncommitted { transaction, loaded, at }),
            Err(error) => {
                // the connection may be gone, in which case the server rolls back by itself
                if let Err(rollback) = transaction.rollback().await {
                    tracing::debug!(cause = %rollback, "the rollback was not confirmed");
                }
                Err(error)
            }
        }
    }
}

async fn load_in<S>(
    transaction: &Transaction<'_>,
    plan: &LoadPlan<'_>,
    batches: S,
    judged: Option<Judged<'_>>,
    started: Instant,
) -> Result<(Loaded, DateTime<Utc>)>
where
    S: Stream<Item = Result<RecordBatch>>,
{
    let run = plan.run;
    if let Some(recorded) = ledger::recorded(transaction, &run.run_id).await? {
        return Ok(recorded);
    }
    check_as_of(transaction, &run.bundle.dataset, run.as_of, run.force).await?;
    let accepted = &plan.validate.accepted;
    // asked before the lock, since it spares the copy
    let version = ledger::register_version(transaction, run, &plan.transform.content_sha256).await?;
    let alike = match &version.loaded_run_id {
        Some(run_id) => ledger::loaded_alike(transaction, run_id, run, accepted).await?,
        None => false,
    };
    let copied = !alike;
    if copied {
        step("before the records were copied");
        copy(transaction, &plan.record.fields, &incoming_columns(&plan.record.fields), batches).await?;
        step("after the records were copied");
        check_arrived(transaction, plan.record, accepted).await?;
        complete::given(transaction, plan, judged).await?;
    }
    dataset_lock(transaction, &run.bundle.dataset).await?;
    // another attempt of this run, or another run of this version, may have come first
    if let Some(recorded) = ledger::recorded(transaction, &run.run_id).await? {
        return Ok(recorded);
    }
    let (loaded_run_id, withdrawn) = loaded_by(transaction, version.key).await?;
    let alike = match &loaded_run_id {
        Some(run_id) => ledger::loaded_alike(transaction, run_id, run, accepted).await?,
        None => false,
    };
    let untouched = alike || withdrawn;
    if !untouched && !copied {
        let message = format!("{} was withdrawn while this run began: run it again", run.object);
        return Err(StageError::new(ErrorCode::DatabaseBusy, message));
    }
    let merged = if untouched {
        let outcomes = Outcomes { unchanged: accepted.rows, ..Outcomes::default() };
        Merged { outcomes, removed: Tally::default(), warnings: Vec::new(), notices: Vec::new() }
    } else {
        merge(transaction, plan, version.key, true).await?
    };
    if !untouched {
        know_sizes(transaction, &plan.layout.schemas.warehouse).await?;
    }
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let Merged { outcomes, removed, warnings, notices } = merged;
    let ending = Ending {
        run,
        transform: plan.transform,
        validate: plan.validate,
        status: if untouched { RunStatus::Unchanged } else { RunStatus::Loaded },
        outcomes: Some(outcomes),
        removed: &removed,
        already_loaded: alike,
        warnings: &warnings,
        load_millis: Some(millis),
    };
    let at = ledger::write(transaction, version.key, &ending).await?;
    ledger::add_notices(transaction, &run.run_id, &notices).await?;
    if !untouched {
        loaded_by_now(transaction, version.key, &run.run_id).await?;
    }
    let loaded = Loaded { outcomes, removed, already_loaded: alike, withdrawn, warnings, notices, millis };
    Ok((loaded, at))
}

/// Gathers statistics of small tables that have none, or have grown to twice the size that the planner knows: autovacuum does not come for
/// some dozens of rows, so that marts and checks would be planned for tables of one row. It comes for large ones.
async fn know_sizes(transaction: &Transaction<'_>, schema: &str) -> Result<()> {
    let doing = "gathering statistics";
    let query = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r' \
                 AND pg_relation_size(oid) > 2 * 8192 * relpages AND pg_relation_size(oid) < 4 * 1024 * 1024";
    for row in transaction.query(query, &[&quote(schema)]).await.doing(doing)? {
        let table: String = row.get(0);
        transaction.batch_execute(&format!("ANALYZE {table}")).await.doing(doing)?;
    }
    Ok(())
}

/// Notes which run put a version's rows into the tables: it is not withdrawn.
pub(crate) async fn loaded_by_now(transaction: &Transaction<'_>, version: i64, run_id: &str) -> Result<()> {
    transaction
        .execute(
            "UPDATE audit.object_version SET loaded_run_id = $1, staging_lost = false, withdrawn_run_id = NULL, \
             withdrawn_of_run_id = NULL WHERE object_version_key = $2",
            &[&run_id, &version],
        )
        .await
        .doing("writing the ledger")?;
    Ok(())
}

/// The run that loaded a version, as [`ledger::register_version`] gives it, and whether the version is withdrawn.
async fn loaded_by(transaction: &Transaction<'_>, version: i64) -> Result<(Option<String>, bool)> {
    let row = transaction
        .query_one(
            &format!(
                "SELECT {}, withdrawn_run_id IS NOT NULL FROM audit.object_version WHERE object_version_key = $1",
                ledger::LOADED_BY
            ),
            &[&version],
        )
        .await
        .doing("reading the ledger")?;
    Ok((row.get(0), row.get(1)))
}

/// Copies these columns of the batches into the run's own table, `incoming`, which has those of the fields: the others are NULL.
pub(crate) async fn copy<S>(
    transaction: &Transaction<'_>,
    fields: &[Field],
    columns: &[String],
    batches: S,
) -> Result<()>
where
    S: Stream<Item = Result<RecordBatch>>,
{
    let create = create_incoming(fields);
    copy_into(transaction, ("incoming", &create), columns, batches, "copying the accepted records").await
}

/// Copies the records of a run that was loaded before once more: of the columns that the batches have, those of the record. Returns the key of the
/// run's version.
pub(crate) async fn copy_again<S>(
    transaction: &Transaction<'_>,
    plan: &LoadPlan<'_>,
    columns: &HashSet<String>,
    batches: S,
    judged: Option<Judged<'_>>,
) -> Result<i64>
where
    S: Stream<Item = Result<RecordBatch>>,
{
    let version = ledger::register_version(transaction, plan.run, &plan.transform.content_sha256).await?.key;
    let fields = &plan.record.fields;
    let there: Vec<String> = incoming_columns(fields).into_iter().filter(|column| columns.contains(column)).collect();
    copy(transaction, fields, &there, batches).await?;
    check_arrived(transaction, plan.record, &plan.validate.accepted).await?;
    complete::given(transaction, plan, judged).await?;
    Ok(version)
}

/// Makes a table of the run's own and copies these columns of the batches into it.
pub(crate) async fn copy_into<S>(
    transaction: &Transaction<'_>,
    (table, create): (&str, &str),
    columns: &[String],
    batches: S,
    doing: &str,
) -> Result<()>
where
    S: Stream<Item = Result<RecordBatch>>,
{
    transaction.batch_execute(create).await.doing(doing)?;
    let names: Vec<String> = columns.iter().map(|name| quote(name)).collect();
    let statement = format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", names.join(", "));
    let sink: CopyInSink<Bytes> = transaction.copy_in(&statement).await.doing(doing)?;
    let mut sink = pin!(sink);
    let mut batches = pin!(batches);
    let mut encoder = Encoder::new(columns.to_vec());
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        let mut row = 0;
        while row < batch.num_rows() {
            row = encoder.encode(&batch, row)?;
            if let Some(bytes) = encoder.full() {
                sink.send(bytes).await.doing(doing)?;
            }
        }
    }
    sink.send(encoder.finish()).await.doing(doing)?;
    sink.finish().await.doing(doing)?;
    transaction.batch_execute(&format!("ANALYZE {table}")).await.doing(doing)
}

/// Rows and cents as PostgreSQL counts them must be what `validate` accepted.
pub(crate) async fn check_arrived(transaction: &Transaction<'_>, record: &Record, accepted: &Tally) -> Result<()> {
    let arrived = tally(transaction, record, record.money(), "incoming", "counting the copied records").await?;
    if arrived == *accepted {
        return Ok(());
    }
    Err(StageError::new(
        ErrorCode::NotConserved,
        format!(
            "validate accepted {accepted} but {arrived} arrived in the warehouse; nothing was written: run the file again, and report a defect of Fonderie if this stays"
        ),
    ))
}

/// Rows and cents of a temporary table with the record's money columns, or some of them, as PostgreSQL counts them.
async fn tally<'a>(
    transaction: &Transaction<'_>,
    record: &Record,
    columns: impl Iterator<Item = &'a str>,
    table: &str,
    doing: &str,
) -> Result<Tally> {
    let columns: Vec<&str> = columns.collect();
    let sums: String = columns.iter().map(|name| format!(", coalesce(sum({}), 0)::text", quote(name))).collect();
    let row = transaction.query_one(&format!("SELECT count(*){sums} FROM {table}"), &[]).await.doing(doing)?;
    let mut tally = Tally::new(record.money());
    tally.rows = unsigned(row.get(0))?;
    for (index, name) in columns.into_iter().enumerate() {
        let sum = money::parse_cents(row.get(index + 1));
        if let (Some(amount), Some(sum)) = (tally.amounts.get_mut(name), sum) {
            amount.sum = sum;
        }
    }
    Ok(tally)
}

/// What the statements of the dataset's tables did.
pub(crate) struct Merged {
    pub(crate) outcomes: Outcomes,
    /// The records that are gone.
    pub(crate) removed: Tally,
    pub(crate) warnings: Vec<LoadWarning>,
    /// What is reported beside the counts: sentences.
    pub(crate) notices: Vec<String>,
}

/// What the statements of a version work on.
pub(crate) struct Merging<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) record: &'a Record,
    pub(crate) version: i64,
    pub(crate) file_name: &'a str,
    /// The version shows nothing any more.
    pub(crate) withdrawn: bool,
    /// A row was refused whose key is not known.
    pub(crate) blind: bool,
}

/// Executes the statements of a version on the run's own table. Returns the record's main table, and the records that the version showed before and
/// shows no longer.
pub(crate) async fn merge_statements<'a>(
    transaction: &Transaction<'_>,
    merging: &Merging<'a>,
) -> Result<(&'a Table, Tally)> {
    let tables = &merging.layout.tables;
    let declared = tables.records.iter().find(|record| record.name == merging.record.name);
    check_shown_beyond(transaction, tables, merging.version).await?;
    let with_later = with_later_columns(transaction, tables).await?;
    let record = with_later.records.iter().find(|record| record.name == merging.record.name);
    let Some((record, main)) = record.zip(declared.and_then(fonderie_tables::Record::main)) else {
        let message =
            format!("the record {} has no tables: this is a defect of Fonderie, report it", merging.record.name);
        return Err(StageError::new(ErrorCode::Internal, message));
    };
    let begin = format!("SET LOCAL work_mem = '{WORK_MEM}'; {LOADING}");
    transaction.batch_execute(&begin).await.doing(MERGING)?;
    transaction
        .execute(
            "INSERT INTO loading VALUES ($1, $2, $3, $4, $5)",
            &[&tables.name, &merging.version, &merging.file_name, &merging.withdrawn, &merging.blind],
        )
        .await
        .doing(MERGING)?;
    transaction.batch_execute(&fonderie_tables::load(&with_later, record)).await.doing(MERGING)?;
    let measured = merging.record.money().filter(|name| main.state.iter().any(|column| column.name == *name));
    let doing = "counting the records that are removed";
    let mut removed = tally(transaction, merging.record, measured, "pg_temp.removed", doing).await?;
    if removed.is_empty() {
        removed = Tally::default();
    }
    Ok((main, removed))
}

/// Brings the run's own table into the dataset's; every row must be accounted for. What is not plausible of a complete file is asked of one that
/// `is_new`: not of one that was loaded before, and is loaded again as it was.
pub(crate) async fn merge(
    transaction: &Transaction<'_>,
    plan: &LoadPlan<'_>,
    version: i64,
    is_new: bool,
) -> Result<Merged> {
    let run = plan.run;
    let (layout, file_name) = (plan.layout, run.object.file_name());
    let unknown = complete::unknown_keys(transaction, plan).await?;
    let blind = unknown > 0;
    let merging = Merging { layout, record: plan.record, version, file_name, withdrawn: false, blind };
    let (main, removed) = merge_statements(transaction, &merging).await?;
    let row = transaction
        .query_one("SELECT inserted, updated, unchanged, superseded, known, closed FROM pg_temp.outcome", &[])
        .await
        .doing("reading what became of the rows")?;
    let outcomes = Outcomes {
        inserted: unsigned(row.get(0))?,
        updated: unsigned(row.get(1))?,
        unchanged: unsigned(row.get(2))?,
        superseded: unsigned(row.get(3))?,
    };
    if is_new {
        complete::check(plan, unsigned(row.get(4))?, unsigned(row.get(5))?)?;
    }
    step("after the records were merged");
    let accepted = plan.validate.accepted.rows;
    if outcomes.rows() != accepted {
        return Err(StageError::new(
            ErrorCode::NotConserved,
            format!(
                "{accepted} rows were accepted from {} and the tables account for {}; nothing was written: check that the rules refuse rows that repeat a key of {}, or report a defect of Fonderie",
                run.object,
                outcomes.rows(),
                main.name
            ),
        ));
    }
    let notices = if blind { vec![complete::notice(plan, unknown)] } else { Vec::new() };
    Ok(Merged { outcomes, removed, warnings: warnings(transaction, plan.record).await?, notices })
}

/// What the load warns of: the rules of which there are rows, with the sentences that the record has for them.
async fn warnings(transaction: &Transaction<'_>, record: &Record) -> Result<Vec<LoadWarning>> {
    let query =
        "SELECT rule, sum(rows)::bigint FROM pg_temp.warning WHERE rows > 0 GROUP BY 1 ORDER BY rule COLLATE \"C\"";
    let rows = transaction.query(query, &[]).await.doing("reading what the load warns of")?;
    rows.iter()
        .map(|row| {
            let rule: String = row.get(0);
            let message = record.warnings.iter().find(|warning| warning.id == rule);
            let message = message.map(|warning| warning.message.clone()).unwrap_or_default();
            Ok(LoadWarning { rule, rows: unsigned(row.get(1))?, message })
        })
        .collect()
}
