//! Which files a call runs: those that were named, and those in the folders that were named; each once, however many links lead to
//! it. What cannot be run is listed and stops no other.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fonderie_core::{ErrorCode, Result, StageError};

/// What the paths of a call led to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Each file with its key in bronze: the dataset's name, then the path below the folder that was named.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// What was to be run and cannot be, and why.
    pub(crate) refused: Vec<(PathBuf, StageError)>,
    /// What lies in a folder and is no file to be run: a sentence each.
    pub(crate) skipped: Vec<String>,
}

/// What S3 accepts as a key, in bytes.
const KEY_LIMIT: usize = 1024;

/// Device and inode.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

struct Candidate {
    /// The position of its path in the call.
    argument: usize,
    path: PathBuf,
    key: String,
    identity: Identity,
    /// A link led to it.
    linked: bool,
}

/// A link to a folder, walked after everything that needs no link.
struct Linked {
    argument: usize,
    path: PathBuf,
    key: String,
}

#[derive(Default)]
struct Search {
    candidates: Vec<Candidate>,
    found: Found,
    later: Vec<Linked>,
    /// The folders that were walked, each under its first path.
    folders: HashMap<Identity, PathBuf>,
}

/// Finds what is to be run.
///
/// # Errors
/// [`ErrorCode::SettingsInvalid`]: two files would be one object.
pub(crate) fn find(paths: &[PathBuf], dataset: &str) -> Result<Found> {
    let mut search = Search::default();
    for (argument, path) in paths.iter().enumerate() {
        let before = search.count();
        if let Err(error) = search.named(argument, path, dataset) {
            search.refuse(path, error);
        } else if path.is_dir() && search.count() == before {
            search.refuse(path, invalid(format!("the folder {} holds no file", path.display())));
        }
    }
    search.end()
}

/// Finds what is to be run in a folder, which may be empty.
///
/// # Errors
/// [`ErrorCode::SettingsInvalid`]: it is not there, or is no folder.
pub(crate) fn find_below(folder: &Path, dataset: &str) -> Result<Found> {
    if !followed(folder)?.is_dir() {
        return Err(invalid(format!("{} is no folder", folder.display())));
    }
    let mut search = Search::default();
    search.folder(0, folder, dataset, false);
    search.end()
}

impl Search {
    /// Walks the links that were put off, and takes each file once.
    fn end(mut self) -> Result<Found> {
        for Linked { argument, path, key } in std::mem::take(&mut self.later) {
            self.folder(argument, &path, &key, true);
        }
        let mut found = self.found;
        found.files = once(self.candidates, &mut found.skipped);
        one_file_per_key(&found.files)?;
        Ok(found)
    }

    fn count(&self) -> usize {
        self.candidates.len() + self.found.refused.len() + self.later.len() + self.found.skipped.len()
    }

    fn refuse(&mut self, path: &Path, error: StageError) {
        self.found.refused.push((path.to_owned(), error));
    }

    /// A path of the call itself: what is no file is a mistake.
    fn named(&mut self, argument: usize, path: &Path, dataset: &str) -> Result<()> {
        let metadata = followed(path)?;
        if metadata.is_dir() {
            self.folder(argument, path, dataset, false);
            return Ok(());
        }
        if !metadata.is_file() {
            let message = format!("{} is {}: copy its content into a file", path.display(), kind(&metadata));
            return Err(invalid(message));
        }
        let name = text(path, path.file_name().unwrap_or(path.as_os_str()))?;
        let linked = path.is_symlink();
        self.file(argument, path, format!("{dataset}/{name}"), &metadata, linked)
    }

    fn file(&mut self, argument: usize, path: &Path, key: String, metadata: &Metadata, linked: bool) -> Result<()> {
        if key.len() > KEY_LIMIT {
            return Err(invalid(format!(
                "its path below the folder that was named is too long, for a key has at most {KEY_LIMIT} bytes: name a folder nearer to {}",
                path.file_name().unwrap_or_default().display()
            )));
        }
        std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
        self.candidates.push(Candidate { argument, path: path.to_owned(), key, identity: identity(metadata), linked });
        Ok(())
    }

