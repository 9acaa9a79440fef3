//! The state machine's order, on one machine: admit, transform, validate, load for each file; then, once for all of them,
//! score and publish; then summarize for each; any failure, record-failure.

use std::cell::{Cell, RefCell};

use chrono::{DateTime, NaiveDate, Utc};
use fonderie_core::stage::{
    AdmitInput, Admitted, CaughtError, DatasetRun, DatasetSummaryInput, FailedRun, FailedState, Failure, LoadInput,
    Loaded, ObjectRun, Published, RecordFailureInput, RunReport, ScoreInput, Scored, SummarizeInput, TransformInput,
    Transformed, ValidateInput, Validated, Verdict,
};
use fonderie_core::withdrawal::Withdrawn;
use fonderie_core::{Deadline, Disposition, ErrorCode, ObjectRef, ObjectVersion, Result, Run, RunRequest, StageError};
use fonderie_ingest::{Executions, Ingested, Started};
use fonderie_storage::Storage;
use fonderie_warehouse::{Database, DatabaseSettings};

use crate::run_id::run_id;
use crate::state::{BRONZE, DATASETS, QUARANTINE, REPORTS, SILVER, connect};

/// The failures of one object version that are looked at.
const FAILURES: usize = 1000;

/// A file after its own stages.
pub(crate) enum Arrived {
    /// It is loaded, or halted.
    Waits(Box<Execution>),
    /// It failed, and this was recorded.
    Failed(Box<Failure>),
    /// It could not be uploaded: there is nothing to record.
    Refused(Box<StageError>),
    /// It was run before, and nothing was done.
    Before,
}

/// An execution under way.
pub(crate) struct Execution {
    name: String,
    started_at: DateTime<Utc>,
    request: RunRequest,
    said: Said,
}

/// What an execution's stages said so far.
#[derive(Default)]
struct Said {
    run: Option<Run>,
    transform: Option<Transformed>,
    validate: Option<Validated>,
    load: Option<Loaded>,
    score: Option<Scored>,
    publish: Option<Published>,
}

/// How a file ended.
pub(crate) enum Finished {
    /// It ran to its end, halted or loaded; with the report and where it lies.
    Ran(Box<RunReport>, ObjectRef),
    /// It failed, and this was recorded.
    Failed(Box<Failure>),
    /// It could not be read or uploaded.
    Refused(Box<StageError>),
    /// It was run before, and nothing was done.
    Before,
}

impl Finished {
    /// Whether the file is in the warehouse and its marts, with or without rejects.
    pub(crate) fn is_good(&self) -> bool {
        match self {
            Self::Ran(report, _) => {
                report.said.validate.verdict != Verdict::Halted && report.status != RunReport::BLOCKED
            }
            Self::Before => true,
            Self::Failed(_) | Self::Refused(_) => false,
        }
    }
}

/// What the person who runs files asks of all their runs.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) as_of: Option<NaiveDate>,
    pub(crate) force: bool,
    pub(crate) strict: bool,
}

/// The contexts of all stages.
pub(crate) struct Pipeline {
    storage: Storage,
    database: DatabaseSettings,
    ingest: fonderie_ingest::Context<Waiting>,
    admit: fonderie_admit::Context,
    pub(crate) transform: fonderie_transform::Context,
    pub(crate) validate: fonderie_validate::Context,
    pub(crate) load: fonderie_load::Context,
    pub(crate) score: fonderie_score::Context,
    pub(crate) publish: fonderie_publish::Context,
    pub(crate) summarize: fonderie_summarize::Context,
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

/// Tells of each stage as it begins, and notes which it is.
fn noted<'a>(at: &'a Cell<&'static str>, stage: &'a dyn Fn(&'static str)) -> impl Fn(&'static str) + 'a {
    move |name| {
        at.set(name);
        stage(name);
    }
}

