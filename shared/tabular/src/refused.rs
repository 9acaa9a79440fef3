//! The keys of refused rows of a file that is complete: such a row was there, so that its key is not absent.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use fonderie_contract::{Origin, Record, Source};

use crate::column::{Column, Value};
use crate::schema::{SOURCE_RECORD, data_type};

/// The fields of the record's key in its order, NULL if they cannot be read, then [`SOURCE_RECORD`].
pub fn refused_key_schema(record: &Record) -> SchemaRef {
    let key = record.key.iter().map(|&index| &record.fields[index]);
    let key = key.map(|field| Field::new(&field.name, data_type(field.kind), true));
    Arc::new(Schema::new(
        key.chain([Field::new(SOURCE_RECORD, arrow_schema::DataType::Int64, false)]).collect::<Vec<_>>(),
    ))
}

/// Keys that wait to be written.
pub(crate) struct RefusedKeys<'a> {
    record: &'a Record,
    source: &'a Source,
    key: Vec<Column>,
    numbers: Vec<i64>,
}

impl<'a> RefusedKeys<'a> {
    pub(crate) fn new(record: &'a Record, source: &'a Source) -> Self {
        let key = record.key.iter().map(|&index| Column::new(record.fields[index].kind)).collect();
        Self { record, source, key, numbers: Vec::new() }
    }

    /// Adds the key of a row: the newest values of the record's columns, `None` if no cell of the row can be trusted.
    pub(crate) fn push(&mut self, row: Option<&[Column]>, number: i64) {
        for (column, &index) in self.key.iter_mut().zip(&self.record.key) {
            column.push(&match (row, &self.source.columns[index]) {
                (None, _) => Value::Null,
                (Some(_), Origin::Constant(text)) => Value::Text(text),
                (Some(columns), _) => columns[index].newest(),
            });
        }
        self.numbers.push(number);
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Bytes of text that wait.
    pub(crate) fn text_len(&self) -> usize {
        self.key.iter().map(Column::text_len).sum()
    }

    /// All that wait, of [`refused_key_schema`].
    pub(crate) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut arrays = self.key.iter_mut().map(Column::take).collect::<Result<Vec<ArrayRef>, _>>()?;
        arrays.push(Arc::new(Int64Array::from(std::mem::take(&mut self.numbers))));
        RecordBatch::try_new(refused_key_schema(self.record), arrays)
    }
}
