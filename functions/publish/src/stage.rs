//! One connection: the dataset's checks, then one transaction for all marts that they do not keep as they were, then the exports.

use fonderie_contract::Dataset;
use fonderie_core::stage::{Blocked, PublishInput, Published};
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
    if input.run.is_of_all() {
        warehouse.check_references(&dataset.layout).await?;
    }
    let run = warehouse.with_loads_known(&input.run).await?;
    let mut made = Vec::new();
    if !dataset.checks.is_empty() {
        made = warehouse.make_layers(&run, &dataset.layout, &dataset.marts).await?;
    }
    let checks = warehouse.check(&run, dataset).await?;
    let blocked = warehouse.blocked(dataset).await?;
    let kept: Vec<&str> = blocked.keys().map(String::as_str).collect();
    let mut published = warehouse.publish(&run, &dataset.layout, &dataset.marts, &kept).await?;
    published.marts.iter_mut().for_each(|mart| mart.rebuilt |= made.contains(&mart.mart));
    if !published.left_to_newer {
        published.exports = exports::write(context, warehouse, dataset, run.as_of).await?;
        warehouse.record_exports(&run, &published.exports).await?;
    }
    // of a mart that is blocked nothing was written, unless it was new
    let new = if blocked.is_empty() { Vec::new() } else { warehouse.made_by(&run).await? };
    let blocked =
        blocked.into_iter().map(|(mart, checks)| Blocked { made: new.contains(&mart), mart, checks }).collect();
    Ok(Published { checks, blocked, ..published })
}
