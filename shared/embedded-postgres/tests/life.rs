//! A server's life, and what clients do to it.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fonderie_embedded_postgres::{Server, ServerOptions};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, NoTls};

/// Names the data directory to the test that is killed.
const VICTIM: &str = "FONDERIE_TEST_VICTIM";

fn options(folder: &Path) -> ServerOptions {
    ServerOptions { patience: Duration::from_millis(500), ..ServerOptions::new(folder) }
}

/// A connection, and the task that drives it.
async fn open(server: &Server, database: &str) -> Result<(Client, JoinHandle<Result<(), Error>>), Error> {
    let (client, connection) = tokio_postgres::connect(&server.url(database), NoTls).await?;
    Ok((client, tokio::spawn(connection)))
}

/// Opens a connection, runs statements, closes it; gives the last statement's first value.
async fn ask(server: &Server, database: &str, sql: &str) -> Option<String> {
    let (client, driver) = open(server, database).await.unwrap();
    let answers = client.simple_query(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    answers.into_iter().rev().find_map(|answer| match answer {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

#[tokio::test]
async fn connections_come_one_after_another_and_the_data_outlive_the_server() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!Server::is_there(folder.path()));
    let server = Server::start(&options(folder.path())).unwrap();
    ask(&server, "postgres", "CREATE DATABASE fonderie").await;
    ask(&server, "fonderie", "CREATE TABLE sums (cents numeric(10, 2)); INSERT INTO sums VALUES (12.34), (0.66)").await;
    for _ in 0..3 {
        assert_eq!(ask(&server, "fonderie", "SELECT sum(cents) FROM sums").await.as_deref(), Some("13.00"));
    }
    let (client, driver) = open(&server, "fonderie").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO sums VALUES (1000)").await.unwrap();
    // it ends the open connection, whose transaction is rolled back
    server.stop().unwrap();
    assert!(client.simple_query("COMMIT").await.is_err());
    drop(driver);
    assert!(Server::is_there(folder.path()));
    let again = Server::start(&options(folder.path())).unwrap();
    assert_eq!(ask(&again, "fonderie", "SELECT sum(cents) FROM sums").await.as_deref(), Some("13.00"));
}

#[tokio::test]
async fn a_second_connection_at_a_time_is_refused_in_words_or_waits_a_little() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&options(folder.path())).unwrap();
    let (first, driver) = open(&server, "postgres").await.unwrap();
    let began = Instant::now();
    let refused = open(&server, "postgres").await.err().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(refused.code(), Some(&SqlState::TOO_MANY_CONNECTIONS), "{refused:?}");
    let told = refused.as_db_error().unwrap().message();
    assert!(told.starts_with("the embedded PostgreSQL serves one connection at a time"), "{told}");
    assert_eq!(first.query_one("SELECT 6 * 7", &[]).await.unwrap().get::<_, i32>(0), 42);
    let closing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(first);
        driver.await.unwrap().unwrap();
    };
    let (next, ()) = tokio::join!(open(&server, "postgres"), closing);
    assert_eq!(next.unwrap().0.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    let second_server = Server::start(&options(folder.path())).unwrap_err();
    assert!(second_server.to_string().contains("another process uses it"), "{second_server}");
}

#[tokio::test]
async fn clients_that_vanish_leave_a_server_that_serves() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&ServerOptions { patience: Duration::from_secs(30), ..options(folder.path()) }).unwrap();
    ask(&server, "postgres", "CREATE TABLE numbers (n int)").await;
    // in a COPY, in a transaction, before an answer
    for statement in
        ["COPY numbers FROM STDIN", "BEGIN; INSERT INTO numbers VALUES (1)", "SELECT repeat('x', 20000000)"]
    {
        let (client, driver) = open(&server, "postgres").await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(300), client.batch_execute(statement)).await;
        driver.abort();
        let _ = driver.await;
        assert_eq!(ask(&server, "postgres", "SELECT count(*) FROM numbers").await.as_deref(), Some("0"), "{statement}");
    }
}

#[tokio::test]
async fn only_its_own_user_reaches_it_however_long_its_path_is() {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    let folder = root.path().join("a".repeat(150));
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let server = Server::start(&options(&folder)).unwrap();
    assert_eq!(ask(&server, "postgres", "SELECT 1").await.as_deref(), Some("1"));
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    let sockets = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let sockets = sockets.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("sockets-"));
    let sockets: Vec<_> = sockets.collect();
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    assert!(server.socket_directory().join(".s.PGSQL.5432").exists());
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("skipped: only root can act as another user");
        return;
    }
    for directory in [&folder, &sockets[0], &server.socket_directory().to_owned()] {
        let seen = |user| Command::new("/usr/bin/test").arg("-x").arg(directory).uid(user).status().unwrap().success();
        assert_eq!((seen(0), seen(54_321)), (true, false), "{}", directory.display());
    }
    server.stop().unwrap();
    assert!(!sockets[0].exists());
    std::os::unix::fs::chown(&folder, Some(54_321), None).unwrap();
    let error = Server::start(&options(&folder)).unwrap_err().to_string();
    assert!(error.contains("belongs to another user (number 54321)"), "{error}");
}

#[test]
#[ignore = "is run, and killed, by the next test"]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::start(&options(Path::new(&folder))).unwrap();
    runtime.block_on(async {
        ask(&server, "postgres", "CREATE TABLE kept AS SELECT generate_series(1, 5000) AS n").await;
        let (client, _driver) = open(&server, "postgres").await.unwrap();
        client.batch_execute("INSERT INTO kept VALUES (5001)").await.unwrap();
        client.batch_execute("BEGIN; INSERT INTO kept VALUES (5002)").await.unwrap();
        println!("ready");
        std::future::pending::<()>().await;
    });
}

#[tokio::test]
async fn a_killed_process_leaves_what_it_committed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env(VICTIM, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ready")));
    victim.kill().unwrap();
    victim.wait().unwrap();
    let server = Server::start(&options(folder.path())).unwrap();
    assert_eq!(ask(&server, "postgres", "SELECT sum(n) FROM kept").await.as_deref(), Some("12507501"));
    server.stop().unwrap();
}
