//! A local file uploaded once: what the one-machine binary does with a user's files.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

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
    /// Uploads a file unless the object is there with the same content, and returns whether it did. The file is read twice,
    /// once for its digest. Another content is written in a later second than the one that is there.
    ///
    /// # Errors
    /// `ObjectChanged` if the file is not the same both times, or changes meanwhile; `RequestInvalid` for what is no file and may have no end;
    /// the [store's](crate#errors).
    pub async fn put_file(&self, path: &Path, object: &ObjectRef, content_type: &str) -> Result<(ObjectMeta, bool)> {
        let first = Content::of(path, async |_| Ok(())).await?;
        let digest = &first.digest;
        if let Ok(there) = self.client.head_object().bucket(&object.bucket).key(&object.key).send().await {
            if there.metadata().and_then(|all| all.get(DIGEST)) == Some(digest) {
                return Ok((self.head(&object.bucket, &object.key, None).await?, false));
            }
            if let Some(at) = there.last_modified().and_then(|at| SystemTime::try_from(*at).ok()) {
                end_of_second(at).await;
            }
        }
        let metadata = HashMap::from([(DIGEST.to_owned(), digest.clone())]);
        let mut writer = self.writer_with(object.clone(), content_type, metadata);
        let second = Content::of(path, async |chunk| writer.write(chunk).await).await;
        if let Err(error) = second.and_then(|second| if second == first { Ok(()) } else { Err(changed(path)) }) {
            // What could not be aborted is no object either, and the reason is the first one.
            let _ = writer.abort().await;
            return Err(error);
        }
        writer.finish().await?;
        Ok((self.head(&object.bucket, &object.key, None).await?, true))
    }
}

/// Waits while the second lasts in which an object was written: S3's times are whole seconds, and two versions of one second
/// have no order. A file is given the time of the kernel's last tick, which may be some milliseconds ago: a little longer, then.
async fn end_of_second(written: SystemTime) {
    const SECOND: Duration = Duration::from_secs(1);
    const TICKS: Duration = Duration::from_millis(50);
    if let Ok(left) = (written + SECOND + TICKS).duration_since(SystemTime::now()) {
        tokio::time::sleep(left.min(SECOND + TICKS)).await;
    }
}

/// What a file holds, and when it was written.
#[derive(PartialEq, Eq)]
struct Content {
    digest: String,
    modified: Option<SystemTime>,
}

impl Content {
    /// Reads a file in chunks, as far as its size at the beginning: a file that grows has no end.
    async fn of(path: &Path, mut chunk: impl AsyncFnMut(Bytes) -> Result<()>) -> Result<Self> {
        let failed = |error| unreadable(path, error);
        // Before it is opened: to open a pipe is to wait for its other end.
        if !tokio::fs::metadata(path).await.map_err(failed)?.is_file() {
            return Err(unreadable(path, std::io::ErrorKind::IsADirectory.into()));
        }
        let mut file = File::open(path).await.map_err(failed)?;
        let before = file.metadata().await.map_err(failed)?;
        let (mut hash, mut size) = (Sha256::new(), 0);
        loop {
            let mut buffer = BytesMut::with_capacity(CHUNK);
            let read = file.read_buf(&mut buffer).await.map_err(failed)?;
            if read == 0 {
                break;
            }
            size += read as u64;
            if size > before.len() {
                return Err(changed(path));
            }
            hash.update(&buffer);
            chunk(buffer.freeze()).await?;
        }
        let after = file.metadata().await.map_err(failed)?;
        if size != before.len() || after.len() != size || after.modified().ok() != before.modified().ok() {
            return Err(changed(path));
        }
        Ok(Self { digest: hex(hash.finalize()), modified: after.modified().ok() })
    }
}

fn changed(path: &Path) -> StageError {
    let message = format!("{} is still being written: run it again when it is complete", path.display());
    StageError::new(ErrorCode::ObjectChanged, message)
}

fn unreadable(path: &Path, error: std::io::Error) -> StageError {
    let (code, why) = match error.kind() {
        std::io::ErrorKind::NotFound => (ErrorCode::ObjectMissing, "it is not there"),
        std::io::ErrorKind::PermissionDenied => (ErrorCode::AccessDenied, "access was denied"),
        std::io::ErrorKind::IsADirectory => (ErrorCode::RequestInvalid, "it is a folder, a pipe, a device or a socket"),
        _ => (ErrorCode::RequestInvalid, "reading it failed"),
    };
    StageError::new(code, format!("The file {} cannot be read: {why}", path.display())).caused_by(error)
}
