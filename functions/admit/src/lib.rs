//! `admit`: four ways in (an event, the console, a backfill, a schedule), one pinned run from here on.

mod backfill;
mod context;
mod stage;

pub use context::{Buckets, Context};
pub use stage::{object, run};
