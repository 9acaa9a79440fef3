//! Each stage's input and output, as the state machine carries them.
//!
//! The state is one JSON object that grows: `request` (the execution's own input), then `run` (from `admit`), `transform`, `validate`,
//! `load`, `score`, `publish`, `summary`; on a failure `error` (Step Functions' `Error` and `Cause`), then `failure`. A stage receives the
//! whole state and reads the parts that its input names.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Disposition;
use crate::freshness::Freshness;
use crate::object::{ObjectRef, ObjectVersion};
use crate::rebuild::{RebuildPlan, RebuildRequest};
use crate::run::{BackfillRequest, BundleRef, DatasetRequest, Run, RunRequest};
pub use crate::scoring::{
    Blocked, CheckStatus, Checked, DatasetRun, ExportWritten, FeatureDrift, LevelRows, MartPublished, ModelInForce,
    ModelScored, PublishInput, Published, ScoreInput, ScoreStatus, Scored,
};
use crate::tally::Tally;
use crate::units::Units;
use crate::withdrawal::{WithdrawRequest, Withdrawn};

/// The state machine in which `admit` is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// One object version, or a dataset without any.
    #[default]
    Pipeline,
    /// All objects below a prefix.
    Backfill,
}

/// Input of `admit`: `request` is the execution's own input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdmitInput {
    /// The execution's name (`$$.Execution.Name`).
    pub execution_name: String,
    /// When it started (`$$.Execution.StartTime`).
    pub started_at: DateTime<Utc>,
    /// Whose execution it is.
    #[serde(default)]
    pub machine: Machine,
    /// What was asked for: a [`Request`], unchecked, since a person may have typed it.
    pub request: serde_json::Value,
}

impl AdmitInput {
    /// The request, checked.
    ///
    /// # Errors
    /// `RequestInvalid` where it is none, or one for the other state machine.
    pub fn request(&self) -> crate::Result<Request> {
        let has = |field: &str| self.request.get(field).is_some();
        let invalid = |error: &dyn std::fmt::Display| {
            let enough = match self.machine {
                Machine::Pipeline => {
                    "{\"bucket\": …, \"key\": …} is enough for a file, `version_id`, `dataset`, `as_of` (yyyy-mm-dd) and `force` \
                     may be added; {\"dataset\": …} scores and publishes what is loaded, with \"retrain\": true after training its models again; {\"withdraw\": {\"bucket\": …, \"key\": …}} withdraws a file, \
                     with \"undo\": true restores it, `version_id` may be added within, `dataset`, `as_of` and `force` beside it"
                }
                Machine::Backfill => {
                    "{\"prefix\": …} is enough, `dataset`, `as_of` (yyyy-mm-dd) and `force` may be added; {\"rebuild\": \"<dataset>\"} \
                     makes the dataset's tables again, `partial`, `as_of` and `force` may be added"
                }
            };
            let message = format!("the execution's input is not understood ({error}); {enough}");
            crate::StageError::new(crate::ErrorCode::RequestInvalid, message)
        };
        // An array of the right texts would pass for the request, and nobody means one.
        if !self.request.is_object() {
            return Err(invalid(&"it is no JSON object"));
        }
        match self.machine {
            Machine::Backfill if has("key") => {
                Err(invalid(&"one object is the business of the state machine `pipeline`"))
            }
            Machine::Backfill if has("rebuild") => {
                RebuildRequest::deserialize(&self.request).map(Request::Rebuild).map_err(|error| invalid(&error))
            }
            Machine::Backfill if has("withdraw") => {
                Err(invalid(&"a withdrawal is the business of the state machine `pipeline`"))
            }
            Machine::Backfill => {
                BackfillRequest::deserialize(&self.request).map(Request::Backfill).map_err(|error| invalid(&error))
            }
            Machine::Pipeline if has("prefix") || has("rebuild") => {
                Err(invalid(&"a prefix or a rebuild is the business of the state machine `backfill`"))
            }
            Machine::Pipeline if has("withdraw") => {
                let request = WithdrawRequest::deserialize(&self.request).map_err(|error| invalid(&error))?;
                if request.withdraw.bucket.is_empty() || request.withdraw.key.is_empty() {
                    return Err(invalid(&"the bucket or the key is empty"));
                }
                Ok(Request::Withdraw(request))
            }
            Machine::Pipeline if has("dataset") && !has("key") && !has("bucket") => {
                DatasetRequest::deserialize(&self.request).map(Request::Dataset).map_err(|error| invalid(&error))
            }
            Machine::Pipeline => {
                let request = RunRequest::deserialize(&self.request).map_err(|error| invalid(&error))?;
                if request.bucket.is_empty() || request.key.is_empty() {
                    return Err(invalid(&"the bucket or the key is empty"));
                }
                Ok(Request::Object(request))
            }
        }
    }
}

