//! Standard output that cannot be written is an error of every command.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;

use crate::{Ended, program};

/// A device that is always full.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[track_caller]
fn not_whole(mut command: Command) {
    let ended = Ended::of(command.stdout(full()).output().unwrap());
    let last = ended.error.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: standard output could not be written"), "{command:?}: {}", ended.error);
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
    not_whole(with(&["owed", "--on", "2026-06-30"]));
    for format in ["table", "csv", "json"] {
        not_whole(with(&["query", "--format", format, "-c", "SELECT 1"]));
        not_whole(with(&["query", "--format", format, "-c", "SELECT n FROM generate_series(1, 100000) AS n"]));
    }
}
