//! Functions that nobody has called for weeks: Lambda refuses their first call, and the run goes on.

use fonderie_core::ErrorCode;
use fonderie_tests::invoices::{self, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::{Result, ensure, ensure_eq};

use crate::world::{World, outcomes};

/// What Lambda answers for a function without a network, and for one in a network.
const CODE: &str = "CodeArtifactUserPendingException";
const NETWORK: &str = "ResourceNotReadyException";

/// The stages of a file, each with the error of its first call.
const STAGES: [(&str, &str); 7] = [
    ("admit", CODE),
    ("transform", CODE),
    ("validate", CODE),
    ("load", NETWORK),
    ("score", NETWORK),
    ("publish", NETWORK),
    ("summarize", NETWORK),
];

/// Puts functions to sleep.
fn inactive(world: &World, functions: &[(&str, &str)]) -> Result<()> {
    let processes = world.stack.processes();
    functions.iter().try_for_each(|(function, error)| processes.make_inactive(world.stack.function(function)?, error))
}

/// Each of them was called, and refused.
fn all_refused(world: &World, functions: &[(&str, &str)]) -> Result<()> {
    let processes = world.stack.processes();
    for (function, error) in functions {
        ensure!(!processes.wake(world.stack.function(function)?)?, "no call of {function} was refused with {error}");
    }
    Ok(())
}

/// The month's first file finds each function asleep, the one that takes uploads included.
pub(crate) async fn every_stage(world: &mut World) -> Result<Outcome> {
    const SECONDS: u32 = 5;
    world.stack.wait_until_drained().await?;
    let before = world.stack.give_again_after(SECONDS).await?;
    let mut functions = STAGES.to_vec();
    functions.push(("ingest", CODE));
    inactive(world, &functions)?;
    let loaded = world.load("endormi/etablissement_B_2026-06-30.csv", &[unpaid(96_001)]).await;
    world.stack.give_again_after(before).await?;
    let execution = loaded?;
    all_refused(world, &functions)?;
    outcomes(&execution, 1, 0, 0, 0)?;
    for (error, stages) in [(CODE, 3), (NETWORK, 4)] {
        let refused = world.stack.failed_attempts(&execution.name, &format!("Lambda.{error}")).await?;
        ensure_eq!(refused, stages, "refused with {error}");
    }
    Ok(Outcome::Passed(format!("{} first calls refused, one file loaded", functions.len())))
}

/// The function that is called least is asleep when it is needed: the failure is recorded all the same.
pub(crate) async fn record_failure(world: &mut World) -> Result<Outcome> {
    let functions = [("record-failure", CODE)];
    inactive(world, &functions)?;
    let content = invoices::HEADER.replace(",billed_amount", "");
    let upload = world.stack.upload("facturation/endormi/etablissement_B_colonne.csv", content.into()).await?;
    let execution = world.stack.run_of(&upload).await?;
    all_refused(world, &functions)?;
    let record = world.failed(&execution, ErrorCode::ColumnMissing).await?;
    Ok(Outcome::Passed(format!("recorded: {}", record.cause)))
}
