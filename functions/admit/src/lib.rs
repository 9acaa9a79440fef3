//! `admit`: four ways in (an event, the console, a backfill, a schedule), one pinned run from here on.

mod context;
mod stage;

pub use context::Context;
pub use stage::{object, run};
