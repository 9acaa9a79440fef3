//! The program itself, as a person calls it.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod asking;
mod databases;
mod exporting;
mod files;
mod printing;
mod reading_only;
mod state;
mod support;
mod upload_link;

use std::path::Path;
use std::process::Command;

use crate::support::Ended;

/// The program, with the repository's datasets and without a database of the environment.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fonderie"));
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    command.args(arguments).env_remove("DATABASE_URL").env("FONDERIE_DATASETS", datasets);
    command
}

/// Asks a database.
fn query(url: &str, arguments: &[&str]) -> Ended {
    let mut command = program(&["query", "--database-url", url, "--format", "csv"]);
    Ended::of(command.args(arguments).output().unwrap())
}
