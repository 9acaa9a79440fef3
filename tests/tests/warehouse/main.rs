//! The warehouse on a real PostgreSQL, with the billing dataset's own SQL.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod arrivals;
mod checking;
mod connecting;
mod contradictions;
mod copying;
mod history;
mod layers;
mod loading;
mod migrating;
mod ordering;
mod partitions;
mod publishing;
mod scoring;
mod securing;
mod support;
mod withdrawing;
