//! `prepare-database`: the roles, the pipeline's secret and the migrations, with the master's secret, which no other function
//! has. Terraform invokes it; again is harmless.

mod context;
mod stage;

pub use context::Context;
pub use stage::{Input, Prepared, SecretOutcome, run};
