//! A run that was loaded before, loaded again into tables that are made anew.

use bytes::Bytes;
use fonderie_core::replay::{LoadAnswer, LoadRequest, ReplayFrom, ReplayInput};
use fonderie_core::withdrawal::WithdrawalRecord;
use fonderie_core::{BesideSilver, Deadline, ErrorCode, LoadRecord, Result, RunRecord, StageError};
use fonderie_warehouse::{ConnectOptions, LoadPlan, Warehouse};

use crate::Context;
use crate::stage::{judged, record_of};

/// What the function does: loads a run, loads one again, or withdraws a file version.
///
/// # Errors
/// Those of [`crate::run`], [`replay`] and [`crate::withdraw()`].
pub async fn handle(context: &Context, request: LoadRequest, deadline: Deadline) -> Result<LoadAnswer> {
    match request {
        LoadRequest::Run(input) => crate::run(context, *input, deadline).await.map(LoadAnswer::Run),
        LoadRequest::Again(again) => {
            let run_id = again.record.run.run_id.clone();
            replay(context, *again, deadline).await.map(|()| LoadAnswer::Again { run_id })
        }
        LoadRequest::Withdraw(input) => crate::withdraw(context, &input.run, deadline).await.map(LoadAnswer::Withdrawn),
    }
}

/// Loads a run again from its accepted records, under the bundle that it pinned. One that changed no table, because it was halted, or its version
/// was loaded before or is withdrawn, enters the ledger alone, if it is not there. For a dataset of which a rebuild is under way
/// ([`Warehouse::begin_rebuild`]).
///
/// # Errors
/// Those of [`crate::run`]; `ObjectChanged` if the file was read again and gives other records than it gave.
pub async fn replay(context: &Context, again: ReplayInput, deadline: Deadline) -> Result<()> {
    let ReplayInput { record, load, from, transform, validate, withdrawn } = again;
    let record = match transform.zip(validate) {
        Some((transform, validate)) => read_again(&record, RunRecord { transform, validate, run: record.run.clone() })?,
        None => record,
    };
    let (record, load, withdrawn) = (&record, load.as_ref(), withdrawn.as_ref());
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("load", deadline)).await?;
    let replayed = replay_in(context, &mut warehouse, record, load, (from, withdrawn)).await;
    warehouse.close().await;
    replayed
}

async fn replay_in(
    context: &Context,
    warehouse: &mut Warehouse,
    record: &RunRecord,
    load: Option<&LoadRecord>,
    (from, withdrawn): (ReplayFrom, Option<&WithdrawalRecord>),
) -> Result<()> {
    let RunRecord { run, transform, validate } = record;
    let dataset = context.bundles.pinned(&run.bundle).await?;
    warehouse.migrate(&dataset.layout).await?;
    let in_tables = |load: &&LoadRecord| from != ReplayFrom::Nowhere && load.load.is_in_tables();
    let Some(load) = load.filter(in_tables) else {
        return warehouse.replay_ledger(record, load, withdrawn).await;
    };
    let object = &validate.accepted_records;
    let (columns, batches) = context.storage.records(object).await?;
    let owns = &dataset.source(&run.source)?.owns;
    let record = record_of(&dataset, run)?;
    let plan = LoadPlan { run, transform, validate, record, owns, layout: &dataset.layout };
    let judged = judged(context, &plan).await?;
    warehouse.replay(&plan, load.at, &columns, batches, judged).await?;
    // a run of before there was such a record, or one whose silver was made again, has none
    let place = run.output(&object.bucket, LoadRecord::NAME);
    context.storage.put(&place, Bytes::from(load.to_json()?), "application/json").await
}

/// The record of a file that was read again, which must give as many records, with the same sums, as when it was loaded.
fn read_again(before: &RunRecord, now: RunRecord) -> Result<RunRecord> {
    let (before, found) = (&before.validate.accepted, &now.validate.accepted);
    if found == before {
        return Ok(now);
    }
    let message = format!(
        "{} gives {found} accepted records now, and gave {before} when it was loaded: this release reads the file in another way; run the \
         release that loaded it, or send the file again and leave this version out (`--partial`)",
        now.run.object
    );
    Err(StageError::new(ErrorCode::ObjectChanged, message))
}
