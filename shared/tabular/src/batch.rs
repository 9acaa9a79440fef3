//! What a reader gives out.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use fonderie_core::Tally;
use fonderie_core::units::Units;

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
    /// Canonical records, of [`crate::Reader::schema`].
    Records(RecordBatch),
    /// Rejects, of [`crate::reject_schema`].
    Rejects(RecordBatch),
    /// Of a record whose files are complete: a row per rejected record, of [`crate::refused_key_schema`].
    RefusedKeys(RecordBatch),
}
