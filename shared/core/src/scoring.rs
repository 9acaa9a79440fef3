//! What `score` and `publish` are given and say. They work on a dataset's tables, not on a file: a run of an object comes
//! here after its load, a daily schedule without any object.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::object::{ObjectRef, ObjectVersion};
use crate::rebuild::RebuildOrder;
use crate::run::{BundleRef, Run, unchecked};
use crate::withdrawal::WithdrawOrder;

/// What is pinned where no object is concerned: the part of a [`Run`] that every run has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetRun {
    /// The execution's name.
    pub run_id: String,
    /// When the execution started.
    pub started_at: DateTime<Utc>,
    /// What "today" is.
    pub as_of: NaiveDate,
    /// As that of a [`Run`].
    #[serde(default = "unchecked")]
    pub force: bool,
    /// The dataset's bundle.
    pub bundle: BundleRef,
    /// The object version, where the run is of one: its log's concern alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectVersion>,
    /// Of a backfill: what its objects' keys begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Of a backfill: where its runs are listed, as JSON, an array of [`crate::RunRequest`]. `admit` lists the runs of all objects below the prefix; of a
    /// rebuild, its plan lists those of the files of which no run is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ObjectRef>,
    /// Of a rebuild: how it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<RebuildOrder>,
    /// Of a withdrawal: what is withdrawn or restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraw: Option<WithdrawOrder>,
    /// Whether the models are trained again, whatever their policy is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retrain: bool,
}

impl DatasetRun {
    /// A run of what is loaded, without an object. Its as-of date is checked unless `force`.
    pub fn new(run_id: String, started_at: DateTime<Utc>, as_of: NaiveDate, force: bool, bundle: BundleRef) -> Self {
        Self {
            run_id,
            started_at,
            as_of,
            force,
            bundle,
            object: None,
            prefix: None,
            items: None,
            rebuild: None,
            withdraw: None,
            retrain: false,
        }
    }

    /// Whether the run is of all that is loaded, as a schedule's, a backfill's end and a rebuild are: it may read whole tables.
    pub fn is_of_all(&self) -> bool {
        self.object.is_none() && self.withdraw.is_none()
    }
}

impl From<&Run> for DatasetRun {
    fn from(run: &Run) -> Self {
        let Run { run_id, started_at, as_of, force, bundle, object, .. } = run.clone();
        Self { object: Some(object), ..Self::new(run_id, started_at, as_of, force, bundle) }
    }
}

/// Input of `score`: the state of any run, of which only this is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoreInput {
    /// The pinned run.
    pub run: DatasetRun,
}

/// Input of `publish`: as that of `score`.
pub type PublishInput = ScoreInput;

/// What became of a model, or of the marts, in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreStatus {
    /// Trained, and all rows scored.
    Trained,
    /// All rows scored with the model in force.
    Rescored,
    /// The rows that are new or changed scored with the model in force.
    Scored,
    /// There are fewer rows than the model asks for: scores are NULL.
    TooFewRows,
    /// A load came after this run's own, and its run does it.
    LeftToNewer,
}

impl ScoreStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Trained, Self::Rescored, Self::Scored, Self::TooFewRows, Self::LeftToNewer];

    /// The name in the ledger and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::Rescored => "rescored",
            Self::Scored => "scored",
            Self::TooFewRows => "too_few_rows",
            Self::LeftToNewer => "left_to_newer",
        }
    }
}

/// How many rows a level of a model's scores has; each row is in one level at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelRows {
    /// The level's name, as in the dataset.
    pub name: String,
    /// How many.
    pub rows: u64,
}

/// How far the values of a feature have moved since the training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureDrift {
    /// The feature, as in the dataset.
    pub feature: String,
    /// The population stability index of the rows that were scored since, against those of the training: the sum over the tenths of the
    /// training's values of (share now - share then) × ln(share now / share then). 0 is no drift; above 0.25 is commonly taken for a
    /// reason to train again.
    pub psi: f64,
}

/// The model in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInForce {
    /// The run that trained it.
    pub run_id: String,
    /// The as-of date of its training.
    pub trained_as_of: NaiveDate,
    /// Days from then to the as-of date of the run that reports it.
    pub age_days: i64,
    /// Rows that were scored when it was trained.
    pub rows: u64,
    /// Rows that were new or changed since.
    pub changed_rows: u64,
    /// Of each feature; none if fewer than 100 rows were scored since the training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<FeatureDrift>,
    /// Where it lies: its scores can be computed again from it.
    pub object: ObjectRef,
}

/// The outcome of `score` for one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelScored {
    /// The model's id, as in the dataset.
    pub model: String,
    /// What became of it.
    pub status: ScoreStatus,
    /// Rows that this run scored; if there are too few, those that are there; 0 if that was left to a newer run.
    pub rows: u64,
    /// Rows that a training takes.
    pub min_rows: u64,
    /// The abnormal ones among the rows that this run scored, by the model's levels.
    pub levels: Vec<LevelRows>,
    /// The model in force after this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<ModelInForce>,
}

impl ModelScored {
    /// The rows of all levels.
    pub fn abnormal(&self) -> u64 {
        self.levels.iter().map(|level| level.rows).sum()
    }
}

