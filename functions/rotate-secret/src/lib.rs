//! `rotate-secret`: the four steps by which Secrets Manager has the pipeline's password changed. The functions that read the
//! secret meanwhile find a password that works: see `fonderie_warehouse::SecretLogin`.

mod context;
mod stage;

pub use context::Context;
pub use stage::{Input, Rotated, Step, run};
