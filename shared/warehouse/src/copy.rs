//! COPY BINARY straight from Arrow arrays, into one buffer that is used again and again.
//!
//! The encoding is written by hand, since this is the hot loop of a load: no value is boxed, no row is materialised.
//! Layout: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use bytes::{BufMut, Bytes, BytesMut};
use fonderie_core::{ErrorCode, Result, StageError};

/// From PostgreSQL's epoch (2000-01-01) to Arrow's (1970-01-01), in days.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// How much is gathered before it is sent.
const CHUNK: usize = 256 * 1024;

/// Encodes record batches as the rows of a COPY.
#[derive(Debug)]
pub(crate) struct Encoder {
    buffer: BytesMut,
    columns: Vec<String>,
}

/// One column of a batch, by type.
enum Column<'a> {
    Text(&'a StringArray),
    /// Whole numbers in silver of a release that kept them in 32 bits.
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
    Decimal {
        array: &'a Decimal128Array,
        scale: u16,
    },
    Boolean(&'a BooleanArray),
}

impl Encoder {
    /// An encoder of these columns, in this order; the header is in its buffer already.
    pub(crate) fn new(columns: Vec<String>) -> Self {
        let mut buffer = BytesMut::with_capacity(CHUNK + CHUNK / 4);
        buffer.put_slice(b"PGCOPY\n\xff\r\n\0");
        buffer.put_u32(0);
        buffer.put_u32(0);
        Self { buffer, columns }
    }

    /// Encodes rows of the batch from `from` on, until the buffer is worth sending; gives the next row.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] where the batch lacks a column or one has a type that is not ours.
    pub(crate) fn encode(&mut self, batch: &RecordBatch, from: usize) -> Result<usize> {
        let columns = self.columns.iter().map(|name| column(batch, name)).collect::<Result<Vec<_>>>()?;
        let width =
            i16::try_from(columns.len()).map_err(|_| internal("a record has too many columns for COPY".into()))?;
        let mut row = from;
        while row < batch.num_rows() && self.buffer.len() < CHUNK {
            self.buffer.put_i16(width);
            for column in &columns {
                put(&mut self.buffer, column, row)?;
            }
            row += 1;
        }
        Ok(row)
    }

    /// The encoded bytes, where enough have gathered.
    pub(crate) fn full(&mut self) -> Option<Bytes> {
        (self.buffer.len() >= CHUNK).then(|| self.take())
    }

    /// The last bytes, with the trailer.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.buffer.put_i16(-1);
        self.take()
    }

    fn take(&mut self) -> Bytes {
        let bytes = self.buffer.split().freeze();
        // gets the same memory back once the bytes are sent
        self.buffer.reserve(CHUNK + CHUNK / 4);
        bytes
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<Column<'a>> {
    let array =
        batch.column_by_name(name).ok_or_else(|| internal(format!("the accepted records have no column {name}")))?;
    Ok(match array.data_type() {
        DataType::Utf8 => Column::Text(array.as_string::<i32>()),
        DataType::Int32 => Column::Int32(array.as_primitive::<Int32Type>()),
        DataType::Int64 => Column::Int64(array.as_primitive::<Int64Type>()),
        DataType::Float64 => Column::Float64(array.as_primitive::<Float64Type>()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Column::Timestamp(array.as_primitive::<TimestampMicrosecondType>())
        }
        DataType::Boolean => Column::Boolean(array.as_boolean()),
        DataType::Date32 => Column::Date(array.as_primitive::<Date32Type>()),
        DataType::Decimal128(_, scale) => {
            let scale = u16::try_from(*scale).map_err(|_| internal(format!("column {name} has a negative scale")))?;
            Column::Decimal { array: array.as_primitive::<Decimal128Type>(), scale }
        }
        other => return Err(internal(format!("column {name} has the type {other}, which COPY does not know"))),
    })
}

#[inline]
fn put(buffer: &mut BytesMut, column: &Column<'_>, row: usize) -> Result<()> {
    match column {
        Column::Text(array) if array.is_valid(row) => {
            let text = array.value(row).as_bytes();
            buffer.put_i32(i32::try_from(text.len()).map_err(|_| internal("a text is longer than 2 GiB".into()))?);
            buffer.put_slice(text);
        }
        Column::Int32(array) if array.is_valid(row) => {
            buffer.put_i32(8);
            buffer.put_i64(array.value(row).into());
        }
        Column::Int64(array) if array.is_valid(row) => {
            buffer.put_i32(8);
            buffer.put_i64(array.value(row));
        }
        Column::Date(array) if array.is_valid(row) => {
            buffer.put_i32(4);
            buffer.put_i32(
                array.value(row).checked_sub(EPOCH_DAYS).ok_or_else(|| internal("a date is out of range".into()))?,
            );
        }
        Column::Float64(array) if array.is_valid(row) => {
            buffer.put_i32(8);
            buffer.put_f64(array.value(row));
        }
        Column::Timestamp(array) if array.is_valid(row) => {
            let microseconds = array.value(row).checked_sub(EPOCH_MICROSECONDS);
            buffer.put_i32(8);
            buffer.put_i64(microseconds.ok_or_else(|| internal("a timestamp is out of range".into()))?);
        }
        Column::Boolean(array) if array.is_valid(row) => {
            buffer.put_i32(1);
            buffer.put_u8(array.value(row).into());
        }
        Column::Decimal { array, scale } if array.is_valid(row) => put_numeric(buffer, array.value(row), *scale),
        _ => buffer.put_i32(-1),
    }
    Ok(())
}

/// NUMERIC: how many digits in base 10,000, the first one's weight, sign, scale, the digits without outer zeros.
#[inline]
fn put_numeric(buffer: &mut BytesMut, value: i128, scale: u16) {
    // the fraction must fill whole digits: two decimals are shifted by two more
    let fraction_digits = scale.div_ceil(4);
    let shift = 10_u128.pow(u32::from(fraction_digits * 4 - scale));
    // an i128 with a shift of at most 1,000 may pass 128 bits: the low digit is taken off first
    let absolute = value.unsigned_abs();
    let mut digits = [0_u16; 11];
    let mut count = 0;
    let low = 10_000 / shift;
    let mut push = |digit: u128| {
        // below 10,000 by construction
        #[allow(clippy::cast_possible_truncation)]
        if let Some(slot) = digits.get_mut(count) {
            *slot = digit as u16;
        }
        count += 1;
    };
    let mut rest = if shift == 1 {
        absolute
    } else {
        push(absolute % low * shift);
        absolute / low
    };
    // most amounts fit 64 bits, where division is several times faster
    if let Ok(mut small) = u64::try_from(rest) {
        while small > 0 {
            push(u128::from(small % 10_000));
            small /= 10_000;
        }
    } else {
        while rest > 0 {
            push(rest % 10_000);
            rest /= 10_000;
        }
    }
    let digits = &digits[..count.min(11)];
    let first = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
    let last = digits.iter().rposition(|digit| *digit != 0).map_or(first, |last| last + 1);
    let kept = digits.get(first..last).unwrap_or_default();
    let length = u16::try_from(kept.len()).unwrap_or_default();
    let weight = if kept.is_empty() {
        0
    } else {
        i16::try_from(last).unwrap_or_default() - 1 - i16::try_from(fraction_digits).unwrap_or_default()
    };
    buffer.put_i32(8 + 2 * i32::from(length));
    buffer.put_u16(length);
    buffer.put_i16(weight);
    buffer.put_u16(if value < 0 { 0x4000 } else { 0 });
    buffer.put_u16(scale);
    for digit in kept.iter().rev() {
        buffer.put_u16(*digit);
    }
}

fn internal(message: String) -> StageError {
    StageError::new(ErrorCode::Internal, format!("{message}: this is a defect of Fonderie, report it"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn numeric(value: i128, scale: u16) -> Vec<u8> {
        let mut buffer = BytesMut::new();
        put_numeric(&mut buffer, value, scale);
        buffer.to_vec()
    }

    #[test]
    fn numerics_have_no_outer_zero_digits() {
        // length, digits, weight, sign, scale, then the digits
        assert_eq!(numeric(0, 2), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(numeric(1, 2), [0, 0, 0, 10, 0, 1, 0xff, 0xff, 0, 0, 0, 2, 0, 100]);
        assert_eq!(numeric(-1_000_000, 2), [0, 0, 0, 10, 0, 1, 0, 1, 0x40, 0, 0, 2, 0, 1]);
        assert_eq!(numeric(123_456, 2), [0, 0, 0, 12, 0, 2, 0, 0, 0, 0, 0, 2, 4, 210, 0x15, 0xe0]);
        assert_eq!(numeric(7, 0), [0, 0, 0, 10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    }
}
