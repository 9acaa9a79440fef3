//! What a rebuild is asked for, and what its steps hand on: the warehouse made again from silver, else from bronze.
//!
//! In the cloud it is an execution of `backfill`: `rebuild` plans, `prepare-database` moves what is left of the tables aside, `load` loads
//! each run again (`transform` and `validate` come first for a file whose silver is gone), `rebuild` ends it. One machine does the
//! same in one program.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::day;
use crate::object::ObjectRef;
use crate::run_record::{LoadRecord, RunRecord};
use crate::scoring::DatasetRun;
use crate::stage::{LoadInput, Loaded, Transformed, Validated};

/// What a person asks for: `{"rebuild": "facturation"}` is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebuildRequest {
    /// The dataset.
    pub rebuild: String,
    /// Whether versions that cannot be loaded again may be left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What "today" is for scores and marts; without it, the day on which the execution started, in the dataset's time zone.
    #[serde(default, deserialize_with = "day::optional", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// Whether `as_of` may be earlier than the one that was last published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// How a run of a dataset rebuilds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildOrder {
    /// Whether versions that cannot be loaded again may be left out.
    pub partial: bool,
}

/// Input of `rebuild`: without a plan it makes one, with its own it ends the rebuild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RebuildInput {
    /// The pinned run.
    pub run: DatasetRun,
    /// What was planned.
    #[serde(default)]
    pub rebuild: Option<RebuildPlan>,
}

/// Output of `rebuild`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildPlan {
    /// The runs to be loaded again: a JSON list of [`ReplayInput`].
    pub items: ObjectRef,
    /// Those that are loaded from silver.
    pub from_silver: u64,
    /// Those whose file is read again.
    pub from_bronze: u64,
    /// Versions that were loaded and cannot be loaded again.
    pub lost: u64,
    /// Runs whose contract is gone, which are loaded under the present one.
    pub under_present: u64,
    /// Files in bronze of which no run is known: a backfill takes them.
    pub unknown: u64,
}

impl fmt::Display for RebuildPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from_silver, from_bronze, lost, under_present, unknown, .. } = self;
        write!(
            f,
            "rebuilt: {from_silver} loads from silver, {from_bronze} from bronze, {lost} versions not loaded again"
        )?;
        if *under_present > 0 {
            write!(f, ", {under_present} runs under the present contracts, for theirs are gone")?;
        }
        if *unknown > 0 {
            write!(f, ", {unknown} files in bronze of which no run was known")?;
        }
        Ok(())
    }
}

/// Where a run's rows come from when it is loaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayFrom {
    /// It changed no table.
    Nowhere,
    /// Its accepted records.
    Silver,
    /// The file, read and validated once more.
    Bronze,
}

/// A run to be loaded again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayInput {
    /// The run, and what its stages found.
    pub record: RunRecord,
    /// Its load; without one, it was halted or never came so far.
    #[serde(default)]
    pub load: Option<LoadRecord>,
    /// Where its rows come from.
    pub from: ReplayFrom,
    /// What `transform` said of the file now, if it was read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transformed>,
    /// What `validate` said of the file now, if it was read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<Validated>,
}

/// Input of the function `load`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum LoadRequest {
    /// A run's load.
    Run(Box<LoadInput>),
    /// A load that a rebuild does again.
    Again(Box<ReplayInput>),
}

// Told apart by the record, so that a mistake in the one is not read as the other.
impl<'de> Deserialize<'de> for LoadRequest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let state = serde_json::Value::deserialize(deserializer)?;
        let read = if state.get("record").is_some() {
            serde_json::from_value(state).map(Self::Again)
        } else {
            serde_json::from_value(state).map(Self::Run)
        };
        read.map_err(serde::de::Error::custom)
    }
}

/// Output of the function `load`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum LoadAnswer {
    /// Of a run's load.
    Run(Loaded),
    /// Of a load that was done again.
    Again {
        /// The run.
        run_id: String,
    },
}
