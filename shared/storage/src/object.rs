//! Whole objects: what is there, small reads and writes, copies, listings.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::TaggingDirective;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use fonderie_core::failpoint::step;
use fonderie_core::{ErrorCode, ObjectRef, ObjectVersion, Result, StageError};

use crate::error::{changed, failed, too_large};
use crate::version::{self, Pin, unquoted};
use crate::{ObjectReader, Storage};

/// What S3 copies by itself in one request.
const COPY_LIMIT: u64 = 5 * 1024 * 1024 * 1024;

/// What a store says of one object version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The store's version id, or a derived one (see [`crate::version`]).
    pub version_id: String,
    /// Bytes.
    pub size: u64,
    /// When the version was written; to the second, as S3 gives no better.
    pub last_modified: DateTime<Utc>,
    /// The content's tag, without quotes.
    pub etag: String,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When the current version was written.
    pub last_modified: DateTime<Utc>,
}

/// The first objects under a prefix, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<Listed>,
    /// There are more than were asked for.
    pub truncated: bool,
}

impl Storage {
    /// What the store says of an object, of its current version where none is named.
    ///
    /// A derived version keeps its own time, even where the same content has been written again since: that is another
    /// version.
    ///
    /// # Errors
    /// The [store's](crate#errors); `ObjectMissing` for a delete marker too.
    pub async fn head(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<ObjectMeta> {
        let place = place(bucket, key);
        let pin = Pin::of(version_id);
        let sent = self
            .client
            .head_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(pin.version_id())
            .set_if_match(pin.if_match())
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                let error = failed("looking up", &place, bucket, error);
                // HEAD answers carry no reason; the same question as a GET of one byte does.
                return match (error.code, self.get(bucket, key, &pin, Some("bytes=0-0".to_owned())).await) {
                    (ErrorCode::ObjectMissing | ErrorCode::AccessDenied | ErrorCode::Internal, Err(reason)) => {
                        Err(reason)
                    }
                    _ => Err(error),
                };
            }
        };
        let etag = unquoted(answer.e_tag());
        if !pin.admits(&etag) {
            return Err(changed(&place));
        }
        let (version_id, last_modified) = match (version_id, &pin) {
            (Some(asked), Pin::Etag(_)) => (asked.to_owned(), version::derived_time(asked)),
            _ => {
                let written = time(answer.last_modified());
                (version::version_id(answer.version_id(), &etag, written), written)
            }
        };
        Ok(ObjectMeta { version_id, size: length(answer.content_length()), last_modified, etag })
    }

    /// Among the versions of the same key written in the same second, how many came before: with the second, the order of
    /// the versions. 0 where the store keeps no versions.
    ///
    /// Needs `s3:ListBucketVersions`.
    ///
    /// # Errors
    /// The [store's](crate#errors); `ObjectMissing` if the version is not in the list.
    pub async fn position(&self, bucket: &str, key: &str, version_id: &str) -> Result<u32> {
        if !matches!(Pin::of(Some(version_id)), Pin::Version(_)) {
            return Ok(0);
        }
        let place = place(bucket, key);
        let (mut key_marker, mut version_marker) = (None, None);
        let mut second = None;
        let mut before: u32 = 0;
        loop {
            let page = self
                .client
                .list_object_versions()
                .bucket(bucket)
                .prefix(key)
                .set_key_marker(key_marker.take())
                .set_version_id_marker(version_marker.take())
                .send()
                .await
                .map_err(|error| failed("listing the versions of", &place, bucket, error))?;
            // Newest first; keys that merely begin like ours come after all versions of ours.
            for entry in page.versions() {
                if entry.key() != Some(key) {
                    return second.map(|_| before).ok_or_else(|| gone(&place, version_id));
                }
                let written = time(entry.last_modified()).timestamp();
                match second {
                    None if entry.version_id() == Some(version_id) => second = Some(written),
                    None => {}
                    Some(ours) if written < ours => return Ok(before),
                    Some(_) => before += 1,
                }
            }
            if page.is_truncated() != Some(true) {
                return second.map(|_| before).ok_or_else(|| gone(&place, version_id));
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            version_marker = page.next_version_id_marker().map(str::to_owned);
        }
    }

    /// Opens a version for reading from its first byte to its last.
    ///
    /// # Errors
    /// The [store's](crate#errors).
    pub async fn open(&self, object: &ObjectVersion) -> Result<ObjectReader> {
        ObjectReader::start(self, &object.bucket, &object.key, Pin::of(Some(&object.version_id))).await
    }

    /// A small object as a whole.
    ///
    /// # Errors
    /// `LimitExceeded` above `limit` bytes, before anything is transferred; the [store's](crate#errors).
    pub async fn read(&self, bucket: &str, key: &str, version_id: Option<&str>, limit: u64) -> Result<Bytes> {
        let mut reader = ObjectReader::start(self, bucket, key, Pin::of(version_id)).await?;
        if reader.size() > limit {
            return Err(too_large(&place(bucket, key), reader.size(), limit));
        }
        let mut content = BytesMut::new();
        while let Some(chunk) = reader.next().await? {
            content.extend_from_slice(&chunk);
        }
        Ok(content.freeze())
    }

    /// Writes a small object as a whole.
    ///
    /// # Errors
    /// The [store's](crate#errors).
    pub async fn put(&self, object: &ObjectRef, content: Bytes, content_type: &str) -> Result<()> {
        step("before an object was put");
        self.client
            .put_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .content_type(content_type)
            .body(ByteStream::from(content))
            .send()
            .await
            .map_err(|error| failed("writing", object, &object.bucket, error))?;
        step("after an object was put");
        Ok(())
    }

    /// Copies a version to another place, within the store if it can.
    ///
    /// # Errors
    /// The [store's](crate#errors), of the reading and of the writing.
    pub async fn copy(&self, from: &ObjectVersion, to: &ObjectRef) -> Result<()> {
        let meta = self.head(&from.bucket, &from.key, Some(&from.version_id)).await?;
        if meta.size > COPY_LIMIT {
            return self.copy_streaming(from, to).await;
        }
        let mut source = format!("{}/{}", escaped(&from.bucket), escaped(&from.key));
        let pin = Pin::of(Some(&from.version_id));
        if let Some(id) = pin.version_id() {
            source.push_str("?versionId=");
            source.push_str(&escaped(&id));
        }
        step("before an object was copied");
        self.client
            .copy_object()
            .copy_source(source)
            .set_copy_source_if_match(pin.if_match())
            .bucket(&to.bucket)
            .key(&to.key)
            // Its sender's tags are left behind: reading them would be a permission more.
            .tagging_directive(TaggingDirective::Replace)
            .send()
            .await
            .map_err(|error| failed("copying", &format!("{from} to {to}"), &to.bucket, error))?;
        step("after an object was copied");
        Ok(())
    }

    async fn copy_streaming(&self, from: &ObjectVersion, to: &ObjectRef) -> Result<()> {
        let mut reader = self.open(from).await?;
        let mut writer = self.writer(to.clone(), reader.content_type());
        while let Some(chunk) = reader.next().await? {
            writer.write(chunk).await?;
        }
        writer.finish().await?;
        Ok(())
    }

    /// The first `limit` objects under a prefix, in the order of their keys.
    ///
    /// # Errors
    /// The [store's](crate#errors).
    pub async fn list(&self, bucket: &str, prefix: &str, limit: usize) -> Result<Listing> {
        let place = place(bucket, prefix);
        let mut objects = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(bucket)
                .prefix(prefix)
                .set_continuation_token(token.take())
                .send()
                .await
                .map_err(|error| failed("listing", &place, bucket, error))?;
            for entry in page.contents() {
                if objects.len() == limit {
                    return Ok(Listing { objects, truncated: true });
                }
                let Some(key) = entry.key() else { continue };
                objects.push(Listed {
                    key: key.to_owned(),
                    size: length(entry.size()),
                    last_modified: time(entry.last_modified()),
                });
            }
            token = page.next_continuation_token().map(str::to_owned);
            if page.is_truncated() != Some(true) || token.is_none() {
                return Ok(Listing { objects, truncated: false });
            }
        }
    }

    /// Deletes the current version (a delete marker where the store keeps versions); one that is not there is no error.
    ///
    /// # Errors
    /// The [store's](crate#errors).
    pub async fn delete(&self, object: &ObjectRef) -> Result<()> {
        self.client
            .delete_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .send()
            .await
            .map_err(|error| failed("deleting", object, &object.bucket, error))?;
        Ok(())
    }

    /// One GET: of the whole, or of a range as in the `Range` header. What comes back is what the pin asks for.
    pub(crate) async fn get(
        &self,
        bucket: &str,
        key: &str,
        pin: &Pin,
        range: Option<String>,
    ) -> Result<GetObjectOutput> {
        let place = place(bucket, key);
        let answer = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(pin.version_id())
            .set_if_match(pin.if_match())
            .set_range(range)
            .send()
            .await
            .map_err(|error| failed("reading", &place, bucket, error))?;
        if pin.admits(&unquoted(answer.e_tag())) { Ok(answer) } else { Err(changed(&place)) }
    }
}

/// The object as messages show it.
pub(crate) fn place(bucket: &str, key: &str) -> ObjectRef {
    ObjectRef { bucket: bucket.to_owned(), key: key.to_owned() }
}

/// A content length; the SDK has it signed and optional.
pub(crate) fn length(value: Option<i64>) -> u64 {
    value.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
}

fn time(value: Option<&aws_sdk_s3::primitives::DateTime>) -> DateTime<Utc> {
    value.and_then(|time| DateTime::from_timestamp(time.secs(), 0)).unwrap_or_default()
}

fn gone(place: &ObjectRef, version_id: &str) -> StageError {
    StageError::new(
        ErrorCode::ObjectMissing,
        format!(
            "There is no version {version_id} of {place} in its list of versions; it was deleted, or never written"
        ),
    )
}

/// Percent-encoded for the copy header, slashes kept.
fn escaped(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_sources_are_percent_encoded() {
        assert_eq!(escaped("a b/\u{e9}+%.csv"), "a%20b/%C3%A9%2B%25.csv");
    }
}
