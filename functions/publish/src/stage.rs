//! One connection: one transaction for all marts, then the exports.

use fonderie_contract::Dataset;
use fonderie_core::stage::{PublishInput, Published};
use fonderie_core::{Deadline, Result};
use fonderie_warehouse::{ConnectOptions, Warehouse};

use crate::{Context, exports};

/// Makes or refreshes a dataset's views and marts, then writes its exports.
///
/// # Errors
/// `SchemaMismatch`, `ContractInvalid`, `DatabaseUnavailable`, `DatabaseBusy`, the store's.
pub async fn run(context: &Context, input: PublishInput, deadline: Deadline) -> Result<Published> {
    let dataset = context.bundles.pinned(&input.run.bundle).await?;
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("publish", deadline)).await?;
    let published = publish(context, &mut warehouse, &dataset, &input).await;
    warehouse.close().await;
    published
}

async fn publish(
    context: &Context,
    warehouse: &mut Warehouse,
    dataset: &Dataset,
    input: &PublishInput,
) -> Result<Published> {
    warehouse.ready(&dataset.layout).await?;
    // what reads whole tables is the schedule's, and a rebuild's
    if input.run.object.is_none() {
        warehouse.check_references(&dataset.layout).await?;
    }
    let run = warehouse.with_loads_known(&input.run).await?;
    let mut published = warehouse.publish(&run, &dataset.layout.schemas, &dataset.marts).await?;
    if !published.left_to_newer {
        published.exports = exports::write(context, warehouse, dataset, run.as_of).await?;
        warehouse.record_exports(&run, &published.exports).await?;
    }
    Ok(published)
}