    /// The files in a folder. A folder is walked once: links may lead back to it.
    fn folder(&mut self, argument: usize, folder: &Path, key: &str, linked: bool) {
        let metadata = match followed(folder) {
            Ok(metadata) => metadata,
            Err(error) => return self.refuse(folder, error),
        };
        if let Some(other) = self.folders.get(&identity(&metadata)) {
            let sentence = format!("{} is the folder {}, which is run already", folder.display(), other.display());
            self.found.skipped.push(sentence);
            return;
        }
        self.folders.insert(identity(&metadata), folder.to_owned());
        let mut entries: Vec<_> = match std::fs::read_dir(folder).and_then(Iterator::collect) {
            Ok(entries) => entries,
            Err(error) => return self.refuse(folder, unreadable(folder, error)),
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            // Hidden files are a desktop's, not a sender's.
            if !entry.file_name().as_encoded_bytes().starts_with(b".")
                && let Err(error) = self.entry(argument, &entry, key, linked)
            {
                self.refuse(&entry.path(), error);
            }
        }
    }

    fn entry(&mut self, argument: usize, entry: &std::fs::DirEntry, key: &str, linked: bool) -> Result<()> {
        let path = entry.path();
        let metadata = followed(&path)?;
        if !metadata.is_dir() && !metadata.is_file() {
            self.found.skipped.push(format!("{} is {}", path.display(), kind(&metadata)));
            return Ok(());
        }
        let key = format!("{key}/{}", text(&path, &entry.file_name())?);
        let link = path.is_symlink();
        match metadata.is_dir() {
            true if link => self.later_or_now(Linked { argument, path, key }, linked),
            true => self.folder(argument, &path, &key, linked),
            false => return self.file(argument, &path, key, &metadata, linked || link),
        }
        Ok(())
    }

    /// A file keeps the key that it has without links.
    fn later_or_now(&mut self, link: Linked, linked: bool) {
        if linked {
            self.folder(link.argument, &link.path, &link.key, true);
        } else {
            self.later.push(link);
        }
    }
}

/// Each file once, under a path without a link if it has one, in the order of the call and of the names.
fn once(mut candidates: Vec<Candidate>, skipped: &mut Vec<String>) -> Vec<(PathBuf, String)> {
    candidates.sort_by(|a, b| (a.linked, a.argument, &a.path).cmp(&(b.linked, b.argument, &b.path)));
    let mut seen: HashMap<Identity, PathBuf> = HashMap::new();
    candidates.retain(|file| {
        if let Some(other) = seen.get(&file.identity) {
            skipped.push(format!("{} is the file {}, which is run already", file.path.display(), other.display()));
            return false;
        }
        seen.insert(file.identity, file.path.clone());
        true
    });
    candidates.sort_by(|a, b| (a.argument, &a.path).cmp(&(b.argument, &b.path)));
    candidates.into_iter().map(|file| (file.path, file.key)).collect()
}

fn one_file_per_key(files: &[(PathBuf, String)]) -> Result<()> {
    let mut seen: HashMap<&str, &Path> = HashMap::new();
    for (path, key) in files {
        if let Some(other) = seen.insert(key, path) {
            let message = format!(
                "{} and {} would both be the object {key}, as two versions of one file: run them one after the other if they are, else \
                 name the folder above them",
                other.display(),
                path.display()
            );
            return Err(invalid(message));
        }
    }
    Ok(())
}

/// What is at a path, links followed. Opens nothing: a pipe would wait for its other end.
fn followed(path: &Path) -> Result<Metadata> {
    std::fs::metadata(path).map_err(|error| {
        if path.is_symlink() {
            let message = format!("{} is a link that leads nowhere, or back to itself", path.display());
            return invalid(message).caused_by(error);
        }
        unreadable(path, error)
    })
}

/// What is neither file nor folder.
fn kind(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    match (kind.is_fifo(), kind.is_socket()) {
        (true, _) => "a pipe, no file",
        (_, true) => "a socket, no file",
        _ => "a device, no file",
    }
}

/// A name as a part of a key. Two names that are no UTF-8 could be one key.
fn text<'a>(path: &Path, name: &'a OsStr) -> Result<&'a str> {
    name.to_str().ok_or_else(|| {
        let message = format!("the name of {} is no UTF-8, which keys are made of: rename the file", path.display());
        invalid(message)
    })
}

