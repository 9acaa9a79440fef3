//! The loop of a function: context once, then one stage call per invocation.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use fonderie_core::{Disposition, ErrorCode, Result, StageError};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;

use crate::telemetry;

/// Kept of a function's time to answer with its own error: a tenth of it, between these.
const LEAST_MARGIN: Duration = Duration::from_millis(500);
const MOST_MARGIN: Duration = Duration::from_secs(5);

/// Serves a stage until Lambda ends the process.
///
/// A context that cannot be made (settings are missing) does not crash the function: each invocation answers with that
/// typed error, which Step Functions does not retry and an operator can read.
pub fn serve<C, I, O>(
    stage: &'static str,
    context: impl AsyncFnOnce() -> Result<C>,
    run: impl AsyncFn(&C, I) -> Result<O>,
) -> ExitCode
where
    I: DeserializeOwned,
    O: Serialize,
{
    telemetry::start();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot start");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(async {
        // Boxed, here and below: the compiler's depth limit counts nested futures.
        let context = Box::pin(context()).await;
        if let Err(error) = &context {
            log(error);
        }
        let (context, run) = (&context, &run);
        let handler = service_fn(move |event: LambdaEvent<Value>| async move {
            let span = tracing::info_span!("invocation", stage, request_id = %event.context.request_id);
            invoke(context, run, event).instrument(span).await
        });
        Box::pin(lambda_runtime::run(handler)).await
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the Lambda runtime API went away");
            ExitCode::FAILURE
        }
    }
}

async fn invoke<C, I, O>(
    context: &Result<C>,
    run: &impl AsyncFn(&C, I) -> Result<O>,
    event: LambdaEvent<Value>,
) -> Result<Value, Diagnostic>
where
    I: DeserializeOwned,
    O: Serialize,
{
    let started = Instant::now();
    let result = async {
        let context = context.as_ref().map_err(|error| StageError::new(error.code, error.message.clone()))?;
        let input = serde_json::from_value(event.payload).map_err(|error| {
            let message = format!("the stage's input does not have its shape: {error}");
            StageError::new(ErrorCode::PayloadInvalid, message)
        })?;
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let margin = (left / 10).clamp(LEAST_MARGIN, MOST_MARGIN);
        let output = tokio::time::timeout(left.saturating_sub(margin), Box::pin(run(context, input))).await.map_err(
            |_| {
                let message = format!(
                    "the stage stopped itself after {} s, before its time was over",
                    started.elapsed().as_secs()
                );
                StageError::new(ErrorCode::DeadlineNear, message)
            },
        )??;
        serde_json::to_value(output)
            .map_err(|error| StageError::new(ErrorCode::Internal, "the stage's output is no JSON").caused_by(error))
    }
    .await;
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match result {
        Ok(output) => {
            tracing::info!(millis, "done");
            Ok(output)
        }
        Err(error) => {
            log(&error);
            Err(Diagnostic { error_type: error.code.name().to_owned(), error_message: error.message })
        }
    }
}

fn log(error: &StageError) {
    let (code, cause) = (error.code.name(), error.chain());
    match error.disposition() {
        Disposition::Data => tracing::warn!(code, cause, "{}", error.message),
        _ => tracing::error!(code, cause, "{}", error.message),
    }
}
