//! End-to-end tests and their support: LocalStack and Terraform on this machine, the functions' packages, sample files,
//! and the warehouse as something that can be compared.

pub mod cache;
pub mod cold_start;
pub mod configuration;
pub mod invoices;
pub mod localstack;
pub mod machine;
pub mod node;
pub mod packages;
pub mod processes;
pub mod python;
pub mod runtime_api;
pub mod samples;
pub mod scenarios;
pub mod shop;
pub mod stack;
pub mod terraform;
pub mod warehouse;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What goes wrong in a test's support is for a person to read.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A result of the support.
pub type Result<T, E = Failed> = std::result::Result<T, E>;

/// The root of the checkout.
pub fn workspace() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Whether this is a continuous-integration run, in which nothing may be skipped.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Copies a folder with all that is in it.
///
/// # Errors
/// Something in it cannot be read, or written.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else {
            std::fs::copy(&path, copy)?;
        }
    }
    Ok(())
}

/// Runs a command to its end.
///
/// # Errors
/// It cannot be started, or fails: with what it wrote.
pub fn run(command: &mut Command) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    Err(format!(
        "{name} {} failed ({}):\n{}\n{}",
        arguments.join(" "),
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
    .into())
}
