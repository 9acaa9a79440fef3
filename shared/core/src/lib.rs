//! What every stage shares: the identity of an object, the pinned run, each stage's input and output, the counts that must
//! be conserved, and the typed errors. No I/O happens here.
//!
//! A run is described by one JSON document that the state machine (or the one-machine binary) carries from stage to stage;
//! [`stage`] gives its shape. It never holds a personal datum: only ids, counts, sums and places.

pub mod day;
mod deadline;
pub mod error;
pub mod failpoint;
pub mod freshness;
mod hex;
pub mod measure;
pub mod money;
mod notice;
pub mod object;
pub mod rebuild;
pub mod replay;
pub mod run;
mod run_record;
mod scoring;
pub mod sentence;
pub mod stage;
mod subject;
pub mod tally;
mod tell;
pub mod units;
pub mod withdrawal;

pub use deadline::Deadline;
pub use error::{Disposition, ErrorCode, StageError};
pub use hex::{digest, hex};
pub use notice::Notice;
pub use object::{ObjectRef, ObjectVersion, Order};
pub use run::{BundleRef, Run, RunRequest};
pub use run_record::{BesideSilver, LoadRecord, RunRecord};
pub use scoring::DatasetRun;
pub use tally::Tally;
pub use tell::{Sending, Tell};

/// A stage's result.
pub type Result<T, E = StageError> = std::result::Result<T, E>;
