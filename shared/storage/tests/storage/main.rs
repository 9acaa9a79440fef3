//! Reads and writes of a store: a real one, the embedded one, and one that misbehaves.
#![allow(clippy::unwrap_used, clippy::panic)]

mod broken;
mod conformance;
mod embedded;
mod parquet;
mod support;
