//! S3's requests, as far as Fonderie, its tests and `aws s3` use them, over the objects of a folder.

use std::sync::Arc;

use fonderie_core::hex;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use tokio::fs::File;

use crate::answers::{body, check_read, group, object, shown, signed, stored};
use crate::attributes::Attributes;
use crate::fault::{fault, io_fault};
use crate::listing::{self, Page, Query};
use crate::objects::{Conditions, Objects, Opened, check_conditions};
use crate::receive::{Sent, receive};
use crate::uploads::{Part, Uploads};

const PARTS_LIMIT: i32 = 10_000;
const PAGE: i32 = 1000;

/// The S3 service over a folder.
#[derive(Clone, Debug)]
pub(crate) struct FolderS3 {
    objects: Arc<Objects>,
    uploads: Arc<Uploads>,
}

impl FolderS3 {
    pub(crate) fn new(objects: Arc<Objects>) -> Self {
        Self { objects, uploads: Arc::new(Uploads::default()) }
    }

    /// Does file work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || work(&this)).await.map_err(S3Error::internal_error)?
    }

    async fn open(&self, bucket: String, key: String) -> S3Result<Opened> {
        self.blocking(move |this| this.objects.open(&bucket, &key)).await
    }

    async fn page(&self, bucket: String, ask: Ask) -> S3Result<Page> {
        self.blocking(move |this| {
            let folder = this.objects.layout.existing_bucket(&bucket)?;
            listing::list(
                &folder,
                Query {
                    prefix: ask.prefix.as_deref().unwrap_or_default(),
                    delimiter: ask.delimiter.as_deref(),
                    after: ask.after.as_deref().unwrap_or_default(),
                    limit: usize::try_from(ask.limit.clamp(0, PAGE)).unwrap_or(0),
                },
            )
        })
        .await
    }
}

/// What both versions of the listing request ask for.
struct Ask {
    prefix: Option<String>,
    delimiter: Option<String>,
    after: Option<String>,
    limit: i32,
}

