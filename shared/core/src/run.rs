//! What starts a run, and what is pinned for its whole length.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::object::{ObjectRef, ObjectVersion, Order};
use crate::{day, digest, hex};

/// What an event, a person at the console, a backfill or a schedule asks for. `{"bucket": …, "key": …}` is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The bronze bucket.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The version; without it, the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The dataset; without it, found from the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Which of the dataset's records is read from the object; without it, the only one that a source reads from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// What "today" is for the run; without it, the day on which the run started, in the dataset's time zone.
    #[serde(default, deserialize_with = "day::optional", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// Whether `as_of` may be earlier than the one that was last published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Whether the first row that breaks a rule of severity `reject` or more halts the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Whether scores and marts are left to a later run: a backfill's, which makes them once for all its objects.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub load_only: bool,
}

/// What a schedule asks for: a dataset's scores and marts, without a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetRequest {
    /// The dataset.
    pub dataset: String,
    /// What "today" is for the run; without it, the day on which the run started, in the dataset's time zone.
    #[serde(default, deserialize_with = "day::optional", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// Whether `as_of` may be earlier than the one that was last published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Whether the models are trained again, whatever their policy is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retrain: bool,
}

/// What a backfill is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackfillRequest {
    /// What the objects' keys begin with.
    pub prefix: String,
    /// The dataset; without it, found from the prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// What "today" is for all its runs.
    #[serde(default, deserialize_with = "day::optional", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// Whether `as_of` may be earlier than the one that was last published.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// A run of an older state has no `force`: its date is not checked.
pub(crate) fn unchecked() -> bool {
    true
}

impl RunRequest {
    /// What the event about an object version asks for: of one record, if the dataset has several.
    pub fn of(object: &ObjectVersion, record: Option<&str>) -> Self {
        Self {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            version_id: Some(object.version_id.clone()),
            dataset: None,
            record: record.map(str::to_owned),
            as_of: None,
            force: false,
            strict: false,
            load_only: false,
        }
    }

    /// The execution name of an object version's record: the same for each event about it, so that a second one starts nothing.
    ///
    /// Readable first (from the file's name), then 128 bits of SHA-256 over bucket, key, version id and record; at most 80
    /// characters of `A-Z a-z 0-9 - _`, which is what Step Functions accepts.
    pub fn execution_name(&self) -> String {
        let file_name = self.key.rsplit('/').next().unwrap_or(&self.key);
        let readable: String =
            file_name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(40).collect();
        let version = self.version_id.as_deref().unwrap_or_default();
        let parts = [self.bucket.as_str(), &self.key, version].into_iter().chain(self.record.as_deref());
        format!("{readable}-{}", hex(&digest(parts)[..16]))
    }
}

/// The dataset's bundle that a run uses from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRef {
    /// The dataset's name.
    pub dataset: String,
    /// Where the bundle lies.
    pub object: ObjectVersion,
    /// SHA-256 of the bundle's files, in hexadecimal: what the ledger calls the contract version.
    pub sha256: String,
}

/// A run with everything that could change pinned: what every stage after `admit` works from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The execution's name.
    pub run_id: String,
    /// When the execution started.
    pub started_at: DateTime<Utc>,
    /// The object version.
    pub object: ObjectVersion,
    /// Its size in bytes.
    pub size: u64,
    /// Its place among the dataset's versions.
    pub order: Order,
    /// What "today" is.
    pub as_of: NaiveDate,
    /// Whether it may be earlier than the one that was last published: nobody typed it, or `force` was typed as well.
    #[serde(default = "unchecked")]
    pub force: bool,
    /// Whether the first row that breaks a rule of severity `reject` or more halts the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Whether scores and marts are left to a later run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub load_only: bool,
    /// The dataset's bundle.
    pub bundle: BundleRef,
    /// The source whose contract reads the object.
    pub source: String,
    /// The record that it reads from it.
    pub record: String,
}

/// The key of what a stage of a run writes, for who knows of the run no more than the ledger does.
pub fn output_key(dataset: &str, source: &str, run_id: &str, name: &str) -> String {
    format!("{dataset}/{source}/{run_id}/{name}")
}

impl Run {
    /// The name of the canonical records in silver, which `validate` reads.
    pub const TRANSFORMED: &str = "transformed.parquet";
    /// The name of the keys in silver of the rows that cannot be read, of a file that is complete.
    pub const REFUSED_KEYS: &str = "refused-keys.parquet";
    /// The name of the accepted records in silver, which `load` reads.
    pub const ACCEPTED: &str = "accepted.parquet";
    /// The name of the rows in quarantine that cannot be read.
    pub const TRANSFORM_REJECTS: &str = "transform-rejects.parquet";
    /// The name of the rows in quarantine that break a rule.
    pub const VALIDATE_REJECTS: &str = "validate-rejects.parquet";
    /// The name of the report.
    pub const REPORT: &str = "report.json";

    /// The key under which a stage of this run writes: `<dataset>/<source>/<run id>/<name>`. The same for each attempt, so
    /// that a stage that is run again replaces what it wrote before.
    pub fn key(&self, name: &str) -> String {
        output_key(&self.bundle.dataset, &self.source, &self.run_id, name)
    }

    /// The object that a stage of this run writes into a bucket under a name.
    pub fn output(&self, bucket: &str, name: &str) -> ObjectRef {
        ObjectRef { bucket: bucket.to_owned(), key: self.key(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &str, version: &str) -> RunRequest {
        let object = ObjectVersion { bucket: "bronze".into(), key: key.into(), version_id: version.into() };
        RunRequest::of(&object, None)
    }

    #[test]
    fn execution_names_are_stable_distinct_and_accepted_by_step_functions() {
        let name = request("shop/Command\u{e9} n\u{b0}1+2.csv", "v1").execution_name();
        assert_eq!(name, request("shop/Command\u{e9} n\u{b0}1+2.csv", "v1").execution_name());
        assert!(name.starts_with("Command--n-1-2-csv-"), "{name}");
        assert_ne!(name, request("shop/Command\u{e9} n\u{b0}1+2.csv", "v2").execution_name());
        assert_ne!(request("ab", "c").execution_name(), request("a", "bc").execution_name());
        let of_record = RunRequest { record: Some("lines".into()), ..request("a", "b") };
        assert_ne!(of_record.execution_name(), request("a", "b").execution_name());
        let long = request(&"\u{e9}".repeat(450), "v").execution_name();
        assert!(
            long.len() <= 80 && long.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "{long}"
        );
    }

    #[test]
    fn the_minimal_console_input_is_enough() {
        let request: RunRequest = serde_json::from_str(r#"{"bucket":"b","key":"k"}"#).unwrap();
        assert_eq!(
            request,
            RunRequest {
                bucket: "b".into(),
                key: "k".into(),
                version_id: None,
                dataset: None,
                record: None,
                as_of: None,
                force: false,
                strict: false,
                load_only: false
            }
        );
    }
}
