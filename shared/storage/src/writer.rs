//! One object written as a stream, whole or absent.
//!
//! Small contents become one PutObject, larger ones a multipart upload; both are invisible until the last request. At most
//! two parts are under way while a third is filled: 24 MiB, whatever the size of the object.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use fonderie_core::failpoint::step;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use std::collections::HashMap;
use tokio::task::JoinSet;

use crate::Storage;
use crate::error::failed;

/// Size of every part but the last. S3 allows 10,000 parts: 80 GiB.
const PART: usize = 8 * 1024 * 1024;
const PARTS_UNDER_WAY: usize = 2;
const PARTS_LIMIT: i32 = 10_000;

/// Writes one object. Nothing is visible before [`ObjectWriter::finish`]; dropped without it, what was sent is removed as
/// far as the runtime lets it (a bucket's lifecycle rule should remove the uploads of killed processes).
#[derive(Debug)]
pub struct ObjectWriter {
    storage: Storage,
    object: ObjectRef,
    content_type: String,
    metadata: HashMap<String, String>,
    buffer: BytesMut,
    written: u64,
    upload: Option<Upload>,
    failed: bool,
}

#[derive(Debug)]
struct Upload {
    id: String,
    last_part: i32,
    under_way: JoinSet<Result<CompletedPart>>,
    done: Vec<CompletedPart>,
}

impl Storage {
    /// Begins to write an object; nothing is sent before the first part is full.
    pub fn writer(&self, object: ObjectRef, content_type: &str) -> ObjectWriter {
        self.writer_with(object, content_type, HashMap::new())
    }

    pub(crate) fn writer_with(
        &self,
        object: ObjectRef,
        content_type: &str,
        metadata: HashMap<String, String>,
    ) -> ObjectWriter {
        ObjectWriter {
            storage: self.clone(),
            object,
            content_type: content_type.to_owned(),
            metadata,
            buffer: BytesMut::new(),
            written: 0,
            upload: None,
            failed: false,
        }
    }
}

impl ObjectWriter {
    /// Where it writes.
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// Appends. Waits while two parts are under way.
    ///
    /// # Errors
    /// The [store's](crate#errors), of an earlier part too.
    pub async fn write(&mut self, content: Bytes) -> Result<()> {
        let result = self.append(content).await;
        self.failed |= result.is_err();
        result
    }

    /// Makes the object visible, and returns its size in bytes.
    ///
    /// # Errors
    /// The [store's](crate#errors); the object is not there then.
    pub async fn finish(mut self) -> Result<u64> {
        self.complete().await
    }

    /// Ends without an object, and removes what was sent. Dropping does the same in the background.
    ///
    /// # Errors
    /// The [store's](crate#errors): a lifecycle rule removes what is left.
    pub async fn abort(mut self) -> Result<()> {
        match self.upload.take() {
            Some(upload) => abort(&self.storage, &self.object, upload).await,
            None => Ok(()),
        }
    }

    async fn append(&mut self, mut content: Bytes) -> Result<()> {
        self.check_usable()?;
        self.written += content.len() as u64;
        while self.buffer.len() + content.len() > PART {
            let head = content.split_to(PART - self.buffer.len());
            self.buffer.extend_from_slice(&head);
            let part = std::mem::take(&mut self.buffer).freeze();
            self.send_part(part).await?;
        }
        self.buffer.extend_from_slice(&content);
        Ok(())
    }

    /// [`ObjectWriter::finish`] by reference, for callers that cannot give the writer away.
    pub(crate) async fn complete(&mut self) -> Result<u64> {
        self.check_usable()?;
        step("before an object was completed");
        let result = if self.upload.is_some() { self.complete_upload().await } else { self.put().await };
        self.failed |= result.is_err();
        result?;
        step("after an object was completed");
        // Finished: there is nothing left to abort, and nothing may follow.
        self.upload = None;
        self.failed = true;
        Ok(self.written)
    }

    fn check_usable(&self) -> Result<()> {
        if self.failed {
            let message = format!(
                "{} was written to after its end or an error; report this as a defect of Fonderie",
                self.object
            );
            return Err(StageError::new(ErrorCode::Internal, message));
        }
        Ok(())
    }

