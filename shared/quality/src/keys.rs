//! Repeated keys in bounded memory.
//!
//! A file of any length is scanned over its key columns in passes; each pass keeps the 64-bit hashes of one part of the
//! hash space, sorts them, and notes those that occur twice. What remains are the few repeated keys, by which the
//! validator knows the rows that it must compare.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int32Type};
use foldhash::fast::FixedState;
use fonderie_contract::Record;

/// Hashes kept at once: 16 MiB.
const HASHES_PER_PASS: u64 = 2 << 20;

/// How many passes a file of so many rows takes.
pub fn passes(rows: u64) -> u64 {
    rows.div_ceil(HASHES_PER_PASS).max(1)
}

/// The keys that occur more than once, by hash.
pub type RepeatedKeys = HashSet<u64, FixedState>;

/// One pass over the key columns.
pub struct KeyScan<'a> {
    record: &'a Record,
    pass: u64,
    passes: u64,
    hashes: Vec<u64>,
}

impl<'a> KeyScan<'a> {
    /// The pass numbered `pass`, from 0, of `passes`.
    pub fn new(record: &'a Record, pass: u64, passes: u64) -> Self {
        Self { record, pass, passes, hashes: Vec::new() }
    }

    /// Takes a batch in; only the key columns need be there.
    pub fn add(&mut self, batch: &RecordBatch) {
        let columns = key_columns(self.record, batch);
        for row in 0..batch.num_rows() {
            if let Some(hash) = hash_row(&columns, row, 0)
                && hash % self.passes == self.pass
            {
                self.hashes.push(hash);
            }
        }
    }

    /// Adds the keys that this pass saw more than once.
    pub fn finish(mut self, repeated: &mut RepeatedKeys) {
        self.hashes.sort_unstable();
        repeated.extend(self.hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]));
    }
}

pub(crate) fn key_columns<'b>(record: &Record, batch: &'b RecordBatch) -> Vec<&'b dyn Array> {
    let column = |&index: &usize| batch.column_by_name(&record.fields[index].name).map(AsRef::as_ref);
    record.key.iter().filter_map(column).collect()
}

/// The hash of a row's values in some columns; `None` where one is absent.
pub(crate) fn hash_row(columns: &[&dyn Array], row: usize, seed: u64) -> Option<u64> {
    if columns.iter().any(|column| column.is_null(row)) {
        return None;
    }
    Some(hash_values(columns, row, seed))
}

/// The hash of a row's values, absent ones included.
pub(crate) fn hash_values(columns: &[&dyn Array], row: usize, seed: u64) -> u64 {
    let mut hasher = FixedState::with_seed(seed).build_hasher();
    for column in columns {
        if column.is_null(row) {
            hasher.write_u8(0);
            continue;
        }
        hasher.write_u8(1);
        match column.data_type() {
            DataType::Utf8 => {
                let text = column.as_string::<i32>().value(row);
                hasher.write_usize(text.len());
                hasher.write(text.as_bytes());
            }
            DataType::Int32 => hasher.write_i32(column.as_primitive::<Int32Type>().value(row)),
            DataType::Date32 => hasher.write_i32(column.as_primitive::<Date32Type>().value(row)),
            DataType::Decimal128(..) => hasher.write_i128(column.as_primitive::<Decimal128Type>().value(row)),
            // The record's schema has no other type.
            _ => {}
        }
    }
    hasher.finish()
}
