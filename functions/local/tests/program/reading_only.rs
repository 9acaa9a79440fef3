//! `fonderie query` reads and does nothing else, whatever it is asked.

use std::path::{Path, PathBuf};

use fonderie_postgres_server::{Server, ServerOptions};
use fonderie_test_support::TestDatabase;

use crate::query;

/// A database with a row in each schema that is read.
async fn database(name: &str) -> TestDatabase {
    let database = fonderie_test_support::database(name).await;
    for schema in ["shop_dw", "shop", "audit", "shop_staging"] {
        let sql = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.t AS SELECT 1 AS a");
        database.connect().await.batch_execute(&sql).await.unwrap();
    }
    database.connect().await.batch_execute(SCHEMAS).await.unwrap();
    database
}

/// Which schemas are a dataset's, as the ledger has it.
const SCHEMAS: &str = "CREATE TABLE audit.dataset_schema AS SELECT schema, 'shop'::text AS dataset \
                       FROM unnest(ARRAY['shop_dw', 'shop', 'shop_staging']) AS schema";

/// A place that the server can write to, so that nothing but its rights keeps it from doing so.
fn writable(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    folder.join("marker")
}

/// What would change the database, run a program or read a file.
fn hostile(user: &str, marker: &Path) -> Vec<(String, &'static str)> {
    let touch = format!("COPY (SELECT 1) TO PROGRAM 'touch {}'", marker.display());
    let quoted = touch.replace('\'', "''");
    let refused = "refused by PostgreSQL";
    let writes = "--write lets it write";
    let several = "several statements";
    vec![
        ("UPDATE shop_dw.t SET a = 2".into(), writes),
        ("DELETE FROM shop_dw.t".into(), refused),
        ("WITH x AS (UPDATE shop_dw.t SET a = 2 RETURNING a) SELECT * FROM x".into(), refused),
        ("DROP TABLE shop_dw.t".into(), refused),
        ("CREATE TABLE public.x AS SELECT 1 AS a".into(), refused),
        ("CREATE TEMP TABLE x AS SELECT 1 AS a".into(), writes),
        ("GRANT ALL ON shop_dw.t TO PUBLIC".into(), refused),
        (touch.clone(), refused),
        (format!("COPY (SELECT 1) TO '{}'", marker.display()), refused),
        ("COPY shop_dw.t TO STDOUT".into(), "--format csv"),
        ("COMMIT; DROP TABLE shop_dw.t".into(), several),
        ("ROLLBACK; UPDATE shop_dw.t SET a = 2".into(), several),
        ("SELECT 1; SELECT 2".into(), several),
        ("SELECT 1;;UPDATE shop_dw.t SET a = 2".into(), several),
        (format!("SET ROLE {user}"), refused),
        (format!("SET SESSION AUTHORIZATION {user}"), refused),
        (format!("SELECT set_config('role', '{user}', false)"), refused),
        ("SELECT set_config('transaction_read_only', 'off', true)".into(), refused),
        ("SET TRANSACTION READ WRITE".into(), refused),
        ("DO $$ BEGIN SET TRANSACTION READ WRITE; UPDATE shop_dw.t SET a = 2; END $$".into(), refused),
        ("DO $$ BEGIN COMMIT; UPDATE shop_dw.t SET a = 2; END $$".into(), refused),
        (format!("DO $$ BEGIN RESET ROLE; EXECUTE '{quoted}'; END $$"), refused),
        (format!("DO $$ BEGIN RESET SESSION AUTHORIZATION; EXECUTE '{quoted}'; END $$"), refused),
        (
            "SELECT set_config('role', 'none', false), query_to_xml('SELECT pg_read_file(''PG_VERSION'')', true, true, '')"
                .into(),
            refused,
        ),
        ("SELECT pg_read_file('PG_VERSION')".into(), refused),
        ("SELECT pg_read_binary_file('PG_VERSION')".into(), refused),
        ("SELECT pg_ls_dir('/')".into(), refused),
        (format!("SELECT lo_import('/etc/hostname'), lo_export(1, '{}')", marker.display()), refused),
        ("SELECT rolpassword FROM pg_authid".into(), refused),
        ("SELECT pg_reload_conf()".into(), refused),
        ("SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(a int)".into(), refused),
    ]
}

#[tokio::test]
async fn a_query_changes_nothing_and_leaves_the_database() {
    let database = database("reading_only").await;
    let folder = tempfile::tempdir().unwrap();
    let marker = writable(folder.path());
    let user: String = database.connect().await.query_one("SELECT current_user::text", &[]).await.unwrap().get(0);
    for (sql, reason) in hostile(&user, &marker) {
        let ended = query(&database.url, &["-c", &sql]);
        assert_eq!((ended.code, ended.error.contains(reason)), (Some(2), true), "{sql}: {}{}", ended.out, ended.error);
    }
    // Alone, these end the transaction or change the session, and the question with it.
    for sql in ["COMMIT", "RESET ROLE", "RESET SESSION AUTHORIZATION", "SET statement_timeout = 0"] {
        assert_eq!(query(&database.url, &["-c", sql]).code, Some(0), "{sql}");
    }
    let still = "SELECT (SELECT sum(a) FROM shop_dw.t) = 1 AND to_regclass('public.x') IS NULL";
    assert!(database.connect().await.query_one(still, &[]).await.unwrap().get::<_, bool>(0));
    assert!(!marker.exists());
}

