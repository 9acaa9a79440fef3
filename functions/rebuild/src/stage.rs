//! A plan, or the end of what it planned.

use bytes::Bytes;
use fonderie_core::rebuild::RebuildPlan;
use fonderie_core::replay::RebuildInput;
use fonderie_core::{DatasetRun, Deadline, ErrorCode, ObjectRef, Result, StageError};
use fonderie_warehouse::{ConnectOptions, Warehouse};
use serde::Serialize;

use crate::Context;
use crate::plan::{Lost, Plan, plan};

/// Plans a rebuild, or ends it, if the input has its plan.
///
/// The plan is a JSON list of [`fonderie_core::replay::ReplayInput`] in the reports bucket: `rebuilds/<run id>.json`. Beside it, the run's `items` get the
/// runs of the files of which none is known.
///
/// # Errors
/// `RequestInvalid` if the run is no rebuild; `ObjectMissing` if nothing can be loaded, or something is lost that may not be;
/// `NotConserved` at the end if a version is not in the tables again; the bundle's, the store's, the database's.
pub async fn run(context: &Context, input: RebuildInput, deadline: Deadline) -> Result<RebuildPlan> {
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("rebuild", deadline)).await?;
    let RebuildInput { run, rebuild } = input;
    let done = match rebuild {
        None => make_plan(context, &warehouse, &run).await,
        Some(plan) => end(context, &mut warehouse, &run, plan).await,
    };
    warehouse.close().await;
    done
}

async fn make_plan(context: &Context, warehouse: &Warehouse, run: &DatasetRun) -> Result<RebuildPlan> {
    let Some(order) = run.rebuild else {
        return Err(StageError::new(ErrorCode::RequestInvalid, format!("the run {} is no rebuild", run.run_id)));
    };
    let plan = plan(&context.storage, &context.buckets, warehouse, &run.bundle).await?;
    allowed(&run.bundle.dataset, &plan, order.partial)?;
    let key = format!("rebuilds/{}.json", run.run_id);
    let items = ObjectRef { bucket: context.reports_bucket.clone(), key };
    write(context, &items, &plan.steps).await?;
    if let Some(unknown) = &run.items {
        let dataset = context.bundles.pinned(&run.bundle).await?;
        let runs = dataset.backfill(run, &context.buckets.bronze, plan.unknown.iter().map(String::as_str));
        write(context, unknown, &runs).await?;
    }
    Ok(plan.summary(items))
}

async fn write(context: &Context, place: &ObjectRef, items: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec(items)
        .map_err(|error| StageError::new(ErrorCode::Internal, "the plan is no JSON").caused_by(error))?;
    context.storage.put(place, Bytes::from(json), "application/json").await
}

async fn end(context: &Context, warehouse: &mut Warehouse, run: &DatasetRun, plan: RebuildPlan) -> Result<RebuildPlan> {
    let dataset = context.bundles.pinned(&run.bundle).await?;
    warehouse.end_rebuild(&dataset.layout, plan.lost).await?;
    Ok(plan)
}

/// Whether a rebuild may begin: it has something to load, and nothing is lost but what may be.
///
/// # Errors
/// `ObjectMissing`, which names the first lost versions.
pub fn allowed(dataset: &str, plan: &Plan, partial: bool) -> Result<()> {
    let invalid = |message: String| Err(StageError::new(ErrorCode::ObjectMissing, message));
    if plan.steps.is_empty() && plan.unknown.is_empty() && plan.lost.is_empty() {
        return invalid(format!(
            "there is nothing to make the warehouse of `{dataset}` from: no run of it is in the ledger or in silver, and no file in bronze; \
             nothing was changed"
        ));
    }
    if plan.lost.is_empty() || partial {
        return Ok(());
    }
    let named = plan.lost.iter().take(3).map(|Lost { object, because }| format!("{object}: {because}"));
    let named = named.collect::<Vec<_>>().join("; ");
    let more = if plan.lost.len() > 3 { "; …" } else { "" };
    invalid(format!(
        "{} loaded cannot be loaded again ({named}{more}); nothing was changed: send their files again first, or go on without \
         them (`--partial`, or `\"partial\": true` in the console's input)",
        match plan.lost.len() {
            1 => "1 version that was".to_owned(),
            count => format!("{count} versions that were"),
        }
    ))
}