/// A text of a request, which may be anything, since a person may have typed it.
///
/// A withdrawal names its file within `withdraw`.
pub fn requested(request: &serde_json::Value, field: &str) -> Option<String> {
    let within = request.get("withdraw").and_then(|withdraw| withdraw.get(field));
    request.get(field).or(within)?.as_str().map(str::to_owned)
}

/// What an execution is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// One object version to the warehouse and the marts.
    Object(RunRequest),
    /// What is loaded, scored and published: a schedule's.
    Dataset(DatasetRequest),
    /// A file version that was sent by mistake, withdrawn or restored.
    Withdraw(WithdrawRequest),
    /// All objects below a prefix.
    Backfill(BackfillRequest),
    /// A dataset's tables, made again.
    Rebuild(RebuildRequest),
}

/// Output of `admit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Admitted {
    /// A run of one object version.
    Object(Run),
    /// A run of a dataset.
    Dataset(DatasetRun),
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
    /// Of a record whose files are complete: the key of each record that could not be read, as far as it could, as Parquet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_keys: Option<ObjectRef>,
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
    /// Per rule, how many records of silver it warns of: a value that was left out, as the dataset declares, or changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub warned: BTreeMap<String, u64>,
    /// Lines that are no records and are passed over, by kind (`blank_lines`, `repeated_headers`, `totals_lines`).
    pub skipped: BTreeMap<String, u64>,
    /// The file's physical lines or sheet rows, each accounted for.
    #[serde(default)]
    pub units: Units,
    /// What is reported on the run: sentences, in English.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// Why `validate` must halt the file: sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub halts: Vec<String>,
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
    /// All that the run refused, both stages', as a CSV for the sender; absent where nothing was refused.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Keys of which a newer version has told before: at most the history changes.
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
    /// Records that this object version showed when it was loaded before and no longer shows, with their amounts.
    #[serde(default, skip_serializing_if = "Tally::is_empty")]
    pub removed: Tally,
    /// This very object version was in the warehouse before this run: nothing was done.
    pub already_loaded: bool,
    /// This object version is withdrawn: nothing was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// What the dataset's load script warns of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<LoadWarning>,
    /// What is reported on the load: sentences, in English.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// Milliseconds of work.
    pub millis: u64,
}

impl Loaded {
    /// Whether the run's rows were brought into the tables.
    pub fn is_in_tables(&self) -> bool {
        !self.already_loaded && !self.withdrawn
    }
}

/// A warning that only the warehouse can give, since it compares a file with those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadWarning {
    /// The rule's id, as the dataset's load script names it.
    pub rule: String,
    /// Keys that it concerns; at least one.
    pub rows: u64,
    /// One sentence, for whoever reads the report.
    pub message: String,
}

/// Input of `summarize`: a run of an object version, or of a dataset.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum SummarizeInput {
    /// One object version.
    Object(Box<ObjectRun>),
    /// A dataset: the daily run, or the end of a backfill.
    Dataset(Box<DatasetSummaryInput>),
}

/// What the stages said of one object version; `load` and what comes after it are absent where the file was halted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectRun {
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

/// What the stages said of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetSummaryInput {
    /// The pinned run.
    pub run: DatasetRun,
    /// What `score` said.
    pub score: Scored,
    /// What `publish` said.
    pub publish: Published,
    /// What became of a backfill's objects.
    #[serde(default)]
    pub objects: Option<Backfilled>,
    /// What a rebuild loaded again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<RebuildPlan>,
    /// What was withdrawn or restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<Withdrawn>,
}

