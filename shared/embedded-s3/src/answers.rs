//! From files and attributes to the parts of S3's answers.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use s3s::dto::{CommonPrefix, ETagCondition, Metadata, Object, StreamingBlob, Timestamp};
use s3s::{S3ErrorCode, S3Result};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::attributes::Attributes;
use crate::fault::fault;
use crate::listing::Entry;
use crate::objects::{Conditions, Opened, check_conditions};

const CHUNK: usize = 256 * 1024;

/// The conditions of a read: 412, or 304 where the client has the content already.
pub(crate) fn check_read(
    opened: &Opened,
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<()> {
    let etag = Some(opened.attributes.etag.as_str());
    check_conditions(etag, &Conditions { if_match, if_none_match: None })?;
    check_conditions(etag, &Conditions { if_match: None, if_none_match })
        .map_err(|_| fault(S3ErrorCode::NotModified, "the object still has this ETag"))
}

/// A range of a file as a body.
pub(crate) fn body(file: File, range: Range<u64>) -> StreamingBlob {
    StreamingBlob::wrap(futures::stream::try_unfold((file, range, false), |(mut file, range, sought)| async move {
        if range.is_empty() {
            return Ok::<_, std::io::Error>(None);
        }
        if !sought {
            file.seek(std::io::SeekFrom::Start(range.start)).await?;
        }
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(CHUNK);
        let mut buffer = BytesMut::zeroed(wanted);
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            // Somebody cut the file short behind our back: the client must not take it for the whole.
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer.truncate(read);
        let rest = range.start + read as u64..range.end;
        Ok(Some((Bytes::from(buffer), (file, rest, true))))
    }))
}

/// A size as S3's types have it.
pub(crate) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// An object of a listing.
pub(crate) fn object(entry: Entry) -> Object {
    Object {
        key: Some(entry.key),
        size: Some(signed(entry.size)),
        last_modified: Some(Timestamp::from(entry.modified)),
        ..Object::default()
    }
}

/// A group of a listing.
pub(crate) fn group(prefix: String) -> CommonPrefix {
    CommonPrefix { prefix: Some(prefix) }
}

/// Metadata as the attributes keep it.
pub(crate) fn stored(metadata: Option<Metadata>) -> BTreeMap<String, String> {
    metadata.unwrap_or_default().into_iter().collect()
}

/// Metadata as answers carry it.
pub(crate) fn shown(attributes: &Attributes) -> Option<Metadata> {
    (!attributes.metadata.is_empty()).then(|| attributes.metadata.clone().into_iter().collect())
}
