//! Functions that are killed in mid-work, and runs that are run again: the tables are those of a run that nobody disturbed.

use aws_sdk_sfn::types::ExecutionStatus;
use fonderie_core::{Disposition, ErrorCode, ObjectVersion};
use fonderie_tests::invoices::{self, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::stack::run_id;
use fonderie_tests::{Result, ensure, ensure_eq};

use crate::world::{World, outcomes, same, succeeded};

/// Where each stage is killed: before and after what it writes; `admit` writes nothing.
const PLACES: &[(&str, &str)] = &[
    ("admit", "before a stage's work"),
    ("transform", "before an object was completed"),
    ("transform", "after an object was completed"),
    ("validate", "before an object was completed"),
    ("validate", "after an object was completed"),
    ("load", "after the records were merged"),
    ("load", "before the load was committed"),
    ("load", "after the load was committed"),
    ("score", "before the scores were committed"),
    ("score", "after the scores were committed"),
    ("publish", "before the marts were committed"),
    ("publish", "after the marts were committed"),
    ("summarize", "before an object was put"),
    ("summarize", "after an object was put"),
];

/// Uploads a file, and kills the function's process when it has come to a place.
async fn killed(world: &World, function: &str, place: &str, key: &str, content: Vec<u8>) -> Result<ObjectVersion> {
    let (processes, name) = (world.stack.processes(), world.stack.function(function)?);
    processes.hold_at(name, place)?;
    let upload = world.stack.upload(key, content).await?;
    processes.held(name).await?.kill();
    Ok(upload)
}

pub(crate) async fn every_stage(world: &mut World) -> Result<Outcome> {
    let invoices = invoices::plausible(300);
    let mut corrected = invoices.clone();
    for invoice in corrected.iter_mut().filter(|invoice| invoice.paid_on.is_none()).take(20) {
        (invoice.paid, invoice.paid_on) = (invoice.billed, Some("2026-05-20".to_owned()));
    }
    let corrected = invoices::text(&corrected);
    let key = |trial: usize| format!("facturation/tues-{trial}/etablissement_B_2026-06-15.csv");

    world.reset().await;
    world.load("tues/etablissement_B_2026-05-31.csv", &invoices).await?;
    world.keep("loaded_once").await;
    let upload = world.stack.upload(&key(0), corrected.clone().into()).await?;
    let undisturbed = world.stack.run_of(&upload).await?;
    succeeded(&undisturbed)?;
    outcomes(&undisturbed, 0, 20, 280, 0)?;
    let expected = world.natural().await?.without_ledger();

    for (trial, (function, place)) in (1..).zip(PLACES) {
        let told = |error| format!("killed {function} {place}: {error}");
        world.restore("loaded_once").await;
        let upload = killed(world, function, place, &key(trial), corrected.clone().into()).await.map_err(told)?;
        let execution = world.stack.run_of(&upload).await.map_err(told)?;
        let record = world.failed(&execution, ErrorCode::StageKilled).await.map_err(told)?;
        ensure_eq!(record.stage.as_deref(), Some(*function), "the stage in the record");
        ensure_eq!(record.disposition, Disposition::Bug, "who must act");
        let again = world.rerun(&upload).await.map_err(told)?;
        succeeded(&again).map_err(told)?;
        let tables = world.natural().await?.without_ledger();
        same("the tables (first: killed and run again)", &tables, &expected).map_err(told)?;
    }
    Ok(Outcome::Passed(format!("{} kills, each recorded and made good by a rerun", PLACES.len())))
}

/// Who records is killed: the run ends as it must, unrecorded, the operators are told by EventBridge, and a rerun is recorded.
pub(crate) async fn record_failure(world: &mut World) -> Result<Outcome> {
    let content = invoices::HEADER.replace(",billed_amount", "");
    let key = "facturation/tues/etablissement_B_colonne.csv";
    let upload = killed(world, "record-failure", "before an object was put", key, content.into()).await?;
    let execution = world.stack.run_of(&upload).await?;
    ensure_eq!(execution.status, ExecutionStatus::Failed, "the end");
    ensure_eq!(execution.error.as_deref(), Some("Unrecorded.ColumnMissing"), "the error");
    ensure_eq!(world.stack.failure(&execution.name).await?, None, "the record");
    let notice = world.notices.about(&execution.name).await?;
    ensure!(notice.message.contains("the failure is not recorded"), "the notice: {}", notice.message);
    let again = world.rerun(&upload).await?;
    let record = world.failed(&again, ErrorCode::ColumnMissing).await?;
    Ok(Outcome::Passed(format!("the rerun is recorded: {}", record.cause)))
}

/// Who takes the uploads is killed: the queue gives the event to another process.
pub(crate) async fn ingest(world: &mut World) -> Result<Outcome> {
    const SECONDS: u32 = 5;
    let before = world.stack.give_again_after(SECONDS).await?;
    let key = "facturation/tues/etablissement_B_recu.csv";
    let content = invoices::text(&[unpaid(95_001)]);
    let upload = killed(world, "ingest", "before a stage's work", key, content.into()).await?;
    let execution = world.stack.run_of(&upload).await?;
    succeeded(&execution)?;
    outcomes(&execution, 1, 0, 0, 0)?;

    // In quarantine already and told of, but not yet recorded: who takes it up tells again.
    let key = "facturation/tues/inconnu.txt";
    let upload = killed(world, "ingest", "before an object was put", key, b"Bonjour".into()).await?;
    let run_id = run_id(&upload);
    ensure_eq!(world.stack.failure(&run_id).await?, None, "the record of a file whose taker was killed");
    let record = world.failure_of(&run_id).await?;
    ensure_eq!(record.code, ErrorCode::SourceUnknown.name(), "the code in the record");
    let copies = world.stack.keys("quarantine", &format!("unknown/{run_id}/")).await?;
    ensure_eq!(copies, [format!("unknown/{run_id}/inconnu.txt")], "in quarantine");
    world.stack.wait_until_drained().await?;
    let told = world.notices.all().await?.iter().filter(|notice| notice.names(&run_id)).count();
    ensure_eq!(told, 2, "notices of {run_id}");
    world.stack.give_again_after(before).await?;
    let dead = world.stack.dead_letters().await?;
    ensure!(dead == 0, "{dead} messages are with the dead letters");
    Ok(Outcome::Passed(format!("both events came again after {SECONDS} s, and had one effect")))
}
