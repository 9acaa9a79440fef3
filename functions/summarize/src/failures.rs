//! The failures that were recorded in the store while the database may have been away, brought into the ledger.

use fonderie_core::{Deadline, Result};
use fonderie_warehouse::{ConnectOptions, Warehouse};

use crate::Context;

/// Records that are listed: far more than are kept at a time.
const LISTED: usize = 10_000;
/// Records that one run reads; the next one reads the next.
const READ: usize = 100;

/// Brings failures into the ledger: of all datasets, for a run that failed early does not know its own.
///
/// This is the last that a run does, and no part of its own result: where it fails, the next run does it.
pub(crate) async fn bring_in(context: &Context, warehouse: &Warehouse) {
    match attempt(context, warehouse).await {
        Ok(0) => {}
        Ok(failures) => tracing::info!(failures, "failures brought into the ledger"),
        Err(error) => {
            let (code, cause) = (error.code.name(), error.chain());
            tracing::warn!(code, cause, "failures were not brought into the ledger: {}", error.message);
        }
    }
}

/// The same, of a program that has no run to summarize. A ledger that was not made yet stays so.
pub async fn bring_in_failures(context: &Context) {
    match context.database.connect(&ConnectOptions::of_stage("summarize", Deadline::default())).await {
        Ok(warehouse) => {
            bring_in(context, &warehouse).await;
            warehouse.close().await;
        }
        Err(error) => tracing::warn!(code = error.code.name(), "failures were not brought into the ledger: {error}"),
    }
}

async fn attempt(context: &Context, warehouse: &Warehouse) -> Result<usize> {
    let bucket = &context.quarantine_bucket;
    let runs = context.storage.failed_runs(bucket, "", LISTED).await?;
    if runs.is_empty() {
        return Ok(0);
    }
    let mut unknown = warehouse.unknown_runs(&runs).await?;
    unknown.truncate(READ);
    for run_id in &unknown {
        if let Some(failure) = context.storage.recorded_failure(bucket, run_id).await? {
            warehouse.record_failed(&failure).await?;
        }
    }
    Ok(unknown.len())
}
