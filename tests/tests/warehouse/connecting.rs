//! Ways in which a database cannot be reached.

use std::time::Duration;

use fonderie_core::ErrorCode;
use fonderie_warehouse::{ConnectOptions, DatabaseSettings, Warehouse};

use crate::support::connect;

#[tokio::test]
async fn nobody_listens() {
    // a port that was free a moment ago
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = DatabaseSettings::from_url(&format!("postgresql://f:hunter2@127.0.0.1:{port}/d")).unwrap();
    let error = Warehouse::connect(&settings, &ConnectOptions::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::DatabaseUnavailable);
    assert!(error.message.contains(&format!("127.0.0.1:{port}/d")), "{error}");
    assert!(!format!("{error:?} {}", error.chain()).contains("hunter2"));
}

#[tokio::test]
async fn somebody_listens_who_never_answers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings =
        DatabaseSettings::from_url(&format!("postgresql://f@127.0.0.1:{}/d", listener.local_addr().unwrap().port()))
            .unwrap();
    let options = ConnectOptions { connect_timeout: Duration::from_millis(200), ..ConnectOptions::default() };
    let error = Warehouse::connect(&settings, &options).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::DatabaseUnavailable);
}

#[tokio::test]
async fn a_database_that_is_not_there_and_one_that_goes_away() {
    let database = fonderie_test_support::database("away").await;
    let absent = DatabaseSettings::from_url(&database.url).unwrap().with_database("absent");
    let error = Warehouse::connect(&absent, &ConnectOptions::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SettingsInvalid);

    let warehouse = connect(&database.url).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.connect().await.batch_execute(others).await.unwrap();
    let error = warehouse.query("SELECT 1").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::DatabaseUnavailable);
    warehouse.close().await;
}

#[tokio::test]
async fn a_query_gives_text_and_a_wrong_one_its_reason() {
    let database = fonderie_test_support::database("query").await;
    let warehouse = connect(&database.url).await;
    let table = warehouse
        .query("SELECT 1.50::numeric AS a, DATE '2025-03-31' AS b, true AS c, NULL AS d, 'é' AS e")
        .await
        .unwrap();
    assert_eq!(table.columns, ["a", "b", "c", "d", "e"]);
    assert_eq!(
        table.rows,
        [[Some("1.50"), Some("2025-03-31"), Some("t"), None, Some("é")].map(|value| value.map(str::to_owned))]
    );
    assert_eq!(warehouse.query("SELECT 1 AS a WHERE false").await.unwrap().columns, ["a"]);
    let error = warehouse.query("SELECT * FROM absent").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RequestInvalid);
    assert!(error.message.contains("relation \"absent\" does not exist"), "{error}");
    warehouse.close().await;
}
