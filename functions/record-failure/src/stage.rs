//! Makes one record of whatever failed.

use fonderie_core::stage::{CaughtError, Failure, RecordFailureInput, requested};
use fonderie_core::{ErrorCode, Notice, Result};
use fonderie_storage::Storage;
use serde::Deserialize;
use serde_json::Value;

use crate::Context;

/// Records how a run failed, under `failures/` in the quarantine bucket, and tells the operators.
///
/// A backfill's child fails because the execution that it started failed, which has recorded that: the answer is that record.
///
/// # Errors
/// The store's.
pub async fn run(context: &Context, input: RecordFailureInput) -> Result<Failure> {
    let RecordFailureInput { execution_name, started_at, stage, state } = input;
    let (code, cause) = match nested(&state.error) {
        Some(nested) => {
            if let Some(recorded) = context.storage.recorded_failure(&context.quarantine_bucket, &nested.name).await? {
                return Ok(recorded);
            }
            nested.understand()
        }
        None => understand(&state.error),
    };
    let requested = |field| requested(&state.request, field);
    let run = state.run.as_ref();
    let object = run.and_then(|run| run.object.as_ref());
    let failure = Failure {
        stage: Some(stage),
        code: code.name().to_owned(),
        disposition: code.disposition(),
        cause,
        bucket: object.map(|object| object.bucket.clone()).or_else(|| requested("bucket")),
        key: object.map(|object| object.key.clone()).or_else(|| requested("key")),
        version_id: object.map(|object| object.version_id.clone()).or_else(|| requested("version_id")),
        dataset: run.map(|run| run.bundle.dataset.clone()).or_else(|| requested("dataset")),
        source: run.and_then(|run| run.source.clone()),
        record: Storage::failure_record(&context.quarantine_bucket, &execution_name),
        run_id: execution_name,
        started_at,
    };
    context.storage.record_failure(&failure).await?;
    if let Some(topic) = &context.topic {
        topic.tell(&Notice::from(&failure)).await;
    }
    Ok(failure)
}

/// How the error's name begins with which an execution ends whose failure could not be recorded.
const UNRECORDED: &str = "Unrecorded.";

/// How an execution failed that a backfill had started.
#[derive(Deserialize)]
struct Nested {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Status", default)]
    status: String,
    #[serde(rename = "Error", default)]
    error: String,
    #[serde(rename = "Cause", default)]
    cause: String,
}

impl Nested {
    fn understand(self) -> (ErrorCode, String) {
        let Self { name, status, error, cause } = self;
        if error.is_empty() {
            // Somebody ended it, or its time was over.
            return (ErrorCode::StageKilled, format!("the execution {name} ended {status}"));
        }
        let error = error.strip_prefix(UNRECORDED).unwrap_or(&error).to_owned();
        understand(&CaughtError { error, cause })
    }
}

/// Step Functions gives the end of a started execution as the cause, in the form of its `DescribeExecution`.
fn nested(error: &CaughtError) -> Option<Nested> {
    let document: Value = serde_json::from_str(&error.cause).ok()?;
    document.get("ExecutionArn")?;
    serde_json::from_value(document).ok()
}

