//! The Arrow schema of the canonical record, as silver holds it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use fonderie_contract::{Kind, Record};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// The line of the source on which a record begins, from 1: `Int64`, the last column but one.
pub const SOURCE_LINE: &str = "source_line";
/// The number of the record in the source, from 0, the header excepted: `Int64`, the last column.
pub const SOURCE_RECORD: &str = "source_record";

/// The time zone of timestamps: UTC as an offset, since Arrow knows zones by name only with a feature of its own.
pub(crate) const UTC: &str = "+00:00";

/// The Arrow type of a field.
pub(crate) fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text { .. } => DataType::Utf8,
        Kind::Integer { .. } => DataType::Int64,
        Kind::Number { .. } => DataType::Float64,
        Kind::Date => DataType::Date32,
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        Kind::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
        Kind::Boolean => DataType::Boolean,
    }
}

/// The record's fields in their order, nullable (what must be there is a quality rule), then [`SOURCE_LINE`] and
/// [`SOURCE_RECORD`].
pub fn record_schema(record: &Record) -> SchemaRef {
    let fields = record.fields.iter().map(|field| Field::new(&field.name, data_type(field.kind), true));
    let lineage = [SOURCE_LINE, SOURCE_RECORD].map(|name| Field::new(name, DataType::Int64, false));
    Arc::new(Schema::new(fields.chain(lineage).collect::<Vec<_>>()))
}

/// Rows of a Parquet row group: the unit that a writer holds in memory.
const ROW_GROUP: usize = 131_072;

/// How records are written: as [`reject_properties`]. A column whose values differ from row to row has no dictionary: the
/// natural key without its owner, amounts, measurements, instants, lines and record numbers.
pub fn record_properties(
    record: &Record,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> WriterProperties {
    let differs = |(index, field): (usize, &fonderie_contract::Field)| {
        let key = record.key.contains(&index) && record.owner != Some(index);
        let differs = matches!(field.kind, Kind::Decimal { .. } | Kind::Number { .. } | Kind::Timestamp);
        (key || differs).then(|| ColumnPath::from(field.name.clone()))
    };
    let mut builder = properties(metadata);
    for column in record.fields.iter().enumerate().filter_map(differs) {
        builder = builder.set_column_dictionary_enabled(column, false);
    }
    for column in [SOURCE_LINE, SOURCE_RECORD].map(ColumnPath::from) {
        builder = builder.set_column_dictionary_enabled(column.clone(), false);
        builder = builder.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

/// How rejects are written: zstd, row groups of a bounded size, statistics per column chunk, and what the file is in its
/// metadata.
pub fn reject_properties(metadata: impl IntoIterator<Item = (&'static str, String)>) -> WriterProperties {
    properties(metadata).build()
}

fn properties(metadata: impl IntoIterator<Item = (&'static str, String)>) -> WriterPropertiesBuilder {
    let metadata = metadata.into_iter().map(|(key, value)| KeyValue::new(format!("fonderie.{key}"), value)).collect();
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(metadata))
}
