//! Times the training on, and the scoring of, a million rows of three features, on one thread:
//! `cargo run --release -p fonderie-anomaly --example million`.
#![allow(clippy::print_stdout)]

use std::num::NonZeroUsize;
use std::time::Instant;

use fonderie_anomaly::{Forest, Parameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut state = 7_u64;
    let mut values = Vec::new();
    for _ in 0..3_000_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        values.push(1e4 * ((state >> 33) as f64 / (1_u64 << 31) as f64).powi(4));
    }
    let x = DenseMatrix::new(1_000_000, 3, values, false)?;
    let start = Instant::now();
    Forest::train(&x, &Parameters::default(), NonZeroUsize::MIN)?;
    println!("trained and scored in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
