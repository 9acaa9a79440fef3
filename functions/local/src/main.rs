//! The one-machine binary.
fn main() {}
