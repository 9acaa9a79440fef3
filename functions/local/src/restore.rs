//! `fonderie restore`: a state folder from a backup. All is unpacked and verified beside what is there, then put in its place.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use fonderie_core::{ErrorCode, Result, StageError, hex};
use sha2::{Digest, Sha256};
use tar::Archive;

use crate::Ending;
use crate::archive::{BUFFER, Entry, FORMAT, MANIFEST, Manifest, Work, failed, interruptible};
use crate::cli::RestoreArguments;
use crate::print::say;
use crate::state_folder::{LOCK, UNFINISHED, Use, age, is_state, version};

/// What is unpacked and not yet verified.
const UNPACKED: &str = ".restoring";
/// What was there before, on its way out.
const REPLACED: &str = ".restore-replaced";
/// More than any list of files has.
const MANIFEST_LIMIT: u64 = 1 << 30;

pub(crate) async fn run(arguments: RestoreArguments) -> Result<Ending> {
    let RestoreArguments { file, force, state } = arguments;
    let (files, version, state) = interruptible("restore", move |work| {
        let source = File::open(&file).map_err(|error| failed("read", &file, error))?;
        let made = !state.exists();
        let restored = restore(&source, &file, &state, force, work);
        if restored.is_err() && made {
            // Only what was made here: nothing, or the lock.
            let _ = fs::remove_file(state.join(LOCK));
            let _ = fs::remove_dir(&state);
        }
        restored.map(|manifest| (manifest.files.len(), manifest.version, state))
    })
    .await?;
    say!("restored {}: {files} files, as fonderie {version} saved them", state.display());
    Ok(Ending::Good)
}

fn restore(source: &File, file: &Path, state: &Path, force: bool, work: &Work) -> Result<Manifest> {
    let _used = Use::alone(state)?;
    let there = others(state)?;
    if !there.is_empty() && !force {
        let message = format!(
            "the state folder {} holds something: name an empty one with --state, or replace its content with --force",
            state.display()
        );
        return Err(StageError::new(ErrorCode::SettingsInvalid, message));
    }
    let unpacked = Unpacked(state.join(UNPACKED));
    unpacked.clear()?;
    DirBuilder::new().mode(0o700).create(&unpacked.0).map_err(|error| failed("made", &unpacked.0, error))?;
    work.expect(source.metadata().map_or(0, |metadata| metadata.len()));
    let manifest = unpack(source, file, &unpacked.0, work)?;
    // A later version's folder is refused before it takes anything's place.
    age(&unpacked.0)?;
    exchange(state, &unpacked.0).map_err(|error| failed("replaced", state, error))?;
    Ok(manifest)
}

/// A folder that is gone with the value, unless it was renamed.
struct Unpacked(PathBuf);

