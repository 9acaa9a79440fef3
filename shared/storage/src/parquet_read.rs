//! Parquet, read by ranges: the footer with the first request, then what a row group needs, in as few requests as are cheap.
//!
//! The object is pinned by the first answer, so that an object replaced in mid-read fails instead of mixing two files.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use aws_sdk_s3::primitives::AggregatedBytes;
use bytes::{Bytes, BytesMut};
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::Storage;
use crate::error::broken;
use crate::object::length;
use crate::reader::pinned;
use crate::version::Pin;

/// Bytes fetched from the end to begin with: nearly every footer, and the whole of a small object.
const TAIL: u64 = 256 * 1024;
/// Two ranges closer than this are fetched as one: a request costs about as much as so many bytes.
const GAP: u64 = 512 * 1024;
/// Nor may the joining make a request larger than this.
const REQUEST: u64 = 16 * 1024 * 1024;
/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Tries of one range whose body breaks off.
const TRIES: u32 = 4;

impl Storage {
    /// Opens a Parquet object: its metadata is read, and record batches can be streamed.
    ///
    /// Memory: what the projected columns of one row group take.
    ///
    /// # Errors
    /// The [store's](crate#errors); `Internal` if the object is no Parquet. Errors of the stream go through [`parquet_error`].
    pub async fn parquet_reader(&self, object: &ObjectRef) -> Result<ParquetRecordBatchStreamBuilder<ObjectRanges>> {
        let ranges = ObjectRanges::open(self, object).await?;
        ParquetRecordBatchStreamBuilder::new(ranges).await.map_err(|e| parquet_error(object, e))
    }

    /// All records of a Parquet object, with the names of its columns: an older contract may have written fewer.
    ///
    /// # Errors
    /// The store's, in the stream too; `Internal` if the object is no Parquet.
    pub async fn records(&self, object: &ObjectRef) -> Result<Records> {
        let builder = self.parquet_reader(object).await?.with_batch_size(BATCH_ROWS);
        let columns = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let stream = builder.build().map_err(|error| parquet_error(object, error))?;
        let object = object.clone();
        Ok((columns, stream.map_err(move |error| parquet_error(&object, error)).boxed()))
    }
}

