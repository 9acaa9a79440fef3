//! What is deployed to AWS: packages, events, state machines, Terraform, rights, the executor that LocalStack gets, and what the repository
//! says of itself.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod definition;
mod destroy_guard;
mod events;
mod executor;
mod least_privilege;
mod node;
mod packages;
mod policies;
mod repository;
mod runbooks;
mod server_log;
mod terraform;
