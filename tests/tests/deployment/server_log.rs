//! The parameters of prod's database on a real server: whatever fails, its log has no value of a record.

use std::time::Duration;

use fonderie_test_support::OwnServer;
use fonderie_tests::configuration::Configuration;
use serde_json::Value;

use crate::terraform::there_is_terraform;

/// A name that only a patient's record could bring into the log.
const NAME: &str = "Dupont-Lefebvre";

#[tokio::test]
async fn no_error_brings_a_value_into_the_log() {
    if !there_is_terraform() {
        return;
    }
    let server = OwnServer::start();
    // The log does show an error as PostgreSQL comes, so that its absence below means something.
    fail(&server, "before").await;
    assert!(server.log().contains(NAME), "{}", server.log());
    let shown = server.log().len();

    for (name, value) in parameters() {
        server.execute(&format!("ALTER SYSTEM SET {name} = '{value}'")).await;
    }
    server.execute("SELECT pg_reload_conf()").await;
    until_errors_are_not_logged(&server).await;
    fail(&server, "after").await;
    // What an operator needs is still there: a session that is broken off.
    let client = server.superuser("postgres").await;
    client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    let log = server.log();
    assert!(log[shown..].contains("terminating connection"), "{}", &log[shown..]);
    assert!(!log[shown..].contains(NAME), "{}", &log[shown..]);
}

/// New sessions have the new values once the server has read its configuration again.
async fn until_errors_are_not_logged(server: &OwnServer) {
    for _ in 0..200 {
        let row = server.superuser("postgres").await.query_one("SHOW log_min_messages", &[]).await.unwrap();
        if row.get::<_, &str>(0) == "log" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("prod's parameters leave errors in the log, or the server did not read them");
}

/// Errors of each kind that quotes what it was given: in its message, its detail, its context, its statement.
async fn fail(server: &OwnServer, table: &str) {
    let client = server.superuser("postgres").await;
    let made = format!(
        "CREATE TABLE {table} (name text PRIMARY KEY, age integer CHECK (age > 0)); INSERT INTO {table} VALUES ('{NAME}', 1)"
    );
    client.batch_execute(&made).await.unwrap();
    for statement in [
        format!("SELECT '{NAME}'::integer"),
        format!("INSERT INTO {table} VALUES ('{NAME}', 2)"),
        format!("INSERT INTO {table} VALUES ('{NAME} the younger', -1)"),
        format!("SELECT * FROM {table} WHERE name = '{NAME}' AND"),
        format!("DO $$BEGIN RAISE WARNING '{NAME}'; RAISE EXCEPTION '{NAME}'; END$$"),
    ] {
        let failed = client.batch_execute(&statement).await;
        assert!(failed.is_err(), "{statement}");
    }
    let parameter = client.query_one("SELECT $1::text::integer", &[&NAME]).await;
    assert!(parameter.is_err());
}

/// The parameters that prod sets without a restart.
fn parameters() -> Vec<(String, String)> {
    let configuration = Configuration::copy().unwrap();
    let prod = configuration.folder("environments/prod");
    configuration.init(&prod).unwrap();
    let resources = configuration.applied(&prod, "apply").unwrap();
    let groups: Vec<_> = resources.iter().filter(|resource| resource["type"] == "aws_db_parameter_group").collect();
    let [group] = groups[..] else { panic!("{} parameter groups", groups.len()) };
    let parameters = group["values"]["parameter"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    parameters
        .iter()
        .filter(|parameter| parameter["apply_method"] == "immediate")
        .map(|parameter| (text(&parameter["name"]), text(&parameter["value"])))
        .collect()
}
