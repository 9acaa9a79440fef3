//! One connection, migrations, one transaction.

use bytes::Bytes;
use fonderie_contract::{Dataset, Record};
use fonderie_core::stage::{LoadInput, Loaded, Verdict};
use fonderie_core::{BesideSilver, Deadline, ErrorCode, LoadRecord, ObjectRef, Result, Run, StageError};
use fonderie_storage::parquet_error;
use fonderie_warehouse::{ConnectOptions, Judged, LoadPlan, Uncommitted, Warehouse};
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;

use crate::Context;
use crate::refill::refill;

/// Loads a run's accepted records.
///
/// # Errors
/// `FileHalted` where the verdict forbids it, `AsOfEarlier`, `SchemaMismatch`, `DatabaseUnavailable`, `DatabaseBusy`, `NotConserved`, the
/// store's.
pub async fn run(context: &Context, input: LoadInput, deadline: Deadline) -> Result<Loaded> {
    if input.validate.verdict == Verdict::Halted {
        let message =
            format!("the file {} was halted by its quality rules and is not loaded", input.run.object.file_name());
        return Err(StageError::new(ErrorCode::FileHalted, message));
    }
    let dataset = context.bundles.pinned(&input.run.bundle).await?;
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("load", deadline)).await?;
    let loaded = load(context, &mut warehouse, &dataset, &input, deadline).await;
    warehouse.close().await;
    loaded
}

async fn load(
    context: &Context,
    warehouse: &mut Warehouse,
    dataset: &Dataset,
    input: &LoadInput,
    deadline: Deadline,
) -> Result<Loaded> {
    let LoadInput { run, transform, validate } = input;
    warehouse.ready(&dataset.layout).await?;
    let object = &validate.accepted_records;
    let (_, batches) = context.storage.records(object).await?;
    let of_source = record_of(dataset, run)?;
    let owns = &dataset.source(&run.source)?.owns;
    let plan = LoadPlan { run, transform, validate, record: of_source, owns, layout: &dataset.layout };
    let judged = judged(context, &plan).await?;
    let uncommitted = warehouse.load(&plan, batches, judged).await?;
    // before the commit, so that no loaded version is without it
    record(context, input, &uncommitted).await?;
    let mut loaded = uncommitted.commit().await?;
    loaded.notices.extend(refill(context, warehouse, (dataset, of_source), &object.bucket, deadline).await);
    if loaded.withdrawn
        && let Some(at) = warehouse.withdrawal_of(&run.object, &run.record).await?
    {
        loaded.notices.push(format!(
            "this version of the file was withdrawn on {}, and is not loaded: `fonderie withdraw --undo FILE` restores it, in AWS the state machine \
             `pipeline` with {{\"withdraw\": {{\"bucket\": …, \"key\": …}}, \"undo\": true}}",
            at.with_timezone(&dataset.time_zone).date_naive()
        ));
    }
    if !loaded.notices.is_empty() {
        warehouse.add_notices(&run.run_id, &loaded.notices).await?;
    }
    Ok(loaded)
}

/// The keys of all records of a file that is a complete state: of those that the rules refuse too, and of those that could not be read, as far as
/// their keys could.
pub(crate) async fn judged(context: &Context, plan: &LoadPlan<'_>) -> Result<Option<Judged<'static>>> {
    if plan.record.complete.is_none() {
        return Ok(None);
    }
    let read = keys_in(context, plan.record, &plan.transform.silver).await?;
    Ok(Some(match &plan.transform.refused_keys {
        Some(refused) => read.chain(keys_in(context, plan.record, refused).await?).boxed(),
        None => read,
    }))
}

async fn keys_in(context: &Context, record: &Record, object: &ObjectRef) -> Result<Judged<'static>> {
    let object = object.clone();
    let builder = context.storage.parquet_reader(&object).await?;
    let keys = record.key.iter().map(|index| record.fields[*index].name.as_str());
    let mask = ProjectionMask::columns(builder.parquet_schema(), keys.chain(["source_record"]));
    let stream = builder.with_projection(mask).with_batch_size(8192).build();
    let stream = stream.map_err(|error| parquet_error(&object, error))?;
    Ok(stream.map_err(move |error| parquet_error(&object, error)).boxed())
}

/// The record that a run holds.
pub(crate) fn record_of<'d>(dataset: &'d Dataset, run: &Run) -> Result<&'d Record> {
    dataset.record_named(&run.record).ok_or_else(|| {
        let message = format!("the bundle of dataset `{}` has no record `{}`", dataset.name, run.record);
        StageError::new(ErrorCode::ContractInvalid, message)
    })
}

/// Writes beside the run's silver that it was loaded.
async fn record(context: &Context, input: &LoadInput, uncommitted: &Uncommitted<'_>) -> Result<()> {
    let place = input.run.output(&input.validate.accepted_records.bucket, LoadRecord::NAME);
    let record = LoadRecord { load: uncommitted.loaded().clone(), at: uncommitted.at() };
    context.storage.put(&place, Bytes::from(record.to_json()?), "application/json").await
}
