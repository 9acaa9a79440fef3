//! `fonderie generate`: a dataset's sample files in a folder, with the truth about them beside them.
//!
//! `DIR/files` holds the files and nothing else, so that it can be run as it is; `DIR/ground-truth` what must come out.
//! A list of what was made stands in the folder before anything else does: by it a later call, or one after a killed
//! one, knows what it may replace.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use chrono::NaiveDate;
use fonderie_core::money::group_digits;
use fonderie_core::{ErrorCode, Result, StageError, hex};
use fonderie_sample::{ANOMALIES_HEADER, DIRTY_HEADER, FILE, FileTruth, Plan, Settings, Sinks, write_file};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::Ending;
use crate::cli::GenerateArguments;
use crate::dataset::DatasetFolder;
use crate::print::{align_right, say, table};
use crate::terminal::bars;

const FILES: &str = "files";
const TRUTH: &str = "ground-truth";
/// The list of what was made; a hidden file, which a run passes over.
const MADE: &str = ".fonderie-sample";

/// What to make; what is absent is as the dataset says.
pub(crate) struct Request<'a> {
    pub(crate) out: &'a Path,
    pub(crate) rows: Option<u64>,
    pub(crate) seed: Option<u64>,
    pub(crate) as_of: Option<NaiveDate>,
    pub(crate) force: bool,
}

/// What was made.
#[derive(Debug, Serialize)]
pub(crate) struct Generated {
    pub(crate) dataset: String,
    pub(crate) seed: u64,
    pub(crate) as_of: NaiveDate,
    pub(crate) rows_per_file: u64,
    /// By name, the name being that of a file in `folder`.
    pub(crate) files: BTreeMap<String, GeneratedFile>,
    /// The folder of the files.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
    /// The folder of the truth about them.
    #[serde(skip)]
    pub(crate) truth: PathBuf,
}

