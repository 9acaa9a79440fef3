//! A warehouse that was dropped, made again by `backfill` from what lies in the buckets.

use std::collections::BTreeSet;

use fonderie_core::replay::ReplayInput;
use fonderie_core::{ErrorCode, ObjectVersion};
use fonderie_tests::invoices::{Invoice, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::warehouse::Snapshot;
use fonderie_tests::{Result, ensure, ensure_eq};
use serde_json::{Value, json};

use crate::world::{World, same, sentence, succeeded};

/// Empties the warehouse and the buckets, whose files other scenarios have left.
pub(crate) async fn empty(world: &World) -> Result<()> {
    world.reset().await;
    for role in ["bronze", "silver"] {
        for key in world.stack.keys(role, "").await? {
            world.stack.hide(role, &key).await?;
        }
    }
    Ok(())
}

/// Loads files with a late one and a corrected one, into an empty warehouse.
async fn life(world: &mut World) -> Result<Vec<ObjectVersion>> {
    empty(world).await?;
    let first: Vec<Invoice> = (80_000..80_010).map(unpaid).collect();
    let mut paid = first.clone();
    for invoice in paid.iter_mut().take(4) {
        (invoice.paid, invoice.paid_on) = (invoice.billed, Some("2026-05-20".to_owned()));
    }
    let mut versions = Vec::new();
    for (name, invoices) in [("2026-05-31", &first), ("2026-06-15", &paid), ("2026-04-30", &first)] {
        let version = world.upload(&format!("etablissement_B_{name}.csv"), invoices).await?;
        succeeded(&world.stack.run_of(&version).await?)?;
        versions.push(version);
    }
    // the same name again: both versions have been loaded
    let again = world.upload("etablissement_B_2026-06-15.csv", &paid[..9]).await?;
    succeeded(&world.stack.run_of(&again).await?)?;
    versions.push(again);
    Ok(versions)
}

/// All but the ledger, and the validity of each state, which a natural snapshot leaves out.
async fn tables(world: &World) -> Result<(Snapshot, Vec<String>)> {
    let query =
        "SELECT concat_ws('|', facture_id, montant_paye, valide_du, valide_au) FROM dw.hist_facturation ORDER BY 1";
    let history = world.client().await.query(query, &[]).await?.iter().map(|row| row.get(0)).collect();
    Ok((world.natural().await?.without("audit."), history))
}

async fn execute(world: &World, sql: &str) -> Result<()> {
    Ok(world.client().await.batch_execute(sql).await?)
}

async fn same_tables(world: &World, what: &str, expected: &(Snapshot, Vec<String>)) -> Result<()> {
    let (now, history) = tables(world).await?;
    same(what, &now, &expected.0)?;
    ensure_eq!(history, expected.1, "the history: {what}");
    Ok(())
}

pub(crate) async fn dropped(world: &mut World) -> Result<Outcome> {
    let versions = life(world).await?;
    let expected = tables(world).await?;
    ensure!(expected.1.len() >= 4 && expected.0.count("dw.fact_facturation") == 10, "{:?}", expected.1);
    let ledger = world.number("SELECT count(*) FROM audit.run").await?;

    execute(world, "DROP SCHEMA staging, dw, datamart CASCADE").await?;
    let execution = world.stack.backfill(&json!({ "rebuild": "facturation" })).await?;
    succeeded(&execution)?;
    let told = sentence(&execution);
    ensure!(told.contains("rebuilt: 4 loads from silver, 0 from bronze, 0 versions not loaded again;"), "{told}");
    same_tables(world, "all but audit was dropped", &expected).await?;
    ensure_eq!(world.number("SELECT count(*) FROM audit.run").await?, ledger, "runs in the ledger");
    let readers =
        world.number("SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'analyst'").await?;
    ensure!(readers > 0, "nobody may read what was made again");
    let makes =
        "SELECT count(*) FROM pg_namespace WHERE has_database_privilege('pipeline', current_database(), 'CREATE')";
    ensure_eq!(world.number(makes).await?, 0, "the pipeline may still make schemas");

    // the accepted records of a run are gone, and so is the ledger
    let silver = world.stack.keys("silver", "").await?;
    let gone: Vec<_> = silver.iter().filter(|key| key.contains("2026-05-31") && key.ends_with(".parquet")).collect();
    ensure_eq!(gone.len(), 2, "{silver:?}");
    for key in gone {
        world.stack.hide("silver", key).await?;
    }
    execute(world, "DROP SCHEMA staging, dw, datamart, audit CASCADE").await?;
    let execution = world.stack.backfill(&json!({ "rebuild": "facturation", "partial": false })).await?;
    succeeded(&execution)?;
    let told = sentence(&execution);
    ensure!(told.contains("rebuilt: 3 loads from silver, 1 from bronze"), "{told}");
    same_tables(world, "all was dropped", &expected).await?;
    ensure_eq!(world.number("SELECT count(*) FROM audit.run").await?, ledger, "runs in the ledger, made again");

    // nothing is known of one file but that it lies in bronze
    for key in world.stack.keys("silver", "").await?.iter().filter(|key| key.contains("2026-04-30")) {
        world.stack.hide("silver", key).await?;
    }
    execute(world, "DROP SCHEMA staging, dw, datamart, audit CASCADE").await?;
    let execution = world.stack.backfill(&json!({ "rebuild": "facturation" })).await?;
    succeeded(&execution)?;
    let told = sentence(&execution);
    ensure!(
        told.contains("1 files in bronze of which no run was known; 1 runs of files below facturation/: 1 in"),
        "{told}"
    );
    same_tables(world, "a file was unknown", &expected).await?;

    let names: BTreeSet<_> = versions.iter().map(|version| version.version_id.clone()).collect();
    let plan =
        world.stack.read("reports", execution.output["rebuild"]["items"]["key"].as_str().unwrap_or_default()).await?;
    let plan: Vec<ReplayInput> = serde_json::from_slice(&plan)?;
    ensure_eq!(plan.len(), 3, "the runs of the plan");
    ensure!(plan.iter().all(|item| names.contains(&item.record.run.object.version_id)), "other versions: {plan:?}");
    Ok(Outcome::Passed(told))
}

pub(crate) async fn lost_version(world: &mut World) -> Result<Outcome> {
    let versions = life(world).await?;
    for key in world.stack.keys("silver", "").await?.iter().filter(|key| key.contains("2026-04-30")) {
        world.stack.hide("silver", key).await?;
    }
    world.stack.delete(&versions[2]).await?;
    let before = tables(world).await?;
    let refused = world.stack.backfill(&json!({ "rebuild": "facturation" })).await?;
    let record = world.failed(&refused, ErrorCode::ObjectMissing).await?;
    ensure_eq!(record.stage.as_deref(), Some("plan-rebuild"), "the stage that refused");
    ensure!(record.cause.contains("1 version that was loaded cannot"), "{record:?}");
    ensure!(record.cause.contains("2026-04-30") && record.cause.contains("partial"), "{}", record.cause);
    same_tables(world, "a refused rebuild changed something", &before).await?;

    let execution = world.stack.backfill(&json!({ "rebuild": "facturation", "partial": true })).await?;
    succeeded(&execution)?;
    let told = sentence(&execution);
    ensure!(told.contains("rebuilt: 3 loads from silver, 0 from bronze, 1 versions not loaded again"), "{told}");
    let (now, history) = tables(world).await?;
    ensure_eq!(now.count("dw.fact_facturation"), 10, "facts");
    // the late version was the first that showed these states
    let begins = |history: &[String], day: &str| history.iter().all(|line| line.contains(&format!("|0.00|{day}")));
    ensure!(begins(&before.1, "2026-04-29"), "{:?}", before.1);
    ensure!(begins(&history, "2026-05-30"), "the late version is still in the history: {history:?}");
    let aside: Value = world
        .client()
        .await
        .query_one("SELECT to_json(array_agg(nspname::text)) FROM pg_namespace WHERE nspname LIKE 'dw_before_%'", &[])
        .await?
        .try_get(0)?;
    ensure_eq!(aside.as_array().map(Vec::len), Some(1), "what stood there: {aside}");
    Ok(Outcome::Passed(told))
}
