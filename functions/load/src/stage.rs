//! One connection, migrations, one transaction.

use bytes::Bytes;
use fonderie_contract::Dataset;
use fonderie_core::stage::{LoadInput, Loaded, Verdict};
use fonderie_core::{BesideSilver, ErrorCode, LoadRecord, Result, StageError};
use fonderie_storage::parquet_error;
use fonderie_warehouse::{ConnectOptions, LoadPlan, Uncommitted, Warehouse};
use futures::TryStreamExt;

use crate::Context;
use crate::refill::refill;

/// Loads a run's accepted records.
///
/// # Errors
/// `FileHalted` where the verdict forbids it, `AsOfEarlier`, `SchemaMismatch`, `DatabaseUnavailable`, `DatabaseBusy`, `NotConserved`, the
/// store's.
pub async fn run(context: &Context, input: LoadInput) -> Result<Loaded> {
    if input.validate.verdict == Verdict::Halted {
        let message =
            format!("the file {} was halted by its quality rules and is not loaded", input.run.object.file_name());
        return Err(StageError::new(ErrorCode::FileHalted, message));
    }
    let dataset = context.bundles.pinned(&input.run.bundle).await?;
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("load")).await?;
    let loaded = load(context, &mut warehouse, &dataset, &input).await;
    warehouse.close().await;
    loaded
}

async fn load(context: &Context, warehouse: &mut Warehouse, dataset: &Dataset, input: &LoadInput) -> Result<Loaded> {
    let LoadInput { run, transform, validate } = input;
    warehouse.ready(&dataset.name, &dataset.warehouse).await?;
    let object = &validate.accepted_records;
    let stream = context.storage.parquet_reader(object).await?.with_batch_size(8192).build();
    let batches = stream.map_err(|error| parquet_error(object, error))?.map_err(|error| parquet_error(object, error));
    let plan = LoadPlan { run, transform, validate, record: &dataset.record, sql: &dataset.warehouse };
    let uncommitted = warehouse.load(&plan, batches).await?;
    // before the commit, so that no loaded version is without it
    record(context, input, &uncommitted).await?;
    let mut loaded = uncommitted.commit().await?;
    loaded.notices = refill(context, warehouse, dataset, &object.bucket).await;
    if !loaded.notices.is_empty() {
        warehouse.add_notices(&run.run_id, &loaded.notices).await?;
    }
    Ok(loaded)
}

/// Writes beside the run's silver that it was loaded.
async fn record(context: &Context, input: &LoadInput, uncommitted: &Uncommitted<'_>) -> Result<()> {
    let place = input.run.output(&input.validate.accepted_records.bucket, LoadRecord::NAME);
    let record = LoadRecord { load: uncommitted.loaded().clone(), at: uncommitted.at() };
    context.storage.put(&place, Bytes::from(record.to_json()?), "application/json").await
}
