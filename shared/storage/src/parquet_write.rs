//! Parquet, written as a stream: each row group leaves memory when it is full.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use fonderie_core::{ObjectRef, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::{ObjectWriter, Storage, parquet_error};

/// The most bytes of a row group, as the batches have them.
pub const ROW_GROUP_BYTES: usize = 32 << 20;

/// Writes record batches as one Parquet object. Nothing is visible before [`ParquetObjectWriter::finish`].
///
/// Memory: one row group, encoded and compressed, and the parts under way. A row group holds at most [`ROW_GROUP_BYTES`] of the batches'
/// own bytes, or one batch, beside the rows that the `WriterProperties` allow: who reads it holds no more.
pub struct ParquetObjectWriter {
    object: ObjectRef,
    rows: u64,
    /// Bytes of the row group under way, as its batches have them: compressed they may be a thousandth.
    bytes: usize,
    inner: AsyncArrowWriter<Sink>,
}

impl Storage {
    /// Begins to write a Parquet object.
    ///
    /// # Errors
    /// `Internal` if Parquet has no such schema.
    pub fn parquet_writer(
        &self,
        object: ObjectRef,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<ParquetObjectWriter> {
        let sink = Sink(self.writer(object.clone(), "application/vnd.apache.parquet"));
        let inner = AsyncArrowWriter::try_new(sink, schema, Some(properties)).map_err(|e| parquet_error(&object, e))?;
        Ok(ParquetObjectWriter { object, rows: 0, bytes: 0, inner })
    }
}

impl ParquetObjectWriter {
    /// Where it writes.
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// The [store's](crate#errors); `Internal` if the batch has another schema.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let bytes = size(batch).map_err(|e| parquet_error(&self.object, e.into()))?;
        if self.bytes > 0 && self.bytes + bytes > ROW_GROUP_BYTES {
            self.inner.flush().await.map_err(|e| parquet_error(&self.object, e))?;
        }
        self.inner.write(batch).await.map_err(|e| parquet_error(&self.object, e))?;
        // The rows that the properties allow may have ended the row group too.
        self.bytes = if self.inner.in_progress_rows() > batch.num_rows() { self.bytes + bytes } else { bytes };
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Adds an entry to the file's metadata, which is written at the end: counts may go here.
    pub fn add_metadata(&mut self, key: &str, value: String) {
        self.inner.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
    }

    /// Makes the object visible, and returns its number of rows.
    ///
    /// # Errors
    /// The [store's](crate#errors).
    pub async fn finish(self) -> Result<u64> {
        self.inner.close().await.map_err(|e| parquet_error(&self.object, e))?;
        Ok(self.rows)
    }

    /// Ends without an object.
    ///
    /// # Errors
    /// The [store's](crate#errors).
    pub async fn abort(self) -> Result<()> {
        self.inner.into_inner().0.abort().await
    }
}

/// The bytes of a batch's rows, without those of its buffers that other batches use.
fn size(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}

struct Sink(ObjectWriter);

impl AsyncFileWriter for Sink {
    fn write(&mut self, content: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        async move { self.0.write(content).await.map_err(|e| ParquetError::External(Box::new(e))) }.boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        async move { self.0.complete().await.map(|_| ()).map_err(|e| ParquetError::External(Box::new(e))) }.boxed()
    }
}
