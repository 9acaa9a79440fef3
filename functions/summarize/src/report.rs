//! A report as it is written, and what is told of it.

use bytes::Bytes;
use fonderie_core::stage::Summary;
use fonderie_core::{ErrorCode, Notice, ObjectRef, Result, StageError};
use serde::Serialize;

use crate::Context;

/// A summary, and what is to be told of it.
pub(crate) type Summarized = (Summary, Option<Notice>);

/// Writes a report as JSON.
pub(crate) async fn write(context: &Context, place: &ObjectRef, report: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec_pretty(report)
        .map_err(|error| StageError::new(ErrorCode::Internal, "the run report is no JSON").caused_by(error))?;
    context.storage.put(place, Bytes::from(json), "application/json").await
}
