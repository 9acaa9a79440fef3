//! `cargo xtask`: what is done to this repository, as one program instead of shell scripts.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod checks;
mod licences;
mod linters;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use xtask::{FUNCTIONS, package};

const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  test      format, lints, licences, workflows, documentation, and every test: unit, property, scenario, and end-to-end in LocalStack
            (starts and stops the PostgreSQL and the LocalStack that it needs)
  bench     --only transform: beside Polars on 1,000,000 rows per source: CPU and wall seconds, peak memory (minutes); --rows N,
            --rounds N, --data DIR. --only delta: files that change little of warehouses of 0.5 to 4.9 million rows: wall
            seconds, WAL, peak memory (an hour); --rows N,N,…, --rounds N. Without --only, both
  package   make one zip per function in target/packages, and the manifest of them for Terraform, from what `cargo lambda build`
            left in target/lambda (the way to AWS); with --local, build for this machine and take that (tests)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => checks::run(),
        ["bench", ..] => bench(&arguments[1..]),
        ["package"] => make_packages(Binaries::OfCargoLambda),
        ["package", "--local"] => make_packages(Binaries::OfThisMachine),
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
    const JOBS: [&str; 2] = ["transform", "delta"];
    let (jobs, arguments) = match arguments {
        [only, job, rest @ ..] if only == "--only" => {
            let job = JOBS.iter().find(|known| *known == job);
            (vec![*job.ok_or(format!("there is no such benchmark: {}", JOBS.join(", ")))?], rest)
        }
        all => (JOBS.to_vec(), all),
    };
    for job in jobs {
        let mut bench = cargo();
        bench.args(["bench", "--workspace", "--bench", job, "--"]).args(arguments);
        let done = bench.status().map_err(|error| format!("cargo cannot be run: {error}"))?;
        if !done.success() {
            return Err(format!("the benchmark {job} did not come to its end"));
        }
    }
    Ok(())
}

/// Which binaries go into the packages.
enum Binaries {
    OfCargoLambda,
    OfThisMachine,
}

fn make_packages(which: Binaries) -> Result<(), String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let binaries = match which {
        Binaries::OfCargoLambda => {
            let folder = target.join("lambda");
            let found = FUNCTIONS.map(|name| (name.to_owned(), folder.join(name).join("bootstrap")));
            let missing: Vec<_> =
                found.iter().filter(|(_, path)| !path.exists()).map(|(name, _)| name.as_str()).collect();
            if !missing.is_empty() {
                return Err(format!(
                    "{} is not in {}: build with `cargo lambda build` first, as docs/deploy.md says, or package this machine's own \
                     binaries with `cargo xtask package --local`",
                    missing.join(", "),
                    folder.display()
                ));
            }
            found
        }
        Binaries::OfThisMachine => {
            let built = cargo().args(["build", "--release", "--workspace", "--bins"]).status();
            if !built.map_err(|error| format!("cargo cannot be run: {error}"))?.success() {
                return Err("the functions do not build".to_owned());
            }
            FUNCTIONS.map(|name| (name.to_owned(), target.join("release").join(name)))
        }
    };
    let packages = package::package_all(&binaries, &target.join("packages")).map_err(|error| error.to_string())?;
    for package in packages {
        let size = package.metadata().map_or(0, |metadata| metadata.len());
        println!("{:5.1} MB  {}", size as f64 / 1e6, package.display());
    }
    Ok(())
}
