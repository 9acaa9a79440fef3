//! COPY BINARY against what PostgreSQL reads: a dataset of its own, which knows nothing of billing.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use fonderie_contract::{Budget, Kind, Owns, Record};
use fonderie_core::Tally;
use fonderie_core::tally::Amount;
use fonderie_tables::{Column, Table};
use fonderie_warehouse::LoadPlan;
use futures::stream;

use crate::support::{Version, before, connect, field, layout_of, rows};

#[tokio::test]
async fn every_value_arrives_as_it_was() {
    let mut cents: Vec<i128> =
        vec![0, 1, -1, 99, 100, -100, 9_999, 10_000, -10_000, 1_000_000, 9_999_999_999, -9_999_999_999];
    cents.extend(
        (0..10).flat_map(|power| {
            [10_i128.pow(power), -(10_i128.pow(power)), 7 * 10_i128.pow(power), 10_i128.pow(power) - 1]
        }),
    );
    let mut state = 42_u64;
    cents.extend((0..3_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i128::from(state >> (24 + state % 38)) % 10_000_000_000 * if state & 1 == 0 { 1 } else { -1 }
    }));
    let wide: Vec<i128> =
        cents.iter().enumerate().map(|(n, value)| value * 10_i128.pow(n as u32 % 27) + n as i128).collect();
    let count = cents.len();
    let dates: Vec<Option<i32>> = (0..count).map(|n| (n % 7 != 0).then_some(n as i32 * 13 - 20_000)).collect();
    let texts: Vec<Option<String>> = (0..count).map(|n| (n % 5 != 0).then(|| format!("é\"|\\N {n}"))).collect();
    let ints: Vec<Option<i64>> = (0..count)
        .map(|n| match n % 4 {
            0 => None,
            1 => Some(i64::MIN),
            2 => Some(i64::MAX),
            _ => Some(n as i64),
        })
        .collect();
    let measures: Vec<Option<f64>> = (0..count)
        .map(|n| match n % 5 {
            0 => None,
            1 => Some(f64::MIN_POSITIVE / 3.0 * n as f64),
            2 => Some(f64::MAX / (n + 1) as f64),
            3 => Some(-0.1 * n as f64),
            _ => Some(n as f64 / 7.0),
        })
        .collect();
    let instants: Vec<Option<i64>> =
        (0..count).map(|n| (n % 6 != 0).then_some((n as i64 - 1_500) * 31_622_400_123_457)).collect();

    let decimal = |values: &[i128], precision: u8, scale: i8| {
        Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
    };
    let batch = RecordBatch::try_from_iter([
        // as silver of an earlier release has whole numbers
        ("cle", Arc::new(Int32Array::from_iter_values(0..count as i32)) as ArrayRef),
        ("montant", decimal(&cents, 10, 2)),
        ("entier", decimal(&cents, 12, 0)),
        ("fin", decimal(&wide, 38, 5)),
        ("jour", Arc::new(Date32Array::from(dates.clone())) as ArrayRef),
        ("mot", Arc::new(StringArray::from(texts.clone())) as ArrayRef),
        ("nombre", Arc::new(Int64Array::from(ints.clone())) as ArrayRef),
        ("mesure", Arc::new(Float64Array::from(measures.clone())) as ArrayRef),
        ("instant", Arc::new(TimestampMicrosecondArray::from(instants.clone()).with_timezone("UTC")) as ArrayRef),
        ("source_line", Arc::new(Int64Array::from_iter_values(0..count as i64)) as ArrayRef),
        ("source_record", Arc::new(Int64Array::from_iter_values(0..count as i64)) as ArrayRef),
    ])
    .unwrap();
    let record = Record {
        name: "valeurs".into(),
        fields: vec![
            field("cle", Kind::Integer { min: 0, max: i64::MAX }, false),
            field("montant", Kind::Decimal { precision: 10, scale: 2 }, true),
            field("entier", Kind::Decimal { precision: 12, scale: 0 }, false),
            field("fin", Kind::Decimal { precision: 38, scale: 5 }, false),
            field("jour", Kind::Date, false),
            field("mot", Kind::Text { max_length: 40 }, false),
            field("nombre", Kind::Integer { min: i64::MIN, max: i64::MAX }, false),
            field("mesure", Kind::Number { min: f64::MIN, max: f64::MAX }, false),
            field("instant", Kind::Timestamp, false),
        ],
        key: Vec::new(),
        messages: Arc::default(),
        rules: Vec::new(),
        unreadable: Budget { percent: 0, rows: 0 },
        total_budget: Budget { percent: 0, rows: 0 },
        owner: None,
        refused_columns: Vec::new(),
        credit_notes: false,
        warnings: Vec::new(),
        complete: None,
    };
    let columns: Vec<Column> =
        record.fields.iter().map(|field| Column::new(&field.name, field.kind.sql_type())).collect();
    let table = Table {
        name: "valeurs".into(),
        kind: fonderie_tables::Kind::Fact,
        surrogate: "valeur_key".into(),
        key: columns[..1].to_vec(),
        state: columns[1..].to_vec(),
        references: Vec::new(),
        computed: Vec::new(),
        checks: Vec::new(),
        indexes: Vec::new(),
        newest_by: None,
        snapshot: None,
        partitions: None,
        history: None,
        growing: Vec::new(),
        outputs: Vec::new(),
        followed: Vec::new(),
        later: Vec::new(),
    };
    let tables =
        fonderie_tables::Record { name: "valeurs".into(), fields: columns, tables: vec![table], calendars: Vec::new() };
    let layout = layout_of("valeurs", vec![tables], &[]);
    let database = fonderie_test_support::database("copy").await;
    let mut warehouse = connect(&database.url).await;
    warehouse.migrate(&layout).await.unwrap();
    let version = Version::new("v1", 0, Vec::new());
    let accepted = Tally {
        rows: count as u64,
        amounts: [("montant".to_owned(), Amount { sum: cents.iter().sum(), unreadable: 0 })].into(),
    };
    let (transform, validate) = before(&version, accepted);
    let mut run = version.run("r1", "b1");
    run.bundle.dataset = "valeurs".into();
    let plan = LoadPlan {
        run: &run,
        transform: &transform,
        validate: &validate,
        record: &record,
        owns: &Owns::Anything,
        layout: &layout,
    };
    let loaded = warehouse.load(&plan, stream::iter(batch_slices(&batch)), None).await.unwrap().commit().await.unwrap();
    assert_eq!(loaded.outcomes.inserted, count as u64);

    let arrived = rows(
        &warehouse,
        "SELECT montant, entier, fin, jour - DATE '1970-01-01', mot, nombre, encode(float8send(mesure), 'hex'), \
         (extract(epoch FROM instant) * 1000000)::bigint FROM valeurs_dw.valeurs ORDER BY cle",
    )
    .await;
    for (n, row) in arrived.iter().enumerate() {
        let show = |value: Option<String>| value.unwrap_or_else(|| "∅".into());
        let expected = [
            scaled(cents[n], 2),
            scaled(cents[n], 0),
            scaled(wide[n], 5),
            show(dates[n].map(|date| date.to_string())),
            show(texts[n].clone()),
            show(ints[n].map(|int| int.to_string())),
            show(measures[n].map(|measure| format!("{:016x}", measure.to_bits()))),
            show(instants[n].map(|instant| instant.to_string())),
        ];
        assert_eq!(*row, expected.join("|"));
    }
    assert_eq!(arrived.len(), count);
    // equal to the number that PostgreSQL itself makes of the text, to the last bit of its form
    let forms = "SELECT count(*) FROM valeurs_dw.valeurs WHERE numeric_send(montant) <> numeric_send(montant::text::numeric) \
                 OR numeric_send(fin) <> numeric_send(fin::text::numeric) OR numeric_send(entier) <> numeric_send(entier::text::numeric)";
    assert_eq!(rows(&warehouse, forms).await, ["0"]);
    warehouse.close().await;
}

/// Several batches, one of them empty.
fn batch_slices(batch: &RecordBatch) -> Vec<fonderie_core::Result<RecordBatch>> {
    vec![Ok(batch.slice(0, 7)), Ok(batch.slice(7, 0)), Ok(batch.slice(7, batch.num_rows() - 7))]
}

/// A decimal as text, computed apart from the code under test.
fn scaled(value: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
