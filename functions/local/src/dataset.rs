//! Where datasets come from: a folder of them, or the program, which carries the repository's.

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use fonderie_contract::{Bundle, Dataset, Mistakes, Queries, Query};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::carried;
use crate::cli::{DatasetArguments, FolderArguments};
use crate::command_line::collisions;

/// The folder of datasets that is used if it is there and none is named.
pub(crate) const FOLDER: &str = "datasets";

/// The folder of a dataset's own sample files.
const SAMPLES: &str = "samples";

/// Where datasets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A folder of datasets.
    Folder(PathBuf),
    /// The program itself.
    Carried,
}

impl Origin {
    /// The folder that was named; else the folder `datasets`, if it is there; else the program.
    pub(crate) fn of(arguments: &FolderArguments) -> Self {
        match &arguments.datasets {
            Some(folder) => Self::Folder(folder.clone()),
            None if fs::symlink_metadata(FOLDER).is_ok() => Self::Folder(FOLDER.into()),
            None => Self::Carried,
        }
    }

    /// The names of its datasets, sorted.
    ///
    /// # Errors
    /// `SettingsInvalid`: the folder cannot be read, or holds no dataset.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let names = match self {
            Self::Folder(folder) => names(folder)?,
            Self::Carried => carried::names(),
        };
        if names.is_empty() {
            let message = format!(
                "{self} holds no dataset (a folder with a dataset.toml): name the folder of datasets with --datasets, or put one \
                 there with `init`"
            );
            return Err(invalid(message));
        }
        Ok(names)
    }

    /// Reads the one of several datasets that is meant if none is named: it declares `default = true`.
    fn default(&self, names: &[String]) -> Result<DatasetFolder> {
        let mut marked = Vec::new();
        for name in names {
            marked.extend(Some(self.read(name)?).filter(|folder| folder.bundle.is_default()));
        }
        let several = if marked.is_empty() { "datasets" } else { "datasets with `default = true`" };
        match (marked.pop(), marked.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => {
                let names = names.join(", ");
                Err(invalid(format!("{self} has several {several}, choose one with --dataset: {names}")))
            }
        }
    }

    /// Reads one of its datasets.
    ///
    /// # Errors
    /// `SettingsInvalid`: something in its folder cannot be read, or is no ordinary file.
    pub(crate) fn read(&self, name: &str) -> Result<DatasetFolder> {
        let mut files = Vec::new();
        match self {
            Self::Folder(folder) => collect(&folder.join(name), "", &mut files)?,
            Self::Carried => {
                files.extend(carried::files(name).map(|(path, text)| (path.to_owned(), text.to_owned())));
            }
        }
        Ok(DatasetFolder { name: name.to_owned(), origin: self.clone(), bundle: Bundle::from_files(files) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Carried => f.write_str("the program"),
        }
    }
}

/// A dataset's folder, on the disk or carried, read.
pub(crate) struct DatasetFolder {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) bundle: Bundle,
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

impl DatasetFolder {
    /// Reads the dataset that the arguments name, or the only one that is there.
    pub(crate) fn read(arguments: &DatasetArguments) -> Result<Self> {
        let origin = Origin::of(&arguments.folder);
        let names = origin.names()?;
        let name = match (&arguments.dataset, names.as_slice()) {
            (Some(name), _) if names.contains(name) => name,
            (Some(name), _) => {
                let message = format!("{origin} has no dataset `{name}`: there are {}", names.join(", "));
                return Err(invalid(message));
            }
            (None, [name]) => name,
            (None, several) => return origin.default(several),
        };
        origin.read(name)
    }

    /// Checks everything and compiles it.
    ///
    /// # Errors
    /// `ContractInvalid` with all mistakes.
    pub(crate) fn compile(&self) -> Result<Dataset> {
        let invalid = |message: String| StageError::new(ErrorCode::ContractInvalid, message);
        let dataset = self.bundle.compile().map_err(|mistakes| mistaken(&mistakes))?;
        callable(&dataset.queries)?;
        if dataset.name != self.name {
            let message = format!(
                "dataset.toml: `name`: found \"{}\"; accepted: \"{}\", which is the name of its folder {}",
                dataset.name,
                self.name,
                self.place()
            );
            return Err(invalid(message));
        }
        Ok(dataset)
    }

