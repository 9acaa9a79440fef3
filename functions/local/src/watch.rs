//! `fonderie watch`: an inbox folder, of which each complete file is run once.
//!
//! The folder is looked at again and again, for a network folder reports nothing. A file is complete when its size and time of
//! modification have stayed the same for the settle time. Whether it was run is asked of bronze and the ledger, by key and content, so
//! that nothing needs to be remembered between two starts: [`Pipeline::was_run`](crate::pipeline::Pipeline::was_run).

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fonderie_contract::Dataset;
use fonderie_core::{Disposition, ErrorCode, Result, StageError};

use crate::cli::WatchArguments;
use crate::dataset::DatasetFolder;
use crate::files::{Found, find_below};
use crate::pipeline::Finished;
use crate::print::{Output, escaped_lines, remark};
use crate::progress::Progress;
use crate::run::{Job, all, report};
use crate::signals::Stop;
use crate::state::{Buckets, Database};
use crate::{Ending, ends, outcome};

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// When what passes by itself (a database that is away, a state folder that is in use) is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// How the names of files end that a program is still writing, in lower case.
const PARTIAL: [&str; 6] = [".part", ".tmp", ".crdownload", ".partial", ".filepart", ".download"];

pub(crate) async fn run(mut arguments: WatchArguments) -> Result<Ending> {
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    let compiled = dataset.compile()?;
    apart(&arguments.folder, &arguments.state.state)?;
    arguments.state.quiet = arguments.output.quiet;
    let watch = Watch {
        stop: Stop::listen()?,
        output: Output::of(&arguments.output),
        inbox: Inbox {
            folder: arguments.folder.clone(),
            settle: Duration::from_secs(arguments.settle),
            seen: HashMap::new(),
        },
        refused: HashMap::new(),
        notes: HashSet::new(),
        trouble: None,
        ending: Ending::Good,
        dataset: &dataset,
        compiled: &compiled,
        arguments: &arguments,
    };
    watch.run().await
}

/// Refuses a state folder in the inbox, for what a run writes would be run.
fn apart(folder: &Path, state: &Path) -> Result<()> {
    let absolute = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    let (Ok(folder), Ok(state)) = (absolute(folder), absolute(state)) else { return Ok(()) };
    let Ok(below) = state.strip_prefix(&folder) else { return Ok(()) };
    if below.iter().any(|part| part.as_encoded_bytes().starts_with(b".")) {
        return Ok(());
    }
    let message = format!(
        "the state folder {} lies in the folder that is watched, so that what a run writes would be run: name another with --state",
        state.display()
    );
    Err(StageError::new(ErrorCode::SettingsInvalid, message))
}

struct Watch<'a> {
    dataset: &'a DatasetFolder,
    compiled: &'a Dataset,
    arguments: &'a WatchArguments,
    output: Output,
    stop: Stop,
    inbox: Inbox,
    /// What cannot be run, each with the sentence that was printed.
    refused: HashMap<PathBuf, String>,
    /// Notes that were printed.
    notes: HashSet<String>,
    /// What keeps all files from being run, as it was last printed.
    trouble: Option<String>,
    ending: Ending,
}

