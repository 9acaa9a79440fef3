//! Declarations of a shop: what they come to, each kind of mistake, and the SQL that is made of them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod checks;
mod exports;
mod layers;
mod refused;
mod sql;
mod tables;
