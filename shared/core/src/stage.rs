//! Each stage's input and output, as the state machine carries them.
//!
//! The state is one JSON object that grows: the request's own fields, then `run` (from `admit`), `transform`, `validate`,
//! `load`, `score`, `publish`, `summary`; on a failure `error` (Step Functions' `Error` and `Cause`), then `failure`. A stage receives the
//! whole state and reads the parts that its input names.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Disposition;
use crate::object::ObjectRef;
use crate::run::{Run, RunRequest};
pub use crate::scoring::{
    DatasetRun, Flagged, MartPublished, ModelScored, PublishInput, Published, ScoreInput, ScoreStatus, Scored,
};
use crate::tally::Tally;

/// Input of `admit`: `request` is the execution's own input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdmitInput {
    /// The execution's name (`$$.Execution.Name`).
    pub execution_name: String,
    /// When it started (`$$.Execution.StartTime`).
    pub started_at: DateTime<Utc>,
    /// What was asked for: a [`RunRequest`], unchecked, since a person may have typed it.
    pub request: serde_json::Value,
}

impl AdmitInput {
    /// The request, checked.
    ///
    /// # Errors
    /// `RequestInvalid` where it is no [`RunRequest`].
    pub fn run_request(&self) -> crate::Result<RunRequest> {
        RunRequest::deserialize(&self.request).map_err(|error| {
            let message = format!(
                "the execution's input is not understood ({error}); {{\"bucket\": …, \"key\": …}} is enough, \
                 `version_id`, `dataset` and `as_of` (yyyy-mm-dd) may be added"
            );
            crate::StageError::new(crate::ErrorCode::RequestInvalid, message)
        })
    }
}

/// Input of `transform`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransformInput {
    /// The pinned run.
    pub run: Run,
}

/// Output of `transform`: `read` = `silver` + `rejected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transformed {
    /// The canonical records that could be read, as Parquet.
    pub silver: ObjectRef,
    /// What could not be read, as Parquet.
    pub rejects: ObjectRef,
    /// SHA-256 of the object's bytes, in hexadecimal.
    pub content_sha256: String,
    /// Records in the file, the header excepted.
    pub read: Tally,
    /// Records in silver.
    pub kept: Tally,
    /// Records refused.
    pub rejected: Tally,
    /// Per rule, how many rejected records broke it.
    pub rules: BTreeMap<String, u64>,
    /// Per rule, how many records of silver had a value that could not be read and was left out, as the dataset declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub emptied: BTreeMap<String, u64>,
    /// Lines that are no records and are passed over, by kind (`blank_lines`, `repeated_headers`, `totals_lines`).
    pub skipped: BTreeMap<String, u64>,
    /// Milliseconds of work.
    pub millis: u64,
}

/// Input of `validate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ValidateInput {
    /// The pinned run.
    pub run: Run,
    /// What `transform` said.
    pub transform: Transformed,
}

/// What the quality rules say of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every row passed.
    Accepted,
    /// Some rows were refused, within the budgets.
    AcceptedWithRejects,
    /// The file stops before the warehouse.
    Halted,
}

/// What one rule found in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    /// The rule's id, as in the dataset.
    pub rule: String,
    /// `warn`, `reject` or `halt`.
    pub severity: String,
    /// Rows that broke it.
    pub rows: u64,
    /// Rows that may break it before the file is halted; absent where nothing halts.
    pub budget: Option<u64>,
}

/// Output of `validate`: `read` = `accepted` + `rejected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validated {
    /// The verdict.
    pub verdict: Verdict,
    /// The accepted records, as Parquet.
    pub accepted_records: ObjectRef,
    /// What this stage refused, as Parquet.
    pub rejects: ObjectRef,
    /// All that the run refused, both stages', as a CSV for the facility; absent where nothing was refused.
    pub rejects_csv: Option<ObjectRef>,
    /// Records in silver.
    pub read: Tally,
    /// Records that go to the warehouse.
    pub accepted: Tally,
    /// Records refused here.
    pub rejected: Tally,
    /// Every rule of the run with its count, the reader's included.
    pub rules: Vec<RuleResult>,
    /// Why the file was halted: one sentence.
    pub halted_because: Option<String>,
    /// Milliseconds of work.
    pub millis: u64,
}

/// Input of `load`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadInput {
    /// The pinned run.
    pub run: Run,
    /// What `transform` said.
    pub transform: Transformed,
    /// What `validate` said.
    pub validate: Validated,
}

