//! Runs scenarios one after the other and prints a table as they end: scenario, result, seconds.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Instant;

use futures::FutureExt;

use crate::Result;

/// A scenario's end.
pub enum Outcome {
    /// It showed what it should; a word on what was seen.
    Passed(String),
    /// It could not be tried here: why.
    Skipped(String),
}

/// The scenarios of one test program.
pub struct Scenarios {
    filters: Vec<String>,
    /// Each with what was wrong.
    failed: Vec<(String, String)>,
    rows: usize,
}

impl Scenarios {
    /// Those whose names contain one of the program's arguments; without an argument, all.
    pub fn from_arguments() -> Self {
        let filters = filters();
        print(&format!("{:<44} {:<8} {:>7}  seen", "scenario", "result", "seconds"));
        Self { filters, failed: Vec::new(), rows: 0 }
    }

    /// Whether one of this name was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }

    /// Runs one, unless it was not asked for.
    pub async fn run(&mut self, name: &str, scenario: impl Future<Output = Result<Outcome>>) {
        if self.wants(name) {
            self.always(name, scenario).await;
        }
    }

    /// Runs what the scenarios need. One that panics has failed, and those after it are run.
    pub async fn always(&mut self, name: &str, scenario: impl Future<Output = Result<Outcome>>) {
        let started = Instant::now();
        let outcome = AssertUnwindSafe(scenario).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|panic| Err(message(&*panic).into()));
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(Outcome::Passed(seen)) => self.row(name, "ok", seconds, &seen),
            Ok(Outcome::Skipped(why)) => self.row(name, "skipped", seconds, &why),
            Err(error) => {
                let wrong = error.to_string();
                self.row(name, "FAILED", seconds, &wrong);
                self.failed.push((name.to_owned(), wrong));
            }
        }
    }

    /// Notes what cannot be tried on this machine.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.row(name, "skipped", 0.0, why);
    }

    fn row(&mut self, name: &str, result: &str, seconds: f64, seen: &str) {
        self.rows += 1;
        print(&format!("{name:<44} {result:<8} {seconds:>7.1}  {seen}"));
    }

    /// Whether anything has failed so far.
    pub fn any_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// As [`Self::finish`], with the seconds that all took together.
    pub fn finish_after(self, started: Instant) -> ExitCode {
        print(&format!("{:<44} {:<8} {:>7.1}", "all", "", started.elapsed().as_secs_f64()));
        self.finish()
    }

    /// The program's result, after a last line. What failed is said once more: the table may be far above, before a log.
    pub fn finish(self) -> ExitCode {
        if self.failed.is_empty() {
            print(&format!("{} scenarios, none failed", self.rows));
            return ExitCode::SUCCESS;
        }
        print(&format!("{} scenarios, {} failed:", self.rows, self.failed.len()));
        for (name, wrong) in &self.failed {
            print(&format!("{name}: {wrong}"));
        }
        ExitCode::FAILURE
    }
}

/// Whether only some of the program's scenarios were asked for.
pub fn are_filtered() -> bool {
    !filters().is_empty()
}

fn filters() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect()
}

/// What a panic says.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(line: &str) {
    println!("{line}");
}

/// `Err` with a message, unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}

/// `Err` with both values, unless they are equal.
#[macro_export]
macro_rules! ensure_eq {
    ($left:expr, $right:expr, $($message:tt)+) => {{
        let (left, right) = (&$left, &$right);
        if left != right {
            return Err(format!("{}: {left:?} is not {right:?}", format_args!($($message)+)).into());
        }
    }};
}
