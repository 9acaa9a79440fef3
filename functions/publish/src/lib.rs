//! `publish`: the dataset's views and marts, refreshed under their readers, then its exports.

mod context;
mod exports;
mod stage;

pub use context::Context;
pub use stage::run;
