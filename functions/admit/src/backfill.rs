//! The objects below a prefix, and the runs that they need.

use bytes::Bytes;
use fonderie_core::{DatasetRun, ErrorCode, ObjectRef, Result, StageError};

use crate::Context;

/// How many objects one backfill takes: their list is held in memory.
const LIMIT: usize = 200_000;

/// Where the runs of a backfill are listed.
pub(crate) fn items(context: &Context, run_id: &str) -> ObjectRef {
    ObjectRef { bucket: context.buckets.reports.clone(), key: format!("backfills/{run_id}.json") }
}

/// Lists the runs of all objects below a prefix.
///
/// # Errors
/// `RequestInvalid` if there are more objects than [`LIMIT`], the bundle's and the store's.
pub(crate) async fn list(context: &Context, run: &DatasetRun, prefix: &str, items: &ObjectRef) -> Result<()> {
    let bronze = &context.buckets.bronze;
    let listing = context.storage.list(bronze, prefix, LIMIT).await?;
    if listing.truncated {
        let message = format!("there are more than {LIMIT} objects below {prefix}: start backfills of longer prefixes");
        return Err(StageError::new(ErrorCode::RequestInvalid, message));
    }
    let dataset = context.bundles.pinned(&run.bundle).await?;
    // the console marks a folder by an empty object
    let files = listing.objects.iter().filter(|object| object.size > 0 || !object.key.ends_with('/'));
    let runs = dataset.backfill(run, bronze, files.map(|object| object.key.as_str()));
    let json = serde_json::to_vec(&runs)
        .map_err(|error| StageError::new(ErrorCode::Internal, "the runs of a backfill are no JSON").caused_by(error))?;
    context.storage.put(items, Bytes::from(json), "application/json").await
}
