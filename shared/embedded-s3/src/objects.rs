//! Objects as files: received, verified, then renamed into place.
//!
//! A lock per key covers what is more than one step: condition and rename, content and attributes. It is held for the
//! renames alone, never while a body is transferred, so a slow upload keeps nobody waiting; a reader holds it while it opens
//! the file, and then has that content to its end, whatever is written meanwhile.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use s3s::dto::{ETag, ETagCondition};
use s3s::{S3ErrorCode, S3Result};

use crate::attributes::{Attributes, FileIdentity, md5_of};
use crate::fault::{fault, io_fault};
use crate::layout::Layout;

/// Two keys may share a lock: they are held for microseconds.
const LOCKS: usize = 64;

/// The objects of a folder. Its functions block: call them where that is allowed.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) layout: Layout,
    locks: Vec<RwLock<()>>,
    hasher: RandomState,
}

/// An object opened for reading.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    pub(crate) attributes: Attributes,
}

/// What a write asks of the object that it would replace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

/// A received content: its file is removed unless it is committed.
#[derive(Debug)]
pub(crate) struct Received(pub(crate) PathBuf);

impl Drop for Received {
    fn drop(&mut self) {
        // After a commit it is not there any more.
        let _ = fs::remove_file(&self.0);
    }
}

impl Objects {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, locks: (0..LOCKS).map(|_| RwLock::new(())).collect(), hasher: RandomState::new() }
    }

    /// The lock of a key. It guards files, not memory: a panic of another holder leaves nothing half-changed in it.
    fn lock(&self, path: &Path) -> &RwLock<()> {
        let hash = usize::try_from(self.hasher.hash_one(path) % LOCKS as u64).unwrap_or(0);
        &self.locks[hash]
    }

    /// Opens an object; the conditions are S3's for reads.
    pub(crate) fn open(&self, bucket: &str, key: &str) -> S3Result<Opened> {
        let path = self.layout.object(bucket, key)?;
        let attributes_path = self.layout.attributes(bucket, key);
        let (mut file, metadata, stored) = {
            let _held = self.lock(&path).read().unwrap_or_else(PoisonError::into_inner);
            let (file, metadata) = open_file(&path)?;
            (file, metadata, Attributes::read(&attributes_path))
        };
        let (attributes, another) = Attributes::of(stored, &mut file).map_err(|error| io_fault(&path, error))?;
        if another {
            let _held = self.lock(&path).write().unwrap_or_else(PoisonError::into_inner);
            if path.metadata().is_ok_and(|now| FileIdentity::of(&now) == attributes.file) {
                // Only saves computing it again: a read-only folder can be read all the same.
                let _ = attributes.save(&attributes_path, &self.layout.incoming());
            }
        }
        Ok(Opened { file, size: metadata.len(), modified: attributes.modified(), attributes })
    }

    /// Makes a received content the object, if the conditions hold.
    pub(crate) fn commit(
        &self,
        bucket: &str,
        key: &str,
        received: Received,
        conditions: &Conditions,
        attributes: Attributes,
    ) -> S3Result<()> {
        let path = self.layout.object(bucket, key)?;
        let mut content = File::open(&received.0).map_err(|error| io_fault(&received.0, error))?;
        // A rename may reach the disk before the content that it makes visible.
        content.sync_all().map_err(|error| io_fault(&received.0, error))?;
        let metadata = content.metadata().map_err(|error| io_fault(&received.0, error))?;
        // The ETag of an object that came in parts is no MD5.
        let in_parts = attributes.etag.contains('-');
        let md5 = if in_parts { md5_of(&mut content) } else { Ok(attributes.etag.clone()) };
        let md5 = md5.map_err(|error| io_fault(&received.0, error))?;
        let attributes = attributes.written(FileIdentity::of(&metadata), md5);
        let _held = self.lock(&path).write().unwrap_or_else(PoisonError::into_inner);
        if conditions.if_match.is_some() || conditions.if_none_match.is_some() {
            let there = current_etag(&path, &self.layout.attributes(bucket, key))?;
            check_conditions(there.as_deref(), conditions)?;
        }
        self.rename(&received.0, &path, bucket, key, &attributes)
    }

    /// Content first: the old attributes are of another content, so these never pass for the new one's.
    fn rename(&self, from: &Path, to: &Path, bucket: &str, key: &str, attributes: &Attributes) -> S3Result<()> {
        let folder = to.parent().unwrap_or(to);
        let mut tries = 0;
        loop {
            fs::create_dir_all(folder).map_err(|error| io_fault(to, error))?;
            match fs::rename(from, to) {
                Ok(()) => break,
                // A deletion has just removed the folder, which had become empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 10 => tries += 1,
                Err(error) => return Err(io_fault(to, error)),
            }
        }
        let path = self.layout.attributes(bucket, key);
        attributes.save(&path, &self.layout.incoming()).map_err(|error| io_fault(&path, error))
    }

    /// Deletes an object, and the folders that it leaves empty: S3 has none.
    pub(crate) fn delete(&self, bucket: &str, key: &str) -> S3Result<()> {
        let path = self.layout.object(bucket, key)?;
        let top = self.layout.existing_bucket(bucket)?;
        let _held = self.lock(&path).write().unwrap_or_else(PoisonError::into_inner);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if is_absence(&error) => return Ok(()),
            // A folder, where the key is the beginning of others.
            Err(_) if path.is_dir() => return Ok(()),
            Err(error) => return Err(io_fault(&path, error)),
        }
        let _ = fs::remove_file(self.layout.attributes(bucket, key));
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != top) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Receives the content of an object that is there, for a copy.
    pub(crate) fn receive_copy(&self, opened: &mut Opened) -> S3Result<Received> {
        let received = Received(self.layout.incoming());
        let path = &received.0;
        let mut target = File::create(path).map_err(|error| io_fault(path, error))?;
        io::copy(&mut opened.file, &mut target).map_err(|error| io_fault(path, error))?;
        Ok(received)
    }
}

