//! The checks that run in Node: the state machines' definitions, and what the evaluation of policies finds in a small world. The policies of
//! prod are evaluated by the test `localstack`, with the calls that it has recorded.

use std::path::PathBuf;
use std::process::Command;

use fonderie_tests::{in_ci, node, run, workspace};

/// The folder of the checks; `None` if this machine has no Node.
fn checks() -> Option<PathBuf> {
    match node::checks() {
        Err(missing) if !in_ci() => {
            println!("skipped: {missing}");
            None
        }
        found => Some(found.unwrap()),
    }
}

#[test]
fn the_definitions_are_of_the_states_language() {
    let Some(checks) = checks() else { return };
    let modules = workspace().join("terraform/modules/state-machine");
    let definitions = ["pipeline", "backfill"].map(|machine| modules.join(format!("{machine}.asl.json")));
    run(Command::new("node").arg(checks.join("definitions.mjs")).args(definitions)).unwrap();
}

#[test]
fn the_checks_find_what_they_must() {
    let Some(checks) = checks() else { return };
    run(Command::new("node").arg("--test").current_dir(checks)).unwrap();
}
