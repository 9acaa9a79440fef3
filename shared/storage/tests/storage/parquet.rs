//! Parquet through the store: written as a stream, read by ranges.

use std::sync::Arc;

use arrow_array::{Date32Array, Decimal128Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use fonderie_core::ErrorCode;
use fonderie_storage::{ROW_GROUP_BYTES, parquet_error};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::support::{Store, noise};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("line", DataType::UInt64, false),
        Field::new("customer", DataType::Utf8, true),
        Field::new("order_date", DataType::Date32, true),
        Field::new("amount", DataType::Decimal128(10, 2), false),
    ]))
}

/// Rows `from..to`, with text that does not compress, so that the object outgrows a part.
fn batch(from: u32, to: u32) -> RecordBatch {
    let text = |n: u32| {
        let bytes = noise(64, u64::from(n) + 1);
        (!n.is_multiple_of(7)).then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let rows = from..to;
    let amounts = Decimal128Array::from_iter_values(rows.clone().map(|n| i128::from(n) * 37 - 500));
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(UInt64Array::from_iter_values(rows.clone().map(u64::from))),
            Arc::new(StringArray::from_iter(rows.clone().map(text))),
            Arc::new(Date32Array::from_iter(rows.map(|n| (!n.is_multiple_of(5)).then_some(20_000)))),
            Arc::new(amounts.with_precision_and_scale(10, 2).unwrap()),
        ],
    )
    .unwrap()
}

#[tokio::test]
async fn several_row_groups_come_back_the_same() {
    let store = Store::new().await;
    let object = store.object("silver/a b/accepted.parquet");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
        .set_max_row_group_row_count(Some(60_000))
        .set_key_value_metadata(Some(vec![KeyValue::new("contract".to_owned(), "v7".to_owned())]))
        .build();
    let mut writer = store.storage.parquet_writer(object.clone(), schema(), properties).unwrap();
    for start in (0..200_000).step_by(8192) {
        writer.write(&batch(start, (start + 8192).min(200_000))).await.unwrap();
        assert_eq!(store.keys().await, [""; 0]);
    }
    writer.add_metadata("rows", "200000".to_owned());
    assert_eq!(writer.finish().await.unwrap(), 200_000);

    let builder = store.storage.parquet_reader(&object).await.unwrap();
    assert!(builder.metadata().num_row_groups() == 4, "{}", builder.metadata().num_row_groups());
    let metadata = builder.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| metadata.iter().find(|entry| entry.key == key).unwrap().value.clone().unwrap();
    assert_eq!((value("contract"), value("rows")), ("v7".to_owned(), "200000".to_owned()));
    assert_eq!(builder.schema().fields(), schema().fields());

    let mut next = 0;
    let mut stream = builder.with_batch_size(10_000).build().unwrap();
    while let Some(found) = stream.try_next().await.unwrap() {
        let rows = u32::try_from(found.num_rows()).unwrap();
        assert_eq!(found.columns(), batch(next, next + rows).columns());
        next += rows;
    }
    assert_eq!(next, 200_000);

    // One column of one row group: the ranges of the others are not needed.
    let builder = store.storage.parquet_reader(&object).await.unwrap();
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["amount"]);
    let found: Vec<RecordBatch> =
        builder.with_projection(mask).with_row_groups(vec![2]).build().unwrap().try_collect().await.unwrap();
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 60_000);
    assert_eq!(found[0].column(0).slice(0, 100).as_ref(), batch(120_000, 120_100).column(3).as_ref());
}

/// Compressed, these rows are nothing; whoever reads them back would hold all of them.
#[tokio::test]
async fn a_row_group_is_bounded_by_what_its_rows_take_in_memory() {
    let store = Store::new().await;
    let object = store.object("silver/wide.parquet");
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let schema = Arc::new(Schema::new(vec![Field::new("texte", DataType::Utf8, true)]));
    let mut writer = store.storage.parquet_writer(object.clone(), schema.clone(), properties).unwrap();
    let text = "a".repeat(1 << 20);
    let batch = RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec![text.as_str(); 8]))]).unwrap();
    for _ in 0..10 {
        writer.write(&batch).await.unwrap();
    }
    // A part of a batch counts as what it is.
    for row in 0..8 {
        writer.write(&batch.slice(row, 1)).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), 88);
    let builder = store.storage.parquet_reader(&object).await.unwrap();
    assert!(builder.metadata().file_metadata().num_rows() == 88);
    let groups: Vec<i64> = builder.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [24, 24, 24, 16]);
    let mut stream = builder.with_batch_size(8192).build().unwrap();
    while let Some(found) = stream.try_next().await.unwrap() {
        let bytes = found.column(0).to_data().get_slice_memory_size().unwrap();
        assert!(bytes <= ROW_GROUP_BYTES, "{} rows, {bytes} bytes", found.num_rows());
    }
}

#[tokio::test]
async fn no_rows_are_a_file_too() {
    let store = Store::new().await;
    let object = store.object("rejects.parquet");
    let writer = store.storage.parquet_writer(object.clone(), schema(), WriterProperties::default()).unwrap();
    assert_eq!(writer.finish().await.unwrap(), 0);
    let builder = store.storage.parquet_reader(&object).await.unwrap();
    assert_eq!(builder.schema().fields(), schema().fields());
    let found: Vec<RecordBatch> = builder.build().unwrap().try_collect().await.unwrap();
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[tokio::test]
async fn an_abandoned_writer_leaves_nothing() {
    let store = Store::new().await;
    let mut writer =
        store.storage.parquet_writer(store.object("a.parquet"), schema(), WriterProperties::default()).unwrap();
    writer.write(&batch(0, 10)).await.unwrap();
    writer.abort().await.unwrap();
    let mut writer =
        store.storage.parquet_writer(store.object("a.parquet"), schema(), WriterProperties::default()).unwrap();
    writer.write(&batch(0, 10)).await.unwrap();
    drop(writer);
    assert_eq!(store.keys().await, [""; 0]);
}

#[tokio::test]
async fn an_object_replaced_in_mid_read_is_refused_with_its_code() {
    let store = Store::new().await;
    let object = store.object("a.parquet");
    let properties = || WriterProperties::builder().set_max_row_group_row_count(Some(20_000)).build();
    let mut writer = store.storage.parquet_writer(object.clone(), schema(), properties()).unwrap();
    writer.write(&batch(0, 40_000)).await.unwrap();
    writer.finish().await.unwrap();
    let builder = store.storage.parquet_reader(&object).await.unwrap();
    let derived = fonderie_storage::version::is_derived(&store.version("a.parquet").await.version_id);

    store.put("a.parquet", b"something else").await;
    let read: Result<Vec<RecordBatch>, _> = builder.build().unwrap().try_collect().await;
    if derived {
        assert_eq!(parquet_error(&object, read.unwrap_err()).code, ErrorCode::ObjectChanged);
    } else {
        assert_eq!(read.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 40_000);
    }
}

#[tokio::test]
async fn what_is_no_parquet_is_said_to_be_none() {
    let store = Store::new().await;
    for content in [&b""[..], b"PAR1", b"neither header nor footer"] {
        store.storage.put(&store.object("x"), Bytes::copy_from_slice(content), "x/y").await.unwrap();
        let error = store.storage.parquet_reader(&store.object("x")).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal, "{error}");
    }
}