fn open_file(path: &Path) -> S3Result<(File, fs::Metadata)> {
    let missing = || fault(S3ErrorCode::NoSuchKey, "there is no such object");
    // Asked before: to open a pipe is to wait for its other end.
    let file = match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(missing()),
        Ok(_) => File::open(path),
        Err(error) => Err(error),
    };
    let file = match file {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Err(missing()),
        Err(error) => return Err(io_fault(path, error)),
    };
    let metadata = file.metadata().map_err(|error| io_fault(path, error))?;
    Ok((file, metadata))
}

/// Nothing at the path, be it that a folder on the way is a file.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The ETag of what is at a path; the caller holds the lock.
fn current_etag(path: &Path, attributes_path: &Path) -> S3Result<Option<String>> {
    let mut file = match open_file(path) {
        Ok((file, _)) => file,
        Err(error) if *error.code() == S3ErrorCode::NoSuchKey => return Ok(None),
        Err(error) => return Err(error),
    };
    let attributes = Attributes::of(Attributes::read(attributes_path), &mut file);
    attributes.map(|(attributes, _)| Some(attributes.etag)).map_err(|error| io_fault(path, error))
}

/// S3's conditions: `there` is the ETag of the object, if there is one.
pub(crate) fn check_conditions(there: Option<&str>, conditions: &Conditions) -> S3Result<()> {
    let same = |condition: &ETagCondition| match condition {
        ETagCondition::Any => there.is_some(),
        ETagCondition::ETag(etag) => there.is_some_and(|there| ETag::Strong(there.to_owned()).weak_cmp(etag)),
    };
    if conditions.if_match.as_ref().is_some_and(|condition| !same(condition)) {
        return Err(fault(S3ErrorCode::PreconditionFailed, "the object does not have the ETag of If-Match"));
    }
    if conditions.if_none_match.as_ref().is_some_and(same) {
        return Err(fault(S3ErrorCode::PreconditionFailed, "the object is there already"));
    }
    Ok(())
}