/// A code of ours and a sentence, from what Step Functions caught.
fn understand(error: &CaughtError) -> (ErrorCode, String) {
    let document: Option<Value> = serde_json::from_str(&error.cause).ok();
    let message = document.as_ref().and_then(|document| document.get("errorMessage")).and_then(Value::as_str);
    let sentence = message.unwrap_or(&error.cause).to_owned();
    if let Ok(code) = error.error.parse::<ErrorCode>() {
        return (code, sentence);
    }
    if error.error == "States.ExceedToleratedFailureThreshold" {
        let sentence = "more executions of the backfill failed than are tolerated; each has its record under `failures/`: mend \
                        what they name, and start the backfill again";
        return (ErrorCode::BackfillFailed, sentence.to_owned());
    }
    let code = match error.error.as_str() {
        // The listing or the bucket of results cannot be used: the role's rights, or the key's.
        "States.ItemReaderFailed" | "States.ResultWriterFailed" => ErrorCode::AccessDenied,
        "Sandbox.Timedout" | "States.Timeout" | "States.HeartbeatTimeout" | "Lambda.Unknown" => ErrorCode::StageKilled,
        name if name.starts_with("Runtime.") => ErrorCode::StageKilled,
        "Lambda.TooManyRequestsException" => ErrorCode::ServiceThrottled,
        name if name.starts_with("Lambda.") => ErrorCode::ServiceUnavailable,
        _ => ErrorCode::Internal,
    };
    (code, format!("{}: {sentence}", error.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(error: &str, cause: &str) -> (ErrorCode, String) {
        understand(&CaughtError { error: error.to_owned(), cause: cause.to_owned() })
    }

    #[test]
    fn our_codes_and_lambdas_own_are_told_apart() {
        let ours = r#"{"errorType":"ColumnMissing","errorMessage":"the header lacks \"a\""}"#;
        assert_eq!(understood("ColumnMissing", ours), (ErrorCode::ColumnMissing, "the header lacks \"a\"".to_owned()));
        let killed = r#"{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 3.00 seconds"}"#;
        let (code, sentence) = understood("Sandbox.Timedout", killed);
        assert_eq!(
            (code, sentence.as_str()),
            (ErrorCode::StageKilled, "Sandbox.Timedout: Task timed out after 3.00 seconds")
        );
        assert_eq!(understood("Runtime.ExitError", "").0, ErrorCode::StageKilled);
        assert_eq!(understood("Lambda.ServiceException", "x").0, ErrorCode::ServiceUnavailable);
        assert_eq!(understood("Lambda.TooManyRequestsException", "x").0, ErrorCode::ServiceThrottled);
        assert_eq!(understood("States.DataLimitExceeded", "x").0, ErrorCode::Internal);
        assert_eq!(understood("States.ItemReaderFailed", "x").0, ErrorCode::AccessDenied);
        let (code, sentence) =
            understood("States.ExceedToleratedFailureThreshold", "The specified tolerated failure …");
        assert_eq!(code, ErrorCode::BackfillFailed);
        assert!(sentence.contains("each has its record"), "{sentence}");
    }

    #[test]
    fn the_end_of_a_started_execution_is_known_from_free_text() {
        let cause = r#"{"ExecutionArn":"arn:x","Name":"run-1","Status":"FAILED","Error":"ColumnMissing","Cause":"no"}"#;
        let caught = |cause: &str| CaughtError { error: "States.TaskFailed".to_owned(), cause: cause.to_owned() };
        let nested = super::nested(&caught(cause)).unwrap();
        assert_eq!(
            (nested.name.as_str(), nested.error.as_str(), nested.cause.as_str()),
            ("run-1", "ColumnMissing", "no")
        );
        assert_eq!(nested.understand(), (ErrorCode::ColumnMissing, "no".to_owned()));
        let aborted = super::nested(&caught(r#"{"ExecutionArn":"arn:x","Name":"run-2","Status":"ABORTED"}"#)).unwrap();
        assert_eq!(aborted.understand(), (ErrorCode::StageKilled, "the execution run-2 ended ABORTED".to_owned()));
        let unrecorded = r#"{"ExecutionArn":"arn:x","Name":"run-3","Status":"FAILED","Error":"Unrecorded.ColumnMissing","Cause":"no"}"#;
        let unrecorded = super::nested(&caught(unrecorded)).unwrap();
        assert_eq!(unrecorded.understand(), (ErrorCode::ColumnMissing, "no".to_owned()));
        assert!(super::nested(&caught(r#"{"errorType":"ColumnMissing","errorMessage":"no"}"#)).is_none());
        assert!(super::nested(&caught("Task timed out")).is_none());
    }
}
