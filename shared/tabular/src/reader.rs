//! A file's bytes to batches of the canonical record and of rejects, by a compiled contract.

use arrow_schema::SchemaRef;
use fonderie_contract::{FileFormat, Record, Source};
use fonderie_core::Result;

use crate::batch::{Batch, ReadSummary};
use crate::builder::Builder;
use crate::limits::Limits;
use crate::rows::{Rows, Step};

/// Reads one file: feed it bytes, take out batches until it gives none, say that the bytes have ended, take out the rest.
pub struct Reader<'a> {
    rows: Rows<'a>,
    builder: Builder<'a>,
}

impl<'a> Reader<'a> {
    /// A reader of one file of a source, in one of its formats; the contract may take fields from the file's name.
    pub fn new(
        record: &'a Record,
        source: &'a Source,
        format: &'a FileFormat,
        file_name: &'a str,
        limits: Limits,
    ) -> Self {
        Self {
            rows: Rows::new(record, source, format, &limits),
            builder: Builder::new(record, source, format, file_name, limits),
        }
    }

    /// The schema of the batches of records.
    pub fn schema(&self) -> SchemaRef {
        self.builder.schema()
    }

    /// Takes the next bytes of the file in.
    ///
    /// # Errors
    /// As [`Rows::feed`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.rows.feed(bytes)
    }

    /// Takes the file's end in.
    ///
    /// # Errors
    /// As [`Rows::end`].
    pub fn end(&mut self) -> Result<()> {
        self.rows.end()
    }

    /// The next full batch; after [`Self::end`] the last ones too. `None` if more bytes are needed, or all is read.
    ///
    /// # Errors
    /// What stops the whole file: its encoding, its header, its columns, a limit.
    pub fn batch(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.builder.take_full()? {
                return Ok(Some(batch));
            }
            match self.rows.advance()? {
                Step::Record => {
                    if let Some(layout) = self.rows.new_layout() {
                        self.builder.lay_out(layout, self.rows.sheet().map(|(name, _)| name))?;
                    }
                    self.builder.row(&self.rows);
                }
                Step::Pending => return Ok(None),
                Step::End => return self.builder.take_rest(),
            }
        }
    }

    /// What was read, once all batches are taken.
    pub fn finish(self) -> ReadSummary {
        self.builder.finish(&self.rows)
    }
}
