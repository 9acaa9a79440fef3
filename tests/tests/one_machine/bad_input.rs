//! What a person gets to read, and the exit code, when input, disk or database are not as they should be.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use fonderie_postgres_server::Binaries;
use fonderie_test_support::OwnServer;
use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::{in_ci, invoices, warehouse, workspace};

#[tokio::test]
async fn files_that_cannot_be_read() {
    let machine = Machine::new("bad_input").await;
    let excel = workspace().join("../shared/fixtures/excel/pass_protected.xlsx");
    let mut cases: Vec<(PathBuf, i32, &[&str])> = vec![
        (machine.write("etablissement_B_vide.csv", ""), 3, &["FileEmpty", "have it sent again"]),
        (machine.write("etablissement_B_entete.csv", invoices::HEADER), 0, &["0 rows read, 0 accepted"]),
        (
            machine.write("etablissement_B_colonne.csv", invoices::HEADER.replace("billed_amount", "total")),
            3,
            &["ColumnMissing", "\"billed_amount\""],
        ),
        (machine.write("clinique_Z.csv", "a;b\n1;2\n"), 3, &["SourceUnknown", "etablissement_a"]),
        (
            machine.write("etablissement_E_coupe.xlsx", &b"PK\x03\x04 cut off in the middle"[..]),
            3,
            &["WorkbookUnreadable", "cut off"],
        ),
        (
            machine.write("etablissement_D_csv.xlsx", "facture_id;patient_id\n"),
            3,
            &["WorkbookUnreadable", "no workbook"],
        ),
        (machine.path("absent.csv"), 2, &["absent.csv cannot be read"]),
    ];
    std::os::unix::fs::symlink("/proc/self/mem", machine.path("etablissement_B_illisible.csv")).unwrap();
    cases.push((machine.path("etablissement_B_illisible.csv"), 3, &["etablissement_B_illisible.csv cannot be read"]));
    if excel.is_file() {
        fs::copy(&excel, machine.path("etablissement_E_protege.xlsx")).unwrap();
        cases.push((machine.path("etablissement_E_protege.xlsx"), 3, &["WorkbookProtected", "without one"]));
    } else {
        assert!(!in_ci(), "CI must have {}", excel.display());
        eprintln!("skipped: a protected workbook, for ../shared/fixtures is not beside this checkout");
    }
    for (file, code, words) in &cases {
        machine.run(file).expect(*code, words);
    }
    // A header alone makes the tables; nothing else reached them.
    assert_eq!(machine.text("SELECT count(*)::text FROM dw.fact_facturation").await, "0");
}

#[tokio::test]
async fn a_warehouse_without_tables_says_what_makes_them() {
    let machine = Machine::new("no_tables").await;
    let words = ["dw.", "does not exist", "when its first file is run"];
    machine.call(&["owed", "--on", "2026-06-30"]).expect(2, &words);
}

#[tokio::test]
async fn a_strict_run_halts_at_the_first_row_that_breaks_a_rule() {
    let machine = Machine::new("strict").await;
    let mut rows = invoices::plausible(30);
    rows[4].paid = rows[4].billed + 1;
    let file = machine.file("etablissement_B.csv", &rows);
    Ended::of(machine.run_command(&[&file]).arg("--strict"))
        .expect(3, &["HALTED", "1 of 30 rows break `coherence_montants`, 0 are allowed"]);
    machine.run(&file).expect(0, &["29 inserted"]);
}

#[test]
fn all_mistakes_of_a_contract_are_listed_and_nothing_is_started() {
    let machine = Machine::at("postgresql://nobody@127.0.0.1:1/none").with_own_datasets();
    for (from, to) in [("\"utf-8\"", "\"utf-9\""), ("\"yyyy-mm-dd\"", "\"aaaa-mm-jj\""), ("age = ", "aeg = ")] {
        machine.edit("sources/etablissement_b.toml", from, to);
    }
    let file = machine.file("etablissement_B.csv", &[]);
    let words = [
        "`format.encoding`: found \"utf-9\"",
        "`dates.format`: found \"aaaa-mm-jj\"",
        "`columns.aeg`",
        "etablissement_b.toml",
    ];
    machine.run(&file).expect(2, &words);
    assert!(!machine.path("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_in_mid_load_and_comes_back() {
    // The server of the machine, as a user's own would be: one that a test can take away.
    if let Err(error) = Binaries::find() {
        assert!(!in_ci(), "{error}");
        eprintln!("skipped: {error}");
        return;
    }
    let mut server = OwnServer::start();
    let url = server.create("away").await;
    let machine = Machine::at(&url);
    let file = machine.file("etablissement_B.csv", &invoices::plausible(300));
    let mut command = machine.run_command(&[&file]);
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
    Ended::from(child.wait_with_output().unwrap()).expect(3, &["FAILED", "DatabaseUnavailable"]);

    tokio::task::block_in_place(|| server.bring_back());
    machine.run(&file).expect(0, &["300 inserted", "ok "]);
    let statuses = machine.text("SELECT string_agg(status, ',' ORDER BY started_at) FROM audit.run").await;
    assert_eq!(statuses, "failed,loaded", "the failure is in the ledger, brought there by the next run");
}

#[tokio::test]
async fn a_disk_that_is_full() {
    let machine = Machine::new("full").await;
    let file = machine.file("etablissement_B.csv", &invoices::plausible(30_000));
    let state = machine.path("state");
    fs::create_dir(&state).unwrap();
    // A small disk of this process's own; it is gone with it.
    let small = "mount -t tmpfs -o size=2m,mode=0700 tmpfs \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", small]).arg(&state);
    let plain = machine.run_command(&[&file]);
    command.arg(plain.get_program()).args(plain.get_args());
    let told = Ended::of(&mut command);
    if told.error.contains("unshare") || told.error.contains("mount") {
        assert!(!in_ci(), "CI must be able to mount: {}", told.error);
        eprintln!("skipped: a full disk, for this user may not mount one: {}", told.error);
        return;
    }
    told.expect(1, &["disk", "full"]);
    machine.run(&file).expect(0, &["30000 inserted"]);
}
