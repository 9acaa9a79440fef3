//! `load`: the accepted records into staging, dimensions, facts, history and ledger, in one transaction.

mod context;
mod stage;

pub use context::Context;
pub use stage::run;
