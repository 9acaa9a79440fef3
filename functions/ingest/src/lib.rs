//! `ingest`: S3 events to executions, one per object version and record; what no contract knows goes to quarantine.

mod context;
mod event;
mod executions;
mod stage;
#[cfg(feature = "lambda")]
mod state_machine;

pub use context::Context;
pub use event::Event;
pub use executions::{Executions, Started};
pub use stage::{BatchItemFailure, Ingested, Response, executions_of, ingest, run};
#[cfg(feature = "lambda")]
pub use state_machine::StateMachine;
