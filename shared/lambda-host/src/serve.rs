//! The loop of a function: context once, then one stage call per invocation.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use fonderie_core::failpoint::{self, step};
use fonderie_core::measure::{About, Measured, Subject};
use fonderie_core::{Deadline, Disposition, ErrorCode, Result, StageError};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;
use tracing::field::Empty;

use crate::memory::{Limit, nearly_used_up};
use crate::metrics::{self, Invocation};
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
    context: impl FnOnce() -> Result<C>,
    run: impl AsyncFn(&C, I, Deadline) -> Result<O>,
) -> ExitCode
where
    I: DeserializeOwned + Subject,
    O: Serialize + Measured,
{
    telemetry::start();
    failpoint::from_environment();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot start");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(async {
        let context = context();
        if let Err(error) = &context {
            log(error);
        }
        let (context, run, memory) = (&context, &run, Limit::from_environment());
        let handler = service_fn(move |event: LambdaEvent<Value>| async move {
            let span = tracing::info_span!(
                "invocation",
                stage,
                request_id = %event.context.request_id,
                run = Empty,
                dataset = Empty,
                bucket = Empty,
                key = Empty,
                version = Empty,
            );
            invoke(stage, context, run, memory, event).instrument(span).await
        });
        // Boxed, here and below: the compiler's depth limit counts nested futures.
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
    stage: &'static str,
    context: &Result<C>,
    run: &impl AsyncFn(&C, I, Deadline) -> Result<O>,
    memory: Option<Limit>,
    event: LambdaEvent<Value>,
) -> Result<Value, Diagnostic>
where
    I: DeserializeOwned + Subject,
    O: Serialize + Measured,
{
    let started = Instant::now();
    let mut about = About::default();
    let result = async {
        let input = serde_json::from_value::<I>(event.payload).map_err(|error| {
            let message = format!("the stage's input does not have its shape: {error}");
            StageError::new(ErrorCode::PayloadInvalid, message)
        })?;
        about = input.about();
        record(&about);
        let context = context.as_ref().map_err(|error| StageError::new(error.code, error.message.clone()))?;
        let left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let time = left.saturating_sub((left / 10).clamp(LEAST_MARGIN, MOST_MARGIN));
        step("before a stage's work");
        let output = tokio::select! {
            output = Box::pin(run(context, input, Deadline::at(started + time))) => output?,
            () = tokio::time::sleep(time) => return Err(deadline_near(started.elapsed())),
            (used, limit) = nearly_used_up(memory) => return Err(memory_near(used, limit)),
        };
        let (measures, failed_items) = (output.measures(&about), output.failed_items());
        let output = serde_json::to_value(output)
            .map_err(|error| StageError::new(ErrorCode::Internal, "the stage's output is no JSON").caused_by(error))?;
        Ok((output, measures, failed_items))
    }
    .await;
    let duration = started.elapsed();
    let failure = result.as_ref().err().map(|error: &StageError| error.code.name());
    let measures = result.as_ref().map(|(_, measures, _)| measures.as_slice()).unwrap_or_default();
    let failed_items = result.as_ref().ok().and_then(|(_, _, failed_items)| *failed_items);
    metrics::emit(&Invocation { stage, duration, failure, failed_items }, &about, measures);
    match result {
        Ok((output, ..)) => {
            tracing::info!(millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), "done");
            Ok(output)
        }
        Err(error) => {
            log(&error);
            Err(Diagnostic { error_type: error.code.name().to_owned(), error_message: error.message })
        }
    }
}

/// Puts whose work it is on each line of the invocation's log.
fn record(about: &About) {
    let span = tracing::Span::current();
    let About { run_id, object, dataset, .. } = about;
    for (name, value) in [("run", run_id), ("dataset", dataset)] {
        value.as_ref().inspect(|value| {
            span.record(name, value.as_str());
        });
    }
    if let Some(object) = object {
        span.record("bucket", &object.bucket).record("key", &object.key).record("version", &object.version_id);
    }
}

fn deadline_near(worked: Duration) -> StageError {
    let message = format!("the stage stopped itself after {} s, before its time was over", worked.as_secs());
    StageError::new(ErrorCode::DeadlineNear, message)
}

fn memory_near(used: u64, limit: Limit) -> StageError {
    let message = format!(
        "the stage stopped itself when it used {used} of its {} MiB of memory: give the function more (`memory_mb`), or \
         have the file sent in parts",
        limit.size
    );
    StageError::new(ErrorCode::MemoryNear, message)
}

fn log(error: &StageError) {
    let (code, cause) = (error.code.name(), error.chain());
    match error.disposition() {
        Disposition::Data => tracing::warn!(code, cause, "{}", error.message),
        _ => tracing::error!(code, cause, "{}", error.message),
    }
}
