//! `record-failure`: how a run failed, written to S3, so that it is known while the database is away.

mod context;
mod stage;

pub use context::Context;
pub use stage::run;
