//! A run that was loaded before, loaded again into tables that are made anew.

use bytes::Bytes;
use fonderie_core::{BesideSilver, LoadRecord, Result, RunRecord};
use fonderie_storage::parquet_error;
use fonderie_warehouse::{ConnectOptions, LoadPlan, Warehouse};
use futures::TryStreamExt;

use crate::Context;

/// Loads a run again from its accepted records, under the bundle that it pinned. One that changed no table, because it was halted or its version
/// was loaded before, enters the ledger alone, if it is not there. For a dataset of which a rebuild is under way
/// ([`Warehouse::begin_rebuild`]).
///
/// # Errors
/// Those of [`crate::run`].
pub async fn replay(context: &Context, record: &RunRecord, load: Option<&LoadRecord>) -> Result<()> {
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("load")).await?;
    let replayed = replay_in(context, &mut warehouse, record, load).await;
    warehouse.close().await;
    replayed
}

async fn replay_in(
    context: &Context,
    warehouse: &mut Warehouse,
    record: &RunRecord,
    load: Option<&LoadRecord>,
) -> Result<()> {
    let RunRecord { run, transform, validate } = record;
    let dataset = context.bundles.pinned(&run.bundle).await?;
    warehouse.migrate(&dataset.name, &dataset.warehouse).await?;
    let Some(load) = load.filter(|load| !load.load.already_loaded) else {
        return warehouse.replay_ledger(record, load).await;
    };
    let object = &validate.accepted_records;
    let builder = context.storage.parquet_reader(object).await?.with_batch_size(8192);
    let columns = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let stream = builder.build().map_err(|error| parquet_error(object, error))?;
    let batches = stream.map_err(|error| parquet_error(object, error));
    let plan = LoadPlan { run, transform, validate, record: &dataset.record, sql: &dataset.warehouse };
    warehouse.replay(&plan, load.at, &columns, batches).await?;
    // a run of before there was such a record, or one whose silver was made again, has none
    let place = run.output(&object.bucket, LoadRecord::NAME);
    context.storage.put(&place, Bytes::from(load.to_json()?), "application/json").await
}