impl Watch<'_> {
    async fn run(mut self) -> Result<Ending> {
        let once = self.arguments.once;
        // What is missing at the start is a mistake of the call; later it may come back.
        self.inbox.look(&self.dataset.name, Instant::now())?;
        if !once {
            self.note(&format!("watching {}: stop with Ctrl-C", self.inbox.folder.display()));
        }
        let started = Instant::now();
        loop {
            let settled = !once || started.elapsed() >= self.inbox.settle;
            match self.inbox.look(&self.dataset.name, Instant::now()) {
                Ok(look) if settled => {
                    self.notes_of(&look)?;
                    let again = self.batch(look.ready).await;
                    if once {
                        again?;
                        look.settling.iter().for_each(|path| {
                            self.note(&format!("{} is still being written: left for the next start", path.display()));
                        });
                        return Ok(self.ending);
                    }
                    self.trouble(again);
                }
                Ok(_) => {}
                Err(error) if once => return Err(error),
                Err(error) => {
                    let error = StageError::new(error.code, format!("{error}; waiting for it"));
                    self.trouble(Err(error));
                }
            }
            let pause = if self.trouble.is_some() && self.inbox.folder.is_dir() { RETRY } else { LOOK };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.times(1) => {}
            }
            if self.stop.asked() {
                return Ok(Ending::Good);
            }
        }
    }

    /// A remark that is no result.
    fn note(&mut self, sentence: &str) {
        if self.output != Output::Quiet && self.notes.insert(sentence.to_owned()) {
            remark!("{}", escaped_lines(sentence));
        }
    }

    /// Prints what keeps all files from being run, once for as long as it is the same.
    fn trouble(&mut self, result: Result<()>) {
        let trouble = result.err().map(|error| {
            let chain = error.chain();
            if chain.is_empty() { error.to_string() } else { format!("{error}\n  because: {chain}") }
        });
        if let Some(sentence) = trouble.as_ref().filter(|sentence| self.trouble.as_ref() != Some(sentence)) {
            remark!("error: {}", escaped_lines(sentence));
        }
        self.trouble = trouble;
    }

    /// Prints what is new about what is no file to be run.
    fn notes_of(&mut self, look: &Look) -> Result<()> {
        look.skipped.iter().for_each(|sentence| self.note(&format!("skipped: {sentence}")));
        self.refused.retain(|path, _| look.refused.iter().any(|(refused, _)| refused == path));
        for (path, end) in &look.refused {
            let Finished::Refused(error) = end else { continue };
            let sentence = error.to_string();
            if self.refused.get(path) != Some(&sentence) {
                self.ending = Ending::FileFailed;
                match self.output {
                    Output::Json => outcome::line(None, self.compiled, path, None, end)?,
                    Output::Text | Output::Quiet => ends::line(path, end),
                }
                self.refused.insert(path.clone(), sentence);
            }
        }
        Ok(())
    }

    /// Runs complete files, those that were run before excepted.
    async fn batch(&mut self, files: Vec<(PathBuf, String)>) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let (mut stop, quiet) = (self.stop.clone(), self.output == Output::Quiet);
        let twice = async {
            stop.times(1).await;
            if !quiet {
                remark!("stopping: the file under way is finished first; a second signal leaves it for the next start");
            }
            stop.times(2).await;
        };
        tokio::select! {
            result = self.run_files(files) => result,
            () = twice => Ok(()),
        }
    }

    async fn run_files(&mut self, files: Vec<(PathBuf, String)>) -> Result<()> {
        let buckets = Buckets::open(&self.arguments.state.state)?;
        buckets.deploy(self.dataset).await?;
        let database = Database::open(&self.arguments.state).await?;
        let job = Job {
            dataset: self.dataset,
            files,
            refused: Vec::new(),
            as_of: None,
            force: false,
            strict: self.arguments.strict,
            state: &self.arguments.state,
            output: self.output,
            new_only: true,
            stop: Some(&self.stop),
        };
        let (mut finished, failed) = all(&job, &buckets, &database, &Progress::new(self.output)).await;
        database.close().await;
        let before = finished.iter().filter(|(_, end)| matches!(end, Finished::Before)).count();
        let now = Instant::now();
        finished.retain(|(path, end)| self.inbox.ended(path, end, now));
        let reported = report(&job, self.compiled, &buckets, &finished);
        if self.output == Output::Text {
            ends::places(&buckets, &finished);
        }
        if !finished.iter().all(|(_, end)| end.is_good()) {
            self.ending = Ending::FileFailed;
        }
        if before > 0 {
            self.note(&format!("files that were run before and not again: {before}"));
        }
        failed.and(reported)
    }
}

/// What a file looks like from outside: device, inode, size, time of modification in seconds and nanoseconds.
type Mark = (u64, u64, u64, i64, i64);

fn mark(path: &Path) -> Option<Mark> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

/// A file in the inbox.
struct Seen {
    mark: Mark,
    /// Since when it looks like this.
    since: Instant,
    state: State,
}

enum State {
    /// It is not run yet.
    New,
    /// It was run, or failed by its own fault: not again before it changes.
    Done,
    /// It failed for a reason that passes: it is tried again then. With the reason's code, which is not printed twice.
    Later(Instant, String),
}

struct Inbox {
    folder: PathBuf,
    settle: Duration,
    seen: HashMap<PathBuf, Seen>,
}

/// What is in the inbox.
#[derive(Default)]
struct Look {
    /// Complete files that are not known to have been run, each with its key.
    ready: Vec<(PathBuf, String)>,
    /// Files that may still be written to.
    settling: Vec<PathBuf>,
    /// What cannot be run.
    refused: Vec<(PathBuf, Finished)>,
    skipped: Vec<String>,
}

impl Inbox {
    /// Looks at the folder.
    ///
    /// # Errors
    /// `SettingsInvalid`: it is not there, or is no folder.
    fn look(&mut self, dataset: &str, now: Instant) -> Result<Look> {
        let Found { files, refused, skipped } = find_below(&self.folder, dataset)?;
        let mut look = Look { skipped, ..Look::default() };
        let mut seen = HashMap::with_capacity(files.len());
        for (path, key) in files {
            let (false, Some(mark)) = (is_partial(&path), mark(&path)) else { continue };
            let entry = match self.seen.remove(&path) {
                Some(entry) if entry.mark == mark => entry,
                _ => Seen { mark, since: now, state: State::New },
            };
            match &entry.state {
                State::New if now.duration_since(entry.since) >= self.settle => look.ready.push((path.clone(), key)),
                State::New => look.settling.push(path.clone()),
                State::Later(until, _) if *until <= now => look.ready.push((path.clone(), key)),
                State::Later(..) | State::Done => {}
            }
            seen.insert(path, entry);
        }
        self.seen = seen;
        // What was taken away meanwhile is no concern.
        let there = |path: &Path| std::fs::symlink_metadata(path).is_ok();
        let refused = refused.into_iter().filter(|(path, _)| there(path) && !is_partial(path));
        look.refused = refused.map(|(path, error)| (path, Finished::Refused(Box::new(error)))).collect();
        Ok(look)
    }

