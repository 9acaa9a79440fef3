//! The one-machine binary on its embedded PostgreSQL: the same tables as on a native one, to the cent.

use std::path::{Path, PathBuf};
use std::process::Command;

use fonderie_embedded_postgres::{Server, ServerOptions};
use fonderie_tests::warehouse::{Snapshot, connect};
use fonderie_tests::{packages, workspace};

fn scenario() -> PathBuf {
    workspace().join("datasets/facturation/scenarios/0001-trois-etablissements")
}

/// Exit code, standard output and standard error.
fn fonderie(program: &Path, arguments: &[&str], state: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(program);
    command.args(arguments).arg("--datasets").arg(workspace().join("datasets")).arg("--state").arg(state);
    let output = command.current_dir(scenario().join("input")).env_remove("DATABASE_URL").output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The embedded database of a state folder, between two runs.
async fn snapshots(state: &Path) -> (Snapshot, Snapshot) {
    let options = ServerOptions::new(state.join("postgres-embedded"));
    let server = Server::start(&options).unwrap();
    let client = connect(&server.url("fonderie")).await.unwrap();
    let both = (Snapshot::natural(&client).await.unwrap(), Snapshot::exact(&client).await.unwrap());
    drop(client);
    server.stop().unwrap();
    both
}

#[tokio::test]
async fn the_embedded_database_holds_what_a_native_one_does() {
    let program = &packages::build().unwrap().1;
    let (embedded, native) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let run = ["run", ".", "--as-of", "2026-06-30"];
    let database = fonderie_test_support::database("embedded").await;
    let (code, native_out, error) =
        fonderie(program, &[run.as_slice(), &["--database-url", &database.url]].concat(), native.path());
    assert_eq!(code, Some(0), "{native_out}{error}");

    let lines = |out: &str| out.lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let forced = [run.as_slice(), &["--postgres", "embedded"]].concat();
    let (code, out, error) = fonderie(program, &forced, embedded.path());
    assert_eq!((code, lines(&out)), (Some(0), lines(&native_out)), "{error}");
    assert!(error.starts_with("database: embedded PostgreSQL 17 on "), "{error}");
    let (natural, exact) = snapshots(embedded.path()).await;
    let expected = Snapshot::natural(&connect(&database.url).await.unwrap()).await.unwrap();
    assert_eq!(natural.difference(&expected), None);
    assert_eq!((natural.count("dw.fact_facturation"), natural.count("audit.run")), (19, 3));

    // Unforced: the state folder keeps its kind. The rows are those that the scenario expects of any PostgreSQL.
    let query = workspace().join("datasets/facturation/scenarios/warehouse.sql");
    let (code, out, error) = fonderie(program, &["query", query.to_str().unwrap(), "--format", "csv"], embedded.path());
    assert_eq!(code, Some(0), "{error}");
    let rows = std::fs::read_to_string(scenario().join("expected/warehouse.csv")).unwrap();
    assert_eq!(out, rows);

    // One connection at a time, and no way out of the read-only transaction here either.
    let asked = |sql: &str| fonderie(program, &["query", "--format", "csv", "-c", sql], embedded.path());
    for sql in [
        "UPDATE dw.fact_facturation SET montant_paye = 0",
        "COMMIT; DROP TABLE dw.fact_facturation",
        "DO $$ BEGIN RESET ROLE; DELETE FROM dw.fact_facturation; END $$",
    ] {
        let (code, out, error) = asked(sql);
        assert_eq!(code, Some(2), "{sql}: {out}{error}");
    }

    let (code, out, error) = fonderie(program, &run, embedded.path());
    assert_eq!(code, Some(0), "{error}");
    assert!(lines(&out).iter().all(|line| line.contains("already loaded")), "{out}");
    assert_eq!(snapshots(embedded.path()).await.1.difference(&exact), None);
}

#[test]
fn a_native_database_where_there_is_none_and_two_databases_at_once_are_usage_errors() {
    let program = &packages::build().unwrap().1;
    let state = tempfile::tempdir().unwrap();
    let nowhere = state.path().join("nowhere");
    let output = Command::new(program)
        .args(["run", ".", "--postgres", "native", "--state"])
        .arg(state.path())
        .arg("--datasets")
        .arg(workspace().join("datasets"))
        .current_dir(scenario().join("input"))
        .env_remove("DATABASE_URL")
        .env("PG_BIN", &nowhere)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.contains("PG_BIN is")), (Some(2), true), "{error}");
    let both = ["query", "-c", "SELECT 1", "--postgres", "embedded", "--database-url", "postgresql://f@127.0.0.1/d"];
    let (code, _, error) = fonderie(program, &both, state.path());
    assert_eq!((code, error.contains("cannot be used with")), (Some(2), true), "{error}");
}
