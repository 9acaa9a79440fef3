//! Where things lie under the root, and which keys a folder can hold.
//!
//! ```text
//! <root>/<bucket>/<key>                               the objects, as plain files
//! <root>/.fonderie-s3/lock                            held by the process that serves the folder
//! <root>/.fonderie-s3/secret                          the secret key, made on the first start
//! <root>/.fonderie-s3/incoming/                       contents being received: emptied on start
//! <root>/.fonderie-s3/attributes/<bucket>/<hash>.json what a file cannot carry: ETag, content type, metadata
//! ```
//! A bucket's name never begins with a dot, so nothing there is within reach of a request.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fonderie_core::hex;
use s3s::{S3Error, S3ErrorCode, S3Result};
use sha2::{Digest, Sha256};

use crate::fault::fault;

const PRIVATE: &str = ".fonderie-s3";
/// What the usual file systems accept as one name, in bytes.
const NAME_LIMIT: usize = 255;
/// What S3 accepts as a key, in bytes.
const KEY_LIMIT: usize = 1024;

/// The folder's paths.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    next: AtomicU64,
}

impl Layout {
    /// Makes the folders, and empties what a killed process left behind.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        create_private(root)?;
        let layout = Self { root: root.canonicalize()?, next: AtomicU64::new(0) };
        fs::create_dir_all(layout.private("attributes"))?;
        Ok(layout)
    }

    /// Removes what a killed process was receiving; only for the process that holds the lock.
    pub(crate) fn empty_incoming(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.private("incoming")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(self.private("incoming"))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path of the server's own.
    pub(crate) fn private(&self, name: &str) -> PathBuf {
        self.root.join(PRIVATE).join(name)
    }

    /// A bucket's folder. The name is checked here, whoever has checked it before.
    pub(crate) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        if s3s::path::check_bucket_name(bucket) {
            Ok(self.root.join(bucket))
        } else {
            Err(fault(
                S3ErrorCode::InvalidBucketName,
                "a bucket's name has 3 to 63 lower-case letters, digits, . and -",
            ))
        }
    }

    /// A bucket's folder, provided that it is there. A link to a folder is none: it may lead out of the root.
    pub(crate) fn existing_bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let path = self.bucket(bucket)?;
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            Ok(path)
        } else {
            Err(fault(S3ErrorCode::NoSuchBucket, format!("there is no bucket {bucket}")))
        }
    }

    /// An object's file. No part of its path is a symbolic link.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        check_key(key)?;
        let mut path = self.existing_bucket(bucket)?;
        for name in key.split('/') {
            path.push(name);
            if path.is_symlink() {
                return Err(unusable("a part of it is a symbolic link on the disk"));
            }
        }
        Ok(path)
    }

    /// Where an object's attributes lie; a hash, as a key may be longer than a file's name.
    pub(crate) fn attributes(&self, bucket: &str, key: &str) -> PathBuf {
        let hash = Sha256::digest(key.as_bytes());
        self.private("attributes").join(bucket).join(format!("{}.json", hex(hash)))
    }

    /// A new path for contents to be received.
    pub(crate) fn incoming(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.private("incoming").join(number.to_string())
    }
}

/// Buckets hold personal data: a folder made here is its owner's alone.
fn create_private(root: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(root)
}

/// A key becomes a path as it is; what would become another path, or none, is refused.
fn check_key(key: &str) -> S3Result<()> {
    if key.len() > KEY_LIMIT {
        return Err(fault(
            S3ErrorCode::KeyTooLongError,
            format!("a key has at most {KEY_LIMIT} bytes, this one {}", key.len()),
        ));
    }
    key.split('/').try_for_each(check_name)
}

/// What is between two slashes of a key is the name of a file or folder.
pub(crate) fn check_name(name: &str) -> S3Result<()> {
    if name.len() > NAME_LIMIT {
        let message = format!(
            "on disk, each part of a key has at most {NAME_LIMIT} bytes between slashes, this one {}",
            name.len()
        );
        return Err(fault(S3ErrorCode::KeyTooLongError, message));
    }
    if matches!(name, "" | "." | "..") {
        return Err(unusable("a part between slashes is empty, . or .."));
    }
    if name.contains('\0') || (cfg!(windows) && name.contains(['\\', ':'])) {
        return Err(unusable("it has a character that file names cannot have"));
    }
    Ok(())
}

fn unusable(why: &str) -> S3Error {
    fault(S3ErrorCode::InvalidURI, format!("this store keeps objects as files, and cannot hold the key: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_paths_below_their_bucket_or_are_refused() {
        for key in ["a", "a/b.csv", "\u{e9}t\u{e9} 2025/n\u{b0}1+2%.csv", "..a/b..", &"x".repeat(255)] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in ["", "/a", "a/", "a//b", ".", "..", "../../x", "a/../../x", "a/./b", "a\0b"] {
            assert_eq!(*check_key(key).unwrap_err().code(), S3ErrorCode::InvalidURI, "{key:?}");
        }
        for key in ["x".repeat(256), "a/".repeat(512) + "b"] {
            assert_eq!(*check_key(&key).unwrap_err().code(), S3ErrorCode::KeyTooLongError);
        }
    }
}
