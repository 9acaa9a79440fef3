//! What an object has beside its bytes: ETag, content type, metadata, checksums.
//!
//! They lie in a file of their own, one per key, and belong to a content: its size and MD5. The file that holds the content is
//! named too (inode, size, time), but only to save hashing: where another file is there (the folder was copied or restored,
//! a person replaced the object, a process was killed between the two renames), its bytes decide. The same bytes keep their
//! attributes and the time at which they were written, so that a copied folder holds the same versions; other bytes are
//! another version, with nothing but an ETag.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fonderie_core::hex;
use s3s::crypto::{Checksum as _, Md5};
use serde::{Deserialize, Serialize};

const BUFFER: usize = 256 * 1024;

/// An object's attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    /// The file that held the content when it was last looked at.
    pub(crate) file: FileIdentity,
    /// The content's MD5; empty in what earlier versions wrote.
    pub(crate) content: String,
    /// When the object was written, which a copy's file may not show; 0 in what earlier versions wrote.
    pub(crate) written_nanos: u64,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_disposition: Option<String>,
    /// The user's own.
    pub(crate) metadata: BTreeMap<String, String>,
    /// The CRC-32 that the client sent, so that it can verify what it reads.
    pub(crate) crc32: Option<String>,
}

/// One file as opposed to another at the same path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    inode: u64,
    size: u64,
    modified_nanos: u64,
}

impl FileIdentity {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let modified =
            metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Self {
            inode: inode(metadata),
            size: metadata.len(),
            modified_nanos: u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

impl Attributes {
    /// The attributes at a path, of whatever content.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Those of an object that has just been written to a file.
    pub(crate) fn written(self, file: FileIdentity, content: String) -> Self {
        Self { file, content, written_nanos: file.modified_nanos, ..self }
    }

    /// Those of a file that somebody put there.
    fn of_file(file: FileIdentity, content: String) -> Self {
        Self { etag: content.clone(), ..Self::default() }.written(file, content)
    }

    /// When the object was written.
    pub(crate) fn modified(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.written_nanos)
    }

    /// The attributes of an open file; `stored` are those that its key has. Whether they are to be saved, for another file held the
    /// content before. The file is left at its beginning.
    pub(crate) fn of(stored: Option<Self>, file: &mut File) -> io::Result<(Self, bool)> {
        let there = FileIdentity::of(&file.metadata()?);
        if let Some(stored) = stored.as_ref().filter(|stored| stored.file == there && !stored.content.is_empty()) {
            return Ok((stored.clone(), false));
        }
        let content = md5_of(file)?;
        if FileIdentity::of(&file.metadata()?) != there {
            // Somebody writes into it: what was hashed is no content.
            return Ok((Self::of_file(there, content), false));
        }
        let Some(stored) = stored.filter(|stored| stored.describes(there, &content)) else {
            return Ok((Self::of_file(there, content), true));
        };
        let written_nanos = if stored.written_nanos == 0 { stored.file.modified_nanos } else { stored.written_nanos };
        let mut found = Self { file: there, content, written_nanos, ..stored };
        // A copy with a time of its own gets the object's, which listings show. That saves nothing but a wrong date.
        if written_nanos != there.modified_nanos && file.set_modified(found.modified()).is_ok() {
            found.file = FileIdentity::of(&file.metadata()?);
        }
        Ok((found, true))
    }

    fn describes(&self, there: FileIdentity, content: &str) -> bool {
        // Earlier versions kept no MD5, but an object that was sent in one part has it as its ETag.
        let known = if self.content.is_empty() { &self.etag } else { &self.content };
        (self.file == there && self.content.is_empty()) || (self.file.size == there.size && known == content)
    }

    /// Writes them, replacing what is there in one step; `incoming` is a path on the same file system.
    pub(crate) fn save(&self, path: &Path, incoming: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = File::create(incoming)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        // The rename may reach the disk before the text: a digest that a power cut takes makes an old file count as new.
        file.sync_all()?;
        std::fs::rename(incoming, path)
    }
}

/// MD5 of a file from its beginning, which is left at its beginning.
pub(crate) fn md5_of(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut hash = Md5::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    file.rewind()?;
    Ok(hex(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a content and a time.
    fn write(path: &Path, content: &str, seconds: u64) -> File {
        let mut file = File::options().create(true).truncate(true).read(true).write(true).open(path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        file
    }

    /// Attributes of a content that was sent in two parts, so that its ETag is no MD5.
    fn sent(file: &mut File) -> Attributes {
        let identity = FileIdentity::of(&file.metadata().unwrap());
        let attributes =
            Attributes { etag: "abc-2".into(), content_type: Some("text/csv".into()), ..Default::default() };
        attributes.written(identity, md5_of(file).unwrap())
    }

    #[test]
    fn the_same_bytes_in_another_file_keep_attributes_and_time_and_others_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut file = write(&at("content"), "A", 1_000);
        let stored = sent(&mut file);
        assert_eq!(Attributes::of(Some(stored.clone()), &mut file).unwrap(), (stored.clone(), false));

        // A copy, with the time of the copy.
        let mut copy = write(&at("copy"), "A", 2_000);
        let (found, another) = Attributes::of(Some(stored.clone()), &mut copy).unwrap();
        assert!(another);
        assert_eq!((found.etag.as_str(), found.content_type.as_deref()), ("abc-2", Some("text/csv")));
        assert_eq!(found.modified(), UNIX_EPOCH + Duration::from_secs(1_000));
        assert_eq!(copy.metadata().unwrap().modified().unwrap(), found.modified());
        assert_eq!(Attributes::of(Some(found.clone()), &mut copy).unwrap(), (found, false));

        // Another content of the same size, with and without another time.
        for seconds in [1_000, 3_000] {
            let mut other = write(&at("other"), "B", seconds);
            let (found, another) = Attributes::of(Some(stored.clone()), &mut other).unwrap();
            assert!(another);
            assert_eq!(
                (found.etag.as_str(), found.content_type.as_deref()),
                ("9d5ed678fe57bcca610140957afab571", None)
            );
            assert_eq!(found.modified(), UNIX_EPOCH + Duration::from_secs(seconds));
        }
    }

    #[test]
    fn attributes_of_earlier_versions_are_completed_from_the_file_or_by_an_etag_that_is_an_md5() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = write(&folder.path().join("content"), "A", 1_000);
        let earlier = |etag: &str, file| Attributes { file, etag: etag.into(), ..Attributes::default() };
        let identity = FileIdentity::of(&file.metadata().unwrap());
        let (found, another) = Attributes::of(Some(earlier("abc-2", identity)), &mut file).unwrap();
        assert_eq!((found.etag.as_str(), found.content.as_str()), ("abc-2", "7fc56270e7a70fa81a5935b72eacbe29"));
        assert!(another && found.written_nanos == 1_000_000_000_000);

        let mut copy = write(&folder.path().join("copy"), "A", 2_000);
        let (found, _) =
            Attributes::of(Some(earlier("7fc56270e7a70fa81a5935b72eacbe29", identity)), &mut copy).unwrap();
        assert_eq!(found.modified(), UNIX_EPOCH + Duration::from_secs(1_000));
    }

    #[test]
    fn what_was_saved_is_read_and_half_of_it_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        let attributes = sent(&mut write(&folder.path().join("content"), "A", 1_000));
        attributes.save(&path, &folder.path().join("incoming")).unwrap();
        assert_eq!(Attributes::read(&path), Some(attributes));
        std::fs::write(&path, "{half").unwrap();
        assert_eq!(Attributes::read(&path), None);
    }
}
