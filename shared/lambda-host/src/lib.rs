//! Serves a stage on lambda_runtime.
//!
//! A function's `main` is one call of [`serve()`]: the context is made once per cold start from the environment, each
//! invocation's payload becomes the stage's input, and a [`StageError`](fonderie_core::StageError)'s code becomes the
//! error's name that Step Functions sees. A stage that sees its deadline near is dropped, which rolls back what it had
//! begun, and answers `DeadlineNear` while there is time to; one that has nearly used up its memory answers `MemoryNear`.

mod memory;
mod metrics;
mod serve;
mod settings;
mod telemetry;
mod topic;

pub use serve::serve;
pub use settings::{DatabaseSecret, Settings};
pub use topic::Topic;
