//! `publish`: the dataset's marts, refreshed under their readers.

mod context;
mod stage;

pub use context::Context;
pub use stage::run;
