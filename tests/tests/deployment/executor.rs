//! The executor that LocalStack gets: its own tests.

use std::process::Command;

use fonderie_tests::{in_ci, python, run, workspace};

#[test]
fn a_process_behind_its_runtime_api_ends_as_lambda_says() {
    let python = match python::interpreter() {
        Err(missing) if !in_ci() => return println!("skipped: {missing}"),
        found => found.unwrap(),
    };
    run(Command::new(python)
        .args(["-W", "error", "-m", "unittest"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(workspace().join("tests/localstack")))
    .unwrap();
}