    /// Checks and compiles its queries only: one may be asked while the rest has mistakes.
    ///
    /// # Errors
    /// `ContractInvalid` with the mistakes in what is declared of queries.
    pub(crate) fn queries(&self) -> Result<Queries> {
        let queries = self.bundle.queries().map_err(|mistakes| mistaken(&mistakes))?;
        callable(&queries.list)?;
        Ok(queries)
    }

    /// Where it lies, for a person.
    pub(crate) fn place(&self) -> String {
        match &self.origin {
            Origin::Folder(folder) => folder.join(&self.name).display().to_string(),
            Origin::Carried => format!("{} in the program", self.name),
        }
    }

    /// Its own sample files, `samples/*`: name and content, by name; none if it has no such folder.
    ///
    /// # Errors
    /// `SettingsInvalid`: one cannot be read, or is no ordinary file.
    pub(crate) fn samples(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut samples = Vec::new();
        match &self.origin {
            Origin::Folder(folder) => {
                let folder = folder.join(&self.name).join(SAMPLES);
                let unread = |error| invalid(format!("{} cannot be read", folder.display())).caused_by(error);
                if fs::symlink_metadata(&folder).is_err() {
                    return Ok(samples);
                }
                for entry in fs::read_dir(&folder).map_err(unread)? {
                    let entry = entry.map_err(unread)?;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if !name.starts_with('.') && ordinary(&entry.path())? == Ordinary::File {
                        samples.push((name, fs::read(entry.path()).map_err(unread)?));
                    }
                }
            }
            Origin::Carried => samples.extend(carried::files(&self.name).filter_map(|(path, text)| {
                let name = path.strip_prefix(SAMPLES)?.strip_prefix('/')?;
                Some((name.to_owned(), text.as_bytes().to_vec()))
            })),
        }
        samples.sort();
        Ok(samples)
    }

    /// The text of one of its files that is no part of the bundle.
    ///
    /// # Errors
    /// Those of reading a file.
    pub(crate) fn text(&self, path: &str) -> std::io::Result<String> {
        match &self.origin {
            Origin::Folder(folder) => fs::read_to_string(folder.join(&self.name).join(path)),
            Origin::Carried => carried::files(&self.name)
                .find(|(carried, _)| *carried == path)
                .map(|(_, text)| text.to_owned())
                .ok_or_else(|| std::io::ErrorKind::NotFound.into()),
        }
    }
}

fn mistaken(mistakes: &Mistakes) -> StageError {
    StageError::new(ErrorCode::ContractInvalid, mistakes.to_string())
}

/// Refuses declarations that this program's command line cannot hold.
fn callable(queries: &[Query]) -> Result<()> {
    let mistakes = collisions(queries);
    if mistakes.is_empty() { Ok(()) } else { Err(mistaken(&Mistakes(mistakes))) }
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|error| {
        let message = format!("the folder of datasets {} cannot be read: name it with --datasets", folder.display());
        invalid(message).caused_by(error)
    })?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("dataset.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        // One that is being copied has a hidden name.
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    Ok(names)
}

/// What may be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ordinary {
    File,
    Folder,
}

/// A file or a folder, links followed.
///
/// # Errors
/// `SettingsInvalid` for a link that leads nowhere or back to a folder that holds it, and for pipes, devices and sockets, which
/// would be read without an end.
pub(crate) fn ordinary(path: &Path) -> Result<Ordinary> {
    let shown = path.display();
    let kind = fs::metadata(path).map_err(|error| {
        let link = fs::symlink_metadata(path).is_ok_and(|kind| kind.is_symlink());
        let what = if link { "is a link that leads nowhere, or back to itself" } else { "cannot be read" };
        invalid(format!("{shown} {what}: take it away, or name other files")).caused_by(error)
    })?;
    if kind.is_dir() {
        let link = fs::symlink_metadata(path).is_ok_and(|kind| kind.is_symlink());
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let around = |target: PathBuf| fs::canonicalize(parent).is_ok_and(|parent| parent.starts_with(target));
        if link && fs::canonicalize(path).is_ok_and(around) {
            return Err(invalid(format!("{shown} is a link back to a folder that holds it: take it away")));
        }
        return Ok(Ordinary::Folder);
    }
    if kind.is_file() {
        return Ok(Ordinary::File);
    }
    Err(invalid(format!("{shown} is no ordinary file but a pipe, a device or a socket: copy its content into a file")))
}

