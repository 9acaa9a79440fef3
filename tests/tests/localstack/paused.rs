//! A pipeline that rests on purpose: uploads wait, and are taken when the rest is over.

use std::time::Duration;

use fonderie_core::ObjectVersion;
use fonderie_tests::invoices::unpaid;
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::stack::run_id;
use fonderie_tests::{Result, ensure, ensure_eq};
use serde_json::json;

use crate::world::{World, outcomes, succeeded};

/// Far longer than an upload takes to be taken.
const LONG: Duration = Duration::from_secs(6);

pub(crate) async fn uploads_wait(world: &mut World) -> Result<Outcome> {
    world.stack.wait_until_drained().await?;
    world.stack.set("paused", json!(true))?;
    let waited = waits(world).await;
    // The scenarios after this one need a pipeline that works, whatever was found.
    world.stack.set("paused", json!(false))?;
    let upload = waited?;
    let working = json!({ "schedule": false, "uploads": false, "alarms": false });
    ensure_eq!(world.stack.output("at_rest")?, working, "what rests afterwards");
    let execution = world.stack.run_of(&upload).await?;
    succeeded(&execution)?;
    outcomes(&execution, 1, 0, 0, 0)?;
    Ok(Outcome::Passed(format!("an upload waited for {} s, and was loaded afterwards", LONG.as_secs())))
}

/// Uploads a file, which stays in the queue.
async fn waits(world: &World) -> Result<ObjectVersion> {
    let resting = json!({ "schedule": true, "uploads": true, "alarms": true });
    ensure_eq!(world.stack.output("at_rest")?, resting, "what rests");
    let upload = world.upload("repos/etablissement_B_2026-06-30.csv", &[unpaid(97_001)]).await?;
    tokio::time::sleep(LONG).await;
    ensure_eq!(world.stack.queued().await?, 1, "uploads in the queue");
    let executions = world.stack.executions().await?;
    ensure!(!executions.contains(&run_id(&upload)), "an execution was started while the pipeline rested");
    Ok(upload)
}
