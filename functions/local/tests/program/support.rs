//! Calls of the program, each with a time limit, so that one that hangs fails.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How a call ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn check(&self, code: i32, words: &[&str]) {
        let all = format!("{}{}", self.out, self.error);
        assert_eq!(self.code, Some(code), "{all}");
        for word in words {
            assert!(all.contains(word), "{word:?} is not in:\n{all}");
        }
        assert!(!all.contains("panicked"), "{all}");
    }
}

/// Runs a command that must end within two minutes.
#[track_caller]
pub(crate) fn outcome(command: &mut Command) -> Ended {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let collect = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            from.read_to_string(&mut text).unwrap();
            text
        })
    };
    let (out, error) =
        (collect(Box::new(child.stdout.take().unwrap())), collect(Box::new(child.stderr.take().unwrap())));
    let limit = Instant::now() + Duration::from_secs(120);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let (out, error) = (out.join().unwrap(), error.join().unwrap());
    let status = status.unwrap_or_else(|| unreachable!("the program hangs:\n{out}{error}"));
    Ended { code: status.code(), out, error }
}

/// A folder of its own, in which anybody may pass: as root, PostgreSQL runs as somebody else.
pub(crate) struct Trial {
    pub(crate) folder: tempfile::TempDir,
}

impl Trial {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of the shop with one order, paid or not. Its name has no date: the later upload counts.
    pub(crate) fn order(&self, path: &str, paid: bool) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let paid = if paid { "yes" } else { "no" };
        let text = format!("shop;shop name;order;customer;day;paid\nS1;Béziers;O1;C1;2026-03-02;{paid}\n");
        fs::write(&path, text).unwrap();
        path
    }

    /// The program with a state folder.
    pub(crate) fn program(&self, command: &str, state: &Path) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_fonderie"));
        program.arg(command).arg("--state").arg(state).env_remove("DATABASE_URL");
        program
    }

    pub(crate) fn run_command(&self, files: &[PathBuf], state: &Path) -> Command {
        let mut command = self.program("run", state);
        command.args(["--as-of", "2026-06-30", "--datasets"]);
        command.arg(fonderie_test_support::datasets()).args(files);
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, files: &[PathBuf], state: &Path) -> Ended {
        outcome(&mut self.run_command(files, state))
    }

    /// Whether the order is paid, as the warehouse has it.
    #[track_caller]
    pub(crate) fn paid(&self, state: &Path) -> String {
        let sql = "SELECT paid FROM shop_dw.fact_order";
        let asked = outcome(self.program("query", state).args(["--format", "csv", "-c", sql]));
        asked.check(0, &[]);
        asked.out.lines().nth(1).unwrap().to_owned()
    }
}

/// Whether this machine has a program.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