/// A file that was made.
#[derive(Debug, Serialize)]
pub(crate) struct GeneratedFile {
    #[serde(flatten)]
    pub(crate) truth: FileTruth,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

pub(crate) fn run(arguments: &GenerateArguments) -> Result<Ending> {
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    let GenerateArguments { out, sample, as_of, force, .. } = arguments;
    let request = Request { out, rows: sample.rows, seed: sample.seed, as_of: *as_of, force: *force };
    let made = generate(&dataset, &request)?;
    let mut shown = table(&["file", "rows", "must be accepted", "must be rejected", "anomalies", "bytes"]);
    for (name, file) in &made.files {
        let truth = &file.truth;
        let anomalies: u64 = truth.anomalies.values().sum();
        let numbers = [truth.rows, truth.accepted, truth.rejected, anomalies, file.bytes];
        shown.add_row(std::iter::once(name.clone()).chain(numbers.map(|number| group_digits(&number.to_string()))));
    }
    align_right(&mut shown, 1);
    say!("{shown}");
    let (folder, truth) = (made.folder.display(), made.truth.display());
    say!("\nfiles         {folder}");
    say!("ground truth  {truth}: ground_truth.json, dirty.csv, anomalies.csv");
    say!("made of       dataset {}, seed {}, as of {}", made.dataset, made.seed, made.as_of);
    // As it was called, so that the line can be copied whether the program is installed or run by cargo.
    let program = std::env::args().next().unwrap_or_else(|| "fonderie".to_owned());
    say!("\nRun them: {program} run {folder} --as-of {}", made.as_of);
    Ok(Ending::Good)
}

/// Makes a dataset's sample files.
///
/// # Errors
/// `ContractInvalid` with all mistakes in the dataset's contracts or in its plan; `SettingsInvalid` for a folder that holds
/// something else; `StorageUnavailable` where it cannot be written.
pub(crate) fn generate(dataset: &DatasetFolder, request: &Request<'_>) -> Result<Generated> {
    let compiled = dataset.compile()?;
    let text = dataset.text(FILE).map_err(|error| {
        let place = dataset.place();
        let message = format!("{FILE} of {place} cannot be read: it says what the dataset's sample files are made of; `demo` runs the files of the folder `samples` without it");
        StageError::new(ErrorCode::ContractInvalid, message).caused_by(error)
    })?;
    let plan = Plan::compile(&text, &compiled)
        .map_err(|mistakes| StageError::new(ErrorCode::ContractInvalid, mistakes.to_string()))?;
    let settings = Settings {
        rows: request.rows.unwrap_or(plan.defaults.rows),
        seed: request.seed.unwrap_or(plan.defaults.seed),
        as_of: request.as_of.unwrap_or(plan.defaults.as_of),
    };
    let names: Vec<&str> = plan.files.iter().map(|file| file.name.as_str()).collect();
    let folder = Folder::prepare(request.out, &names, request.force)?;
    let mut dirty = folder.note("dirty.csv", DIRTY_HEADER)?;
    let mut anomalies = folder.note("anomalies.csv", ANOMALIES_HEADER)?;
    let progress = Progress::begin(settings.rows * plan.files.len() as u64);
    let mut files = BTreeMap::new();
    for (before, file) in (0_u64..).zip(&plan.files) {
        progress.file(&file.name);
        // Under another name until it is whole, and not where a run looks for files.
        let part = folder.part(&file.name);
        let mut sink = BufWriter::new(File::create(&part).map_err(|error| unwritten(&part, error))?);
        let sinks = Sinks { file: &mut sink, dirty: &mut dirty, anomalies: &mut anomalies, accepted: None };
        let truth = write_file(&plan, &compiled, file, settings, sinks, &mut |rows| {
            progress.rows(before * settings.rows + rows);
        })?;
        sink.into_inner().map_err(|error| unwritten(&part, error.into_error()))?;
        let (bytes, sha256) = digest(&part).map_err(|error| unwritten(&part, error))?;
        let path = folder.files.join(&file.name);
        fs::rename(&part, &path).map_err(|error| unwritten(&path, error))?;
        files.insert(file.name.clone(), GeneratedFile { truth, bytes, sha256 });
    }
    for note in [&mut dirty, &mut anomalies] {
        note.flush().map_err(|error| unwritten(&folder.truth, error))?;
    }
    progress.end();
    let made = Generated {
        dataset: dataset.name.clone(),
        seed: settings.seed,
        as_of: settings.as_of,
        rows_per_file: settings.rows,
        files,
        folder: folder.files.clone(),
        truth: folder.truth.clone(),
    };
    let mut json = serde_json::to_vec_pretty(&made)
        .map_err(|error| StageError::new(ErrorCode::Internal, "the ground truth is no JSON").caused_by(error))?;
    json.push(b'\n');
    folder.write("ground_truth.json", &json)?;
    Ok(made)
}

/// What is said of a file or folder that could not be written.
pub(crate) fn unwritten(path: &Path, error: io::Error) -> StageError {
    let message = format!("{} could not be written: the disk is full, or its rights do not allow it", path.display());
    StageError::new(ErrorCode::StorageUnavailable, message).caused_by(error)
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    struct Hash(Sha256);
    impl Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hash = Hash(Sha256::new());
    let bytes = io::copy(&mut File::open(path)?, &mut hash)?;
    Ok((bytes, hex(hash.0.finalize())))
}

/// The folder that is written to.
struct Folder {
    files: PathBuf,
    truth: PathBuf,
}

impl Folder {
    /// Makes it, and takes away what an earlier call made in it.
    fn prepare(out: &Path, names: &[&str], force: bool) -> Result<Self> {
        let folder = Self { files: out.join(FILES), truth: out.join(TRUTH) };
        let list = out.join(MADE);
        let earlier = match fs::read_to_string(&list) {
            Ok(earlier) => Some(earlier),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unwritten(&list, error)),
        };
        let holds_something = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
        if earlier.is_none() && holds_something && !force {
            let message = format!(
                "the folder {} holds something that `generate` did not make: name another with --out, or let it write \
                 there with --force",
                out.display()
            );
            return Err(StageError::new(ErrorCode::SettingsInvalid, message));
        }
        for made in earlier.iter().flat_map(|earlier| earlier.lines()).map(Path::new) {
            // The list is a file that anyone may have changed: nothing outside the folder is touched.
            if made.components().all(|part| matches!(part, Component::Normal(_))) {
                match fs::remove_file(out.join(made)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritten(made, error)),
                    _ => {}
                }
            }
        }
        for path in [&folder.files, &folder.truth] {
            fs::create_dir_all(path).map_err(|error| unwritten(path, error))?;
        }
        let notes = ["ground_truth.json", "dirty.csv", "anomalies.csv"].map(|name| format!("{TRUTH}/{name}\n"));
        let files = names.iter().flat_map(|name| [format!("{FILES}/{name}\n"), format!("{TRUTH}/{name}.part\n")]);
        let made: String = files.chain(notes).collect();
        fs::write(&list, made).map_err(|error| unwritten(&list, error))?;
        Ok(folder)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.truth.join(format!("{name}.part"))
    }

    fn note(&self, name: &str, header: &str) -> Result<BufWriter<File>> {
        let path = self.truth.join(name);
        let mut note = File::create(&path).map(BufWriter::new).map_err(|error| unwritten(&path, error))?;
        note.write_all(header.as_bytes()).map_err(|error| unwritten(&path, error))?;
        Ok(note)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.truth.join(name);
        fs::write(&path, bytes).map_err(|error| unwritten(&path, error))
    }
}

/// A bar over the rows of all files on a terminal; nothing elsewhere.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn begin(rows: u64) -> Self {
        let bar = if bars() { ProgressBar::new(rows) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} {msg} {bar:30} {human_pos}/{human_len} rows [{elapsed}]");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    fn file(&self, name: &str) {
        self.bar.set_message(name.to_owned());
    }

    fn rows(&self, rows: u64) {
        self.bar.set_position(rows);
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
