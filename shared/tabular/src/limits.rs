//! How large what is read may be.

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
