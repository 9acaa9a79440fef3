//! A local file uploaded once: what the one-machine binary does with a user's files.

use std::collections::HashMap;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError, hex};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::{ObjectMeta, Storage};

/// The content's SHA-256 is stored as metadata of the object. An ETag would not do: it is an MD5 only where the object was
/// written in one part and is not encrypted with a KMS key.
const DIGEST: &str = "sha256";
const CHUNK: usize = 1024 * 1024;

impl Storage {
    /// Uploads a file unless the object is there with the same content, and says whether it did. The file is read twice,
    /// once for its digest; `ObjectChanged` where it is not the same both times.
    pub async fn put_file(&self, path: &Path, object: &ObjectRef, content_type: &str) -> Result<(ObjectMeta, bool)> {
        let digest = digest_of(path).await?;
        let there = self.client.head_object().bucket(&object.bucket).key(&object.key).send().await.ok();
        if there.is_some_and(|answer| answer.metadata().and_then(|all| all.get(DIGEST)) == Some(&digest)) {
            return Ok((self.head(&object.bucket, &object.key, None).await?, false));
        }
        let metadata = HashMap::from([(DIGEST.to_owned(), digest.clone())]);
        let mut writer = self.writer_with(object.clone(), content_type, metadata);
        let mut source = Source::open(path).await?;
        while let Some(chunk) = source.next().await? {
            writer.write(chunk).await?;
        }
        if source.digest() != digest {
            writer.abort().await?;
            let message =
                format!("{} was written to while it was uploaded; run it again once it is complete", path.display());
            return Err(StageError::new(ErrorCode::ObjectChanged, message));
        }
        writer.finish().await?;
        Ok((self.head(&object.bucket, &object.key, None).await?, true))
    }
}

async fn digest_of(path: &Path) -> Result<String> {
    let mut source = Source::open(path).await?;
    while source.next().await?.is_some() {}
    Ok(source.digest())
}

/// A file read in chunks, with the digest of what was read.
struct Source<'a> {
    path: &'a Path,
    file: File,
    hash: Sha256,
}

impl<'a> Source<'a> {
    async fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).await.map_err(|error| unreadable(path, error))?;
        Ok(Self { path, file, hash: Sha256::new() })
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let read = self.file.read_buf(&mut buffer).await.map_err(|error| unreadable(self.path, error))?;
        self.hash.update(&buffer);
        Ok((read > 0).then(|| buffer.freeze()))
    }

    fn digest(self) -> String {
        hex(self.hash.finalize())
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> StageError {
    let (code, why) = match error.kind() {
        std::io::ErrorKind::NotFound => (ErrorCode::ObjectMissing, "it is not there"),
        std::io::ErrorKind::PermissionDenied => (ErrorCode::AccessDenied, "access was denied"),
        std::io::ErrorKind::IsADirectory => (ErrorCode::RequestInvalid, "it is a folder"),
        _ => (ErrorCode::RequestInvalid, "reading it failed"),
    };
    StageError::new(code, format!("The file {} cannot be read: {why}", path.display())).caused_by(error)
}