/// What became of a backfill's runs, each of which had an execution of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfilled {
    /// How many of them ended how.
    pub counts: BackfillCounts,
}

/// Step Functions' own count of a Map's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub struct BackfillCounts {
    /// All of them.
    #[serde(alias = "total")]
    pub total: u64,
    /// Those that are in the warehouse.
    #[serde(alias = "succeeded")]
    pub succeeded: u64,
    /// Those that failed; each has its record.
    #[serde(alias = "failed")]
    pub failed: u64,
}

// Told apart by the run, so that a mistake in the one is not read as the other.
impl<'de> Deserialize<'de> for SummarizeInput {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let state = serde_json::Value::deserialize(deserializer)?;
        let read = if state.pointer("/run/object").is_some() {
            serde_json::from_value(state).map(Self::Object)
        } else {
            serde_json::from_value(state).map(Self::Dataset)
        };
        read.map_err(serde::de::Error::custom)
    }
}

/// Output of `summarize`: where the run report lies, and its one-sentence form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The report, as JSON.
    pub report: ObjectRef,
    /// The verdict on an object version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// One sentence with rows and amounts in, out and refused.
    pub sentence: String,
    /// Of a dataset run: the sources from which files are expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freshness: Vec<Freshness>,
}

/// The run report, as `summarize` writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// One sentence with rows and amounts in, out and refused.
    pub sentence: String,
    /// How the run ended, as the ledger calls it; [`Self::BLOCKED`] if it was loaded and a check keeps marts as they were.
    pub status: String,
    /// The key of another object with the same bytes, which came first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_bytes_as: Option<String>,
    /// What the stages said.
    #[serde(flatten)]
    pub said: ObjectRun,
}

impl RunReport {
    /// The status of a run whose rows are loaded, and some marts do not show them.
    pub const BLOCKED: &str = "blocked";
}

/// The report of a dataset's run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetReport {
    /// What was scored and published, which files are missing, in one sentence.
    pub sentence: String,
    /// The sources from which files are expected.
    pub freshness: Vec<Freshness>,
    /// What the stages said.
    #[serde(flatten)]
    pub said: DatasetSummaryInput,
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

/// What is known of the run that failed, whichever kind it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailedRun {
    /// The dataset's bundle.
    pub bundle: BundleRef,
    /// The object version, where the run is about one.
    #[serde(default)]
    pub object: Option<ObjectVersion>,
    /// Its source.
    #[serde(default)]
    pub source: Option<String>,
}

impl From<&Run> for FailedRun {
    fn from(run: &Run) -> Self {
        Self { bundle: run.bundle.clone(), object: Some(run.object.clone()), source: Some(run.source.clone()) }
    }
}

/// The state of a failed run, as far as it says whose it is. What does not have its shape is left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailedState {
    /// What was caught.
    pub error: CaughtError,
    /// The pinned run, where `admit` got that far.
    #[serde(default, deserialize_with = "lenient")]
    pub run: Option<FailedRun>,
    /// What was asked for, unchecked, as [`AdmitInput`] has it.
    #[serde(default)]
    pub request: serde_json::Value,
}