fn unreadable(path: &Path, error: std::io::Error) -> StageError {
    invalid(format!("{} cannot be read", path.display())).caused_by(error)
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A folder of its own for each test, gone with the value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("fonderie-files-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn write(&self, name: &str) -> PathBuf {
            let path = self.at(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, name).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Keys, names of what is refused, sentences of what is skipped.
    fn all(paths: &[PathBuf]) -> (Vec<String>, Vec<String>, Vec<String>) {
        let found = find(paths, "d").unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        (
            found.files.into_iter().map(|(_, key)| key).collect(),
            found.refused.iter().map(|(path, error)| format!("{}: {error}", name(path))).collect(),
            found.skipped,
        )
    }

    fn keys(paths: &[PathBuf]) -> Vec<String> {
        all(paths).0
    }

    #[test]
    fn a_call_has_one_file_for_a_key() {
        let folder = Folder::new("keys");
        for name in ["jan/a.csv", "feb/a.csv", "mar/b.csv"] {
            folder.write(name);
        }
        let at = |name: &str| folder.at(name);
        assert_eq!(keys(&[at(".")]), ["d/feb/a.csv", "d/jan/a.csv", "d/mar/b.csv"]);
        assert_eq!(keys(&[at("mar"), at("jan")]), ["d/b.csv", "d/a.csv"]);
        for both in [[at("jan"), at("feb")], [at("jan/a.csv"), at("feb/a.csv")]] {
            let error = find(&both, "d").unwrap_err();
            assert_eq!(error.code, ErrorCode::SettingsInvalid);
            assert!(error.message.contains("d/a.csv") && error.message.contains("two versions"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_and_the_others_are_found() {
        let folder = Folder::new("refused");
        folder.write("in/a.csv");
        folder.write("in/z.csv");
        symlink("nowhere", folder.at("in/dangling.csv")).unwrap();
        symlink("self.csv", folder.at("in/self.csv")).unwrap();
        std::fs::write(folder.at("in").join(OsString::from_vec(vec![b'o', 0xe9])), "x").unwrap();
        std::fs::create_dir(folder.at("empty")).unwrap();
        let (keys, refused, skipped) = all(&[folder.at("absent.csv"), folder.at("empty"), folder.at("in")]);
        assert_eq!((keys, skipped.len()), (vec!["d/a.csv".to_owned(), "d/z.csv".to_owned()], 0));
        for (refused, words) in refused.iter().zip([
            "absent.csv cannot be read",
            "empty holds no file",
            "dangling.csv is a link that leads nowhere",
            "no UTF-8",
            "self.csv is a link that leads nowhere",
        ]) {
            assert!(refused.contains(words), "{words}: {refused}");
        }
        assert_eq!(refused.len(), 5, "{refused:?}");
    }

    #[test]
    fn what_has_no_end_is_named_and_never_opened() {
        let folder = Folder::new("endless");
        folder.write("in/a.csv");
        assert!(std::process::Command::new("mkfifo").arg(folder.at("in/pipe.csv")).status().unwrap().success());
        let _socket = UnixListener::bind(folder.at("in/socket.csv")).unwrap();
        symlink("/dev/zero", folder.at("in/zero.csv")).unwrap();
        let (give, take) = std::sync::mpsc::channel();
        let paths = [folder.at("in"), folder.at("in/pipe.csv")];
        // To open the pipe would be to wait for ever.
        std::thread::spawn(move || give.send(all(&paths)));
        let (keys, refused, skipped) = take.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        assert_eq!(keys, ["d/a.csv"]);
        assert!(refused[0].contains("pipe.csv is a pipe, no file: copy its content"), "{refused:?}");
        for (sentence, words) in
            skipped.iter().zip(["pipe.csv is a pipe", "socket.csv is a socket", "zero.csv is a device"])
        {
            assert!(sentence.contains(words), "{words}: {sentence}");
        }
        assert_eq!((refused.len(), skipped.len()), (1, 3), "{skipped:?}");
    }

    #[test]
    fn a_file_is_run_once_under_its_own_name_however_many_links_lead_to_it() {
        let folder = Folder::new("once");
        folder.write("in/m/file.csv");
        std::fs::hard_link(folder.at("in/m/file.csv"), folder.at("in/m/second.csv")).unwrap();
        symlink("m/file.csv", folder.at("in/a.csv")).unwrap();
        symlink("m", folder.at("in/a")).unwrap();
        symlink("..", folder.at("in/m/up")).unwrap();
        folder.write("elsewhere/other.csv");
        symlink("../elsewhere", folder.at("in/away")).unwrap();
        symlink("../in", folder.at("elsewhere/back")).unwrap();
        let (keys, refused, skipped) = all(&[folder.at("in"), folder.at("in/m/file.csv")]);
        assert_eq!((keys, refused.len()), (vec!["d/away/other.csv".to_owned(), "d/m/file.csv".to_owned()], 0));
        for (words, number) in [("is the folder", 3), ("is the file", 3)] {
            assert_eq!(skipped.iter().filter(|sentence| sentence.contains(words)).count(), number, "{skipped:?}");
        }
    }
}