/// The texts that belong into a bundle, with paths relative to the dataset's folder.
fn collect(root: &Path, below: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    let folder = root.join(below);
    let failed = |path: PathBuf, error: std::io::Error| {
        invalid(format!("{} cannot be read: its rights, or its text (it must be UTF-8)", path.display()))
            .caused_by(error)
    };
    for entry in fs::read_dir(&folder).map_err(|error| failed(folder.clone(), error))? {
        let entry = entry.map_err(|error| failed(folder.clone(), error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let relative = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let (path, taken) = (entry.path(), Bundle::takes(&relative));
        // Hidden files are an editor's, such as a link that marks a file as open.
        if name.starts_with('.') && !taken {
            continue;
        }
        match ordinary(&path)? {
            Ordinary::Folder if below.is_empty() => collect(root, &relative, files)?,
            Ordinary::Folder => {}
            Ordinary::File if taken => {
                let text = fs::read_to_string(&path).map_err(|error| failed(path, error))?;
                files.push((relative, text));
            }
            Ordinary::File => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A folder of datasets with one that is as small as can be, gone with the value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("fonderie-folder-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(folder.join("d/sources")).unwrap();
            fs::write(folder.join("d/dataset.toml"), "name = \"d\"").unwrap();
            Self(folder)
        }

        fn read(&self) -> Result<DatasetFolder> {
            let folder = FolderArguments { datasets: Some(self.0.clone()) };
            DatasetFolder::read(&DatasetArguments { dataset: None, folder })
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn refused(folder: &Folder, words: &[&str]) {
        let error = folder.read().err().unwrap();
        assert_eq!(error.code, ErrorCode::SettingsInvalid);
        words.iter().for_each(|word| assert!(error.message.contains(word), "{word}: {error}"));
    }

    #[test]
    fn links_in_loops_and_what_has_no_end_are_refused() {
        let folder = Folder::new("hostile");
        let at = |name: &str| folder.0.join("d").join(name);
        folder.read().unwrap();
        // An editor's mark is a link that leads nowhere.
        symlink("somebody@somewhere:1", at(".#dataset.toml")).unwrap();
        folder.read().unwrap();
        for (place, target, word) in [
            ("sources/a.toml", "a.toml", "back to itself"),
            ("sources/b.toml", "missing.toml", "leads nowhere"),
            ("sources/c.toml", "/dev/zero", "a device"),
            ("sources/.d.toml", "/dev/zero", "a device"),
            ("loop", ".", "a link back to a folder that holds it"),
            ("sources/up", "../..", "a link back to a folder that holds it"),
        ] {
            symlink(target, at(place)).unwrap();
            refused(&folder, &[word, place]);
            fs::remove_file(at(place)).unwrap();
        }
        let socket = UnixListener::bind(at("s")).unwrap();
        refused(&folder, &["socket"]);
        drop(socket);
        fs::remove_file(at("s")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("sources/f.toml")).status().unwrap().success());
        refused(&folder, &["a pipe", "f.toml"]);
        fs::remove_file(at("sources/f.toml")).unwrap();
        // A link to a text elsewhere is what it shows.
        fs::write(folder.0.join("elsewhere.toml"), "x").unwrap();
        symlink("../../elsewhere.toml", at("sources/e.toml")).unwrap();
        assert_eq!(folder.read().unwrap().bundle.files().count(), 2);
    }

    #[test]
    fn a_folder_has_the_name_of_its_dataset() {
        let folder = Folder::new("name");
        fs::remove_dir_all(folder.0.join("d")).unwrap();
        for (path, text) in fonderie_test_support::shop_files() {
            let path = folder.0.join("store").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let error = folder.read().unwrap().compile().err().unwrap();
        assert_eq!(error.code, ErrorCode::ContractInvalid);
        assert!(error.message.contains("found \"shop\"; accepted: \"store\""), "{error}");
    }
}
