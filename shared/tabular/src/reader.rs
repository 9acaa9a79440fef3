//! A file's bytes to batches of the canonical record and of rejects, by a compiled contract.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use fonderie_contract::{FileFormat, Record, Source};
use fonderie_core::units::Units;
use fonderie_core::{Result, Tally};

use crate::builder::Builder;
use crate::rows::{Rows, Step};

/// Sizes that keep memory bounded whatever the file.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest record of delimited text, in bytes.
    pub max_record: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Bytes of text of a batch, and of a batch of rejects.
    pub batch_bytes: usize,
    /// The largest workbook, in bytes as it comes.
    pub max_workbook: usize,
    /// The largest workbook, in bytes when unpacked, by what it declares; and the most text of a sheet's cells, each with a copy of its
    /// shared text.
    pub max_workbook_unpacked: u64,
    /// The largest part of a workbook other than its sheets, in bytes when unpacked: its texts are held in memory.
    pub max_workbook_texts: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_record: 1 << 20,
            batch_rows: 8192,
            batch_bytes: 16 << 20,
            max_workbook: 64 << 20,
            max_workbook_unpacked: 2 << 30,
            max_workbook_texts: 128 << 20,
        }
    }
}

/// What was read, kept and rejected: `read` = `kept` + `rejected`.
#[derive(Debug)]
pub struct ReadSummary {
    /// Records of the file, the header excepted.
    pub read: Tally,
    /// Records given out in batches, counted from the batches.
    pub kept: Tally,
    /// Records rejected.
    pub rejected: Tally,
    /// Per rule, how many rejected records broke it.
    pub rules: BTreeMap<String, u64>,
    /// Per rule, how many kept records it concerns: a value that was left out as the dataset declares, a key that was stored
    /// without its invisible characters.
    pub warned: BTreeMap<String, u64>,
    /// Lines that are no records and are passed over, by kind.
    pub skipped: BTreeMap<String, u64>,
    /// All lines of the file, or rows of its sheets, by what they were.
    pub units: Units,
    /// What the file shows against its contract, as sentences.
    pub notices: Vec<String>,
    /// Why the file is halted: what it shows against its contract too plainly.
    pub halts: Vec<String>,
}

/// What a reader gives out.
#[derive(Debug)]
pub enum Batch {
    /// Canonical records, of [`Reader::schema`].
    Records(RecordBatch),
    /// Rejects, of [`crate::reject_schema`].
    Rejects(RecordBatch),
}

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
