//! `validate`: silver against the quality rules; the accepted records, the rejects, a verdict.

mod context;
mod rejects_csv;
mod stage;

pub use context::Context;
pub use stage::run;
