//! What an object has beside its bytes: ETag, content type, metadata, checksums.
//!
//! They lie in a file of their own, which names the content's file by inode, size and time. The two are renamed one after
//! the other; whoever is killed in between leaves attributes of a file that is no longer there. Such attributes count for
//! nothing, and the ETag is computed from the bytes: it may be lost, but it is never wrong.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// An object's attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    /// The file that they describe.
    pub(crate) file: FileIdentity,
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
    /// The attributes at a path, if they are of this file.
    pub(crate) fn load(path: &Path, file: FileIdentity) -> Option<Self> {
        let content = std::fs::read(path).ok()?;
        let attributes: Self = serde_json::from_slice(&content).ok()?;
        (attributes.file == file).then_some(attributes)
    }

    /// Writes them, replacing what is there in one step; `incoming` is a path on the same file system.
    pub(crate) fn save(&self, path: &Path, incoming: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(incoming, serde_json::to_vec(self)?)?;
        std::fs::rename(incoming, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_another_file_count_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (content, path) = (folder.path().join("content"), folder.path().join("a/b.json"));
        std::fs::write(&content, "A").unwrap();
        let file = FileIdentity::of(&content.metadata().unwrap());
        let attributes = Attributes { file, etag: "abc".into(), ..Attributes::default() };
        attributes.save(&path, &folder.path().join("incoming")).unwrap();
        assert_eq!(Attributes::load(&path, file), Some(attributes));

        std::fs::write(folder.path().join("other"), "B").unwrap();
        std::fs::rename(folder.path().join("other"), &content).unwrap();
        assert_eq!(Attributes::load(&path, FileIdentity::of(&content.metadata().unwrap())), None);
        std::fs::write(&path, "{half").unwrap();
        assert_eq!(Attributes::load(&path, file), None);
    }
}