    /// Notes how a file ended, and returns whether that is to be reported.
    fn ended(&mut self, path: &Path, end: &Finished, now: Instant) -> bool {
        let Some(entry) = self.seen.get_mut(path) else { return !matches!(end, Finished::Before) };
        let (state, reported) = match end {
            Finished::Ran(..) => (State::Done, true),
            Finished::Before => (State::Done, false),
            Finished::Failed(failure) if matches!(failure.disposition, Disposition::Transient | Disposition::Busy) => {
                let known = matches!(&entry.state, State::Later(_, code) if *code == failure.code);
                (State::Later(now + RETRY, failure.code.clone()), !known)
            }
            Finished::Failed(_) => (State::Done, true),
            // It was complete to all appearance, and is written to after all, or was taken away.
            Finished::Refused(error) if matches!(error.code, ErrorCode::ObjectChanged | ErrorCode::ObjectMissing) => {
                entry.since = now;
                (State::New, false)
            }
            Finished::Refused(_) => (State::Done, true),
        };
        entry.state = state;
        reported
    }
}

/// Whether a file has the name of one that a program is still writing, or of an office program's mark. Hidden files are not found.
fn is_partial(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.starts_with("~$") || PARTIAL.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use fonderie_core::ObjectRef;
    use fonderie_core::stage::Failure;

    use super::*;

    #[test]
    fn a_file_is_ready_when_it_has_stayed_the_same_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut inbox =
            Inbox { folder: folder.path().to_owned(), settle: Duration::from_secs(5), seen: HashMap::new() };
        let start = Instant::now();
        let look = |inbox: &mut Inbox, seconds: u64| {
            let look = inbox.look("d", start + Duration::from_secs(seconds)).unwrap();
            (look.ready.len(), look.settling.len())
        };
        for partial in ["b.csv.part", "~$c.xlsx", ".d.csv", "E.CRDOWNLOAD", "f.tmp"] {
            std::fs::write(folder.path().join(partial), "x").unwrap();
        }
        std::fs::write(&path, "a").unwrap();
        assert_eq!([look(&mut inbox, 0), look(&mut inbox, 4)], [(0, 1), (0, 1)]);
        std::fs::write(&path, "ab").unwrap();
        assert_eq!([look(&mut inbox, 5), look(&mut inbox, 9)], [(0, 1), (0, 1)], "it has grown");
        assert_eq!([look(&mut inbox, 10), look(&mut inbox, 11)], [(1, 0), (1, 0)], "until it is said how it ended");
        let now = start + Duration::from_secs(12);
        assert!(!inbox.ended(&path, &Finished::Before, now));
        assert_eq!(look(&mut inbox, 60), (0, 0));
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(
            [look(&mut inbox, 61), look(&mut inbox, 66)],
            [(0, 1), (1, 0)],
            "another content is another version"
        );
        let changed = StageError::new(ErrorCode::ObjectChanged, "x");
        assert!(!inbox.ended(&path, &Finished::Refused(Box::new(changed)), start + Duration::from_secs(66)));
        assert_eq!([look(&mut inbox, 70), look(&mut inbox, 71)], [(0, 1), (1, 0)]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(&mut inbox, 80), (0, 0));
    }

    #[test]
    fn what_passes_by_itself_is_tried_again_and_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "a").unwrap();
        let mut inbox = Inbox { folder: folder.path().to_owned(), settle: Duration::ZERO, seen: HashMap::new() };
        let failed = |code: ErrorCode| {
            Finished::Failed(Box::new(Failure {
                run_id: "r".to_owned(),
                started_at: chrono::Utc::now(),
                stage: None,
                code: code.name().to_owned(),
                disposition: code.disposition(),
                cause: String::new(),
                bucket: None,
                key: None,
                version_id: None,
                dataset: None,
                source: None,
                record: ObjectRef { bucket: "b".to_owned(), key: "k".to_owned() },
            }))
        };
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let ready = |inbox: &mut Inbox, seconds| inbox.look("d", at(seconds)).unwrap().ready.len();
        assert_eq!(ready(&mut inbox, 0), 1);
        assert!(inbox.ended(&path, &failed(ErrorCode::DatabaseUnavailable), at(0)));
        assert_eq!([ready(&mut inbox, 59), ready(&mut inbox, 60)], [0, 1]);
        assert!(!inbox.ended(&path, &failed(ErrorCode::DatabaseUnavailable), at(60)), "it was reported");
        assert_eq!([ready(&mut inbox, 119), ready(&mut inbox, 120)], [0, 1]);
        assert!(inbox.ended(&path, &failed(ErrorCode::ColumnMissing), at(120)));
        assert_eq!(ready(&mut inbox, 9999), 0, "that is the file's own fault");
    }

    #[test]
    fn a_state_folder_in_the_inbox_is_refused_unless_it_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (state, accepted) in [("state", false), (".fonderie", true), (".fonderie/demo", true), ("", false)] {
            assert_eq!(apart(folder.path(), &at(state)).is_ok(), accepted, "{state}");
        }
        assert!(apart(&at("in"), &at("state")).is_ok());
    }
}