impl fmt::Display for ModelScored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, rows, min_rows, levels, in_force, .. } = self;
        match self.status {
            ScoreStatus::Trained | ScoreStatus::Rescored | ScoreStatus::Scored => {
                let name = if let [level] = levels.as_slice() { &level.name } else { "abnormal" };
                write!(f, "{model}: {rows} rows scored, {} {name}", self.abnormal())?;
                if levels.len() > 1 {
                    let told: Vec<String> =
                        levels.iter().map(|level| format!("{} {}", level.rows, level.name)).collect();
                    write!(f, " ({})", told.join(", "))?;
                }
                match in_force {
                    Some(in_force) if self.status != ScoreStatus::Trained => write!(f, ", with {in_force}"),
                    _ => write!(f, ", trained anew"),
                }
            }
            ScoreStatus::TooFewRows => write!(f, "{model}: not scored, {rows} rows where {min_rows} are needed"),
            ScoreStatus::LeftToNewer => write!(f, "{model}: left to a newer load"),
        }
    }
}

impl fmt::Display for ModelInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trained_as_of, age_days, rows, changed_rows, drift, .. } = self;
        #[allow(clippy::cast_precision_loss)] // a share, to a tenth of a percent
        let share = 100.0 * *changed_rows as f64 / (*rows).max(1) as f64;
        write!(f, "the model of {trained_as_of} ({age_days} days old, {share:.1} % of its rows changed since")?;
        if let Some(most) = drift.iter().max_by(|a, b| a.psi.total_cmp(&b.psi)) {
            write!(f, ", greatest drift {:.2} of {}", most.psi, most.feature)?;
        }
        f.write_str(")")
    }
}

/// Output of `score`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Each model of the dataset.
    pub models: Vec<ModelScored>,
    /// Milliseconds of work.
    pub millis: u64,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Nothing violates it.
    Passed,
    /// Some rows do, no more than its budget.
    WithinBudget,
    /// More rows do.
    Violated,
}

impl CheckStatus {
    /// The name in the ledger and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::WithinBudget => "within_budget",
            Self::Violated => "violated",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Its id, as in the dataset.
    pub check: String,
    /// `warn`, or `halt`.
    pub severity: String,
    /// How it ended.
    pub status: CheckStatus,
    /// How many rows violate it.
    pub violations: u64,
    /// How many are taken.
    pub budget: u64,
    /// What a violation means, as the dataset says it.
    pub message: String,
    /// Whether it looked at all rows, or at those that changed.
    pub of_all: bool,
    /// The first violations: keys.
    pub examples: Vec<serde_json::Value>,
    /// Whether it found something else than when it was asked before.
    pub is_news: bool,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, violations, budget, message, .. } = self;
        let found = if *violations == 1 { "1 violation".to_owned() } else { format!("{violations} violations") };
        match self.status {
            CheckStatus::Passed => write!(f, "{check}: passed"),
            CheckStatus::WithinBudget => write!(f, "{check}: {found}, {budget} taken ({message})"),
            CheckStatus::Violated => write!(f, "{check}: {found} ({message})"),
        }
    }
}

/// A mart that is to stay as it was, and the checks that keep it so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The mart.
    pub mart: String,
    /// The checks.
    pub checks: Vec<String>,
    /// It was made all the same, with what the checks found: it was not there, or is defined otherwise than before.
    #[serde(default)]
    pub made: bool,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mart, checks, made } = self;
        let rows = if *made { "but new, so that it was made with what they found" } else { "as it was" };
        write!(f, "{mart}: BLOCKED by {}, {rows}", checks.join(", "))
    }
}

/// What `publish` says of one mart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MartPublished {
    /// Its name in the dataset's schema of marts.
    pub mart: String,
    /// Its rows; `None` of a plain view, which is computed when it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// It was made anew: it was not there, or its definition or that of a view below it is another.
    pub rebuilt: bool,
}

/// What became of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportWritten {
    /// Its name.
    pub export: String,
    /// The file.
    pub object: ObjectRef,
    /// Its rows; 0 if it failed.
    pub rows: u64,
    /// Its size; 0 if it failed.
    pub bytes: u64,
    /// Why it was not written: the file is the one of before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Output of `publish`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Each mart of the dataset; none where it was left to a newer run.
    pub marts: Vec<MartPublished>,
    /// Each export that is made with the marts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<ExportWritten>,
    /// What the checks found that were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Checked>,
    /// Marts that are to stay as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// A load came after this run's own, and its run publishes.
    pub left_to_newer: bool,
    /// Milliseconds of work.
    pub millis: u64,
}

impl Published {
    /// The checks that found violations, within their budget or not.
    pub fn violated(&self) -> impl Iterator<Item = &Checked> {
        self.checks.iter().filter(|checked| checked.status != CheckStatus::Passed)
    }
}

impl Published {
    /// A line for each mart and export, in that order.
    pub fn lines(&self) -> Vec<String> {
        if self.left_to_newer {
            return vec!["left to a newer load".to_owned()];
        }
        let told = self.marts.iter().map(|mart| {
            let rebuilt = if mart.rebuilt { ", rebuilt" } else { "" };
            let rows = mart.rows.map_or_else(|| "a view".to_owned(), |rows| format!("{rows} rows"));
            format!("{}: {rows}{rebuilt}", mart.mart)
        });
        let blocked = self.blocked.iter().map(ToString::to_string);
        let exports = self.exports.iter().map(|export| match &export.failure {
            Some(failure) => format!("{failure} (the file of before stays)"),
            None => format!("export {}: {} rows", export.export, export.rows),
        });
        told.chain(blocked).chain(exports).collect()
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_needs_no_object() {
        let input = r#"{"run": {"run_id": "daily", "started_at": "2026-07-01T05:00:00Z", "as_of": "2026-07-01", "bundle": {
            "dataset": "d", "object": {"bucket": "b", "key": "d.json", "version_id": "1"}, "sha256": "0"}}}"#;
        let input: ScoreInput = serde_json::from_str(input).unwrap();
        assert_eq!(input.run.as_of.to_string(), "2026-07-01");
    }
}
