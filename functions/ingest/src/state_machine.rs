//! The state machine that runs the pipeline in the cloud.

use std::time::{Duration, SystemTime};

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use fonderie_core::{ErrorCode, Result, RunRequest, StageError};

use crate::executions::{Executions, Started};

/// Between this clock and that of Step Functions.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// The state machine `pipeline`.
#[derive(Debug)]
pub struct StateMachine {
    client: Client,
    arn: String,
}

impl StateMachine {
    /// A state machine by its ARN.
    pub fn new(config: &aws_types::SdkConfig, arn: String) -> Self {
        Self { client: Client::new(config), arn }
    }
}

impl Executions for StateMachine {
    async fn start(&self, name: &str, request: &RunRequest) -> Result<Started> {
        let input = serde_json::to_string(request).map_err(|error| {
            StageError::new(ErrorCode::Internal, "an execution's input is no JSON").caused_by(error)
        })?;
        let asked_at = SystemTime::now();
        let sent = self.client.start_execution().state_machine_arn(&self.arn).name(name).input(input).send().await;
        let error = match sent {
            // One of the same name and input that still runs is answered for as if it were started now; its time tells.
            Ok(started) => {
                let before = SystemTime::try_from(*started.start_date()).is_ok_and(|at| at + CLOCKS_DIFFER < asked_at);
                return Ok(if before { Started::Before } else { Started::Now });
            }
            Err(error) => error,
        };
        let code = match (&error, error.code()) {
            (SdkError::ServiceError(_), Some("ExecutionAlreadyExists")) => return Ok(Started::Before),
            (SdkError::ServiceError(_), Some("AccessDeniedException")) => ErrorCode::AccessDenied,
            (SdkError::ServiceError(_), Some("StateMachineDoesNotExist")) => ErrorCode::SettingsInvalid,
            (SdkError::ServiceError(_), Some("ThrottlingException" | "ExecutionLimitExceeded")) => {
                ErrorCode::ServiceThrottled
            }
            _ => ErrorCode::ServiceUnavailable,
        };
        let message = format!("the execution {name} could not be started on {}", self.arn);
        Err(StageError::new(code, message).caused_by(DisplayErrorContext(error).to_string()))
    }
}
