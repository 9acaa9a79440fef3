//! Records of failures, in one place: what `record-failure` and `ingest` write, and a later run or a person reads.

use bytes::Bytes;
use fonderie_core::stage::Failure;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};

use crate::Storage;

/// A record is a few hundred bytes.
const RECORD_LIMIT: u64 = 1 << 20;

/// Where all failures are recorded in the quarantine bucket, and how a record's key ends.
const FAILURES: &str = "failures/";
const ENDING: &str = ".json";

impl Storage {
    /// Where the failure of a run is recorded.
    pub fn failure_record(quarantine_bucket: &str, run_id: &str) -> ObjectRef {
        ObjectRef { bucket: quarantine_bucket.to_owned(), key: format!("{FAILURES}{run_id}{ENDING}") }
    }

    /// The ids of runs whose failures are recorded: the first `most` that begin with a text, in their order.
    ///
    /// # Errors
    /// The store's.
    pub async fn failed_runs(&self, quarantine_bucket: &str, begin: &str, most: usize) -> Result<Vec<String>> {
        let listing = self.list(quarantine_bucket, &format!("{FAILURES}{begin}"), most).await?;
        let id = |key: &str| Some(key.strip_prefix(FAILURES)?.strip_suffix(ENDING)?.to_owned());
        Ok(listing.objects.iter().filter_map(|object| id(&object.key)).collect())
    }

    /// Writes a failure where it says that its record is; again and again is once.
    ///
    /// # Errors
    /// The [store's](crate#errors).
    pub async fn record_failure(&self, failure: &Failure) -> Result<()> {
        let json = serde_json::to_vec_pretty(failure).map_err(|error| {
            StageError::new(ErrorCode::Internal, "the record of a failure is no JSON").caused_by(error)
        })?;
        self.put(&failure.record, Bytes::from(json), "application/json").await
    }

    /// The record of a run's failure, if there is one.
    ///
    /// # Errors
    /// The store's; `Internal` where something else lies there.
    pub async fn recorded_failure(&self, quarantine_bucket: &str, run_id: &str) -> Result<Option<Failure>> {
        let record = Self::failure_record(quarantine_bucket, run_id);
        let json = match self.read(&record.bucket, &record.key, None, RECORD_LIMIT).await {
            Ok(json) => json,
            Err(error) if error.code == ErrorCode::ObjectMissing => return Ok(None),
            Err(error) => return Err(error),
        };
        let failure = serde_json::from_slice(&json);
        failure.map(Some).map_err(|error| {
            StageError::new(ErrorCode::Internal, format!("{record} is no record of a failure")).caused_by(error)
        })
    }
}
