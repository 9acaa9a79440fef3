//! What the steps of a rebuild are given: a run that was loaded before, to be loaded again as it was.

use serde::{Deserialize, Serialize};

use crate::rebuild::RebuildPlan;
use crate::run_record::{LoadRecord, RunRecord};
use crate::scoring::DatasetRun;
use crate::stage::{LoadInput, Loaded, Transformed, Validated};
use crate::withdrawal::{WithdrawalRecord, Withdrawn};

/// Input of `rebuild`: without a plan it makes one, with its own it ends the rebuild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RebuildInput {
    /// The pinned run.
    pub run: DatasetRun,
    /// What was planned.
    #[serde(default)]
    pub rebuild: Option<RebuildPlan>,
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
    /// That its version is withdrawn: only the ledger is written, and no table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<WithdrawalRecord>,
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
    /// A withdrawal, or what undoes it.
    Withdraw(Box<WithdrawInput>),
}

/// Input of the function `load` for a withdrawal: the state of its run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WithdrawInput {
    /// The pinned run.
    pub run: DatasetRun,
}

// Told apart by the record and the run, so that a mistake in the one is not read as the other.
impl<'de> Deserialize<'de> for LoadRequest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let state = serde_json::Value::deserialize(deserializer)?;
        let read = if state.get("record").is_some() {
            serde_json::from_value(state).map(Self::Again)
        } else if state.pointer("/run/withdraw").is_some() {
            serde_json::from_value(state).map(Self::Withdraw)
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
    /// Of a withdrawal.
    Withdrawn(Withdrawn),
}