    async fn put(&mut self) -> Result<()> {
        self.storage
            .client
            .put_object()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .content_type(&self.content_type)
            .set_metadata(Some(self.metadata.clone()))
            .body(ByteStream::from(std::mem::take(&mut self.buffer).freeze()))
            .send()
            .await
            .map_err(|error| failed("writing", &self.object, &self.object.bucket, error))?;
        Ok(())
    }

    async fn send_part(&mut self, content: Bytes) -> Result<()> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(begin(&self.storage, &self.object, &self.content_type, &self.metadata).await?),
        };
        if upload.last_part == PARTS_LIMIT {
            let message =
                format!("{} grows beyond the 80 GiB that can be written at once; split the input", self.object);
            return Err(StageError::new(ErrorCode::LimitExceeded, message));
        }
        while upload.under_way.len() >= PARTS_UNDER_WAY {
            upload.wait_for_one().await?;
        }
        upload.last_part += 1;
        let request = self
            .storage
            .client
            .upload_part()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .upload_id(&upload.id)
            .part_number(upload.last_part)
            .body(ByteStream::from(content));
        let (object, number) = (self.object.clone(), upload.last_part);
        upload.under_way.spawn(async move {
            let answer = request.send().await.map_err(|error| failed("writing", &object, &object.bucket, error))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(answer.e_tag().map(str::to_owned))
                .set_checksum_crc32(answer.checksum_crc32().map(str::to_owned))
                .set_checksum_crc64_nvme(answer.checksum_crc64_nvme().map(str::to_owned))
                .build())
        });
        Ok(())
    }

    async fn complete_upload(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        if !rest.is_empty() {
            self.send_part(rest).await?;
        }
        let Some(upload) = &mut self.upload else { return Ok(()) };
        while !upload.under_way.is_empty() {
            upload.wait_for_one().await?;
        }
        upload.done.sort_by_key(CompletedPart::part_number);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut upload.done))).build();
        self.storage
            .client
            .complete_multipart_upload()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .upload_id(&upload.id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| failed("completing", &self.object, &self.object.bucket, error))?;
        Ok(())
    }
}

impl Upload {
    async fn wait_for_one(&mut self) -> Result<()> {
        match self.under_way.join_next().await {
            Some(Ok(part)) => self.done.push(part?),
            Some(Err(error)) => {
                let message =
                    "The upload of a part was ended by the process itself; report this as a defect of Fonderie";
                return Err(StageError::new(ErrorCode::Internal, message).caused_by(error));
            }
            None => {}
        }
        Ok(())
    }
}

async fn begin(
    storage: &Storage,
    object: &ObjectRef,
    content_type: &str,
    metadata: &HashMap<String, String>,
) -> Result<Upload> {
    let answer = storage
        .client
        .create_multipart_upload()
        .bucket(&object.bucket)
        .key(&object.key)
        .content_type(content_type)
        .set_metadata(Some(metadata.clone()))
        .send()
        .await
        .map_err(|error| failed("writing", object, &object.bucket, error))?;
    let id = answer.upload_id().unwrap_or_default().to_owned();
    Ok(Upload { id, last_part: 0, under_way: JoinSet::new(), done: Vec::new() })
}

async fn abort(storage: &Storage, object: &ObjectRef, mut upload: Upload) -> Result<()> {
    // A part that arrives after the abort would stay: end them first.
    upload.under_way.shutdown().await;
    storage
        .client
        .abort_multipart_upload()
        .bucket(&object.bucket)
        .key(&object.key)
        .upload_id(&upload.id)
        .send()
        .await
        .map_err(|error| failed("removing the parts of", object, &object.bucket, error))?;
    Ok(())
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        let Some(upload) = self.upload.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (storage, object) = (self.storage.clone(), self.object.clone());
        runtime.spawn(async move {
            if let Err(error) = abort(&storage, &object, upload).await {
                tracing::warn!(code = %error.code, error = %error, "parts of an abandoned upload were left behind");
            }
        });
    }
}
