//! One object version as a stream of chunks.
//!
//! A body that breaks off is resumed by a range from where it stopped: a large file read slowly (the parser is the slow
//! part) outlives many a connection. What is resumed is still pinned, and the bytes must add up to the announced length.

use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};

use crate::Storage;
use crate::error::broken;
use crate::object::{length, place};
use crate::version::{Pin, unquoted};

/// Resumptions without any progress between them, before the read is given up.
const RESUMPTIONS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Reads one object version, chunk by chunk.
#[derive(Debug)]
pub struct ObjectReader {
    storage: Storage,
    place: ObjectRef,
    pin: Pin,
    content_type: String,
    size: u64,
    offset: u64,
    body: Option<ByteStream>,
    /// Resumptions since the last byte arrived.
    resumptions: u32,
}

impl ObjectReader {
    pub(crate) async fn start(storage: &Storage, bucket: &str, key: &str, pin: Pin) -> Result<Self> {
        let answer = storage.get(bucket, key, &pin, None).await?;
        Ok(Self {
            storage: storage.clone(),
            place: place(bucket, key),
            // Unversioned reads are pinned from the first answer on: a resumption must not mix two contents.
            pin: pinned(pin, &answer),
            content_type: answer.content_type().unwrap_or("application/octet-stream").to_owned(),
            size: length(answer.content_length()),
            offset: 0,
            body: Some(answer.body),
            resumptions: 0,
        })
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The content type it was stored with.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The next chunk, of whatever size arrives (never empty); `None` after the last byte.
    ///
    /// # Errors
    /// The [store's](crate#errors), once the reading broke off as often as it is tried again.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(body) = &mut self.body else {
                self.resume().await?;
                continue;
            };
            let trouble = match body.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) => {
                    self.offset += chunk.len() as u64;
                    if self.offset > self.size {
                        return Err(broken(&self.place, "more bytes came than were announced"));
                    }
                    self.resumptions = 0;
                    return Ok(Some(chunk));
                }
                None if self.offset == self.size => return Ok(None),
                None => broken(&self.place, "the connection ended early"),
                // Every byte came, and still the body is in error: its checksum does not hold. What was handed on is
                // damaged, so reading the rest again would not help.
                Some(Err(error)) if self.offset == self.size => {
                    return Err(broken(&self.place, "the bytes do not have the checksum they were stored with")
                        .caused_by(error));
                }
                Some(Err(error)) => broken(&self.place, "the connection broke").caused_by(error),
            };
            tracing::debug!(offset = self.offset, size = self.size, "body broke off");
            self.broke(trouble).await?;
        }
    }

    /// Waits before the next resumption, or gives up.
    async fn broke(&mut self, trouble: StageError) -> Result<()> {
        self.body = None;
        if self.resumptions == RESUMPTIONS {
            return Err(trouble);
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(self.resumptions)).await;
        self.resumptions += 1;
        Ok(())
    }

    async fn resume(&mut self) -> Result<()> {
        let range = (self.offset > 0).then(|| format!("bytes={}-", self.offset));
        match self.storage.get(&self.place.bucket, &self.place.key, &self.pin, range).await {
            Ok(answer) if length(answer.content_length()) == self.size - self.offset => {
                self.body = Some(answer.body);
                Ok(())
            }
            Ok(_) => Err(broken(&self.place, "the rest has another length than before")),
            Err(error) if error.code == ErrorCode::StorageUnavailable => self.broke(error).await,
            Err(error) => Err(error),
        }
    }
}

/// The pin to hold an already begun read to.
pub(crate) fn pinned(pin: Pin, answer: &GetObjectOutput) -> Pin {
    match (pin, answer.version_id()) {
        (Pin::Current, Some(id)) if id != "null" => Pin::Version(id.to_owned()),
        (Pin::Current, _) => match answer.e_tag() {
            Some(etag) => Pin::Etag(unquoted(Some(etag))),
            None => Pin::Current,
        },
        (pin, _) => pin,
    }
}
