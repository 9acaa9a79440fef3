//! A file that was sent by mistake: withdrawn at the console, run again, restored.

use fonderie_core::ErrorCode;
use fonderie_tests::invoices::{Invoice, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::stack::Execution;
use fonderie_tests::{Result, ensure, ensure_eq};
use serde_json::{Value, json};

use crate::rebuilds::empty;
use crate::world::{World, same, sentence, succeeded};

async fn started(world: &World, input: &Value) -> Result<Execution> {
    let name = world.stack.start_execution(input).await?;
    world.stack.wait_for(&name).await
}

pub(crate) async fn sent_by_mistake(world: &mut World) -> Result<Outcome> {
    empty(world).await?;
    let first: Vec<Invoice> = (90_000..90_010).map(unpaid).collect();
    let mut mistake: Vec<Invoice> = (90_000..90_015).map(unpaid).collect();
    for invoice in mistake.iter_mut().take(3) {
        (invoice.paid, invoice.paid_on) = (invoice.billed, Some("2026-05-20".to_owned()));
    }
    world.load("etablissement_B_2026-05-31.csv", &first).await?;
    let alone = world.natural().await?.without("audit.");
    let version = world.upload("etablissement_B_2026-06-15.csv", &mistake).await?;
    succeeded(&world.stack.run_of(&version).await?)?;
    let both = world.natural().await?.without("audit.");

    let file = json!({ "bucket": version.bucket, "key": version.key });
    let execution = started(world, &json!({ "withdraw": file })).await?;
    succeeded(&execution)?;
    ensure_eq!(world.stack.states(&execution.name).await?.contains(&"withdraw".to_owned()), true, "the states");
    let record = &execution.output["withdrawal"]["records"][0];
    ensure_eq!(
        (&record["status"], &record["left"], &record["reverted"]),
        (&"withdrawn".into(), &5.into(), &3.into()),
        "{record}"
    );
    let told = sentence(&execution);
    ensure!(told.contains("withdrawn, 15 rows") && told.contains("5 of them left the tables"), "{told}");
    let notice = world.notices.about(&execution.name).await?;
    ensure!(notice.subject.ends_with("was withdrawn") && notice.message.contains("\"undo\": true"), "{notice:?}");
    same("a file is withdrawn", &world.natural().await?.without("audit."), &alone)?;

    let again = started(world, &json!({ "withdraw": file })).await?;
    succeeded(&again)?;
    ensure_eq!(again.output["withdrawal"]["records"][0]["status"], "unchanged", "withdrawn twice");
    let rerun = world.rerun(&version).await?;
    succeeded(&rerun)?;
    ensure_eq!(rerun.output["load"]["withdrawn"], true, "a run of a withdrawn version");
    ensure!(rerun.output["load"]["notices"].to_string().contains("was withdrawn on"), "{}", rerun.output["load"]);
    same("run again", &world.natural().await?.without("audit."), &alone)?;

    world.client().await.batch_execute("DROP SCHEMA staging, dw, datamart, audit CASCADE").await?;
    succeeded(&world.stack.backfill(&json!({ "rebuild": "facturation" })).await?)?;
    let known = "SELECT count(*) FROM audit.object_version WHERE withdrawn_run_id IS NOT NULL AND loaded_run_id IS NULL AND key LIKE '%2026-06-15%'";
    ensure_eq!(world.number(known).await?, 1, "the withdrawn version, after a rebuild without the ledger");
    same("after a rebuild", &world.natural().await?.without("audit."), &alone)?;

    let undo = json!({ "withdraw": { "bucket": version.bucket, "key": version.key, "version_id": version.version_id }, "undo": true });
    let execution = started(world, &undo).await?;
    succeeded(&execution)?;
    let record = &execution.output["withdrawal"]["records"][0];
    ensure_eq!((&record["status"], &record["outcomes"]["inserted"]), (&"restored".into(), &5.into()), "{record}");
    same("restored", &world.natural().await?.without("audit."), &both)?;

    let unknown =
        started(world, &json!({ "withdraw": { "bucket": version.bucket, "key": "facturation/absent.csv" } })).await?;
    let failure = world.failed(&unknown, ErrorCode::RequestInvalid).await?;
    ensure_eq!(
        (failure.stage.as_deref(), failure.key.as_deref()),
        (Some("withdraw"), Some("facturation/absent.csv")),
        "its record"
    );
    Ok(Outcome::Passed(told))
}
