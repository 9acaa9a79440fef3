//! The one-machine binary with a folder and a database of its own, and how a call of it ended.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fonderie_test_support::TestDatabase;
use serde_json::Value;
use tempfile::TempDir;

use crate::invoices::{self, Invoice};
use crate::{copy_folder, packages, warehouse, workspace};

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub error: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
    }
}

impl Ended {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        command.output().unwrap().into()
    }

    /// All that was printed.
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.error)
    }

    /// Checks the exit code, and that these words were printed and no panic was.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) -> &Self {
        let all = self.text();
        assert_eq!(self.code, Some(code), "{all}");
        words.iter().for_each(|word| assert!(all.contains(word), "{word:?} is not in:\n{all}"));
        assert!(!all.contains("panicked"), "{all}");
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The lines of standard output, each a JSON value.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(read).collect()
    }
}

/// A folder with a state, a database, and the checkout's datasets or copies of them.
#[derive(Debug)]
pub struct Machine {
    /// The binary.
    pub fonderie: PathBuf,
    /// The URL of the database.
    pub url: String,
    folder: TempDir,
    datasets: PathBuf,
    /// Dropped with the machine, unless the database is somebody else's.
    _database: Option<TestDatabase>,
}

impl Machine {
    /// One with a database of its own; the name is for the reader of a server's list.
    pub async fn new(name: &str) -> Self {
        let database = fonderie_test_support::database(name).await;
        Self { url: database.url.clone(), _database: Some(database), ..Self::at("") }
    }

    /// One on a database of somebody else's.
    pub fn at(url: &str) -> Self {
        let fonderie = packages::build().unwrap().1;
        let (folder, datasets) = (tempfile::tempdir().unwrap(), workspace().join("datasets"));
        Self { fonderie, url: url.to_owned(), folder, datasets, _database: None }
    }

    /// The same with copies of the datasets in its folder, to be changed.
    #[must_use]
    pub fn with_own_datasets(self) -> Self {
        let copies = self.path("datasets");
        copy_folder(&self.datasets, &copies).unwrap();
        Self { datasets: copies, ..self }
    }

    /// A path in its folder; the state is in `state`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes invoices as one of facility B's files.
    pub fn file(&self, name: &str, rows: &[Invoice]) -> PathBuf {
        self.write(name, invoices::text(rows))
    }

    /// Replaces a text in a file of its own dataset `facturation`; returns the file, and its text of before.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) -> (PathBuf, String) {
        let path = self.path("datasets/facturation").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replace(from, to)).unwrap();
        (path, text)
    }

    /// A call of the binary on its state, datasets and database.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.fonderie);
        command.args(arguments).args(["--database-url", &self.url]).env_remove("DATABASE_URL");
        command.arg("--datasets").arg(&self.datasets).arg("--state").arg(self.path("state"));
        command
    }

    /// Such a call, run to its end.
    pub fn call(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    /// `fonderie run` of files as of 2026-06-30.
    pub fn run_command(&self, files: &[impl AsRef<OsStr>]) -> Command {
        let mut command = self.command(&["run", "--as-of", "2026-06-30"]);
        command.args(files);
        command
    }

    /// Runs a file as of 2026-06-30.
    pub fn run(&self, file: impl AsRef<Path>) -> Ended {
        Ended::of(&mut self.run_command(&[file.as_ref()]))
    }

    /// A text that the database answers with.
    pub async fn text(&self, sql: &str) -> String {
        warehouse::connect(&self.url).await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }
}