/// The names of an object's columns, and its records.
pub type Records = (HashSet<String>, BoxStream<'static, Result<RecordBatch>>);

/// The stage's error for one of Parquet's: the storage's own comes through as it was.
pub fn parquet_error(object: &ObjectRef, error: ParquetError) -> StageError {
    match error {
        ParquetError::External(inner) => match inner.downcast::<StageError>() {
            Ok(own) => *own,
            Err(other) => unreadable(object, ParquetError::External(other)),
        },
        other => unreadable(object, other),
    }
}

fn unreadable(object: &ObjectRef, error: ParquetError) -> StageError {
    StageError::new(
        ErrorCode::Internal,
        format!("{object} could not be handled as Parquet; run the stage that writes it again, or report a defect of Fonderie"),
    )
    .caused_by(error)
}

/// An object as Parquet's reader wants it: random access over ranged GETs.
#[derive(Debug)]
pub struct ObjectRanges {
    storage: Storage,
    object: ObjectRef,
    pin: Pin,
    size: u64,
    /// The object's last bytes, which hold the footer.
    tail: Bytes,
}

impl ObjectRanges {
    async fn open(storage: &Storage, object: &ObjectRef) -> Result<Self> {
        let answer = storage.get(&object.bucket, &object.key, &Pin::Current, Some(format!("bytes=-{TAIL}"))).await?;
        let size = answer
            .content_range()
            .and_then(|range| range.rsplit_once('/'))
            .and_then(|(_, size)| size.parse().ok())
            .unwrap_or_else(|| length(answer.content_length()));
        let pin = pinned(Pin::Current, &answer);
        let mut ranges = Self { storage: storage.clone(), object: object.clone(), pin, size, tail: Bytes::new() };
        let start = size.saturating_sub(TAIL);
        ranges.tail = match answer.body.collect().await.map(AggregatedBytes::into_bytes) {
            Ok(body) if body.len() as u64 == size - start => body,
            // Broken off: once more, with the tries of any other range.
            _ => ranges.fetch(start..size).await?,
        };
        Ok(ranges)
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// One range: from the tail where it lies there, else by a request.
    async fn bytes(&self, range: Range<u64>) -> Result<Bytes> {
        if range.start > range.end || range.end > self.size {
            let message =
                format!("{} is shorter than its footer says; run the stage that writes it again", self.object);
            return Err(StageError::new(ErrorCode::Internal, message));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let tail_start = self.size - self.tail.len() as u64;
        match range.start.checked_sub(tail_start) {
            Some(from) => Ok(slice(&self.tail, from, range.end - range.start)),
            None => self.fetch(range).await,
        }
    }

    /// One range by a request, tried again where its body breaks off.
    async fn fetch(&self, range: Range<u64>) -> Result<Bytes> {
        let expected = range.end - range.start;
        let header = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let mut tried = 0;
        loop {
            let answer =
                self.storage.get(&self.object.bucket, &self.object.key, &self.pin, Some(header.clone())).await?;
            let trouble = match answer.body.collect().await.map(AggregatedBytes::into_bytes) {
                Ok(body) if body.len() as u64 == expected => return Ok(body),
                Ok(_) => broken(&self.object, "a range came with another length than was asked for"),
                Err(error) => broken(&self.object, "the connection broke").caused_by(error),
            };
            tried += 1;
            if tried == TRIES {
                return Err(trouble);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100 << tried)).await;
        }
    }
}

impl AsyncFileReader for ObjectRanges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.bytes(range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            let mut parts = vec![Bytes::new(); ranges.len()];
            for group in joined(&ranges) {
                let content = self.bytes(group.span.clone()).await.map_err(external)?;
                for index in group.members {
                    let range = &ranges[index];
                    let part = slice(&content, range.start - group.span.start, range.end - range.start);
                    // A slice would keep the whole request in memory for as long as its smallest part lives.
                    parts[index] =
                        if part.len() * 2 < content.len() { BytesMut::from(&part[..]).freeze() } else { part };
                }
            }
            Ok(parts)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let mut reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(self.tail.len()));
            if let Some(options) = options {
                reader = reader
                    .with_metadata_options(Some(options.metadata_options().clone()))
                    .with_column_index_policy(options.column_index_policy())
                    .with_offset_index_policy(options.offset_index_policy());
            }
            let size = self.size;
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

fn external(error: StageError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

fn slice(content: &Bytes, from: u64, length: u64) -> Bytes {
    // Both lie within a buffer in memory, so they fit.
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    content.slice(from..from.saturating_add(length))
}

struct Group {
    span: Range<u64>,
    members: Vec<usize>,
}

/// Ranges to fetch as one, in the order of their offsets.
fn joined(ranges: &[Range<u64>]) -> Vec<Group> {
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|&index| ranges[index].start);
    let mut groups: Vec<Group> = Vec::new();
    for index in order {
        let range = &ranges[index];
        if let Some(last) = groups.last_mut() {
            let end = last.span.end.max(range.end);
            if range.start <= last.span.end.saturating_add(GAP) && end - last.span.start <= REQUEST {
                last.span.end = end;
                last.members.push(index);
                continue;
            }
        }
        groups.push(Group { span: range.clone(), members: vec![index] });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_joined_within_the_size_of_a_request() {
        let far = GAP * 4;
        let ranges = [far..far + 10, 0..10, 10..20, 100..200, far + 10..far + REQUEST + 11];
        let groups: Vec<_> = joined(&ranges).into_iter().map(|group| (group.span, group.members)).collect();
        assert_eq!(
            groups,
            [(0..200, vec![1, 2, 3]), (far..far + 10, vec![0]), (far + 10..far + REQUEST + 11, vec![4])]
        );
    }
}
