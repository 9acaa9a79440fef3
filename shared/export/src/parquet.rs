//! Parquet with typed columns: decimals exact, instants in UTC.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::NaiveDate;
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_warehouse::{ColumnKind, TypedColumn};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::file::unfit;
use crate::value::{date, instant, timestamp, unscaled};

/// Rows of a batch, and bytes of its values.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;
/// Bytes of a row group under way, as it is encoded.
const ROW_GROUP_BYTES: usize = 16 << 20;
/// A decimal of which the query does not declare the digits: `numeric(38,10)`.
const UNDECLARED: (u8, i8) = (38, 10);

pub(crate) struct ParquetFile {
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
}

enum Builder {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Decimal(Decimal128Builder, (u8, i8)),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Instant(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl ParquetFile {
    pub(crate) fn new(columns: &[TypedColumn]) -> Result<Self> {
        let fields = columns.iter().map(|column| Field::new(&column.name, data_type(column.kind), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties)).map_err(failed)?;
        let builders = columns.iter().map(|column| Builder::new(column.kind)).collect();
        Ok(Self { schema, writer, builders, rows: 0, bytes: 0 })
    }

    pub(crate) fn row(&mut self, columns: &[TypedColumn], values: &[Option<&str>], row: u64) -> Result<()> {
        for ((builder, column), value) in self.builders.iter_mut().zip(columns).zip(values) {
            builder.push(*value).map_err(|why| unfit(column, row, &why))?;
            self.bytes += value.map_or(0, str::len);
        }
        self.rows += 1;
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.batch() } else { Ok(()) }
    }

    fn batch(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|error| failed(error.into()))?;
        self.writer.write(&batch).map_err(failed)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush().map_err(failed)?;
        }
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// What is written of the file so far; the writer counts what is taken from it.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        self.writer.inner_mut()
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        self.batch()?;
        self.writer.into_inner().map_err(failed)
    }
}

impl Builder {
    fn new(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Boolean => Self::Boolean(BooleanBuilder::new()),
            ColumnKind::Integer => Self::Integer(Int64Builder::new()),
            ColumnKind::Number => Self::Number(Float64Builder::new()),
            ColumnKind::Decimal(declared) => {
                let builder = Decimal128Builder::new().with_data_type(data_type(kind));
                Self::Decimal(builder, declared.unwrap_or(UNDECLARED))
            }
            ColumnKind::Date => Self::Date(Date32Builder::new()),
            ColumnKind::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            ColumnKind::Instant => Self::Instant(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            ColumnKind::Text => Self::Text(StringBuilder::new()),
        }
    }

    /// Appends a value, or says why it cannot.
    fn push(&mut self, value: Option<&str>) -> std::result::Result<(), String> {
        let unread = |what: &str| format!("it is no {what}: cast the column to text, or leave it out");
        match self {
            Self::Boolean(builder) => builder.append_option(value.map(|text| text == "t")),
            Self::Integer(builder) => {
                builder.append_option(read(value, |text| text.parse().ok(), || unread("whole number"))?)
            }
            Self::Number(builder) => builder.append_option(read(value, |text| text.parse().ok(), || unread("number"))?),
            Self::Decimal(builder, (precision, scale)) => {
                let (digits, decimals) = (u32::from(*precision), usize::try_from(*scale).unwrap_or(0));
                let least = 10_u128.pow(digits);
                let fits = |number: &i128| number.unsigned_abs() < least;
                let why = || {
                    format!(
                        "it does not fit into numeric({precision},{scale}): round it, or cast the column to numeric with its digits"
                    )
                };
                builder.append_option(read(value, |text| unscaled(text, decimals).filter(fits), why)?);
            }
            Self::Date(builder) => {
                builder.append_option(read(value, |text| date(text).and_then(days), || unread("day"))?)
            }
            Self::Timestamp(builder) => {
                let micros = |text: &str| Some(timestamp(text)?.and_utc().timestamp_micros());
                builder.append_option(read(value, micros, || unread("time"))?);
            }
            Self::Instant(builder) => builder.append_option(read(value, instant, || unread("time"))?),
            Self::Text(builder) => builder.append_option(value),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(builder) => ArrayBuilder::finish(builder),
            Self::Integer(builder) => ArrayBuilder::finish(builder),
            Self::Number(builder) => ArrayBuilder::finish(builder),
            Self::Decimal(builder, _) => ArrayBuilder::finish(builder),
            Self::Date(builder) => ArrayBuilder::finish(builder),
            Self::Timestamp(builder) | Self::Instant(builder) => ArrayBuilder::finish(builder),
            Self::Text(builder) => ArrayBuilder::finish(builder),
        }
    }
}

fn read<T>(
    value: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
    why: impl Fn() -> String,
) -> std::result::Result<Option<T>, String> {
    value.map(|text| read(text).ok_or_else(&why)).transpose()
}

/// Days from 1970-01-01.
fn days(day: NaiveDate) -> Option<i32> {
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Boolean => DataType::Boolean,
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Number => DataType::Float64,
        ColumnKind::Decimal(declared) => {
            let (precision, scale) = declared.unwrap_or(UNDECLARED);
            DataType::Decimal128(precision, scale)
        }
        ColumnKind::Date => DataType::Date32,
        ColumnKind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnKind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnKind::Text => DataType::Utf8,
    }
}

fn failed(error: ParquetError) -> StageError {
    let message = "Parquet could not be written: this is a defect of Fonderie, report it";
    StageError::new(ErrorCode::Internal, message).caused_by(error)
}
