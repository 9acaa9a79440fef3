//! `cargo xtask test`: the checks in order, the cheap ones first, each with its time at the end.

use std::process::Command;
use std::time::{Duration, Instant};

use fonderie_postgres_server::{Server, ServerOptions};

use crate::{cargo, licences, linters, workspace};

/// The URL by which all test programs share one server; see `fonderie-test-support`.
const SERVER_VARIABLE: &str = "FONDERIE_TEST_POSTGRES";

/// Crates whose tests need a PostgreSQL.
const NEED_POSTGRES: [&str; 5] = [
    "fonderie-warehouse",
    "fonderie-prepare-database",
    "fonderie-rotate-secret",
    "fonderie-test-support",
    "fonderie-tests",
];

struct Done {
    name: &'static str,
    outcome: &'static str,
    time: Duration,
}

/// Runs every check; the first that fails ends it.
pub(crate) fn run() -> Result<(), String> {
    let mut done = Vec::new();
    let result = run_all(&mut done);
    println!("\n{:<14} {:<8} seconds", "check", "result");
    for Done { name, outcome, time } in &done {
        println!("{name:<14} {outcome:<8} {:.0}", time.as_secs_f64());
    }
    let count = |wanted: &str| done.iter().filter(|done| done.outcome == wanted).count();
    println!("\n{} passed, {} failed, {} skipped", count("ok"), count("FAILED"), count("skipped"));
    result
}

fn run_all(done: &mut Vec<Done>) -> Result<(), String> {
    check(done, "format", cargo().args(["fmt", "--all", "--check"]))?;
    check(done, "lints", cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    licences(done)?;
    advisories(done)?;
    workflows(done)?;
    let mut doc = cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings");
    check(done, "documentation", &mut doc)?;
    // All targets at once: the features of a shared dependency depend on what is built together, and each set of them is
    // another build. The scenarios and LocalStack run these binaries.
    check(done, "build", cargo().args(["build", "--release", "--workspace", "--all-targets"]))?;
    tests(done)
}

fn licences(done: &mut Vec<Done>) -> Result<(), String> {
    println!("\n---- licences");
    let started = Instant::now();
    let result = licences::check(&workspace(), cargo());
    let outcome = if result.is_ok() { "ok" } else { "FAILED" };
    done.push(Done { name: "licences", outcome, time: started.elapsed() });
    println!("{} packages, all of them allowed by deny.toml", result?);
    Ok(())
}

/// Known vulnerabilities: the only check that needs the network, for its database, and a tool of its own.
fn advisories(done: &mut Vec<Done>) -> Result<(), String> {
    let tool = cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    if tool {
        return check(done, "advisories", cargo().args(["deny", "check", "advisories"]));
    }
    println!(
        "\n---- advisories\nskipped: cargo-deny is not installed; get it with `cargo install --locked cargo-deny`"
    );
    done.push(Done { name: "advisories", outcome: "skipped", time: Duration::ZERO });
    Ok(())
}

/// The workflows of GitHub Actions, by two linters of PyPI: what GitHub would refuse, and what would give away a right.
fn workflows(done: &mut Vec<Done>) -> Result<(), String> {
    match linters::installed(&workspace()) {
        Ok(programs) => {
            check(done, "workflows", Command::new(programs.join("actionlint")).current_dir(workspace()))?;
            let mut rights = Command::new(programs.join("zizmor"));
            rights.args(["--offline", "--no-progress", "--min-severity", "medium", ".github"]);
            check(done, "their rights", rights.current_dir(workspace()))
        }
        Err(missing) if in_ci() => Err(missing),
        Err(missing) => {
            println!("\n---- workflows\nskipped: {missing}");
            done.push(Done { name: "workflows", outcome: "skipped", time: Duration::ZERO });
            Ok(())
        }
    }
}

fn tests(done: &mut Vec<Done>) -> Result<(), String> {
    let mut tests = cargo();
    tests.args(["test", "--release", "--workspace", "--no-fail-fast"]).env("FONDERIE_BUILT", "1");
    let data = tempfile::Builder::new().prefix("fonderie-test-").tempdir().map_err(|error| error.to_string())?;
    let server = match Server::start(&ServerOptions::for_tests(data.path().join("postgres"))) {
        Ok(server) => {
            tests.env(SERVER_VARIABLE, server.url("postgres"));
            Some(server)
        }
        Err(error) if error.is_not_found() && !in_ci() => {
            println!("skipped: the tests of {}: {error}", NEED_POSTGRES.join(", "));
            NEED_POSTGRES.iter().for_each(|name| {
                tests.args(["--exclude", name]);
            });
            None
        }
        Err(error) => return Err(error.to_string()),
    };
    let result = check(done, "tests", &mut tests);
    if server.is_none() {
        done.push(Done { name: "warehouse", outcome: "skipped", time: Duration::ZERO });
    }
    result
}

/// Whether this is a continuous-integration run, in which nothing may be skipped.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

fn program(command: &Command) -> String {
    command.get_program().display().to_string()
}

fn check(done: &mut Vec<Done>, name: &'static str, command: &mut Command) -> Result<(), String> {
    println!("\n---- {name}");
    let started = Instant::now();
    let status = command.status().map_err(|error| format!("{name}: {} cannot be run: {error}", program(command)))?;
    let outcome = if status.success() { "ok" } else { "FAILED" };
    done.push(Done { name, outcome, time: started.elapsed() });
    if status.success() { Ok(()) } else { Err(format!("the check `{name}` failed; what it printed is above")) }
}
