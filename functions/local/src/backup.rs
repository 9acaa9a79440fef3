//! `fonderie backup`: the state folder in one file.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fonderie_core::{ErrorCode, Result, StageError, hex};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::Ending;
use crate::archive::{BUFFER, Entry, FORMAT, MANIFEST, Manifest, Work, failed, interruptible};
use crate::cli::{BackupArguments, StateArguments};
use crate::print::{remark, say};
use crate::state::Database;
use crate::state_folder::{LOCK, Use, is_state, version};

/// What belongs to running programs, or to one that was killed.
const LEFT_OUT: [&str; 7] = [
    LOCK,
    ".restoring",
    ".restore-replaced",
    "s3/.fonderie-s3/lock",
    "s3/.fonderie-s3/incoming",
    "postgres/postmaster.pid",
    "postgres/fonderie.owner",
];

pub(crate) async fn run(arguments: BackupArguments) -> Result<Ending> {
    let BackupArguments { file, force, state } = arguments;
    let empty = fs::read_dir(&state.state).map_or(true, |mut entries| entries.next().is_none());
    if empty {
        return Err(invalid(format!("nothing here yet: {} holds no state", state.state.display())));
    }
    drop(Use::share(&state.state)?);
    if file.exists() && !force {
        return Err(invalid(format!(
            "{} is there already: name another file, or replace it with --force",
            file.display()
        )));
    }
    if is_inside(&file, &state.state) {
        return Err(invalid(format!(
            "{} is in the state folder, which it is to hold: name another file",
            file.display()
        )));
    }
    if state.database_url.is_some() {
        remark!("note: the database of --database-url is not in the backup: pg_dump saves it");
    }
    if state.state.join("postgres/postmaster.pid").exists() {
        // A killed run left the database as it was: started and stopped, it is whole.
        let own = StateArguments { database_url: None, ..state };
        Database::open(&own).await?.close().await;
        return write(own.state, file).await;
    }
    write(state.state, file).await
}

async fn write(state: PathBuf, file: PathBuf) -> Result<Ending> {
    let target = file.clone();
    let work = interruptible("backup", move |work| {
        let _used = Use::alone(&state)?;
        archive(&state, &target, work)
    });
    let (files, bytes) = work.await?;
    let size = fs::metadata(&file).map_or(0, |metadata| metadata.len());
    say!("backup   {}: {files} files, {bytes} bytes, compressed to {size}", file.display());
    say!("         It holds personal data and the folder's keys: keep it as closed as the folder.");
    Ok(Ending::Good)
}

/// Whether a file to be made would lie in a folder.
fn is_inside(file: &Path, folder: &Path) -> bool {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), folder.canonicalize()) {
        (Ok(parent), Ok(folder)) => parent.starts_with(folder),
        _ => false,
    }
}

/// A file in the making: removed unless it is kept.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // After a rename it is not there any more.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes the archive beside its place, then puts it there. Returns files and bytes.
fn archive(state: &Path, file: &Path, work: &Work) -> Result<(usize, u64)> {
    let content = list(state)?;
    work.expect(content.iter().map(|item| item.size()).sum());
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = Partial(file.with_file_name(name));
    // It holds personal data.
    let target = File::options().write(true).create_new(true).mode(0o600).open(&partial.0);
    let target = target.map_err(|error| failed("written", file, error))?;
    let written = |error| failed("written", file, error);
    let mut encoder = zstd::Encoder::new(BufWriter::with_capacity(BUFFER, target), 3).map_err(written)?;
    encoder.include_checksum(true).map_err(written)?;
    let mut builder = Builder::new(encoder);
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    for item in &content {
        if let Some(entry) = append(&mut builder, state, item, file, work)? {
            bytes += entry.size;
            files.insert(item.name.clone(), entry);
        }
    }
    let count = files.len();
    let manifest = serde_json::to_vec(&Manifest { format: FORMAT, version: version().to_owned(), files })
        .map_err(|error| StageError::new(ErrorCode::Internal, "the backup's list is no JSON").caused_by(error))?;
    let mut header = Header::new_gnu();
    header.set_size(manifest.len() as u64);
    header.set_mode(0o600);
    builder.append_data(&mut header, MANIFEST, manifest.as_slice()).map_err(written)?;
    let finish = || {
        let target = builder.into_inner()?.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        target.sync_all()?;
        fs::rename(&partial.0, file)?;
        let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    finish().map_err(written)?;
    Ok((count, bytes))
}

/// A folder or a file of the state, by its name in the archive.
struct Item {
    name: String,
    path: PathBuf,
    metadata: Metadata,
}

impl Item {
    fn size(&self) -> u64 {
        if self.metadata.is_file() { self.metadata.len() } else { 0 }
    }
}

/// All folders and files, a folder before what is in it.
fn list(state: &Path) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut around = Vec::new();
    walk(state, "", &mut around, &mut items)?;
    Ok(items)
}

