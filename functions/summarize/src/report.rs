//! A report as it is written, and what is told of it.

use bytes::Bytes;
use fonderie_core::stage::{DatasetRun, Published, Summary};
use fonderie_core::{ErrorCode, Notice, ObjectRef, Result, StageError};
use serde::Serialize;

use crate::Context;

/// A summary, and what is to be told of it.
pub(crate) type Summarized = (Summary, Vec<Notice>);

/// What the checks found that they had not found before.
pub(crate) fn checks(run: &DatasetRun, publish: &Published) -> Option<Notice> {
    let news: Vec<_> = publish.violated().filter(|checked| checked.is_news).collect();
    let lines: String = news.iter().map(|checked| format!("- {checked}\n")).collect();
    let blocked: String = publish.blocked.iter().map(|blocked| format!("- {blocked}\n")).collect();
    let blocked = match blocked.as_str() {
        "" => String::new(),
        lines => {
            format!("\nMarts that stay as they were until these checks find no more than their budget:\n\n{lines}")
        }
    };
    let body = format!(
        "Checks of {dataset} found violations as of {}:\n\n{lines}{blocked}\nThe keys of the first ones are in the report, and in the warehouse:\n\
         SELECT check_id, examples FROM audit.check_result WHERE run_id = '{}'\n\nRun: {}\n",
        run.as_of,
        run.run_id,
        run.run_id,
        dataset = run.bundle.dataset,
    );
    let subject = format!("Fonderie: {} checks of {} found violations", news.len(), run.bundle.dataset);
    (!news.is_empty()).then(|| Notice::new(&subject, body))
}

/// What the checks found, at the end of a sentence.
pub(crate) fn told(publish: Option<&Published>) -> String {
    let Some(publish) = publish else { return String::new() };
    let checks = publish.violated().map(|checked| format!("; CHECK {checked}"));
    let blocked = publish.blocked.iter().map(|blocked| format!("; mart {blocked}"));
    checks.chain(blocked).collect()
}

/// Writes a report as JSON.
pub(crate) async fn write(context: &Context, place: &ObjectRef, report: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec_pretty(report)
        .map_err(|error| StageError::new(ErrorCode::Internal, "the run report is no JSON").caused_by(error))?;
    context.storage.put(place, Bytes::from(json), "application/json").await
}
