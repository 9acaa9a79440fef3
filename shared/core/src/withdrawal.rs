//! A file version that is withdrawn because it was sent by mistake, and what undoes that.
//!
//! A withdrawn version observes nothing: the tables are what they would be without it. It stays withdrawn until that is undone, also if the
//! version is run again. Another version of the same key, such as a corrected file, is loaded as usual.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::day;
use crate::object::ObjectVersion;
use crate::run_record::BesideSilver;
use crate::stage::Outcomes;
use crate::tally::Tally;

/// What a person asks for: `{"withdraw": {"bucket": …, "key": …}}` is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawRequest {
    /// The file.
    pub withdraw: WithdrawnObject,
    /// Whether a withdrawal is undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
    /// The dataset; without it, found from the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// What "today" is for scores and marts; without it, the day on which the execution started, in the dataset's time zone.
    #[serde(default, deserialize_with = "day::optional", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// Whether `as_of` may be earlier than the one that was last published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// A file, and perhaps which version of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawnObject {
    /// The bronze bucket.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The version. Without it: to withdraw, the newest one that was loaded; to undo, the newest one that is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// What a dataset's run withdraws or restores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawOrder {
    /// The file.
    pub object: WithdrawnObject,
    /// Whether a withdrawal is undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
}

/// What became of one record of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalStatus {
    /// It is withdrawn by this run.
    Withdrawn,
    /// It is loaded again by this run.
    Restored,
    /// It is no longer withdrawn, but its silver is gone: a run of the file loads it.
    Released,
    /// It was so before: nothing was changed.
    Unchanged,
}

/// One record of a version that is withdrawn or restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordWithdrawal {
    /// The record.
    pub record: String,
    /// What became of it.
    pub status: WithdrawalStatus,
    /// The run that had loaded the version.
    pub loaded_by: String,
    /// The rows that the version shows, with their amounts: those that were withdrawn or restored.
    #[serde(default, skip_serializing_if = "Tally::is_empty")]
    pub rows: Tally,
    /// Withdrawn: rows that are no longer in the table, because no other version shows them.
    #[serde(default)]
    pub left: u64,
    /// Withdrawn: rows that are in the table in the state of an earlier version again.
    #[serde(default)]
    pub reverted: u64,
    /// Restored: what became of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Outcomes>,
}

/// Output of `load` for a withdrawal or for what undoes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The version.
    pub object: ObjectVersion,
    /// Whether a withdrawal was undone.
    pub undo: bool,
    /// Each record of the version.
    pub records: Vec<RecordWithdrawal>,
    /// What is reported: sentences, in English.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// Milliseconds of work.
    pub millis: u64,
}

impl Withdrawn {
    /// Whether a record ended so.
    pub fn has(&self, status: WithdrawalStatus) -> bool {
        self.records.iter().any(|record| record.status == status)
    }

    /// Whether anything was changed.
    pub fn changed(&self) -> bool {
        self.records.iter().any(|record| record.status != WithdrawalStatus::Unchanged)
    }
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (version {}): ", self.object.file_name(), self.object.version_id)?;
        for (at, record) in self.records.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            if self.records.len() > 1 {
                write!(f, "{}: ", record.record)?;
            }
            match (record.status, record.outcomes) {
                (WithdrawalStatus::Withdrawn, _) => write!(
                    f,
                    "withdrawn, {}; {} of them left the tables, {} are back in an earlier state",
                    record.rows, record.left, record.reverted
                )?,
                (WithdrawalStatus::Restored, Some(outcomes)) => write!(
                    f,
                    "restored, {}; {} inserted, {} updated, {} unchanged, {} superseded",
                    record.rows, outcomes.inserted, outcomes.updated, outcomes.unchanged, outcomes.superseded
                )?,
                (WithdrawalStatus::Restored, None) => write!(f, "restored, {}", record.rows)?,
                (WithdrawalStatus::Released, _) => {
                    f.write_str("no longer withdrawn, but its silver is gone: a run of the file loads it")?;
                }
                (WithdrawalStatus::Unchanged, _) if self.undo => f.write_str("not withdrawn, nothing was changed")?,
                (WithdrawalStatus::Unchanged, _) => f.write_str("withdrawn before, nothing was changed")?,
            }
        }
        Ok(())
    }
}

/// `withdrawn.json`, beside the silver of the run that had loaded the version: a rebuild that has no ledger does not bring the version
/// back. It is written just before the withdrawal commits. What undoes the withdrawal writes it again with `undone`, just before it commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRecord {
    /// The run in the ledger that withdrew the version.
    pub run_id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// What "today" was.
    pub as_of: NaiveDate,
    /// SHA-256 of its bundle.
    pub bundle_sha256: String,
    /// The version of its bundle's object.
    pub bundle_version: String,
    /// What it did.
    pub withdrawal: RecordWithdrawal,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
    /// When that was undone, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_at: Option<DateTime<Utc>>,
}

impl WithdrawalRecord {
    /// When the record was written last.
    pub fn changed_at(&self) -> DateTime<Utc> {
        self.undone_at.unwrap_or(self.at)
    }
}

impl BesideSilver for WithdrawalRecord {
    const NAME: &str = "withdrawn.json";
}
