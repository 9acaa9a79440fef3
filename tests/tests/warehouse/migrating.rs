//! Migrations: once, at once, forward only.

use fonderie_contract::{Layout, Migration};
use fonderie_core::ErrorCode;

use crate::support::{connect, layout, layout_of, rows};

fn migration(version: u32, sql: &str) -> Migration {
    Migration { version, name: format!("step_{version}"), sql: sql.into() }
}

/// A dataset without tables but those of its migrations.
fn bundle(migrations: &[Migration]) -> Layout {
    layout_of("shop", Vec::new(), migrations)
}

#[tokio::test]
async fn twice_is_once() {
    let database = fonderie_test_support::database("migrate").await;
    let mut warehouse = connect(&database.url).await;
    let applied = "SELECT version::text, name, applied_on FROM audit.migration_engine UNION ALL SELECT dataset, sha256, declared_at::text FROM audit.declaration";
    warehouse.migrate(layout()).await.unwrap();
    let first = rows(&warehouse, applied).await;
    warehouse.migrate(layout()).await.unwrap();
    assert_eq!(rows(&warehouse, applied).await, first);
    assert_eq!(first.len(), 10 + 1);
    warehouse.close().await;
}

#[tokio::test]
async fn two_first_runs_at_once_both_succeed() {
    let database = fonderie_test_support::database("migrate_race").await;
    let (mut one, mut two) = (connect(&database.url).await, connect(&database.url).await);
    let (first, second) = tokio::join!(one.migrate(layout()), two.migrate(layout()));
    first.unwrap();
    second.unwrap();
    assert_eq!(rows(&one, "SELECT count(*) FROM audit.declaration").await, ["1"]);
}

#[tokio::test]
async fn a_database_that_is_ahead_serves_and_a_different_one_is_refused() {
    let database = fonderie_test_support::database("migrate_ahead").await;
    let mut warehouse = connect(&database.url).await;
    let steps = [migration(1, "CREATE TABLE public.a (x int)"), migration(2, "CREATE TABLE public.b (x int)")];
    warehouse.migrate(&bundle(&steps)).await.unwrap();
    // an older bundle works on it, and so does an older program
    assert_eq!(warehouse.migrate(&bundle(&steps[..1])).await.unwrap(), [""; 0]);
    let newer = "INSERT INTO audit.migration_engine SELECT 99, 'of_a_newer_program', applied_on, checksum FROM audit.migration_engine WHERE version = 1";
    warehouse.query(newer).await.unwrap();
    assert_eq!(warehouse.migrate(&bundle(&steps)).await.unwrap(), [""; 0]);
    // another content under the same number
    let other = [steps[0].clone(), migration(2, "CREATE TABLE public.c (x int)")];
    let error = warehouse.migrate(&bundle(&other)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SchemaMismatch);
    assert!(error.message.contains("must not change"), "{error}");
    // one that fails leaves nothing of itself
    let failing =
        [steps[0].clone(), steps[1].clone(), migration(3, "CREATE TABLE public.d (x int); SELECT * FROM absent")];
    let error = warehouse.migrate(&bundle(&failing)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SchemaMismatch);
    assert!(error.message.contains("relation \"absent\" does not exist"), "{error}");
    assert_eq!(rows(&warehouse, "SELECT to_regclass('public.d')").await, ["∅"]);
    // and the right bundle still goes
    warehouse.migrate(&bundle(&steps)).await.unwrap();
    warehouse.close().await;
}
