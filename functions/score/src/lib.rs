//! `score`: the dataset's models, trained on its tables, and their scores in them.

mod context;
mod learner;
mod stage;

pub use context::Context;
pub use stage::run;
