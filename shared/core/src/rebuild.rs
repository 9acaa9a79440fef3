//! What a rebuild is asked for, and its plan: the warehouse made again from silver, else from bronze.
//!
//! In the cloud it is an execution of `backfill`: `rebuild` plans, `prepare-database` moves what is left of the tables aside, `load` loads
//! each run again (`transform` and `validate` come first for a file whose silver is gone), `rebuild` ends it. One machine does the
//! same in one program.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::day;
use crate::object::ObjectRef;

/// What a person asks for: `{"rebuild": "shop"}` is enough.
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

/// Output of `rebuild`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildPlan {
    /// The runs to be loaded again: a JSON list of [`crate::replay::ReplayInput`].
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
