//! Datasets and sources are data: TOML and SQL, read raw, checked, compiled.
pub mod compiled;
pub use compiled::*;
