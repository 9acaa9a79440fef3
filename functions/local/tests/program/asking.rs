//! Rows come as they arrive; where there is nothing to ask, nothing is made.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{Ended, program};

/// The most memory that a process had, in MiB, so far as the system still knows it.
fn peak(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

#[tokio::test]
async fn a_million_rows_take_little_memory_in_each_format() {
    let database = fonderie_test_support::database("memory").await;
    let sql = "SELECT generate_series(1, 1000000) AS n, repeat('x', 100) AS text";
    let folder = tempfile::tempdir().unwrap();
    for (format, lines, last) in [
        ("csv", 1_000_001, "1000000,xxx"),
        ("json", 1_000_000, r#"{"n":"1000000","text":"xxx"#),
        ("table", 5_004, "1000000 rows, 995000 of them not shown"),
    ] {
        let path = folder.path().join(format);
        let mut command = program(&["query", "--database-url", &database.url, "--format", format, "-c", sql]);
        let mut child = command.stdout(std::fs::File::create(&path).unwrap()).spawn().unwrap();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = peak(child.id()).unwrap_or_default().max(most);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(child.wait().unwrap().success());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter(|line| !line.starts_with('╞')).count(), lines, "{format}");
        assert!(text.lines().last().unwrap().starts_with(last), "{format}");
        assert!(most > 0 && most < 100, "{format}: {most} MiB");
    }
}

#[tokio::test]
async fn a_reader_that_went_away_ends_a_query_well_and_at_once() {
    let database = fonderie_test_support::database("head").await;
    // in the SELECT's list, which the server does not gather before it sends
    let sql = "SELECT generate_series(1, 10000000000) AS n";
    let started = Instant::now();
    let mut command = program(&["query", "--database-url", &database.url, "--format", "csv", "-c", sql]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((line.as_str(), ended.code), ("n\n", Some(0)), "{}", ended.error);
    assert!(!ended.error.contains("error"), "{}", ended.error);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn without_a_state_nothing_is_asked_and_nothing_made() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let calls: [&[&str]; 4] = [
        &["query", "-c", "SELECT 1"],
        &["query", "-c", "SELECT 1", "--postgres", "embedded"],
        &["query", "--write", "-c", "CREATE TABLE t (a integer)"],
        &["owed", "--on", "2026-06-30"],
    ];
    for call in calls {
        let ended = Ended::of(program(call).arg("--state").arg(&state).output().unwrap());
        assert_eq!(ended.code, Some(2));
        assert!(ended.error.starts_with("error: nothing here yet: run files first"), "{}", ended.error);
        assert!(!state.exists(), "{call:?}");
    }
}
