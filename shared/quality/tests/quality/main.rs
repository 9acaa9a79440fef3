//! From a file's bytes to a verdict, without a store: the rules, the files that facilities send, the documented keys.
#![allow(clippy::unwrap_used, clippy::panic)]

mod case;
mod cases;
mod contracts_md;
mod origin;
mod reading;
mod validator;