/// What became of the accepted rows: the four add up to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Keys that were new to the warehouse.
    pub inserted: u64,
    /// Keys whose newest state this file changed.
    pub updated: u64,
    /// Keys that already had that state.
    pub unchanged: u64,
    /// Older states than the warehouse's, added to the history alone.
    pub superseded: u64,
}

impl Outcomes {
    /// All rows accounted for.
    pub fn rows(&self) -> u64 {
        self.inserted + self.updated + self.unchanged + self.superseded
    }
}

/// Output of `load`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// What became of the accepted rows.
    pub outcomes: Outcomes,
    /// This very object version was in the warehouse before this run: nothing was done.
    pub already_loaded: bool,
    /// Milliseconds of work.
    pub millis: u64,
}

/// Input of `summarize`; `load` and what comes after it are absent where the file was halted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SummarizeInput {
    /// The pinned run.
    pub run: Run,
    /// What `transform` said.
    pub transform: Transformed,
    /// What `validate` said.
    pub validate: Validated,
    /// What `load` said.
    #[serde(default)]
    pub load: Option<Loaded>,
    /// What `score` said.
    #[serde(default)]
    pub score: Option<Scored>,
    /// What `publish` said.
    #[serde(default)]
    pub publish: Option<Published>,
}

/// Output of `summarize`: where the run report lies, and its one-sentence form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The report, as JSON.
    pub report: ObjectRef,
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence with rows and euros in, out and refused.
    pub sentence: String,
}

/// The run report, as `summarize` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// One sentence with rows and amounts in, out and refused.
    pub sentence: String,
    /// How the run ended, as the ledger calls it.
    pub status: String,
    /// The pinned run.
    pub run: Run,
    /// What `transform` said.
    pub transform: Transformed,
    /// What `validate` said.
    pub validate: Validated,
    /// What `load` said; absent where the file was halted.
    pub load: Option<Loaded>,
    /// What `score` said; absent where the file was halted.
    #[serde(default)]
    pub score: Option<Scored>,
    /// What `publish` said; absent where the file was halted.
    #[serde(default)]
    pub publish: Option<Published>,
}

/// What Step Functions says of a failed task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtError {
    /// An [`crate::ErrorCode`]'s name, or a name of Lambda's or Step Functions' own.
    #[serde(rename = "Error")]
    pub error: String,
    /// Lambda's error document as a string, or free text.
    #[serde(rename = "Cause", default)]
    pub cause: String,
}

/// The state of a failed run: whatever was there when it failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailedState {
    /// What was caught.
    pub error: CaughtError,
    /// The pinned run, where `admit` got that far.
    #[serde(default)]
    pub run: Option<Run>,
    /// The request's own fields.
    #[serde(default)]
    pub bucket: Option<String>,
    /// The request's own fields.
    #[serde(default)]
    pub key: Option<String>,
    /// The request's own fields.
    #[serde(default)]
    pub version_id: Option<String>,
    /// The request's own fields.
    #[serde(default)]
    pub dataset: Option<String>,
    /// What `transform` said, where it got that far.
    #[serde(default)]
    pub transform: Option<Transformed>,
    /// What `validate` said, where it got that far.
    #[serde(default)]
    pub validate: Option<Validated>,
    /// What `load` said, where it got that far.
    #[serde(default)]
    pub load: Option<Loaded>,
    /// What `score` said, where it got that far.
    #[serde(default)]
    pub score: Option<Scored>,
    /// What `publish` said, where it got that far.
    #[serde(default)]
    pub publish: Option<Published>,
}

/// Input of `record-failure`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordFailureInput {
    /// The execution's name.
    pub execution_name: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// The state in which it failed.
    pub state: FailedState,
}

/// Output of `record-failure`, and the record that it writes: the end state of a run that failed, or of an object that
/// `ingest` put in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The execution's name; for an object in quarantine, the name that its execution would have had.
    pub run_id: String,
    /// When the run started.
    pub started_at: DateTime<Utc>,
    /// The stage that failed, where known.
    pub stage: Option<String>,
    /// The error's code: one of [`crate::ErrorCode`]'s names.
    pub code: String,
    /// Who must act.
    pub disposition: Disposition,
    /// One sentence: what, where, what to do.
    pub cause: String,
    /// The object, as far as known.
    pub bucket: Option<String>,
    /// The object, as far as known.
    pub key: Option<String>,
    /// The object, as far as known.
    pub version_id: Option<String>,
    /// The dataset, where known.
    pub dataset: Option<String>,
    /// The source, where known.
    pub source: Option<String>,
    /// Where this record lies.
    pub record: ObjectRef,
}
