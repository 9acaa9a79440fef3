//! `ingest`: S3 events to executions, one per object version; what no contract knows goes to quarantine.

mod context;
mod event;
mod executions;
mod stage;

pub use context::Context;
pub use event::Event;
pub use executions::{Executions, Started, StateMachine};
pub use stage::{Ingested, Response, ingest, run};