impl Unpacked {
    fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removed", &self.0, error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

/// What a state folder holds beside its lock, what an earlier restore left, and state folders of their own, such as the demo's.
fn others(state: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| failed("read", state, error);
    let entries: Vec<_> = fs::read_dir(state).and_then(Iterator::collect).map_err(unreadable)?;
    let ours =
        |entry: &fs::DirEntry| entry.file_name() == LOCK || entry.file_name() == UNPACKED || is_state(&entry.path());
    Ok(entries.iter().filter(|entry| !ours(entry)).map(fs::DirEntry::path).collect())
}

/// Puts the new content in the place of the old one. If the program is killed meanwhile, [`UNFINISHED`] stays, and no command takes
/// the folder for a state.
fn exchange(state: &Path, unpacked: &Path) -> io::Result<()> {
    let (unfinished, replaced) = (state.join(UNFINISHED), state.join(REPLACED));
    let old = others(state).map_err(io::Error::other)?;
    if replaced.exists() {
        fs::remove_dir_all(&replaced)?;
    }
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::rename(unpacked, &unfinished)?;
    DirBuilder::new().mode(0o700).create(&replaced)?;
    for path in old.iter().filter(|path| **path != unfinished && **path != replaced) {
        fs::rename(path, replaced.join(path.file_name().unwrap_or_default()))?;
    }
    for entry in fs::read_dir(&unfinished)? {
        let entry = entry?;
        fs::rename(entry.path(), state.join(entry.file_name()))?;
    }
    File::open(state)?.sync_all()?;
    fs::remove_dir(&unfinished)?;
    fs::remove_dir_all(&replaced)
}

/// Unpacks and verifies.
fn unpack(source: &File, file: &Path, into: &Path, work: &Work) -> Result<Manifest> {
    let damaged =
        |error: io::Error| work.reason(|| refused(file, "it is damaged, cut off, or no backup").caused_by(error));
    let counted = Counted { source, work };
    let decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER, counted)).map_err(damaged)?;
    let mut archive = Archive::new(decoder);
    let mut files = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.into_owned();
        let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        let Some(name) = name.to_str().filter(|name| plain && !name.is_empty()).map(str::to_owned) else {
            return Err(refused(file, "it holds a name that leads out of the folder"));
        };
        if manifest.is_some() {
            return Err(refused(file, "something follows its list of files"));
        }
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode().unwrap_or(0o600));
        let modified = UNIX_EPOCH + Duration::from_secs(header.mtime().unwrap_or(0));
        let path = into.join(&name);
        if name == MANIFEST {
            let mut text = Vec::new();
            entry.take(MANIFEST_LIMIT).read_to_end(&mut text).map_err(damaged)?;
            manifest = Some(serde_json::from_slice(&text).map_err(|error| damaged(error.into()))?);
        } else if kind.is_dir() {
            let made = DirBuilder::new().mode(mode | 0o700).create(&path);
            made.map_err(|error| failed("made", &path, error))?;
        } else if kind.is_file() {
            let options = File::options().write(true).create_new(true).mode(0o600).open(&path);
            let target = options.map_err(|error| failed("written", &path, error))?;
            let copied = copy(&mut entry, &target, damaged, |error| failed("written", &path, error))?;
            let finish = || {
                target.set_permissions(Permissions::from_mode(mode))?;
                target.set_modified(modified)?;
                target.sync_all()
            };
            finish().map_err(|error| failed("written", &path, error))?;
            files.insert(name, copied);
        } else {
            return Err(refused(file, "it holds something that is neither file nor folder"));
        }
    }
    let manifest =
        manifest.ok_or_else(|| refused(file, "it is cut off, or no backup: its list of files is missing"))?;
    verify(file, &manifest, &files)?;
    Ok(manifest)
}

/// Compares what was unpacked with the archive's own list.
fn verify(file: &Path, manifest: &Manifest, files: &BTreeMap<String, Entry>) -> Result<()> {
    if manifest.format > FORMAT {
        let made =
            format!("fonderie {} made it, and this is fonderie {}: use that version", manifest.version, version());
        return Err(refused(file, &made));
    }
    if let Some((name, _)) = manifest.files.iter().find(|(name, entry)| files.get(*name) != Some(*entry)) {
        return Err(refused(file, &format!("it is damaged: {name} is not what was saved")));
    }
    match files.keys().find(|name| !manifest.files.contains_key(*name)) {
        Some(name) => Err(refused(file, &format!("it is damaged: {name} is not in its list of files"))),
        None => Ok(()),
    }
}

/// Copies an entry to its file, with its digest.
fn copy(
    entry: &mut impl Read,
    mut target: &File,
    unread: impl Fn(io::Error) -> StageError,
    unwritten: impl Fn(io::Error) -> StageError,
) -> Result<Entry> {
    let mut buffer = vec![0; BUFFER];
    let (mut hash, mut size) = (Sha256::new(), 0);
    loop {
        let read = entry.read(&mut buffer).map_err(&unread)?;
        if read == 0 {
            return Ok(Entry { size, sha256: hex(hash.finalize()) });
        }
        hash.update(&buffer[..read]);
        target.write_all(&buffer[..read]).map_err(&unwritten)?;
        size += read as u64;
    }
}

/// The archive, counted as it is read.
struct Counted<'a> {
    source: &'a File,
    work: &'a Work,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.work.advance(read)?;
        Ok(read)
    }
}

fn refused(file: &Path, why: &str) -> StageError {
    let message = format!("{} cannot be restored: {why}; nothing was changed", file.display());
    StageError::new(ErrorCode::RequestInvalid, message)
}
