//! Executions of the two state machines.

use std::time::{Duration, Instant};

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use fonderie_core::{ObjectVersion, RunRequest};
use serde_json::Value;

use super::Stack;
use crate::Result;

/// How long one execution may take; a few seconds are usual.
pub(super) const EXECUTION: Duration = Duration::from_secs(90);

/// How long a backfill may take.
const BACKFILL: Duration = Duration::from_secs(240);

/// Between two looks at an execution.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// How an execution ended.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Its name: the run's id.
    pub name: String,
    /// `SUCCEEDED`, `FAILED`, ...
    pub status: ExecutionStatus,
    /// The code, where it failed.
    pub error: Option<String>,
    /// One sentence, where it failed.
    pub cause: Option<String>,
    /// What it was started with.
    pub input: String,
    /// The final state, where it succeeded.
    pub output: Value,
}

impl Stack {
    /// Starts an execution of `pipeline`, as an operator does at the console; returns its name.
    ///
    /// # Errors
    /// Step Functions refuses it.
    pub async fn start_execution(&self, input: &Value) -> Result<String> {
        self.start_on(&self.outputs.state_machine_arn, input).await
    }

    /// Starts an execution of `backfill`, and waits for its end.
    ///
    /// # Errors
    /// Step Functions refuses it, or it does not end.
    pub async fn backfill(&self, input: &Value) -> Result<Execution> {
        let machine = &self.outputs.backfill_state_machine_arn;
        let name = self.start_on(machine, input).await?;
        self.ended(machine, &name, BACKFILL).await
    }

    async fn start_on(&self, machine: &str, input: &Value) -> Result<String> {
        let started = self.sfn.start_execution().state_machine_arn(machine).input(input.to_string()).send().await?;
        let name = started.execution_arn().rsplit(':').next().unwrap_or_default();
        Ok(name.to_owned())
    }

    /// Waits for the end of the execution that an upload starts.
    ///
    /// # Errors
    /// It does not start, or does not end.
    pub async fn run_of(&self, object: &ObjectVersion) -> Result<Execution> {
        self.wait_for(&run_id(object)).await
    }

    /// Waits for the end of the execution that an upload starts for one of its records.
    ///
    /// # Errors
    /// It does not start, or does not end.
    pub async fn run_of_record(&self, object: &ObjectVersion, record: &str) -> Result<Execution> {
        self.wait_for(&RunRequest::of(object, Some(record)).execution_name()).await
    }

    /// Waits for the end of an execution of `pipeline`.
    ///
    /// # Errors
    /// It does not start, or does not end.
    pub async fn wait_for(&self, name: &str) -> Result<Execution> {
        self.ended(&self.outputs.state_machine_arn, name, EXECUTION).await
    }

    async fn ended(&self, machine: &str, name: &str, within: Duration) -> Result<Execution> {
        let limit = Instant::now() + within;
        let arn = format!("{}:{name}", machine.replacen(":stateMachine:", ":execution:", 1));
        let mut last = "was not started".to_owned();
        while Instant::now() < limit {
            match self.sfn.describe_execution().execution_arn(&arn).send().await {
                Ok(found) if is_whole(&found) => {
                    return Ok(Execution {
                        name: name.to_owned(),
                        status: found.status().clone(),
                        error: found.error().map(str::to_owned),
                        cause: found.cause().map(str::to_owned),
                        input: found.input().unwrap_or_default().to_owned(),
                        output: found.output().map_or(Ok(Value::Null), serde_json::from_str)?,
                    });
                }
                Ok(_) => last = "did not end".to_owned(),
                Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_does_not_exist()) => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(POLL).await;
        }
        Err(format!("execution {name} {last} within {} s", within.as_secs()).into())
    }

    /// The names of all executions of `pipeline` so far.
    ///
    /// # Errors
    /// Step Functions does not answer.
    pub async fn executions(&self) -> Result<Vec<String>> {
        let request = self.sfn.list_executions().state_machine_arn(&self.outputs.state_machine_arn);
        let mut pages = request.into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(execution) = pages.try_next().await? {
            names.push(execution.name);
        }
        Ok(names)
    }

    /// The states that an execution of `pipeline` entered, in their order: one that is tried again is entered once.
    ///
    /// # Errors
    /// Step Functions does not answer.
    pub async fn states(&self, name: &str) -> Result<Vec<String>> {
        let events = self.events(name).await?;
        Ok(events
            .into_iter()
            .filter_map(|event| Some(event.state_entered_event_details()?.name().to_owned()))
            .collect())
    }

    /// How often Lambda functions failed in an execution of `pipeline`, by the name of the error.
    ///
    /// # Errors
    /// Step Functions does not answer.
    pub async fn failed_attempts(&self, name: &str, code: &str) -> Result<usize> {
        let events = self.events(name).await?;
        let failed = |event: &aws_sdk_sfn::types::HistoryEvent| {
            let function = event.lambda_function_failed_event_details().and_then(|details| details.error());
            let task = event.task_failed_event_details().and_then(|details| details.error());
            function.or(task) == Some(code)
        };
        Ok(events.iter().filter(|event| failed(event)).count())
    }

    async fn events(&self, name: &str) -> Result<Vec<aws_sdk_sfn::types::HistoryEvent>> {
        let arn = self.outputs.state_machine_arn.replacen(":stateMachine:", ":execution:", 1);
        let request = self.sfn.get_execution_history().execution_arn(format!("{arn}:{name}"));
        let mut pages = request.into_paginator().items().send();
        let mut events = Vec::new();
        while let Some(event) = pages.try_next().await? {
            events.push(event);
        }
        Ok(events)
    }

    /// The items of each Map that an execution of `backfill` ran: all, and those that failed.
    ///
    /// # Errors
    /// Step Functions does not answer.
    pub async fn map_items(&self, name: &str) -> Result<Vec<(i64, i64)>> {
        let arn = self.outputs.backfill_state_machine_arn.replacen(":stateMachine:", ":execution:", 1);
        let runs = self.sfn.list_map_runs().execution_arn(format!("{arn}:{name}")).send().await?;
        let mut items = Vec::new();
        for run in runs.map_runs() {
            let described = self.sfn.describe_map_run().map_run_arn(run.map_run_arn()).send().await?;
            let counts = described.item_counts().ok_or("a map run without counts")?;
            items.push((counts.total(), counts.failed()));
        }
        Ok(items)
    }
}

/// The name of the execution that an upload starts.
pub fn run_id(object: &ObjectVersion) -> String {
    RunRequest::of(object, None).execution_name()
}

/// Whether an execution has ended and its end is told in full: LocalStack sets the status before the output or the error.
fn is_whole(found: &DescribeExecutionOutput) -> bool {
    match found.status() {
        ExecutionStatus::Running => false,
        ExecutionStatus::Succeeded => found.output().is_some_and(|output| output != "null"),
        ExecutionStatus::Failed => found.error().is_some(),
        _ => true,
    }
}
