//! `summarize`: the run report, from the ledger: rows and euros in, out and refused.

mod context;
mod failures;
mod stage;

pub use context::Context;
pub use stage::run;
