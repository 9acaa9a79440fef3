//! Migrations: once, at once, forward only.

use fonderie_contract::{Migration, WarehouseSql};
use fonderie_core::ErrorCode;

use crate::support::{DATASET, connect, dataset_sql, rows};

fn migration(version: u32, sql: &str) -> Migration {
    Migration { version, name: format!("step_{version}"), sql: sql.into() }
}

fn bundle(migrations: &[Migration]) -> WarehouseSql {
    WarehouseSql { migrations: migrations.to_vec(), ..WarehouseSql::default() }
}

#[tokio::test]
async fn twice_is_once() {
    let database = fonderie_test_support::database("migrate").await;
    let mut warehouse = connect(&database.url).await;
    let applied = "SELECT version, name, applied_on FROM audit.migration_engine UNION ALL SELECT version, name, applied_on FROM audit.migration_facturation";
    warehouse.migrate(DATASET, &dataset_sql()).await.unwrap();
    let first = rows(&warehouse, applied).await;
    warehouse.migrate(DATASET, &dataset_sql()).await.unwrap();
    assert_eq!(rows(&warehouse, applied).await, first);
    assert_eq!(first.len(), 4 + dataset_sql().migrations.len());
    warehouse.close().await;
}

#[tokio::test]
async fn two_first_runs_at_once_both_succeed() {
    let database = fonderie_test_support::database("migrate_race").await;
    let (mut one, mut two) = (connect(&database.url).await, connect(&database.url).await);
    let sql = dataset_sql();
    let (first, second) = tokio::join!(one.migrate(DATASET, &sql), two.migrate(DATASET, &sql));
    first.unwrap();
    second.unwrap();
    assert_eq!(
        rows(&one, "SELECT count(*) FROM audit.migration_facturation").await,
        [sql.migrations.len().to_string()]
    );
}

#[tokio::test]
async fn a_database_that_is_ahead_or_different_is_refused() {
    let database = fonderie_test_support::database("migrate_ahead").await;
    let mut warehouse = connect(&database.url).await;
    let steps = [migration(1, "CREATE TABLE public.a (x int)"), migration(2, "CREATE TABLE public.b (x int)")];
    warehouse.migrate("boutique", &bundle(&steps)).await.unwrap();
    // an older bundle
    let error = warehouse.migrate("boutique", &bundle(&steps[..1])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SchemaMismatch);
    assert!(error.message.contains("V2__step_2") && error.message.contains("V1__step_1"), "{error}");
    // another content under the same number
    let other = [steps[0].clone(), migration(2, "CREATE TABLE public.c (x int)")];
    let error = warehouse.migrate("boutique", &bundle(&other)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SchemaMismatch);
    assert!(error.message.contains("must not change"), "{error}");
    // one that fails leaves nothing of itself
    let failing =
        [steps[0].clone(), steps[1].clone(), migration(3, "CREATE TABLE public.d (x int); SELECT * FROM absent")];
    let error = warehouse.migrate("boutique", &bundle(&failing)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SchemaMismatch);
    assert!(error.message.contains("relation \"absent\" does not exist"), "{error}");
    assert_eq!(rows(&warehouse, "SELECT to_regclass('public.d')").await, ["∅"]);
    // and the right bundle still goes
    warehouse.migrate("boutique", &bundle(&steps)).await.unwrap();
    warehouse.close().await;
}
