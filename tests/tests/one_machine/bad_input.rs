//! What a person gets to read, and the exit code, when input, disk or database are not as they should be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fonderie_postgres_server::Binaries;
use fonderie_test_support::OwnServer;
use fonderie_tests::{copy_folder, in_ci, invoices, packages, warehouse, workspace};

/// What a call of the binary gave.
struct Told {
    code: Option<i32>,
    out: String,
    error: String,
}

struct Trial {
    fonderie: PathBuf,
    folder: tempfile::TempDir,
    datasets: PathBuf,
}

impl Trial {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { fonderie: packages::build().unwrap().1, folder, datasets: workspace().join("datasets") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn command(&self, file: &Path, database: &str) -> Command {
        let mut command = Command::new(&self.fonderie);
        command.arg("run").arg(file).args(["--as-of", "2026-06-30", "--database-url", database]);
        command.arg("--datasets").arg(&self.datasets).arg("--state").arg(self.path("state"));
        command
    }

    fn run(&self, file: &Path, database: &str) -> Told {
        told(&mut self.command(file, database))
    }
}

fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

#[track_caller]
fn check(told: &Told, code: i32, words: &[&str]) {
    let all = format!("{}{}", told.out, told.error);
    assert_eq!(told.code, Some(code), "{all}");
    for word in words {
        assert!(all.contains(word), "{word:?} is not in:\n{all}");
    }
    assert!(!all.contains("panicked"), "{all}");
}

#[tokio::test]
async fn files_that_cannot_be_read() {
    let trial = Trial::new();
    let database = fonderie_test_support::database("bad_input").await;
    let excel = workspace().join("../shared/fixtures/excel/pass_protected.xlsx");
    let mut cases: Vec<(PathBuf, i32, &[&str])> = vec![
        (trial.file("etablissement_B_vide.csv", ""), 3, &["FileEmpty", "have it sent again"]),
        (trial.file("etablissement_B_entete.csv", invoices::HEADER), 0, &["0 rows read, 0 accepted"]),
        (
            trial.file("etablissement_B_colonne.csv", invoices::HEADER.replace("billed_amount", "total")),
            3,
            &["ColumnMissing", "\"billed_amount\""],
        ),
        (trial.file("clinique_Z.csv", "a;b\n1;2\n"), 3, &["SourceUnknown", "etablissement_a"]),
        (
            trial.file("etablissement_E_coupe.xlsx", &b"PK\x03\x04 cut off in the middle"[..]),
            3,
            &["WorkbookUnreadable", "cut off"],
        ),
        (trial.file("etablissement_D_csv.xlsx", "facture_id;patient_id\n"), 3, &["WorkbookUnreadable", "no workbook"]),
        (trial.path("absent.csv"), 2, &["absent.csv cannot be read"]),
    ];
    std::os::unix::fs::symlink("/proc/self/mem", trial.path("etablissement_B_illisible.csv")).unwrap();
    cases.push((trial.path("etablissement_B_illisible.csv"), 3, &["etablissement_B_illisible.csv cannot be read"]));
    if excel.is_file() {
        fs::copy(&excel, trial.path("etablissement_E_protege.xlsx")).unwrap();
        cases.push((trial.path("etablissement_E_protege.xlsx"), 3, &["WorkbookProtected", "without one"]));
    } else {
        assert!(!in_ci(), "CI must have {}", excel.display());
        eprintln!("skipped: a protected workbook, for ../shared/fixtures is not beside this checkout");
    }
    for (file, code, words) in &cases {
        check(&trial.run(file, &database.url), *code, words);
    }
    let client = database.connect().await;
    // A header alone makes the tables; nothing else reached them.
    let facts: i64 = client.query_one("SELECT count(*) FROM dw.fact_facturation", &[]).await.unwrap().get(0);
    assert_eq!(facts, 0);
}

#[tokio::test]
async fn a_warehouse_without_tables_says_what_makes_them() {
    let trial = Trial::new();
    let database = fonderie_test_support::database("no_tables").await;
    let mut command = Command::new(&trial.fonderie);
    command.args(["owed", "--on", "2026-06-30", "--database-url", &database.url, "--datasets"]).arg(&trial.datasets);
    check(&told(&mut command), 2, &["dw.", "does not exist", "when its first file is run"]);
}

#[tokio::test]
async fn a_strict_run_halts_at_the_first_row_that_breaks_a_rule() {
    let trial = Trial::new();
    let database = fonderie_test_support::database("strict").await;
    let mut rows = invoices::plausible(30);
    rows[4].paid = rows[4].billed + 1;
    let file = invoices::write(&trial.path("etablissement_B.csv"), &rows).unwrap();
    let strict = told(trial.command(&file, &database.url).arg("--strict"));
    check(&strict, 3, &["HALTED", "1 of 30 rows break `coherence_montants`, 0 are allowed"]);
    check(&trial.run(&file, &database.url), 0, &["29 inserted"]);
}

#[test]
fn all_mistakes_of_a_contract_are_listed_and_nothing_is_started() {
    let mut trial = Trial::new();
    let datasets = trial.path("datasets/facturation");
    copy_folder(&workspace().join("datasets/facturation"), &datasets).unwrap();
    trial.datasets = trial.path("datasets");
    let contract = datasets.join("sources/etablissement_b.toml");
    let text = fs::read_to_string(&contract).unwrap();
    let text =
        text.replace("\"utf-8\"", "\"utf-9\"").replace("\"yyyy-mm-dd\"", "\"aaaa-mm-jj\"").replace("age = ", "aeg = ");
    fs::write(&contract, text).unwrap();
    let file = trial.file("etablissement_B.csv", invoices::HEADER);
    let told = trial.run(&file, "postgresql://nobody@127.0.0.1:1/none");
    let words = [
        "`format.encoding`: found \"utf-9\"",
        "`dates.format`: found \"aaaa-mm-jj\"",
        "`columns.aeg`",
        "etablissement_b.toml",
    ];
    check(&told, 2, &words);
    assert!(!trial.path("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_in_mid_load_and_comes_back() {
    let trial = Trial::new();
    // The server of the machine, as a user's own would be: one that a test can take away.
    if let Err(error) = Binaries::find() {
        assert!(!in_ci(), "{error}");
        eprintln!("skipped: {error}");
        return;
    }
    let mut server = OwnServer::start();
    let url = server.create("away").await;
    let file = invoices::write(&trial.path("etablissement_B.csv"), &invoices::plausible(300)).unwrap();
    let mut command = trial.command(&file, &url);
    command.env("FAILPOINTS", "before the load was committed=sleep(3000)");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let client = warehouse::connect(&url).await.unwrap();
    // A transaction of a migration is idle for a moment only.
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fonderie load' \
                   AND state = 'idle in transaction' AND state_change < now() - interval '500 milliseconds'";
    let waits = async || client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) > 0;
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    while !waits().await {
        assert!(std::time::Instant::now() < limit, "the load does not wait before its commit");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(client);
    tokio::task::block_in_place(|| server.take_away());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let told = Told { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) };
    check(&told, 3, &["FAILED", "DatabaseUnavailable"]);

    tokio::task::block_in_place(|| server.bring_back());
    check(&trial.run(&file, &url), 0, &["300 inserted", "ok "]);
    let client = warehouse::connect(&url).await.unwrap();
    let failed = "SELECT string_agg(status, ',' ORDER BY started_at) FROM audit.run";
    let statuses: String = client.query_one(failed, &[]).await.unwrap().get(0);
    assert_eq!(statuses, "failed,loaded", "the failure is in the ledger, brought there by the next run");
}

#[tokio::test]
async fn a_disk_that_is_full() {
    let trial = Trial::new();
    let database = fonderie_test_support::database("full").await;
    let file = invoices::write(&trial.path("etablissement_B.csv"), &invoices::plausible(30_000)).unwrap();
    let state = trial.path("state");
    fs::create_dir(&state).unwrap();
    // A small disk of this process's own; it is gone with it.
    let small = "mount -t tmpfs -o size=2m,mode=0700 tmpfs \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", small]).arg(&state);
    let plain = trial.command(&file, &database.url);
    command.arg(plain.get_program()).args(plain.get_args());
    let told = told(&mut command);
    if told.error.contains("unshare") || told.error.contains("mount") {
        assert!(!in_ci(), "CI must be able to mount: {}", told.error);
        eprintln!("skipped: a full disk, for this user may not mount one: {}", told.error);
        return;
    }
    check(&told, 1, &["disk", "full"]);
    check(&trial.run(&file, &database.url), 0, &["30000 inserted"]);
}
