//! The one-machine binary `fonderie`, end to end: its commands, its tables and how it recovers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod bad_input;
mod businesses;
mod commands;
mod corrections;
mod crash;
mod demo;
mod embedded;
mod evolution;
mod generate;
mod ground_truth;
mod kill;
mod limits;
mod readme;
mod rebuild;
mod reruns;
mod scenarios;
mod scoring;
mod two_datasets;
mod wide_rows;