impl Pipeline {
    pub(crate) fn new(storage: &Storage, dataset: &str, database: &DatabaseSettings) -> Self {
        let datasets = || (DATASETS.to_owned(), vec![dataset.to_owned()]);
        let known = || Database::Known(database.clone());
        let (bucket, names) = datasets();
        let ingest =
            fonderie_ingest::Context::new(storage.clone(), bucket, names, QUARANTINE.into(), Waiting::default(), None);
        let (bucket, names) = datasets();
        let backfills = fonderie_admit::Buckets { bronze: BRONZE.into(), reports: REPORTS.into() };
        Self {
            ingest,
            admit: fonderie_admit::Context::new(storage.clone(), bucket, names, backfills),
            transform: fonderie_transform::Context::new(storage.clone(), SILVER.into(), QUARANTINE.into()),
            validate: fonderie_validate::Context::new(storage.clone(), SILVER.into(), QUARANTINE.into()),
            load: fonderie_load::Context::new(storage.clone(), known(), SILVER.into()),
            score: fonderie_score::Context::new(storage.clone(), known(), REPORTS.into()),
            publish: fonderie_publish::Context::new(storage.clone(), known(), REPORTS.into()),
            summarize: fonderie_summarize::Context::new(
                storage.clone(),
                known(),
                REPORTS.into(),
                QUARANTINE.into(),
                None,
            ),
            record_failure: fonderie_record_failure::Context::new(storage.clone(), QUARANTINE.into(), None),
            storage: storage.clone(),
            database: database.clone(),
        }
    }

