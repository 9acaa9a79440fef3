//! What is deployed to AWS: packages, events, state machines, Terraform, rights, and the executor that LocalStack gets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod definition;
mod events;
mod executor;
mod least_privilege;
mod packages;
mod policies;
mod terraform;
