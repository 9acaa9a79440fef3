//! `load`: the accepted records into staging, dimensions, facts, history and ledger, in one transaction.

mod context;
mod refill;
mod replay;
mod stage;

pub use context::Context;
pub use replay::{handle, replay};
pub use stage::run;