#[async_trait::async_trait]
impl S3 for FolderS3 {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = req.input.bucket;
        self.blocking(move |this| {
            let path = this.objects.layout.bucket(&bucket)?;
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    Err(fault(S3ErrorCode::BucketAlreadyOwnedByYou, format!("bucket {bucket} is there already")))
                }
                made => made.map_err(|error| io_fault(&path, error)),
            }
        })
        .await?;
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        let bucket = req.input.bucket;
        self.blocking(move |this| {
            let path = this.objects.layout.existing_bucket(&bucket)?;
            std::fs::remove_dir(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::DirectoryNotEmpty => {
                    fault(S3ErrorCode::BucketNotEmpty, format!("bucket {bucket} still holds objects"))
                }
                _ => io_fault(&path, error),
            })
        })
        .await?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.objects.layout.existing_bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.objects.layout.existing_bucket(&req.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let mut buckets = self
            .blocking(|this| {
                let root = this.objects.layout.root();
                let mut buckets = Vec::new();
                for entry in std::fs::read_dir(root).map_err(|error| io_fault(root, error))? {
                    let entry = entry.map_err(|error| io_fault(root, error))?;
                    let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
                    if entry.file_type().is_ok_and(|kind| kind.is_dir()) && s3s::path::check_bucket_name(&name) {
                        let made = entry.metadata().and_then(|metadata| metadata.modified()).ok();
                        buckets.push(Bucket {
                            name: Some(name),
                            creation_date: made.map(Timestamp::from),
                            ..Bucket::default()
                        });
                    }
                }
                Ok(buckets)
            })
            .await?;
        buckets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..ListBucketsOutput::default() }))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = req.input;
        // Before the body is received: a mistake shows at once.
        self.objects.layout.object(&input.bucket, &input.key)?;
        let sent = Sent {
            md5: input.content_md5,
            algorithm: input.checksum_algorithm,
            headers: Checksum {
                checksum_crc32: input.checksum_crc32,
                checksum_crc32c: input.checksum_crc32c,
                checksum_crc64nvme: input.checksum_crc64nvme,
                checksum_sha1: input.checksum_sha1,
                checksum_sha256: input.checksum_sha256,
                ..Checksum::default()
            },
            trailers: req.trailing_headers,
        };
        let (received, md5, _, checksums) = receive(&self.objects.layout, input.body, sent).await?;
        let attributes = Attributes {
            etag: hex(md5),
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            metadata: stored(input.metadata),
            crc32: checksums.checksum_crc32.clone(),
            ..Attributes::default()
        };
        let etag = attributes.etag.clone();
        let conditions = Conditions { if_match: input.if_match, if_none_match: input.if_none_match };
        let (bucket, key) = (input.bucket, input.key);
        self.blocking(move |this| this.objects.commit(&bucket, &key, received, &conditions, attributes)).await?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_crc32: checksums.checksum_crc32,
            checksum_crc32c: checksums.checksum_crc32c,
            checksum_crc64nvme: checksums.checksum_crc64nvme,
            checksum_sha1: checksums.checksum_sha1,
            checksum_sha256: checksums.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let opened = self.open(input.bucket, input.key).await?;
        check_read(&opened, input.if_match, input.if_none_match)?;
        let whole = 0..opened.size;
        let range = match input.range {
            Some(range) => range.check(opened.size)?,
            None => whole.clone(),
        };
        let content_range =
            input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), opened.size));
        let crc32 = opened.attributes.crc32.clone().filter(|_| range == whole);
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(signed(range.end - range.start)),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            last_modified: Some(Timestamp::from(opened.modified)),
            e_tag: Some(ETag::Strong(opened.attributes.etag.clone())),
            content_type: opened.attributes.content_type.clone(),
            content_encoding: opened.attributes.content_encoding.clone(),
            content_disposition: opened.attributes.content_disposition.clone(),
            metadata: shown(&opened.attributes),
            checksum_crc32: crc32,
            body: Some(body(File::from_std(opened.file), range)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let opened = self.open(input.bucket, input.key).await?;
        check_read(&opened, input.if_match, input.if_none_match)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(signed(opened.size)),
            accept_ranges: Some("bytes".to_owned()),
            last_modified: Some(Timestamp::from(opened.modified)),
            metadata: shown(&opened.attributes),
            e_tag: Some(ETag::Strong(opened.attributes.etag)),
            content_type: opened.attributes.content_type,
            content_encoding: opened.attributes.content_encoding,
            content_disposition: opened.attributes.content_disposition,
            checksum_crc32: opened.attributes.crc32,
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        self.blocking(move |this| this.objects.delete(&input.bucket, &input.key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        let output = self
            .blocking(move |this| {
                let (mut deleted, mut errors) = (Vec::new(), Vec::new());
                for object in delete.objects {
                    match this.objects.delete(&bucket, &object.key) {
                        Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() }),
                        Err(error) => errors.push(s3s::dto::Error {
                            key: Some(object.key),
                            code: Some(error.code().as_str().to_owned()),
                            message: error.message().map(str::to_owned),
                            ..s3s::dto::Error::default()
                        }),
                    }
                }
                Ok(DeleteObjectsOutput {
                    deleted: Some(deleted),
                    errors: (!errors.is_empty()).then_some(errors),
                    ..DeleteObjectsOutput::default()
                })
            })
            .await?;
        Ok(S3Response::new(output))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let CopySource::Bucket { bucket, key, .. } = input.copy_source else {
            return Err(fault(S3ErrorCode::NotImplemented, "only an object can be copied"));
        };
        self.objects.layout.object(&input.bucket, &input.key)?;
        let replace = input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
        let read = Conditions { if_match: input.copy_source_if_match, if_none_match: input.copy_source_if_none_match };
        let fresh = Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            metadata: stored(input.metadata),
            ..Attributes::default()
        };
        let (to_bucket, to_key) = (input.bucket, input.key);
        let (etag, modified) = self
            .blocking(move |this| {
                let mut opened = this.objects.open(&bucket, &key)?;
                check_conditions(Some(&opened.attributes.etag), &read)?;
                let received = this.objects.receive_copy(&mut opened)?;
                let source = opened.attributes;
                let (etag, crc32) = (source.etag.clone(), source.crc32.clone());
                let attributes = if replace { Attributes { etag: etag.clone(), crc32, ..fresh } } else { source };
                this.objects.commit(&to_bucket, &to_key, received, &Conditions::default(), attributes)?;
                Ok((etag, this.objects.open(&to_bucket, &to_key)?.modified))
            })
            .await?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(ETag::Strong(etag)),
                last_modified: Some(Timestamp::from(modified)),
                ..CopyObjectResult::default()
            }),
            ..CopyObjectOutput::default()
        }))
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        let limit = input.max_keys.unwrap_or(PAGE);
        let ask = Ask {
            prefix: input.prefix.clone(),
            delimiter: input.delimiter.clone(),
            after: input.marker.clone(),
            limit,
        };
        let page = self.page(input.bucket.clone(), ask).await?;
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            marker: input.marker,
            max_keys: Some(limit),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next,
            contents: Some(page.objects.into_iter().map(object).collect()),
            common_prefixes: Some(page.prefixes.into_iter().map(group).collect()),
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let limit = input.max_keys.unwrap_or(PAGE);
        let ask = Ask {
            prefix: input.prefix.clone(),
            delimiter: input.delimiter.clone(),
            after: input.continuation_token.clone().max(input.start_after.clone()),
            limit,
        };
        let page = self.page(input.bucket.clone(), ask).await?;
        let count = i32::try_from(page.objects.len() + page.prefixes.len()).unwrap_or(PAGE);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            start_after: input.start_after,
            continuation_token: input.continuation_token,
            max_keys: Some(limit),
            key_count: Some(count),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            contents: Some(page.objects.into_iter().map(object).collect()),
            common_prefixes: Some(page.prefixes.into_iter().map(group).collect()),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        self.objects.layout.object(&input.bucket, &input.key)?;
        let attributes = Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            metadata: stored(input.metadata),
            ..Attributes::default()
        };
        let id = self.uploads.begin(input.bucket.clone(), input.key.clone(), attributes);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = req.input;
        if !(1..=PARTS_LIMIT).contains(&input.part_number) {
            return Err(fault(S3ErrorCode::InvalidArgument, format!("parts are numbered from 1 to {PARTS_LIMIT}")));
        }
        self.uploads.check(&input.upload_id, &input.bucket, &input.key)?;
        let sent = Sent {
            md5: input.content_md5,
            algorithm: input.checksum_algorithm,
            headers: Checksum {
                checksum_crc32: input.checksum_crc32,
                checksum_crc32c: input.checksum_crc32c,
                checksum_crc64nvme: input.checksum_crc64nvme,
                checksum_sha1: input.checksum_sha1,
                checksum_sha256: input.checksum_sha256,
                ..Checksum::default()
            },
            trailers: req.trailing_headers,
        };
        let (received, md5, size, checksums) = receive(&self.objects.layout, input.body, sent).await?;
        let part = Part { received, md5, size };
        self.uploads.add(&input.upload_id, &input.bucket, &input.key, input.part_number, part)?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(hex(md5))),
            checksum_crc32: checksums.checksum_crc32,
            checksum_crc32c: checksums.checksum_crc32c,
            checksum_crc64nvme: checksums.checksum_crc64nvme,
            checksum_sha1: checksums.checksum_sha1,
            checksum_sha256: checksums.checksum_sha256,
            ..UploadPartOutput::default()
        }))
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let parts = self.uploads.parts(&input.upload_id, &input.bucket, &input.key)?;
        let parts = parts.into_iter().map(|(number, part)| s3s::dto::Part {
            part_number: Some(number),
            size: Some(signed(part.size)),
            e_tag: Some(ETag::Strong(hex(part.md5))),
            ..s3s::dto::Part::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            parts: Some(parts.collect()),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let named: Vec<_> = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default()
            .into_iter()
            .map(|part| (part.part_number.unwrap_or(0), part.e_tag.map(ETag::into_value)))
            .collect();
        let conditions = Conditions { if_match: input.if_match, if_none_match: input.if_none_match };
        let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id);
        let etag = self
            .blocking(move |this| {
                let (received, attributes) = this.uploads.assemble(&this.objects.layout, &id, &bucket, &key, &named)?;
                let etag = attributes.etag.clone();
                this.objects.commit(&bucket, &key, received, &conditions, attributes)?;
                this.uploads.end(&id, &bucket, &key)?;
                Ok(etag)
            })
            .await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = req.input;
        self.uploads.end(&input.upload_id, &input.bucket, &input.key)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}
