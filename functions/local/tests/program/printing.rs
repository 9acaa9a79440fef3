//! What cannot be printed is an error of every command.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;

use crate::asking::Shop;
use crate::program;
use crate::support::Ended;

/// A device that is always full.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[track_caller]
fn not_whole(mut command: Command) {
    let ended = Ended::of(command.stdout(full()).output().unwrap());
    let last = ended.error.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: what was printed could not be written"), "{command:?}: {}", ended.error);
    assert_eq!(ended.code, Some(1), "{command:?}: {}", ended.error);
}

#[tokio::test]
async fn a_full_disk_is_an_error_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for help in ["--help", "--version", "help", "query --help"] {
        not_whole(program(&help.split(' ').collect::<Vec<_>>()));
    }
    not_whole(program(&["generate", "--rows", "20", "--out", &at("sample")]));
    assert!(Path::new(&at("sample/ground-truth/ground_truth.json")).exists(), "the files are whole");

    let database = fonderie_test_support::database("full").await;
    let url = ["--database-url", database.url.as_str()];
    let with = |arguments: &[&str]| program(&[arguments, url.as_slice()].concat());
    not_whole(with(&["demo", "--rows", "20", "--state", &at("demo")]));
    not_whole(with(&["run", &at("sample/files"), "--as-of", "2026-06-30", "--state", &at("run")]));
    let shop = Shop::new();
    let mut sales = shop.call(&["sales", "--on", "2026-06-30"]);
    sales.args(url);
    not_whole(sales);
    for format in ["table", "csv", "json"] {
        not_whole(with(&["query", "--format", format, "-c", "SELECT 1"]));
        not_whole(with(&["query", "--format", format, "-c", "SELECT n FROM generate_series(1, 100000) AS n"]));
    }
    // Remarks that cannot be written are an error too, and no panic.
    let remarks = |arguments: &[&str]| with(arguments).stderr(full()).output().unwrap();
    let run = remarks(&["run", &at("sample/files"), "--as-of", "2026-06-30", "--state", &at("again")]);
    assert_eq!(run.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&run.stdout).contains("Stages, all files together"),
        "the run is done all the same"
    );
    assert_eq!(remarks(&["query", "-c", "SELEC"]).status.code(), Some(1));
}
