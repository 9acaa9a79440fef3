//! Starting executions: Step Functions in the cloud, a list on one machine.

use fonderie_core::{Result, RunRequest};

/// What came of starting an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It runs.
    Now,
    /// One of this name was started before: nothing was done.
    Before,
}

/// Something that runs the pipeline.
pub trait Executions {
    /// Starts an execution under a name, unless one was started under it before.
    fn start(&self, name: &str, request: &RunRequest) -> impl Future<Output = Result<Started>>;
}