    /// Whether bronze has this version of an object.
    pub(crate) async fn is_in_bronze(&self, object: &ObjectVersion) -> Result<bool> {
        match self.storage.head(&object.bucket, &object.key, Some(&object.version_id)).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code, ErrorCode::ObjectMissing | ErrorCode::ObjectChanged) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a version of an object was run before: to its end, loaded or halted, or to a failure that does not pass by itself.
    pub(crate) async fn was_run(&self, object: &ObjectVersion) -> Result<bool> {
        for name in fonderie_ingest::executions_of(&self.ingest, object).await? {
            if !self.was_executed(&name).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether an execution of this name came to its end. The ids of its runs begin with it.
    async fn was_executed(&self, name: &str) -> Result<bool> {
        for id in self.storage.failed_runs(QUARANTINE, name, FAILURES).await? {
            let failure = self.storage.recorded_failure(QUARANTINE, &id).await?;
            let passes = |failure: &Failure| matches!(failure.disposition, Disposition::Transient | Disposition::Busy);
            if failure.is_some_and(|failure| !passes(&failure)) {
                return Ok(true);
            }
        }
        let warehouse = connect(&self.database).await?;
        let runs = warehouse.runs_with_verdict(name).await;
        warehouse.close().await;
        // The report is the last that a run writes: one that was killed before is scored and published by the next.
        for (run_id, dataset, source) in runs? {
            match self.storage.head(REPORTS, &format!("{dataset}/{source}/{run_id}/{}", Run::REPORT), None).await {
                Ok(_) => return Ok(true),
                Err(error) if error.code == ErrorCode::ObjectMissing => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Takes each record of an uploaded object as far as the warehouse; `stage` is told of each stage as it begins.
    ///
    /// Each call is a run of its own, as from the console: a file that was run before is run again, and changes nothing.
    pub(crate) async fn load_file(
        &self,
        key: &str,
        asked: Asked,
        stage: &dyn Fn(&'static str),
    ) -> Result<Vec<Arrived>> {
        stage("ingest");
        let mut arrived = Vec::new();
        for ingested in fonderie_ingest::ingest(&self.ingest, BRONZE, key, None).await? {
            if let Ingested::Quarantined(record) = ingested {
                arrived.push(Arrived::Failed(Box::new(self.read_failure(&record).await?)));
            }
        }
        let waiting = std::mem::take(&mut *self.ingest.executions().0.borrow_mut());
        for (name, request) in waiting {
            arrived.push(self.load_record(&name, request, asked, stage).await?);
        }
        Ok(arrived)
    }

    async fn load_record(
        &self,
        name: &str,
        mut request: RunRequest,
        asked: Asked,
        stage: &dyn Fn(&'static str),
    ) -> Result<Arrived> {
        (request.as_of, request.force, request.strict) = (asked.as_of, asked.force, asked.strict);
        let started_at = Utc::now();
        let name = run_id(name, started_at);
        let mut execution = Box::new(Execution { name, started_at, request, said: Said::default() });
        let at = Cell::new("admit");
        let told = noted(&at, stage);
        match self.to_warehouse(&mut execution, &told).await {
            Ok(()) => Ok(Arrived::Waits(execution)),
            Err(error) => {
                let failure = self.record_failure(*execution, at.get(), error, stage).await?;
                Ok(Arrived::Failed(Box::new(failure)))
            }
        }
    }

    /// Scores and publishes once for all files, as the run that loaded last; then summarizes each. Gives the files' ends in
    /// the order in which they came.
    pub(crate) async fn finish(&self, files: Vec<Arrived>, stage: &dyn Fn(&'static str)) -> Result<Vec<Finished>> {
        let at = Cell::new("score");
        let told = noted(&at, stage);
        let loaded = |file: &Arrived| matches!(file, Arrived::Waits(execution) if execution.said.load.is_some());
        let last = files.iter().rposition(loaded);
        let (mut said, mut failed) = ((None, None), None);
        if let Some(Arrived::Waits(execution)) = last.and_then(|last| files.get(last))
            && let Some(run) = &execution.said.run
        {
            failed = self.for_all(run.into(), &mut said, &told).await.err().map(|error| (at.get(), error));
        }
        let mut finished = Vec::with_capacity(files.len());
        for (index, file) in files.into_iter().enumerate() {
            let mut execution = match file {
                Arrived::Waits(execution) => *execution,
                Arrived::Failed(failure) => {
                    finished.push(Finished::Failed(failure));
                    continue;
                }
                Arrived::Refused(error) => {
                    finished.push(Finished::Refused(error));
                    continue;
                }
                Arrived::Before => {
                    finished.push(Finished::Before);
                    continue;
                }
            };
            if execution.said.load.is_some() {
                (execution.said.score, execution.said.publish) = said.clone();
            }
            // The others are loaded all the same, and have their reports.
            let result = match failed.take_if(|_| Some(index) == last) {
                Some(failed) => Err(failed),
                None => self.summarize(&execution.said, stage).await.map_err(|error| ("summarize", error)),
            };
            finished.push(match result {
                Ok((report, place)) => Finished::Ran(Box::new(report), place),
                Err((at, error)) => Finished::Failed(Box::new(self.record_failure(execution, at, error, stage).await?)),
            });
        }
        if finished.iter().any(|end| matches!(end, Finished::Failed(_))) {
            // Nobody summarizes a run that failed, and a person looks for it in the ledger next.
            fonderie_summarize::bring_in_failures(&self.summarize).await;
        }
        Ok(finished)
    }

    async fn to_warehouse(&self, execution: &mut Execution, stage: &dyn Fn(&'static str)) -> Result<()> {
        let Execution { name, started_at, request, said } = execution;
        stage("admit");
        let run = fonderie_admit::object(&self.admit, name, *started_at, request.clone()).await?;
        said.run = Some(run.clone());
        stage("transform");
        let transform = fonderie_transform::run(&self.transform, TransformInput { run: run.clone() }).await?;
        said.transform = Some(transform.clone());
        stage("validate");
        let input = ValidateInput { run: run.clone(), transform: transform.clone() };
        let validate = fonderie_validate::run(&self.validate, input).await?;
        said.validate = Some(validate.clone());
        if validate.verdict != Verdict::Halted {
            stage("load");
            said.load = Some(
                fonderie_load::run(&self.load, LoadInput { run, transform, validate }, Deadline::default()).await?,
            );
        }
        Ok(())
    }

    /// Admits a run of a dataset, without a file.
    pub(crate) async fn admit_dataset(&self, input: AdmitInput) -> Result<DatasetRun> {
        match fonderie_admit::run(&self.admit, input).await? {
            Admitted::Dataset(run) => Ok(run),
            Admitted::Object(_) => {
                Err(StageError::new(ErrorCode::Internal, "a run of a dataset was admitted as one of a file"))
            }
        }
    }

    /// Scores, publishes and summarizes a dataset; `withdrawal` is what its run has withdrawn or restored before. Returns also where the report lies.
    pub(crate) async fn dataset(
        &self,
        run: DatasetRun,
        withdrawal: Option<Withdrawn>,
        stage: &dyn Fn(&'static str),
    ) -> Result<(Scored, Published, ObjectRef)> {
        stage("score");
        let score = fonderie_score::run(&self.score, ScoreInput { run: run.clone() }, Deadline::default()).await?;
        stage("publish");
        let publish =
            fonderie_publish::run(&self.publish, ScoreInput { run: run.clone() }, Deadline::default()).await?;
        stage("summarize");
        let input = DatasetSummaryInput {
            run,
            score: score.clone(),
            publish: publish.clone(),
            objects: None,
            rebuild: None,
            withdrawal,
        };
        let summary =
            fonderie_summarize::run(&self.summarize, SummarizeInput::Dataset(Box::new(input)), Deadline::default())
                .await?;
        Ok((score, publish, summary.report))
    }

    async fn for_all(
        &self,
        run: DatasetRun,
        said: &mut (Option<Scored>, Option<Published>),
        stage: &dyn Fn(&'static str),
    ) -> Result<()> {
        stage("score");
        said.0 = Some(fonderie_score::run(&self.score, ScoreInput { run: run.clone() }, Deadline::default()).await?);
        stage("publish");
        said.1 = Some(fonderie_publish::run(&self.publish, ScoreInput { run }, Deadline::default()).await?);
        Ok(())
    }

    async fn summarize(&self, said: &Said, stage: &dyn Fn(&'static str)) -> Result<(RunReport, ObjectRef)> {
        stage("summarize");
        let Said { run: Some(run), transform: Some(transform), validate: Some(validate), load, score, publish } = said
        else {
            return Err(StageError::new(ErrorCode::Internal, "a run without a verdict cannot be summarized"));
        };
        let input = SummarizeInput::Object(Box::new(ObjectRun {
            run: run.clone(),
            transform: transform.clone(),
            validate: validate.clone(),
            load: load.clone(),
            score: score.clone(),
            publish: publish.clone(),
        }));
        let summary = fonderie_summarize::run(&self.summarize, input, Deadline::default()).await?;
        let json = self.storage.read(&summary.report.bucket, &summary.report.key, None, 64 << 20).await?;
        let report = serde_json::from_slice(&json).map_err(|error| {
            StageError::new(ErrorCode::Internal, "the run report cannot be read back").caused_by(error)
        })?;
        Ok((report, summary.report))
    }

    async fn record_failure(
        &self,
        execution: Execution,
        failed: &str,
        error: StageError,
        stage: &dyn Fn(&'static str),
    ) -> Result<Failure> {
        stage("record-failure");
        tracing::warn!(code = error.code.name(), cause = error.chain(), "{}", error.message);
        let Execution { name, started_at, request, said } = execution;
        let state = FailedState {
            error: CaughtError { error: error.code.name().to_owned(), cause: error.message },
            request: serde_json::to_value(request).unwrap_or_default(),
            run: said.run.as_ref().map(FailedRun::from),
        };
        let input = RecordFailureInput { execution_name: name, started_at, stage: failed.to_owned(), state };
        fonderie_record_failure::run(&self.record_failure, input).await
    }

    async fn read_failure(&self, record: &ObjectRef) -> Result<Failure> {
        let json = self.storage.read(&record.bucket, &record.key, None, 1 << 20).await?;
        serde_json::from_slice(&json).map_err(|error| {
            StageError::new(ErrorCode::Internal, "the record of a failure cannot be read back").caused_by(error)
        })
    }
}
