//! A column under construction, from which the newest value can be taken back: a row is known to be readable only after
//! its last cell, and a rejected one must leave no trace.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use chrono::{DateTime, NaiveDate, SecondsFormat};
use fonderie_contract::Kind;

use crate::schema::UTC;

/// Values of one field of the record.
pub(crate) struct Column {
    values: Values,
    valid: Vec<bool>,
}

enum Values {
    Text { bytes: String, ends: Vec<i32> },
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    Decimal { values: Vec<i128>, precision: u8, scale: i8 },
    Boolean(Vec<bool>),
}

/// A value to append.
pub(crate) enum Value<'a> {
    Null,
    Text(&'a str),
    /// An integer, a date's day, or a timestamp's microseconds.
    Whole(i64),
    Number(f64),
    Decimal(i128),
    Truth(bool),
}

impl Column {
    pub(crate) fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text { .. } => Values::Text { bytes: String::new(), ends: Vec::new() },
            Kind::Integer { .. } => Values::Integer(Vec::new()),
            Kind::Number { .. } => Values::Number(Vec::new()),
            Kind::Date => Values::Date(Vec::new()),
            Kind::Timestamp => Values::Timestamp(Vec::new()),
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
            (Values::Integer(values) | Values::Timestamp(values), Value::Whole(number)) => values.push(*number),
            (Values::Number(values), Value::Number(number)) => values.push(*number),
            (Values::Date(values), Value::Whole(day)) => match i32::try_from(*day) {
                Ok(day) => values.push(day),
                Err(_) => {
                    values.push(0);
                    valid = false;
                }
            },
            (Values::Decimal { values, .. }, Value::Decimal(number)) => values.push(*number),
            (Values::Boolean(values), Value::Truth(truth)) => values.push(*truth),
            (Values::Boolean(values), _) => {
                values.push(false);
                valid = false;
            }
            (Values::Integer(values) | Values::Timestamp(values), _) => {
                values.push(0);
                valid = false;
            }
            (Values::Number(values), _) => {
                values.push(0.0);
                valid = false;
            }
            (Values::Date(values), _) => {
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

    /// The newest value.
    pub(crate) fn newest(&self) -> Value<'_> {
        let newest = || {
            self.valid.last().filter(|valid| **valid)?;
            Some(match &self.values {
                Values::Text { bytes, ends } => {
                    let (end, before) = (ends.last()?, ends.len().checked_sub(2).map_or(0, |at| ends[at]));
                    Value::Text(bytes.get(usize::try_from(before).ok()?..usize::try_from(*end).ok()?)?)
                }
                Values::Integer(values) | Values::Timestamp(values) => Value::Whole(*values.last()?),
                Values::Number(values) => Value::Number(*values.last()?),
                Values::Date(values) => Value::Whole((*values.last()?).into()),
                Values::Decimal { values, .. } => Value::Decimal(*values.last()?),
                Values::Boolean(values) => Value::Truth(*values.last()?),
            })
        };
        newest().unwrap_or(Value::Null)
    }

    /// Appends the newest value's canonical text; `None`, and nothing appended, if it is absent.
    pub(crate) fn newest_text(&self, out: &mut String) -> Option<()> {
        match (self.newest(), &self.values) {
            (Value::Null, _) => return None,
            (Value::Text(text), _) => out.push_str(text),
            (Value::Whole(day), Values::Date(_)) => {
                out.push_str(&NaiveDate::from_epoch_days(i32::try_from(day).ok()?)?.to_string());
            }
            (Value::Whole(microseconds), Values::Timestamp(_)) => {
                let instant = DateTime::from_timestamp_micros(microseconds)?;
                out.push_str(&instant.to_rfc3339_opts(SecondsFormat::Micros, true));
            }
            (Value::Whole(number), _) => out.push_str(&number.to_string()),
            (Value::Number(number), _) => out.push_str(&number.to_string()),
            (Value::Decimal(units), _) => out.push_str(&units.to_string()),
            (Value::Truth(truth), _) => out.push_str(if truth { "true" } else { "false" }),
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
            Values::Integer(values) | Values::Timestamp(values) => values.truncate(rows),
            Values::Number(values) => values.truncate(rows),
            Values::Date(values) => values.truncate(rows),
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
            Values::Integer(values) => Arc::new(Int64Array::try_new(std::mem::take(values).into(), nulls)?),
            Values::Number(values) => Arc::new(Float64Array::try_new(std::mem::take(values).into(), nulls)?),
            Values::Timestamp(values) => {
                let array = TimestampMicrosecondArray::try_new(std::mem::take(values).into(), nulls)?;
                Arc::new(array.with_timezone(UTC))
            }
            Values::Date(values) => Arc::new(Date32Array::try_new(std::mem::take(values).into(), nulls)?),
            Values::Boolean(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Values::Decimal { values, precision, scale } => {
                let array = Decimal128Array::try_new(std::mem::take(values).into(), nulls)?;
                Arc::new(array.with_precision_and_scale(*precision, *scale)?)
            }
        })
    }
}
