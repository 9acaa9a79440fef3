//! The database goes away in mid-run.

use std::time::Duration;

use fonderie_core::{Disposition, ErrorCode, ObjectVersion};
use fonderie_tests::invoices::unpaid;
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::{Result, ensure, ensure_eq};

use crate::world::{World, outcomes, succeeded};

/// Uploads a file, and takes PostgreSQL away from its load, which is in the middle of its transaction.
async fn taken_away(world: &mut World, name: &str, invoice: u32) -> Result<ObjectVersion> {
    let (processes, function) = (world.stack.processes(), world.stack.function("load")?.to_owned());
    processes.let_sleep_at(&function, "before the load was committed", 3_000)?;
    let upload = world.upload(name, &[unpaid(invoice)]).await?;
    processes.held(&function).await?;
    world.postgres.take_away();
    Ok(upload)
}

pub(crate) async fn ten_seconds(world: &mut World) -> Result<Outcome> {
    let upload = taken_away(world, "etablissement_B_dix_secondes.csv", 94_001).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.postgres.bring_back();
    let execution = world.stack.run_of(&upload).await?;
    let code = ErrorCode::DatabaseUnavailable.name();
    let failed = world.stack.failed_attempts(&execution.name, code).await?;
    succeeded(&execution)?;
    ensure!((1..=2).contains(&failed), "{failed} attempts found no database");
    outcomes(&execution, 1, 0, 0, 0)?;
    ensure_eq!(world.stack.failure(&execution.name).await?, None, "the record of a run that succeeded");
    Ok(Outcome::Passed(format!("SUCCEEDED after {failed} attempts that found no database")))
}

pub(crate) async fn for_good(world: &mut World) -> Result<Outcome> {
    let before = world.exactly().await?;
    let upload = taken_away(world, "etablissement_B_absente.csv", 94_002).await?;
    let execution = world.stack.run_of(&upload).await?;
    let record = world.failed(&execution, ErrorCode::DatabaseUnavailable).await?;
    ensure_eq!(record.disposition, Disposition::Transient, "who must act");
    ensure_eq!(record.stage.as_deref(), Some("load"), "the stage in the record");
    let failed = world.stack.failed_attempts(&execution.name, &record.code).await?;
    ensure_eq!(failed, 3, "attempts: one, and two more");
    world.postgres.bring_back();
    world.unchanged_since(&before).await?;

    let again = world.rerun(&upload).await?;
    succeeded(&again)?;
    outcomes(&again, 1, 0, 0, 0)?;
    let client = world.client().await;
    let ledger =
        client.query_one("SELECT status, failure_code FROM audit.run WHERE run_id = $1", &[&execution.name]).await?;
    ensure_eq!(ledger.try_get::<_, String>(0)?, "failed", "the ledger's status of the run that found no database");
    ensure_eq!(ledger.try_get::<_, String>(1)?, record.code, "its code in the ledger");
    Ok(Outcome::Passed(record.cause))
}
