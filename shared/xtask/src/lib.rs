//! What `cargo xtask` does, for tests to call too.

pub mod package;

/// The functions that are deployed: folder, binary and Terraform key in one.
pub const FUNCTIONS: [&str; 7] = ["ingest", "admit", "transform", "validate", "load", "summarize", "record-failure"];
