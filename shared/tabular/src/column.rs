//! A column under construction, from which the newest value can be taken back: a row is known to be readable only after
//! its last cell, and a rejected one must leave no trace.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int32Array, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use chrono::NaiveDate;
use fonderie_contract::Kind;

/// Values of one field of the record.
pub(crate) struct Column {
    values: Values,
    valid: Vec<bool>,
}

enum Values {
    Text { bytes: String, ends: Vec<i32> },
    Integer(Vec<i32>),
    Date(Vec<i32>),
    Decimal { values: Vec<i128>, precision: u8, scale: i8 },
    Boolean(Vec<bool>),
}

/// A value to append.
pub(crate) enum Value<'a> {
    Null,
    Text(&'a str),
    /// An integer, or a date's day.
    Number(i32),
    Decimal(i128),
    Truth(bool),
}

impl Column {
    pub(crate) fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text { .. } => Values::Text { bytes: String::new(), ends: Vec::new() },
            Kind::Integer { .. } => Values::Integer(Vec::new()),
            Kind::Date => Values::Date(Vec::new()),
            Kind::Decimal { precision, scale } => Values::Decimal { values: Vec::new(), precision, scale },
            Kind::Boolean => Values::Boolean(Vec::new()),
        };
        Self { values, valid: Vec::new() }
    }

    /// Appends a value of the column's kind; one of another kind counts as null.
    pub(crate) fn push(&mut self, value: &Value<'_>) {
        let mut valid = !matches!(value, Value::Null);
        match (&mut self.values, value) {
            (Values::Text { bytes, ends }, value) => {
                if let Value::Text(text) = value {
                    bytes.push_str(text);
                }
                // A batch is far below 2 GiB: rows per batch × the limit on records.
                ends.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            }
            (Values::Integer(values) | Values::Date(values), Value::Number(number)) => values.push(*number),
            (Values::Decimal { values, .. }, Value::Decimal(number)) => values.push(*number),
            (Values::Boolean(values), Value::Truth(truth)) => values.push(*truth),
            (Values::Boolean(values), _) => {
                values.push(false);
                valid = false;
            }
            (Values::Integer(values) | Values::Date(values), _) => {
                values.push(0);
                valid = false;
            }
            (Values::Decimal { values, .. }, _) => {
                values.push(0);
                valid = false;
            }
        }
        self.valid.push(valid);
    }

    /// Appends the newest value's canonical text; `None`, and nothing appended, if it is absent.
    pub(crate) fn newest(&self, day: bool, out: &mut String) -> Option<()> {
        self.valid.last().filter(|valid| **valid)?;
        match &self.values {
            Values::Text { bytes, ends } => {
                let (end, before) = (ends.last()?, ends.len().checked_sub(2).map_or(0, |at| ends[at]));
                out.push_str(bytes.get(usize::try_from(before).ok()?..usize::try_from(*end).ok()?)?);
            }
            Values::Integer(values) | Values::Date(values) => {
                let number = *values.last()?;
                match NaiveDate::from_epoch_days(number).filter(|_| day) {
                    Some(date) => out.push_str(&date.to_string()),
                    None => out.push_str(&number.to_string()),
                }
            }
            Values::Decimal { values, .. } => out.push_str(&values.last()?.to_string()),
            Values::Boolean(values) => out.push_str(if *values.last()? { "true" } else { "false" }),
        }
        Some(())
    }

    /// Bytes of text held.
    pub(crate) fn text_len(&self) -> usize {
        if let Values::Text { bytes, .. } = &self.values { bytes.len() } else { 0 }
    }

    /// Takes back what was appended after the first `rows`.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.valid.truncate(rows);
        match &mut self.values {
            Values::Text { bytes, ends } => {
                ends.truncate(rows);
                bytes.truncate(ends.last().map_or(0, |end| usize::try_from(*end).unwrap_or(0)));
            }
            Values::Integer(values) | Values::Date(values) => values.truncate(rows),
            Values::Decimal { values, .. } => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows),
        }
    }

    /// The values as an array; the column is empty afterwards.
    pub(crate) fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = NullBuffer::from(std::mem::take(&mut self.valid));
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        Ok(match &mut self.values {
            Values::Text { bytes, ends } => {
                let offsets: ScalarBuffer<i32> = std::iter::once(0).chain(ends.drain(..)).collect();
                let bytes = std::mem::take(bytes).into_bytes().into();
                Arc::new(StringArray::try_new(OffsetBuffer::new(offsets), bytes, nulls)?)
            }
            Values::Integer(values) => Arc::new(Int32Array::try_new(std::mem::take(values).into(), nulls)?),
            Values::Date(values) => Arc::new(Date32Array::try_new(std::mem::take(values).into(), nulls)?),
            Values::Boolean(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Values::Decimal { values, precision, scale } => {
                let array = Decimal128Array::try_new(std::mem::take(values).into(), nulls)?;
                Arc::new(array.with_precision_and_scale(*precision, *scale)?)
            }
        })
    }
}
