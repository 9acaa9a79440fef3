//! Repeated keys in bounded memory.
//!
//! A file of any length is scanned over its key columns in passes; each pass keeps the 64-bit hashes of one part of the
//! hash space, sorts them, and notes those that occur twice. What remains are the few repeated keys, by which the
//! validator knows the rows that it must compare.
//!
//! A key that is derived from other fields can be the same for two rows whose inputs differ; such keys are found in the same
//! passes, by a hash of the inputs beside that of the key.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use foldhash::fast::FixedState;
use fonderie_contract::{Check, Origin, Record, Source};

/// Hashes kept at once: 16 MiB.
const HASHES_PER_PASS: u64 = 2 << 20;

/// How many passes a file of so many rows takes.
pub fn passes(rows: u64) -> u64 {
    rows.div_ceil(HASHES_PER_PASS).max(1)
}

type Hashes = HashSet<u64, FixedState>;

/// What a file's keys are like, by one rule that forbids repeats.
#[derive(Debug, Default)]
pub struct RepeatedKeys {
    /// The keys that occur more than once, by hash.
    pub(crate) repeated: Hashes,
    /// Of these, the derived ones whose inputs differ.
    pub(crate) colliding: Hashes,
    /// How many different keys there are.
    pub(crate) distinct: u64,
}

/// The fields of each rule that forbids repeats, in the rules' order.
pub fn unique_fields(record: &Record) -> Vec<&[usize]> {
    let fields = record.rules.iter().filter_map(|rule| match &rule.check {
        Check::Unique { fields, .. } => Some(fields.as_slice()),
        _ => None,
    });
    fields.collect()
}

/// The fields from which the derived ones of a key are made.
pub fn inputs(source: &Source, fields: &[usize]) -> Vec<usize> {
    let inputs = fields.iter().filter_map(|&field| match &source.columns[field] {
        Origin::Hash(inputs) => Some(inputs),
        _ => None,
    });
    inputs.flatten().copied().collect()
}

/// One pass over the columns of a key.
pub struct KeyScan<'a> {
    record: &'a Record,
    fields: &'a [usize],
    inputs: Vec<usize>,
    pass: u64,
    passes: u64,
    hashes: Vec<u64>,
    /// The hashes of the inputs, if there are any: as many as `hashes`.
    input_hashes: Vec<u64>,
}

impl<'a> KeyScan<'a> {
    /// The pass numbered `pass`, from 0, of `passes`, over the key of some fields.
    pub fn new(record: &'a Record, source: &Source, fields: &'a [usize], pass: u64, passes: u64) -> Self {
        let inputs = inputs(source, fields);
        Self { record, fields, inputs, pass, passes, hashes: Vec::new(), input_hashes: Vec::new() }
    }

    /// Takes a batch in; only the columns of the key and of its inputs need be there.
    pub fn add(&mut self, batch: &RecordBatch) {
        let key = columns(self.record, self.fields, batch);
        let inputs = columns(self.record, &self.inputs, batch);
        for row in 0..batch.num_rows() {
            if let Some(hash) = hash_row(&key, row, 0)
                && hash % self.passes == self.pass
            {
                self.hashes.push(hash);
                if !inputs.is_empty() {
                    self.input_hashes.push(hash_values(&inputs, row, 2));
                }
            }
        }
    }

    /// Adds what this pass saw.
    pub fn finish(mut self, keys: &mut RepeatedKeys) {
        if !self.input_hashes.is_empty() {
            let mut pairs: Vec<(u64, u64)> = self.hashes.iter().copied().zip(self.input_hashes).collect();
            pairs.sort_unstable();
            let colliding = pairs.windows(2).filter(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1);
            keys.colliding.extend(colliding.map(|pair| pair[0].0));
        }
        self.hashes.sort_unstable();
        let repeats = self.hashes.windows(2).filter(|pair| pair[0] == pair[1]);
        let mut repeated = 0_u64;
        keys.repeated.extend(repeats.inspect(|_| repeated += 1).map(|pair| pair[0]));
        keys.distinct += self.hashes.len() as u64 - repeated;
    }
}

pub(crate) fn columns<'b>(record: &Record, fields: &[usize], batch: &'b RecordBatch) -> Vec<&'b dyn Array> {
    let column = |&index: &usize| batch.column_by_name(&record.fields[index].name).map(AsRef::as_ref);
    fields.iter().filter_map(column).collect()
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
            DataType::Boolean => hasher.write_u8(column.as_boolean().value(row).into()),
            DataType::Int64 => hasher.write_i64(column.as_primitive::<Int64Type>().value(row)),
            // Neither NaN nor a negative zero is among them: equal numbers have the same bits.
            DataType::Float64 => hasher.write_u64(column.as_primitive::<Float64Type>().value(row).to_bits()),
            DataType::Timestamp(..) => hasher.write_i64(column.as_primitive::<TimestampMicrosecondType>().value(row)),
            DataType::Date32 => hasher.write_i32(column.as_primitive::<Date32Type>().value(row)),
            DataType::Decimal128(..) => hasher.write_i128(column.as_primitive::<Decimal128Type>().value(row)),
            // The record's schema has no other type.
            _ => {}
        }
    }
    hasher.finish()
}
