//! What a run leaves beside its silver, so that the warehouse can be made again without the ledger: `run.json` and `loaded.json`.
//!
//! Each has one writer, which replaces it whole: `validate` writes [`RunRecord`], for halted files too; `load` writes [`LoadRecord`]
//! just before it commits. A run that is killed between that and the commit counts as loaded in a rebuild, as its retry makes it.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::{ErrorCode, StageError};
use crate::object::ObjectRef;
use crate::stage::{LoadInput, Loaded};

/// `run.json`: the pinned run (object version, order, as-of date, bundle, source) and what `transform` and `validate` found. It is the
/// input of `load`, so that whoever has it and the accepted records can load the run again.
pub type RunRecord = LoadInput;

/// `loaded.json`: that the run was loaded, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRecord {
    /// What `load` did.
    pub load: Loaded,
    /// When, by the database's clock: the loads of one dataset are in this order.
    pub at: DateTime<Utc>,
}

/// A JSON document beside a run's silver.
pub trait BesideSilver: Serialize + DeserializeOwned {
    /// The last part of its key.
    const NAME: &str;
    /// Far more than it takes, in bytes.
    const LIMIT: u64 = 4 << 20;

    /// The document as it is stored.
    ///
    /// # Errors
    /// `Internal`; it has no value that JSON cannot hold.
    fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| {
            StageError::new(ErrorCode::Internal, format!("{} is no JSON", Self::NAME)).caused_by(error)
        })
    }

    /// Reads a stored document.
    ///
    /// # Errors
    /// `ObjectChanged` if it does not have its shape: somebody wrote to it, or another release did.
    fn from_json(place: &ObjectRef, json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|error| {
            let message =
                format!("{place} does not have its shape: it was changed from outside, or a newer release wrote it");
            StageError::new(ErrorCode::ObjectChanged, message).caused_by(error)
        })
    }
}

impl BesideSilver for RunRecord {
    const NAME: &str = "run.json";
}

impl BesideSilver for LoadRecord {
    const NAME: &str = "loaded.json";
}