#[tokio::test]
async fn a_query_reads_what_is_there_and_what_is_made_later() {
    let database = database("reading").await;
    for schema in ["shop_dw", "shop", "audit", "shop_staging"] {
        assert_eq!(query(&database.url, &["-c", &format!("TABLE {schema}.t;")]).out, "a\n1\n", "{schema}");
    }
    let later = "CREATE MATERIALIZED VIEW shop.later AS SELECT 7 AS a; REVOKE CONNECT ON DATABASE this FROM PUBLIC";
    let name = database.url.rsplit('/').next().unwrap();
    database.connect().await.batch_execute(&later.replace("this", name)).await.unwrap();
    assert_eq!(query(&database.url, &["-c", "SELECT a FROM shop.later"]).out, "a\n7\n");
    let session = query(&database.url, &["-c", "SELECT session_user ~ '^fonderie_reader_' AS reader"]);
    assert_eq!((session.out.as_str(), session.error.contains("note")), ("reader\nt\n", false), "{}", session.error);
    assert!(query(&database.url, &["-c", "EXPLAIN SELECT * FROM shop_dw.t"]).out.starts_with("QUERY PLAN\nSeq Scan"));
    assert_eq!(query(&database.url, &["-c", "SHOW transaction_read_only"]).out, "transaction_read_only\non\n");
}

#[tokio::test]
async fn who_means_it_writes() {
    let database = database("writing").await;
    let sql = "UPDATE shop_dw.t SET a = 5; UPDATE shop_dw.t SET a = a + 1 RETURNING a";
    let ended = query(&database.url, &["--write", "-c", sql]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), "a\n6\n"), "{}", ended.error);
    let failed = query(&database.url, &["--write", "-c", "UPDATE shop_dw.t SET a = 9; SELECT 1/0"]);
    assert_eq!((failed.code, failed.error.contains("division by zero")), (Some(2), true), "{}", failed.error);
    let a: i32 = database.connect().await.query_one("SELECT a FROM shop_dw.t", &[]).await.unwrap().get(0);
    assert_eq!(a, 6, "the first is committed whole, nothing of the second is");
}

#[tokio::test]
async fn a_query_ends_at_its_time_out() {
    let database = database("time_out").await;
    let started = std::time::Instant::now();
    let ended = query(&database.url, &["--timeout", "1", "-c", "SELECT pg_sleep(60)"]);
    assert_eq!((ended.code, ended.error.contains("--timeout gives it more")), (Some(1), true), "{}", ended.error);
    assert!(started.elapsed().as_secs() < 30);
    assert_eq!(query(&database.url, &["--timeout", "0", "-c", "SHOW statement_timeout"]).out, "statement_timeout\n0\n");
    assert_eq!(query(&database.url, &["-c", "SHOW statement_timeout"]).out, "statement_timeout\n5min\n");
}

/// A server of its own, whose rules of access are these.
async fn server(folder: &Path, rules: &str) -> (Server, String) {
    let server = Server::start(&ServerOptions::for_tests(folder.join("server"))).unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url("postgres"), tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let user: String = client.query_one("SELECT current_user::text", &[]).await.unwrap().get(0);
    let file: String = client.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
    let sql = format!(
        "ALTER ROLE {user} PASSWORD 'secret'; CREATE SCHEMA shop_dw; CREATE TABLE shop_dw.t AS SELECT 1 AS a; CREATE SCHEMA audit; {SCHEMAS}"
    );
    client.batch_execute(&sql).await.unwrap();
    std::fs::write(file, rules.replace("OWNER", &user)).unwrap();
    client.execute("SELECT pg_reload_conf()", &[]).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    // the server reads its rules soon, not at once
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let place = server.url("postgres").split_once('@').unwrap().1.to_owned();
    (server, format!("postgresql://{user}:secret@{place}"))
}

#[tokio::test]
async fn a_server_that_wants_passwords_lets_the_reader_in_by_one_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = server(folder.path(), "local all all scram-sha-256\nhost all all all scram-sha-256\n").await;
    let asked: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || {
                query(&url, &["-c", "SELECT a, session_user ~ '^fonderie_reader_' AS b FROM shop_dw.t"])
            })
        })
        .collect();
    for asked in asked {
        let ended = asked.join().unwrap();
        assert_eq!(ended.out, "a,b\n1,t\n", "{}", ended.error);
    }
    server.stop().unwrap();
}

#[tokio::test]
async fn a_server_that_lets_nobody_else_in_still_gives_a_query_the_readers_rights() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "local all OWNER scram-sha-256\nhost all OWNER all scram-sha-256\nlocal all all reject\nhost all all all reject\n";
    let (server, url) = server(folder.path(), rules).await;
    let ended = query(&url, &["-c", "SELECT a, current_user ~ '^fonderie_reader_' AS b FROM shop_dw.t"]);
    assert_eq!(ended.out, "a,b\n1,t\n", "{}", ended.error);
    assert!(ended.error.contains("note: the server lets nobody in but"), "{}", ended.error);
    for sql in ["UPDATE shop_dw.t SET a = 2", "SELECT pg_read_file('PG_VERSION')", "COMMIT; DROP TABLE shop_dw.t"] {
        assert_eq!(query(&url, &["-c", sql]).code, Some(2), "{sql}");
    }
    server.stop().unwrap();
}
