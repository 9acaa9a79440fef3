//! `transform`: one bronze object version, by its source's contract, to silver and rejects.

mod context;
mod stage;

pub use context::Context;
pub use stage::run;
