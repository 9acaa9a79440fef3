//! PostgreSQL killed under a run, as a crash or a failover does it: staging, which is not logged, is filled again by the next run.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use fonderie_test_support::OwnServer;
use fonderie_tests::invoices;
use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::warehouse::{STEPS, Snapshot, connect};

/// Three files in a folder: invoices, the same with payments, others.
fn files(folder: &Path) -> Vec<PathBuf> {
    let first = invoices::plausible(300);
    let mut second = first.clone();
    for invoice in second.iter_mut().filter(|invoice| invoice.paid_on.is_none()).take(20) {
        (invoice.paid, invoice.paid_on) = (invoice.billed, Some("2026-05-20".to_owned()));
    }
    let other: Vec<_> = (1000..1060).map(invoices::unpaid).collect();
    let write = |name: &str, rows: &[_]| invoices::write(&folder.join(name), rows).unwrap();
    vec![
        write("etablissement_B_2026-05-31.csv", &first),
        write("etablissement_B_2026-06-15.csv", &second),
        write("etablissement_B_2026-06-20.csv", &other),
    ]
}

/// Runs files to the end; returns what was printed.
fn run(machine: &Machine, files: &[PathBuf]) -> String {
    Ended::of(&mut machine.run_command(files)).expect(0, &[]).text()
}

/// Runs files, and waits for a while at a place.
fn run_to(place: &str, machine: &Machine, files: &[PathBuf]) -> Child {
    let mut command = machine.run_command(files);
    if !place.is_empty() {
        // the second file of three; scores and marts come once
        let first = if place.contains("record") || place.contains("load") { "1*off->" } else { "" };
        command.env("FAILPOINTS", format!("{place}={first}1*sleep(1500)"));
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

async fn snapshot(url: &str) -> Snapshot {
    Snapshot::natural(&connect(url).await.unwrap()).await.unwrap().without_ledger()
}

async fn staged(url: &str) -> i64 {
    count(url, "staging.facturation").await
}

/// The rows of a table; none if it is not there yet.
async fn count(url: &str, table: &str) -> i64 {
    let client = connect(url).await.unwrap();
    let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await.unwrap();
    if !there.get::<_, bool>(0) {
        return 0;
    }
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

fn wait_until_asleep(child: &Child) {
    for _ in 0..500 {
        let tasks = std::fs::read_dir(Path::new("/proc").join(child.id().to_string()).join("task"));
        let asleep = |task: std::io::Result<std::fs::DirEntry>| {
            task.is_ok_and(|task| {
                std::fs::read_to_string(task.path().join("wchan")).is_ok_and(|at| at.trim() == "hrtimer_nanosleep")
            })
        };
        if tasks.map_or(true, |mut tasks| tasks.any(asleep)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_twenty_crashes_of_the_database_every_table_is_as_if_there_were_none() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let mut server = OwnServer::start();
    let undisturbed = server.create("undisturbed").await;
    let machine = Machine::at(&undisturbed);
    run(&machine, &files);
    // which model was in force depends on the loads that were scored; the next training does not
    let train = |machine: &Machine| {
        machine.call(&["score", "--retrain"]).expect(0, &["trained anew"]);
    };
    train(&machine);
    let expected = snapshot(&undisturbed).await;
    assert_eq!((expected.count("staging.facturation"), expected.count("dw.fact_facturation")), (660, 360));

    let mut emptied = 0;
    // Where the run waits for the crash; the last is after its end.
    for (round, place) in STEPS.into_iter().chain([""]).enumerate() {
        for whole in [true, false] {
            let name = format!("crash_{round}_{whole}");
            let mut machine = Machine::at(&server.create(&name).await);
            let mut child = run_to(place, &machine, &files);
            if place.is_empty() {
                assert!(child.wait().unwrap().success());
            } else {
                wait_until_asleep(&child);
            }
            if whole {
                server.crash();
                server.bring_back();
            } else if server.kill_backends(&name).await == 0 {
                // nobody was connected: the place is after the last connection's end, or between two
                let idle = connect(&machine.url).await.unwrap();
                assert!(server.kill_backends(&name).await > 0);
                drop(idle);
            }
            child.wait().unwrap();
            machine.url = server.url(&name);
            let url = &machine.url;
            emptied += u32::from(count(url, "dw.fact_facturation").await > 0 && staged(url).await == 0);
            // one file alone, which changes nothing itself where it is loaded
            run(&machine, &files[2..]);
            run(&machine, &files);
            train(&machine);
            let found = snapshot(url).await;
            if let Some(difference) = expected.difference(&found) {
                unreachable!("{name}, crashed {place}:\n{difference}");
            }
        }
    }
    assert!(emptied >= 4, "only {emptied} crashes emptied a staging that had rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_fills_all_files_again_and_what_silver_lacks_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let mut server = OwnServer::start();
    let mut machine = Machine::at(&server.create("refill").await);
    run(&machine, &files);
    server.crash();
    server.bring_back();
    machine.url = server.url("refill");
    assert_eq!(staged(&machine.url).await, 0);
    let told = run(&machine, &files[2..]);
    assert!(
        told.contains("already loaded") && told.contains("those of 3 files were filled again from silver"),
        "{told}"
    );
    assert_eq!(staged(&machine.url).await, 660);
    let notices =
        "SELECT count(*) FROM audit.run WHERE array_to_string(notices, ' ') LIKE '%filled again from silver%'";
    let client = connect(&machine.url).await.unwrap();
    assert_eq!(client.query_one(notices, &[]).await.unwrap().get::<_, i64>(0), 1);
    drop(client);

    server.crash();
    server.bring_back();
    machine.url = server.url("refill");
    let silver = machine.path("state/s3/silver/facturation/etablissement_b");
    let runs = std::fs::read_dir(silver).unwrap().map(|entry| entry.unwrap().path());
    for run in runs.filter(|path| path.to_string_lossy().contains("2026-06-15")) {
        std::fs::remove_file(run.join("accepted.parquet")).unwrap();
    }
    let told = run(&machine, &files[2..]);
    let words = ["those of 2 files", "lacks the rows of 1 file", "silver is gone (etablissement_B_2026-06-15.csv)"];
    words.iter().for_each(|word| assert!(told.contains(word), "{word}: {told}"));
    assert_eq!(staged(&machine.url).await, 360);
    let told = run(&machine, &files[2..]);
    assert!(!told.contains("staging."), "reported twice: {told}");
    let told = run(&machine, &files[1..2]);
    assert_eq!(staged(&machine.url).await, 660, "{told}");
}
