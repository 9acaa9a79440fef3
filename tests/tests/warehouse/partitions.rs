//! A fact in partitions: rows are in the partition of their day, a query of some days reads only theirs, and a later declaration has more of them.

use fonderie_contract::{Bundle, Dataset};
use fonderie_core::ErrorCode;
use fonderie_test_support::{TestDatabase, shop_files};
use fonderie_warehouse::Warehouse;
use tokio_postgres::Client;

use crate::history::{Trial, compile, one_row};
use crate::support::connect;

/// The shop with the day in the key of its order lines, and partitions by it if there are any.
pub(crate) fn shop(partitions: Option<&str>) -> Bundle {
    let files = shop_files().into_iter().map(|(path, text)| {
        if path != "records/line.toml" {
            return (path, text);
        }
        let mut line = text.replace("key = [\"line_id\"]", "key = [\"sold_on\", \"line_id\"]");
        line = line.replace("measures = [\"quantity\", \"sold_on\"]", "measures = [\"quantity\"]");
        assert!(line != text && !line.contains("\"quantity\", \"sold_on\""), "the shop's lines are declared otherwise");
        (path, line + &partitions.map_or(String::new(), |partitions| format!("partitions = {{ {partitions} }}\n")))
    });
    Bundle::from_files(files)
}

/// The same with partitions of its lines from a day until another one.
pub(crate) fn partitioned(from: &str, until: &str, every: &str) -> Bundle {
    shop(Some(&format!("by = \"sold_on\", every = \"{every}\", from = \"{from}\", until = \"{until}\"")))
}

/// Lines of three months.
async fn load_lines(trial: &mut Trial, shop: &Dataset, bundle: &str) {
    let record = shop.records.iter().position(|record| record.name == "line").unwrap();
    for (at, day) in ["2025-01-31", "2025-02-01", "2026-01-01"].into_iter().enumerate() {
        let id = format!("l{at}");
        let values = [("line_id", id.as_str()), ("sku", "s1"), ("quantity", "1"), ("sold_on", day)];
        // each is complete of the same whole, so that none of them may close the others
        let mut version = one_row(record, &id, &values);
        version.unread = true;
        trial.load(shop, &version, bundle).await.unwrap();
    }
}

const PLACES: &str =
    "SELECT string_agg(concat_ws(' ', line_id, tableoid::regclass), ', ' ORDER BY line_id) FROM shop_dw.fact_line_rows";

#[tokio::test]
async fn rows_are_in_the_partition_of_their_day_and_move_into_one_that_is_declared_later() {
    let shop = compile(&partitioned("2025-01-01", "2025-03-01", "month"));
    let mut trial = Trial::new(&shop).await;
    load_lines(&mut trial, &shop, "bundle").await;
    let months = "l0 shop_dw.fact_line_rows_2025_01, l1 shop_dw.fact_line_rows_2025_02";
    assert_eq!(trial.text(PLACES).await, format!("{months}, l2 shop_dw.fact_line_rows_default"));
    let plan =
        trial.rows("EXPLAIN SELECT * FROM shop_dw.fact_line WHERE sold_on BETWEEN '2025-02-03' AND '2025-02-20'").await;
    let read: Vec<&String> = plan.iter().filter(|line| line.contains("fact_line_rows_")).collect();
    assert!(!read.is_empty() && read.iter().all(|line| line.contains("fact_line_rows_2025_02")), "{plan:#?}");

    let longer = compile(&partitioned("2025-01-01", "2026-03-01", "month"));
    trial.evolve(&longer).await;
    assert_eq!(trial.text(PLACES).await, format!("{months}, l2 shop_dw.fact_line_rows_2026_01"));
    // the declaration before goes on, and what it does not know stays
    trial.evolve(&shop).await;
    assert_eq!(trial.text(PLACES).await, format!("{months}, l2 shop_dw.fact_line_rows_2026_01"));
}

/// Brings a database to a declaration that is refused, executes the statements of the refusal, and brings it there.
async fn refused(database: &TestDatabase, client: &Client, dataset: &Dataset) -> String {
    let mut warehouse: Warehouse = connect(&database.url).await;
    let mut sentences = String::new();
    // statements of one refusal at a time: they are several if several partitions are in the way
    while let Err(error) = warehouse.ready(&dataset.layout).await {
        assert_eq!(error.code, ErrorCode::SchemaMismatch);
        let (sentence, statements) = error.message.split_once("as the tables' owner: ").unwrap();
        assert!(!sentences.contains(sentence), "the statements did not help: {error}");
        sentences.push_str(sentence);
        client.batch_execute(&format!("BEGIN; {statements}; COMMIT")).await.unwrap();
    }
    warehouse.close().await;
    sentences
}

#[tokio::test]
async fn other_partitions_are_refused_with_the_statements_that_make_them() {
    let one_table = compile(&shop(None));
    let mut trial = Trial::new(&one_table).await;
    load_lines(&mut trial, &one_table, "bundle").await;
    let day = chrono::NaiveDate::from_ymd_opt(2026, 6, 1).unwrap();
    let before = trial.lines(&one_table, day).await;

    let years = compile(&partitioned("2025-01-01", "2026-01-01", "year"));
    let sentence = refused(&trial.database, &trial.client, &years).await;
    assert!(sentence.contains("shop_dw.fact_line_rows is one table without partitions"), "{sentence}");
    assert!(sentence.contains("declared as partitioned by RANGE (sold_on)"), "{sentence}");
    let places = "l0 shop_dw.fact_line_rows_2025, l1 shop_dw.fact_line_rows_2025, l2 shop_dw.fact_line_rows_default";
    assert_eq!(trial.text(PLACES).await, places);
    assert_eq!(trial.lines(&years, day).await, before);

    let months = compile(&partitioned("2025-01-01", "2026-02-01", "month"));
    let sentence = refused(&trial.database, &trial.client, &months).await;
    let words = "shop_dw.fact_line_rows_2025 is the partition of fact_line_rows FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'), which is not declared";
    assert!(sentence.contains(words), "{sentence}");
    let places =
        "l0 shop_dw.fact_line_rows_2025_01, l1 shop_dw.fact_line_rows_2025_02, l2 shop_dw.fact_line_rows_2026_01";
    assert_eq!(trial.text(PLACES).await, places);
    assert_eq!(trial.lines(&months, day).await, before);
    // and the load goes on
    load_lines(&mut trial, &months, "another bundle").await;
    assert_eq!(trial.lines(&months, day).await, before);
}
