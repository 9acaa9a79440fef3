//! Parquet, written as a stream: each row group leaves memory when it is full.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
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

/// Writes record batches as one Parquet object. Nothing is visible before [`ParquetObjectWriter::finish`].
///
/// Memory: one row group, encoded and compressed, and the parts under way; so the row group's size is a setting of the
/// `WriterProperties` that matters.
pub struct ParquetObjectWriter {
    object: ObjectRef,
    rows: u64,
    inner: AsyncArrowWriter<Sink>,
}

impl Storage {
    /// Begins to write a Parquet object.
    pub fn parquet_writer(
        &self,
        object: ObjectRef,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<ParquetObjectWriter> {
        let sink = Sink(self.writer(object.clone(), "application/vnd.apache.parquet"));
        let inner = AsyncArrowWriter::try_new(sink, schema, Some(properties)).map_err(|e| parquet_error(&object, e))?;
        Ok(ParquetObjectWriter { object, rows: 0, inner })
    }
}

impl ParquetObjectWriter {
    /// Where it writes.
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// Appends a batch.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(batch).await.map_err(|e| parquet_error(&self.object, e))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Adds an entry to the file's metadata, which is written at the end: counts may go here.
    pub fn add_metadata(&mut self, key: &str, value: String) {
        self.inner.append_key_value_metadata(KeyValue::new(key.to_owned(), value));
    }

    /// Makes the object visible, and returns its number of rows.
    pub async fn finish(self) -> Result<u64> {
        self.inner.close().await.map_err(|e| parquet_error(&self.object, e))?;
        Ok(self.rows)
    }

    /// Ends without an object.
    pub async fn abort(self) -> Result<()> {
        self.inner.into_inner().0.abort().await
    }
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
