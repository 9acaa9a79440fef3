//! The state machine's order, on one machine: admit, transform, validate, load, summarize; any failure, record-failure.

use std::cell::RefCell;

use chrono::{DateTime, NaiveDate, Utc};
use fonderie_core::stage::{
    AdmitInput, CaughtError, FailedState, Failure, LoadInput, RecordFailureInput, RunReport, SummarizeInput,
    TransformInput, ValidateInput, Verdict,
};
use fonderie_core::{ErrorCode, ObjectRef, Result, RunRequest, StageError};
use fonderie_ingest::{Executions, Ingested, Started};
use fonderie_storage::Storage;
use fonderie_warehouse::{Database, DatabaseSettings};

use crate::state::{BRONZE, DATASETS, QUARANTINE, REPORTS, SILVER};

/// How a file ended.
pub(crate) enum Finished {
    /// It ran to its end, halted or loaded; with the report and where it lies.
    Ran(Box<RunReport>, ObjectRef),
    /// It failed, and this was recorded.
    Failed(Box<Failure>),
}

/// The contexts of all stages.
pub(crate) struct Pipeline {
    storage: Storage,
    ingest: fonderie_ingest::Context<Waiting>,
    admit: fonderie_admit::Context,
    transform: fonderie_transform::Context,
    validate: fonderie_validate::Context,
    load: fonderie_load::Context,
    summarize: fonderie_summarize::Context,
    record_failure: fonderie_record_failure::Context,
}

/// Executions that wait to be run here.
#[derive(Default)]
pub(crate) struct Waiting(RefCell<Vec<(String, RunRequest)>>);

impl Executions for Waiting {
    async fn start(&self, name: &str, request: &RunRequest) -> Result<Started> {
        self.0.borrow_mut().push((name.to_owned(), request.clone()));
        Ok(Started::Now)
    }
}

impl Pipeline {
    pub(crate) fn new(storage: &Storage, dataset: &str, database: &DatabaseSettings) -> Self {
        let datasets = || (DATASETS.to_owned(), vec![dataset.to_owned()]);
        let known = || Database::Known(database.clone());
        let (bucket, names) = datasets();
        let ingest =
            fonderie_ingest::Context::new(storage.clone(), bucket, names, QUARANTINE.into(), Waiting::default());
        let (bucket, names) = datasets();
        Self {
            ingest,
            admit: fonderie_admit::Context::new(storage.clone(), bucket, names),
            transform: fonderie_transform::Context::new(storage.clone(), SILVER.into(), QUARANTINE.into()),
            validate: fonderie_validate::Context::new(storage.clone(), SILVER.into(), QUARANTINE.into()),
            load: fonderie_load::Context::new(storage.clone(), known()),
            summarize: fonderie_summarize::Context::new(storage.clone(), known(), REPORTS.into()),
            record_failure: fonderie_record_failure::Context::new(storage.clone(), QUARANTINE.into()),
            storage: storage.clone(),
        }
    }

    /// Runs an uploaded object; `stage` is told of each stage as it begins.
    ///
    /// Each call is a run of its own, as from the console: a file that was run before is run again, and changes nothing.
    pub(crate) async fn run(
        &self,
        key: &str,
        as_of: Option<NaiveDate>,
        stage: &dyn Fn(&'static str),
    ) -> Result<Finished> {
        stage("ingest");
        if let Ingested::Quarantined(record) = fonderie_ingest::ingest(&self.ingest, BRONZE, key, None).await? {
            return Ok(Finished::Failed(Box::new(self.read_failure(&record).await?)));
        }
        let waiting = self.ingest.executions().0.borrow_mut().pop();
        let (name, mut request) =
            waiting.ok_or_else(|| StageError::new(ErrorCode::Internal, "ingest started no execution"))?;
        request.as_of = as_of;
        let started_at = Utc::now();
        let execution_name = format!("{name}-{}", started_at.format("%Y%m%dT%H%M%S%3fZ"));
        let mut state = FailedState {
            error: CaughtError { error: String::new(), cause: String::new() },
            bucket: Some(request.bucket.clone()),
            key: Some(request.key.clone()),
            version_id: request.version_id.clone(),
            run: None,
            transform: None,
            validate: None,
            load: None,
        };
        match self.stages(&execution_name, started_at, request, &mut state, stage).await {
            Ok(finished) => Ok(finished),
            Err(error) => {
                stage("record-failure");
                tracing::warn!(code = error.code.name(), cause = error.chain(), "{}", error.message);
                state.error = CaughtError { error: error.code.name().to_owned(), cause: error.message };
                let input = RecordFailureInput { execution_name, started_at, state };
                Ok(Finished::Failed(Box::new(fonderie_record_failure::run(&self.record_failure, input).await?)))
            }
        }
    }

    async fn stages(
        &self,
        execution_name: &str,
        started_at: DateTime<Utc>,
        request: RunRequest,
        state: &mut FailedState,
        stage: &dyn Fn(&'static str),
    ) -> Result<Finished> {
        stage("admit");
        let request = serde_json::to_value(request)
            .map_err(|error| StageError::new(ErrorCode::Internal, "the request is no JSON").caused_by(error))?;
        let input = AdmitInput { execution_name: execution_name.to_owned(), started_at, request };
        let run = fonderie_admit::run(&self.admit, input).await?;
        state.run = Some(run.clone());
        stage("transform");
        let transform = fonderie_transform::run(&self.transform, TransformInput { run: run.clone() }).await?;
        state.transform = Some(transform.clone());
        stage("validate");
        let input = ValidateInput { run: run.clone(), transform: transform.clone() };
        let validate = fonderie_validate::run(&self.validate, input).await?;
        state.validate = Some(validate.clone());
        let mut load = None;
        if validate.verdict != Verdict::Halted {
            stage("load");
            let input = LoadInput { run: run.clone(), transform: transform.clone(), validate: validate.clone() };
            load = Some(fonderie_load::run(&self.load, input).await?);
        }
        state.load.clone_from(&load);
        stage("summarize");
        let input = SummarizeInput { run, transform, validate, load };
        let summary = fonderie_summarize::run(&self.summarize, input).await?;
        let json = self.storage.read(&summary.report.bucket, &summary.report.key, None, 64 << 20).await?;
        let report = serde_json::from_slice(&json).map_err(|error| {
            StageError::new(ErrorCode::Internal, "the run report cannot be read back").caused_by(error)
        })?;
        Ok(Finished::Ran(Box::new(report), summary.report))
    }

    async fn read_failure(&self, record: &ObjectRef) -> Result<Failure> {
        let json = self.storage.read(&record.bucket, &record.key, None, 1 << 20).await?;
        serde_json::from_slice(&json).map_err(|error| {
            StageError::new(ErrorCode::Internal, "the record of a failure cannot be read back").caused_by(error)
        })
    }
}
