//! `summarize`: the run report, from the ledger: rows and amounts in, out and refused; of a dataset's run, which expected file
//! did not come.

mod context;
mod dataset;
mod failures;
mod object;
mod report;
mod stage;

pub use context::Context;
pub use failures::bring_in_failures;
pub use stage::run;
