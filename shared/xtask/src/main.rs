//! `cargo xtask`: what is done to this repository, as one program instead of shell scripts.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod checks;
mod licences;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use xtask::{FUNCTIONS, package};

const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  test      format, lints, licences, documentation, and every test: unit, property, scenario, and end-to-end in LocalStack
            (starts and stops the PostgreSQL and the LocalStack that it needs)
  bench     `transform` beside Polars on 1,000,000 rows per facility: CPU and wall seconds, peak memory (minutes);
            --rows N, --rounds N, --data DIR
  package   build the functions for this machine (x86-64: tests; AWS takes arm64 from `cargo lambda build`), and make one
            zip per function in target/packages
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => checks::run(),
        ["bench", ..] => bench(&arguments[1..]),
        ["package"] => make_packages(),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn cargo() -> Command {
    let mut command = xtask::cargo();
    command.current_dir(workspace());
    command
}

fn bench(arguments: &[String]) -> Result<(), String> {
    let mut bench = cargo();
    bench.args(["bench", "--workspace", "--bench", "transform", "--"]).args(arguments);
    let done = bench.status().map_err(|error| format!("cargo cannot be run: {error}"))?;
    if done.success() { Ok(()) } else { Err("the benchmark did not come to its end".to_owned()) }
}

fn make_packages() -> Result<(), String> {
    let built = cargo().args(["build", "--release", "--workspace", "--bins"]).status();
    if !built.map_err(|error| format!("cargo cannot be run: {error}"))?.success() {
        return Err("the functions do not build".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let binaries = FUNCTIONS.map(|name| (name.to_owned(), target.join("release").join(name)));
    let packages = package::package(&binaries, &target.join("packages")).map_err(|error| error.to_string())?;
    for package in packages {
        let size = package.metadata().map_or(0, |metadata| metadata.len());
        println!("{:5.1} MB  {}", size as f64 / 1e6, package.display());
    }
    Ok(())
}
