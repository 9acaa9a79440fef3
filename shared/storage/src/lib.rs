//! S3: pinned reads, streaming multipart writes, Parquet over ranges.
//!
//! Three promises, whatever store is behind the endpoint (S3, LocalStack, the embedded server):
//!
//! - **A read is pinned.** A run reads the object version that it was started for, or fails with `ObjectChanged`; where the
//!   store keeps no versions, [`version`] derives an identity from the content and the time it was written.
//! - **A write is whole or absent.** Nothing is visible before [`ObjectWriter::finish`]; a killed stage leaves no object.
//! - **Memory is bounded.** A reader holds a chunk, a writer at most three parts, whatever the size of the object.
//!
//! # Errors
//!
//! Every failure is a [`fonderie_core::StageError`] with its code (`error` has the mapping), so that the state machine
//! knows whether to retry. The store's errors are: `StorageUnavailable` and `ServiceThrottled` (transient); `AccessDenied`; `SettingsInvalid`
//! for a bucket, a region, a key or a clock that is wrong; `RequestInvalid` for a name that no store takes; `Internal` for the rest. Of a read
//! besides: `ObjectMissing`; `ObjectChanged` if what lies there is not the version that was asked for.

mod beside_silver;
mod bundle;
mod config;
mod error;
mod failure;
mod file;
mod object;
mod parquet_read;
mod parquet_write;
mod reader;
pub mod version;
mod writer;

pub use bundle::Datasets;
pub use config::{sdk_config, sdk_config_for};
pub use object::{Listed, Listing, ObjectMeta};
pub use parquet_read::{ObjectRanges, Records, parquet_error};
pub use parquet_write::{ParquetObjectWriter, ROW_GROUP_BYTES};
pub use reader::ObjectReader;
pub use writer::ObjectWriter;

use aws_sdk_s3::Client;

/// A client of one object store. Cheap to clone: clones share connections.
#[derive(Clone, Debug)]
pub struct Storage {
    client: Client,
}
