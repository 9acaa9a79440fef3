//! The functions' processes in one LocalStack: found, held at a place of their code, killed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Result, run};

/// How long a process may take to come to a place.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than any test needs a process to be held.
const LONG_MILLIS: u32 = 120_000;

/// What the kernel says of a thread that sleeps, as no thread of a function does but at a failpoint.
const SLEEPING: &str = "hrtimer_nanosleep";

/// The processes of one LocalStack's functions.
pub struct Processes {
    /// What their home directories lie below.
    homes: PathBuf,
    /// Where the executor looks for their further settings.
    settings: PathBuf,
}

/// A process that waits at a place of its code.
pub struct Held {
    process: u32,
}

impl Processes {
    /// Those whose homes lie below a folder, and whose further settings the executor reads from another one.
    pub fn new(homes: &Path, settings: &Path) -> Self {
        Self { homes: homes.to_owned(), settings: settings.to_owned() }
    }

    /// Lets the next process of a function wait when it first comes to a place (`fonderie_core::failpoint::step`).
    ///
    /// # Errors
    /// The settings cannot be written, or a waiting process not be ended.
    pub fn hold_at(&self, function: &str, place: &str) -> Result<()> {
        self.let_sleep_at(function, place, LONG_MILLIS)
    }

    /// As [`Self::hold_at`], but it goes on by itself after so many milliseconds.
    ///
    /// # Errors
    /// The settings cannot be written, or a waiting process not be ended.
    pub fn let_sleep_at(&self, function: &str, place: &str, millis: u32) -> Result<()> {
        fs::create_dir_all(&self.settings)?;
        let settings = json!({ "FAILPOINTS": format!("{place}=1*sleep({millis})") });
        fs::write(self.settings_of(function), settings.to_string())?;
        // A process reads its settings once: those that wait for work make room for one with the new ones.
        for process in self.of(function)? {
            signal(process, "KILL");
        }
        Ok(())
    }

    /// Lets Lambda refuse the next call of a function with an error, as it does after weeks without a call.
    ///
    /// # Errors
    /// The settings cannot be written.
    pub fn make_inactive(&self, function: &str, error: &str) -> Result<()> {
        fs::create_dir_all(&self.settings)?;
        Ok(fs::write(self.inactive(function), error)?)
    }

    /// Whether the call that is refused is still to come; it is no longer refused from now on.
    ///
    /// # Errors
    /// The settings cannot be removed.
    pub fn wake(&self, function: &str) -> Result<bool> {
        match fs::remove_file(self.inactive(function)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a process of the function has come to its place; those that start from now on pass it.
    ///
    /// # Errors
    /// None comes there in time.
    pub async fn held(&self, function: &str) -> Result<Held> {
        let limit = Instant::now() + LIMIT;
        while Instant::now() < limit {
            for process in self.of(function)? {
                if sleeps(process) {
                    fs::remove_file(self.settings_of(function))?;
                    return Ok(Held { process });
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fs::remove_file(self.settings_of(function))?;
        Err(format!("no process of {function} came to its place within {} s", LIMIT.as_secs()).into())
    }

    /// The processes of a function.
    ///
    /// # Errors
    /// This machine does not show its processes.
    pub fn of(&self, function: &str) -> Result<Vec<u32>> {
        let name = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
        let home = format!("HOME={}/", self.homes.display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            // One that has ended meanwhile, or is another user's, is none of them.
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let (mut named, mut ours) = (false, false);
            variables.by_ref().for_each(|variable| {
                named |= variable == name;
                ours |= variable.starts_with(&home);
            });
            if named && ours {
                found.push(process);
            }
        }
        Ok(found)
    }

    fn settings_of(&self, function: &str) -> PathBuf {
        self.settings.join(format!("{function}.json"))
    }

    fn inactive(&self, function: &str) -> PathBuf {
        self.settings.join(format!("{function}.inactive"))
    }
}

impl Held {
    /// Ends it, as a machine that fails does.
    pub fn kill(self) {
        signal(self.process, "KILL");
    }

    /// Stops it where it is, whatever time passes.
    pub fn stop(&self) {
        signal(self.process, "STOP");
    }

    /// Lets it go on after [`Self::stop`].
    pub fn go_on(self) {
        signal(self.process, "CONT");
    }
}

/// Whether one of the process's threads sleeps.
fn sleeps(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    threads
        .into_iter()
        .flatten()
        .flatten()
        .any(|thread| fs::read_to_string(thread.path().join("wchan")).is_ok_and(|place| place.trim() == SLEEPING))
}

/// Sends a signal; a process that has ended in the same moment needs none.
fn signal(process: u32, signal: &str) {
    let _ = run(Command::new("kill").arg(format!("-{signal}")).arg(process.to_string()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Stdio;

    use super::*;

    #[tokio::test]
    async fn a_process_is_found_by_function_and_home_and_held_where_it_sleeps() {
        let folder = tempfile::tempdir().unwrap();
        let processes = Processes::new(&folder.path().join("tmp"), &folder.path().join("settings"));
        let start = |function: &str, home: &str, program: &[&str]| {
            let mut command = Command::new(program[0]);
            command.args(&program[1..]).env("AWS_LAMBDA_FUNCTION_NAME", function).stdin(Stdio::piped());
            command.env("HOME", folder.path().join(home)).spawn().unwrap()
        };
        processes.hold_at("a-load", "before the load was committed").unwrap();
        let written = fs::read_to_string(folder.path().join("settings/a-load.json")).unwrap();
        assert_eq!(written, r#"{"FAILPOINTS":"before the load was committed=1*sleep(120000)"}"#);
        let mut sleeper = start("a-load", "tmp/1", &["sleep", "60"]);
        let mut others = [start("a-load", "other/1", &["sleep", "60"]), start("a-loader", "tmp/2", &["sleep", "60"])];
        let mut reader = start("a-load", "tmp/3", &["cat"]);
        let mut found = processes.of("a-load").unwrap();
        found.sort_unstable();
        let mut expected = [sleeper.id(), reader.id()];
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert!(!sleeps(reader.id()));
        let held = processes.held("a-load").await.unwrap();
        assert_eq!(held.process, sleeper.id());
        assert!(!folder.path().join("settings/a-load.json").exists());
        held.kill();
        assert!(!sleeper.wait().unwrap().success());
        for child in others.iter_mut().chain([&mut reader]) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
