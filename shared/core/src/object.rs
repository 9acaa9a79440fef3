//! The identity of an object, and the order of its versions.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One version of one object: what a run is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// The bucket's name.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// S3's version id; where a store has no versions, one derived from the content and the time it was written.
    pub version_id: String,
}

impl ObjectVersion {
    /// In place of a version id that nobody named, where a person reads it.
    pub const NEWEST: &str = "newest";

    /// The last part of the key: the file's name as its sender knows it.
    pub fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or(&self.key)
    }
}

impl fmt::Display for ObjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{} (version {})", self.bucket, self.key, self.version_id)
    }
}

/// An object that a stage wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The bucket's name.
    pub bucket: String,
    /// The key.
    pub key: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Where an object version stands among all versions of a dataset: a later one corrects an earlier one.
///
/// Compared field by field, then by (bucket, key, version id), so that no two versions ever tie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Order {
    /// The extraction date where the contract can read one (midnight in the dataset's time zone), else `modified`.
    pub instant: DateTime<Utc>,
    /// When the version was written, to the second (S3 gives no better).
    pub modified: DateTime<Utc>,
    /// Among the versions of the same key written in the same second, how many came before.
    pub position: u32,
}
