//! Makes one record of whatever failed.

use fonderie_core::stage::{CaughtError, FailedState, Failure, RecordFailureInput, Verdict};
use fonderie_core::{ErrorCode, Result};
use fonderie_storage::Storage;
use serde_json::Value;

use crate::Context;

/// Records how a run failed, under `failures/` in the quarantine bucket.
///
/// # Errors
/// The store's.
pub async fn run(context: &Context, input: RecordFailureInput) -> Result<Failure> {
    let RecordFailureInput { execution_name, started_at, state } = input;
    let (code, cause) = understand(&state.error);
    let run = state.run.as_ref();
    let object = run.map(|run| &run.object);
    let failure = Failure {
        stage: Some(stage(&state).to_owned()),
        code: code.name().to_owned(),
        disposition: code.disposition(),
        cause,
        bucket: object.map(|object| object.bucket.clone()).or(state.bucket),
        key: object.map(|object| object.key.clone()).or(state.key),
        version_id: object.map(|object| object.version_id.clone()).or(state.version_id),
        dataset: run.map(|run| run.bundle.dataset.clone()).or(state.dataset),
        source: run.map(|run| run.source.clone()),
        record: Storage::failure_record(&context.quarantine_bucket, &execution_name),
        run_id: execution_name,
        started_at,
    };
    context.storage.record_failure(&failure).await?;
    Ok(failure)
}

/// The stage that failed: the first that has said nothing. A halted file goes from `validate` to `summarize`.
fn stage(state: &FailedState) -> &'static str {
    if state.validate.as_ref().is_some_and(|validate| validate.verdict == Verdict::Halted) {
        return "summarize";
    }
    let said = [
        ("admit", state.run.is_some()),
        ("transform", state.transform.is_some()),
        ("validate", state.validate.is_some()),
        ("load", state.load.is_some()),
        ("score", state.score.is_some()),
        ("publish", state.publish.is_some()),
    ];
    said.iter().find(|(_, said)| !said).map_or("summarize", |(stage, _)| stage)
}

/// A code of ours and a sentence, from what Step Functions caught.
fn understand(error: &CaughtError) -> (ErrorCode, String) {
    let document: Option<Value> = serde_json::from_str(&error.cause).ok();
    let message = document.as_ref().and_then(|document| document.get("errorMessage")).and_then(Value::as_str);
    let sentence = message.unwrap_or(&error.cause).to_owned();
    if let Ok(code) = error.error.parse::<ErrorCode>() {
        return (code, sentence);
    }
    let code = match error.error.as_str() {
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
    }
}
