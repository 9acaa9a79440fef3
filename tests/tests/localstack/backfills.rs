//! A prefix of bronze, brought into the warehouse by the state machine `backfill`.

use std::collections::BTreeSet;

use aws_sdk_sfn::types::ExecutionStatus;
use fonderie_core::ErrorCode;
use fonderie_tests::invoices::{self, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::{Result, ensure, ensure_eq};
use serde_json::json;

use crate::world::{World, outcomes, same, sentence, succeeded};

const ROWS: u32 = 10;

/// Files that were there before the pipeline was: no event has told of them.
fn files(folder: &str, count: u32, first: u32) -> Vec<(String, Vec<u8>)> {
    let file = |file: u32| {
        let invoices: Vec<_> = (0..ROWS).map(|row| unpaid(first + file * ROWS + row)).collect();
        let key = format!("facturation/{folder}/etablissement_B_{file:02}.csv");
        (key, invoices::text(&invoices).into_bytes())
    };
    (1..=count).map(file).collect()
}

pub(crate) async fn thirty_objects(world: &mut World) -> Result<Outcome> {
    world.reset().await;
    // What the console makes of a new folder, and no file.
    let mut objects = files("reprise", 30, 70_000);
    objects.push(("facturation/reprise/".to_owned(), Vec::new()));
    world.stack.upload_untold(&objects).await?;
    let before: BTreeSet<_> = world.stack.executions().await?.into_iter().collect();

    let execution = world.stack.backfill(&json!({ "prefix": "facturation/reprise/" })).await?;
    succeeded(&execution)?;
    let counts = json!({ "Total": 30, "Succeeded": 30, "Failed": 0 });
    ensure_eq!(execution.output["objects"]["counts"], counts, "the counts");
    ensure_eq!(world.stack.map_items(&execution.name).await?, [(30, 0)], "the items of its map runs");
    let facts = world.number("SELECT count(*) FROM dw.fact_facturation").await?;
    ensure_eq!(facts, i64::from(30 * ROWS), "facts");
    let score = &execution.output["score"]["models"][0];
    ensure_eq!(score["status"], "trained", "what became of the model");
    let unscored = world.number("SELECT count(*) FROM dw.fact_facturation WHERE anomaly_score IS NULL").await?;
    ensure_eq!(unscored, 0, "facts without a score");
    ensure_eq!(execution.output["publish"]["left_to_newer"], false, "whether publishing was left to another run");

    let mut keys = BTreeSet::new();
    for name in world.stack.executions().await?.iter().filter(|name| !before.contains(*name)) {
        let child = world.stack.wait_for(name).await?;
        succeeded(&child)?;
        outcomes(&child, ROWS.into(), 0, 0, 0)?;
        ensure!(child.output.get("score").is_none(), "{name} scored, which is the backfill's");
        keys.insert(child.output["run"]["object"]["key"].as_str().unwrap_or_default().to_owned());
    }
    let expected: BTreeSet<_> = objects.iter().map(|(key, _)| key.clone()).filter(|key| !key.ends_with('/')).collect();
    ensure_eq!(keys, expected, "the objects of the children");
    let told = sentence(&execution);
    ensure!(told.contains("30 runs of files below facturation/reprise/"), "the summary says: {told}");

    // The same again: nothing but the ledger changes.
    let tables = world.natural().await?.without("audit.");
    let again = world.stack.backfill(&json!({ "prefix": "facturation/reprise/" })).await?;
    succeeded(&again)?;
    same("the second backfill changed (first: now)", &world.natural().await?.without("audit."), &tables)?;
    Ok(Outcome::Passed(told))
}

pub(crate) async fn broken_object(world: &mut World) -> Result<Outcome> {
    world.reset().await;
    let mut objects = files("reprise-partielle", 2, 75_000);
    let broken = invoices::HEADER.replace(",billed_amount", "");
    objects.push(("facturation/reprise-partielle/etablissement_B_03.csv".to_owned(), broken.into()));
    world.stack.upload_untold(&objects).await?;
    let records: BTreeSet<_> = world.stack.keys("quarantine", "failures/").await?.into_iter().collect();
    let before: BTreeSet<_> = world.stack.executions().await?.into_iter().collect();

    let execution = world.stack.backfill(&json!({ "prefix": "facturation/reprise-partielle/" })).await?;
    let after = world.stack.keys("quarantine", "failures/").await?;
    let new: Vec<_> = after.into_iter().filter(|key| !records.contains(key)).collect();
    let mut failed = Vec::new();
    for name in world.stack.executions().await?.iter().filter(|name| !before.contains(*name)) {
        let child = world.stack.wait_for(name).await?;
        match child.status {
            ExecutionStatus::Succeeded => {}
            _ => failed.push(child),
        }
    }
    ensure_eq!(failed.len(), 1, "children of `pipeline` that failed: {failed:?}");
    let record = world.failed(&failed[0], ErrorCode::ColumnMissing).await?;
    ensure_eq!(
        record.key.as_deref(),
        Some("facturation/reprise-partielle/etablissement_B_03.csv"),
        "the broken object"
    );
    let facts = world.number("SELECT count(*) FROM dw.fact_facturation").await?;
    ensure_eq!(facts, i64::from(2 * ROWS), "facts of the other two");
    ensure_eq!(new, [format!("failures/{}.json", record.run_id)], "the new records");
    // LocalStack tolerates whatever share of failures, where AWS ends the Map at the first one that is too many.
    succeeded(&execution)?;
    let counts = json!({ "Total": 3, "Succeeded": 2, "Failed": 1 });
    ensure_eq!(execution.output["objects"]["counts"], counts, "the counts");
    ensure_eq!(world.stack.map_items(&execution.name).await?, [(3, 1)], "the items of its map runs");
    let told = sentence(&execution);
    ensure!(told.contains("2 in the warehouse, 1 failed"), "the summary says: {told}");
    Ok(Outcome::Passed(told))
}
