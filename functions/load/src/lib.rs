//! `load`: the accepted records into staging, dimensions, facts, history and ledger, in one transaction; and a file version
//! that was sent by mistake out of them.

mod context;
mod refill;
mod replay;
mod stage;
mod withdraw;

pub use context::Context;
pub use replay::{handle, replay};
pub use stage::run;
pub use withdraw::withdraw;