/// What has the shape that is read, or nothing: a failure is recorded where a stage of another release said it otherwise, too.
fn lenient<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// Input of `record-failure`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordFailureInput {
    /// The execution's name.
    pub execution_name: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// The state of the state machine that failed.
    pub stage: String,
    /// What it had been given, and the error.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn asked(machine: &str, request: &str) -> crate::Result<Request> {
        let input = format!(
            r#"{{"execution_name":"x","started_at":"2026-07-01T05:00:00Z","machine":"{machine}","request":{request}}}"#
        );
        serde_json::from_str::<AdmitInput>(&input).unwrap().request()
    }

    #[test]
    fn each_machine_takes_its_own_requests() {
        assert!(matches!(asked("pipeline", r#"{"bucket":"b","key":"k"}"#), Ok(Request::Object(run)) if !run.load_only));
        assert!(matches!(asked("pipeline", r#"{"bucket":"b","key":"k","dataset":"d"}"#), Ok(Request::Object(_))));
        assert!(matches!(asked("pipeline", r#"{"dataset":"d"}"#), Ok(Request::Dataset(_))));
        assert!(matches!(asked("backfill", r#"{"prefix":"p"}"#), Ok(Request::Backfill(_))));
        let rebuild = asked("backfill", r#"{"rebuild":"d","partial":true}"#);
        assert!(matches!(rebuild, Ok(Request::Rebuild(rebuild)) if rebuild.partial && !rebuild.force));
        let withdraw = asked("pipeline", r#"{"withdraw":{"bucket":"b","key":"k","version_id":"v"},"undo":true}"#);
        assert!(matches!(withdraw, Ok(Request::Withdraw(request)) if request.undo && request.withdraw.key == "k"));
        for (machine, request, words) in [
            ("pipeline", r#"{"withdraw":{"bucket":"b"}}"#, "key"),
            ("pipeline", r#"{"withdraw":{"bucket":"b","key":""}}"#, "empty"),
            ("pipeline", r#"{"withdraw":{"bucket":"b","key":"k"},"strict":true}"#, "strict"),
            ("backfill", r#"{"withdraw":{"bucket":"b","key":"k"}}"#, "state machine `pipeline`"),
            ("pipeline", r#"{"prefix":"p"}"#, "state machine `backfill`"),
            ("pipeline", r#"{"key":"k"}"#, "bucket"),
            ("pipeline", r#"{"dataset":"d","as_of":"hier"}"#, "as_of"),
            ("pipeline", r#"{"bucket":"b","key":"k","as_of":"26-1-1"}"#, "from 1900 to 9999"),
            ("backfill", r#"{"prefix":"p","as_of":"0026-01-01"}"#, "from 1900 to 9999"),
            ("pipeline", "[]", "is enough"),
            ("pipeline", r#"["b","k"]"#, "no JSON object"),
            ("backfill", r#"["p"]"#, "no JSON object"),
            ("backfill", r#"{"bucket":"b","key":"k"}"#, "state machine `pipeline`"),
            ("pipeline", r#"{"bucket":"b","key":"k","versionId":"v"}"#, "versionId"),
            ("pipeline", r#"{"bucket":"b","key":""}"#, "empty"),
            ("pipeline", r#"{"dataset":"d","strict":true}"#, "strict"),
            ("backfill", r#"{}"#, "prefix"),
            ("backfill", r#"{"rebuild":"d","prefix":"p"}"#, "prefix"),
            ("pipeline", r#"{"rebuild":"d"}"#, "state machine `backfill`"),
            ("backfill", r#"{"prefix":"p","load_only":true}"#, "load_only"),
        ] {
            let error = asked(machine, request).unwrap_err();
            assert_eq!(error.code, ErrorCode::RequestInvalid, "{request}");
            assert!(error.message.contains(words), "{error}");
        }
    }

    #[test]
    fn a_failure_is_read_whatever_the_state_holds() {
        let state = |request: &str| {
            let others = r#""run":{"a":1},"transform":"x","load":[]"#;
            let state = format!(r#"{{"error":{{"Error":"RequestInvalid"}},"request":{request},{others}}}"#);
            serde_json::from_str::<FailedState>(&state).unwrap()
        };
        let typed = state(r#"{"bucket":7,"key":"k","run":"x"}"#);
        assert!(typed.run.is_none());
        assert_eq!(
            (typed.error.error.as_str(), requested(&typed.request, "bucket"), requested(&typed.request, "key")),
            ("RequestInvalid", None, Some("k".to_owned()))
        );
        let withdrawal = state(r#"{"withdraw":{"bucket":"b","key":"k"},"undo":true}"#);
        assert_eq!(requested(&withdrawal.request, "key"), Some("k".to_owned()));
        for nothing in ["null", "7", r#""k""#, r#"["b","k"]"#] {
            assert_eq!(requested(&state(nothing).request, "bucket"), None, "{nothing}");
        }
    }
}
