//! What `cargo xtask` does, for tests to call too.

pub mod package;