fn walk(folder: &Path, prefix: &str, around: &mut Vec<(u64, u64)>, items: &mut Vec<Item>) -> Result<()> {
    let unreadable = |error| failed("read", folder, error);
    let mut entries: Vec<_> = fs::read_dir(folder).and_then(Iterator::collect).map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
            return Err(invalid(format!("the name of {} is no UTF-8: rename it or take it away", path.display())));
        };
        // What was being made when its program was killed.
        let unfinished = prefix.is_empty() && name.ends_with(".new");
        if unfinished || LEFT_OUT.contains(&name.as_str()) || name.starts_with("postgres/.s.PGSQL.") {
            continue;
        }
        // A link is followed: the folder may be spread over disks.
        let metadata = fs::metadata(&path).map_err(|error| failed("read", &path, error))?;
        if is_state(&path) {
            remark!("note: {} is a state folder of its own, and not in the backup", path.display());
        } else if metadata.is_dir() {
            let identity = (metadata.dev(), metadata.ino());
            if around.contains(&identity) {
                return Err(invalid(format!(
                    "{} is a link back to a folder that holds it: take it away",
                    path.display()
                )));
            }
            let below = format!("{name}/");
            items.push(Item { name, path: path.clone(), metadata });
            around.push(identity);
            walk(&path, &below, around, items)?;
            around.pop();
        } else if metadata.is_file() {
            items.push(Item { name, path, metadata });
        }
    }
    Ok(())
}

/// Appends a folder or a file; of a file, its entry in the list.
fn append<W: Write>(
    builder: &mut Builder<W>,
    state: &Path,
    item: &Item,
    target: &Path,
    work: &Work,
) -> Result<Option<Entry>> {
    let mut header = Header::new_gnu();
    header.set_mode(item.metadata.mode() & 0o7777);
    header.set_mtime(u64::try_from(item.metadata.mtime()).unwrap_or(0));
    header.set_size(item.size());
    if item.metadata.is_dir() {
        header.set_entry_type(EntryType::Directory);
        builder.append_data(&mut header, &item.name, io::empty()).map_err(|error| failed("written", target, error))?;
        return Ok(None);
    }
    let source = File::open(&item.path).map_err(|error| failed("read", &item.path, error))?;
    let mut source = Source { file: source.take(item.size()), hash: Sha256::new(), read: 0, failed: None, work };
    let appended = builder.append_data(&mut header, &item.name, &mut source);
    if let Some(error) = source.failed {
        return Err(work.reason(|| failed("read", &item.path, error)));
    }
    appended.map_err(|error| failed("written", target, error))?;
    if source.read != item.size() {
        let message =
            format!("{} changed while it was read, though nothing may use {}", item.path.display(), state.display());
        return Err(StageError::new(ErrorCode::ObjectChanged, message));
    }
    Ok(Some(Entry { size: source.read, sha256: hex(source.hash.finalize()) }))
}

/// A file that is read to its digest. It keeps its own error, to be told from the target's.
struct Source<'a> {
    file: io::Take<File>,
    hash: Sha256,
    read: u64,
    failed: Option<io::Error>,
    work: &'a Work,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer).and_then(|read| self.work.advance(read).map(|()| read));
        match read {
            Ok(read) => {
                self.hash.update(&buffer[..read]);
                self.read += read as u64;
                Ok(read)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("the source cannot be read"))
            }
        }
    }
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}
