//! `rebuild`: finds which runs have to be loaded again, and from where, for a dataset's tables to be as they were; ends the rebuild
//! once they are loaded.

mod context;
mod plan;
mod stage;

pub use context::{Buckets, Context};
pub use plan::{Lost, Plan, plan};
pub use stage::{allowed, run};
