//! Declarations that differ: what is refused, with statements that lead out of it, and what a run under an older declaration must leave alone.

use fonderie_contract::{Bundle, Dataset};
use fonderie_core::ErrorCode;
use fonderie_test_support::{dataset_files, shop_files};

use crate::history::{Trial, Version, compile, version};

/// The shop with a text of one of its files replaced.
fn edited(file: &str, from: &str, to: &str) -> Dataset {
    with(&[(file, from, to)], &[])
}

fn with(edits: &[(&str, &str, &str)], more: &[(&str, &str)]) -> Dataset {
    let edit = |(path, text): (String, String)| {
        let of_file = edits.iter().filter(|(file, ..)| *file == path);
        let text = of_file.fold(text, |text, (file, from, to)| {
            assert!(text.contains(from), "{file} has no {from}");
            text.replace(from, to)
        });
        (path, text)
    };
    let more = more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    compile(&Bundle::from_files(shop_files().into_iter().map(edit).chain(more)))
}

fn line(shop: &Dataset, id: &str) -> Version {
    version(shop, "line", id, &[("line_id", id), ("sku", "s1"), ("quantity", "6"), ("sold_on", "2025-01-03")])
}

fn order(shop: &Dataset, id: &str) -> Version {
    let values = [("shop_id", "A"), ("order_no", id), ("customer_id", "c1"), ("order_date", "2025-01-03")];
    version(shop, "order", id, &values)
}

/// What a person is told to run, if anything.
fn statements(message: &str) -> Option<&str> {
    message.split_once("review and run as the tables' owner: ").map(|(_, statements)| statements)
}

#[tokio::test]
async fn the_statements_of_a_refusal_lead_to_the_declared_tables() {
    let changes = [
        edited("records/line.toml", "quantity / 12.0", "quantity / 6.0"),
        edited("records/line.toml", "checks = [\"quantity > 0\"]", "checks = [\"quantity > 1\"]"),
        edited("records/line.toml", "checks = [\"quantity > 0\"]", "checks = []"),
        edited("records/order.toml", "surrogate = \"order_key\"", "surrogate = \"own_key\""),
        edited("records/order.toml", "as = \"named_on\"", "as = \"seen_on\""),
        edited(
            "records/product.toml",
            "name = \"price\", type = \"decimal\", precision = 10, scale = 2",
            "name = \"price\", type = \"number\"",
        ),
        edited("dataset.toml", "name = \"shop\"", "name = \"shop\"\nvalidity = [\"since\", \"until\"]"),
        edited(
            "dataset.toml",
            "time_zone = \"Europe/Paris\"",
            "time_zone = \"Europe/Paris\"\nschemas = { warehouse = \"elsewhere\" }",
        ),
    ];
    for (at, after) in changes.iter().enumerate() {
        let before = compile(&Bundle::from_files(shop_files()));
        let mut trial = Trial::new(&before).await;
        let product = [("shop_id", "A"), ("sku", "s1"), ("label", "pen"), ("price", "1.25")];
        trial.load(&before, &version(&before, "product", "p1", &product), "first").await.unwrap();
        trial.load(&before, &line(&before, "l1"), "first").await.unwrap();
        trial.load(&before, &order(&before, "o1"), "first").await.unwrap();
        let refused = trial.ready(after).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::SchemaMismatch, "change {at}: {refused}");
        let run = statements(&refused.message).unwrap_or_else(|| unreachable!("change {at}: {refused}"));
        trial.client.batch_execute(run).await.unwrap_or_else(|error| unreachable!("change {at}: {error}: {run}"));
        trial.ready(after).await.unwrap_or_else(|error| unreachable!("change {at}: {error}"));
        let schema = &after.layout.schemas.warehouse;
        let rows = format!(
            "SELECT concat_ws('|', (SELECT count(*) FROM {schema}.fact_order), (SELECT dozens FROM {schema}.fact_line), (SELECT price FROM {schema}.dim_product \
             WHERE sku = 's1' AND shop_id = 'A'), (SELECT count(*) FROM {schema}.dim_shop), (SELECT count(*) FROM {schema}.fact_order_on('2030-01-01')))"
        );
        let dozens = if at == 0 { "1.00" } else { "0.50" };
        assert_eq!(trial.text(&rows).await, format!("1|{dozens}|1.25|1|1"), "change {at}");
        // and the tables take files
        trial.load(after, &order(after, "o2"), "second").await.unwrap();
        trial.check_references(after).await;
    }
}

#[tokio::test]
async fn what_no_statement_mends_is_refused_with_the_rebuild_alone() {
    let snapshot = "snapshot = { scope = [\"shop_id\"], closes_at_most_percent = 60 }";
    let changes = [
        (edited("records/line.toml", "name = \"fact_line\"", "name = \"fact_item\""), "fact_line_rows is there"),
        (edited("records/product.toml", snapshot, ""), "dim_product_snapshots is there"),
        (
            edited("records/customer.toml", "attributes =", "snapshot = { scope = [] }\nattributes ="),
            "dim_customer_rows has no complete files",
        ),
        (
            edited("records/order.toml", "field = \"order_date\", as", "field = \"order_no\", as"),
            "dim_shop_rows has one by a date",
        ),
        (
            edited(
                "records/order.toml",
                "{ name = \"customer_key\", to = \"dim_customer\" }",
                "{ name = \"customer_key\", to = \"dim_shop\" }",
            ),
            "fact_order_rows.customer_key is a reference to dim_customer",
        ),
        (edited("dataset.toml", "Europe/Paris", "America/New_York"), "time zone Europe/Paris"),
    ];
    let before = compile(&Bundle::from_files(shop_files()));
    let mut trial = Trial::new(&before).await;
    trial.load(&before, &line(&before, "l1"), "first").await.unwrap();
    for (after, found) in &changes {
        let refused = trial.ready(after).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::SchemaMismatch, "{refused}");
        assert!(
            refused.message.contains(found) && refused.message.contains("fonderie rebuild --dataset shop"),
            "{refused}"
        );
        assert_eq!(statements(&refused.message), None, "{refused}");
        // nothing was written, and the declaration before goes on
        trial.ready(&before).await.unwrap();
    }
    trial.load(&before, &line(&before, "l2"), "first").await.unwrap();
    assert_eq!(trial.text("SELECT count(*)::text FROM shop_dw.fact_line").await, "2");
}

const BILL: &str = r#"
key = ["bill_id"]
fields = [{ name = "bill_id", type = "text", max_length = 20 }, { name = "customer_id", type = "text", max_length = 20 }]

[[rules]]
id = "bill_known"
check = "required"
fields = ["bill_id"]
message = "The bill has no number."

[[rules]]
id = "bill_once"
check = "unique"
message = "The bill is there twice."

[fact]
name = "fact_bill"
surrogate = "bill_key"
references = [{ name = "payer_key", to = "dim_customer" }]
"#;

const BILLS: &str = r#"
record = "bill"
files = ["bills*.csv"]
[format]
type = "csv"
encoding = "utf-8"
delimiter = ";"
[dates]
format = "yyyy-mm-dd"
[numbers]
decimal_mark = "."
[columns]
bill_id = "bill"
customer_id = "customer"
"#;

#[tokio::test]
async fn a_member_stays_that_a_table_of_a_later_declaration_holds() {
    let first = compile(&Bundle::from_files(shop_files()));
    let second = with(&[], &[("records/bill.toml", BILL), ("sources/bills.toml", BILLS)]);
    let mut trial = Trial::new(&first).await;
    trial.ready(&second).await.unwrap();
    let bill = version(&second, "bill", "b1", &[("bill_id", "b1"), ("customer_id", "c7")]);
    trial.load(&second, &bill, "second").await.unwrap();
    let customer = version(&first, "customer", "c1", &[("customer_id", "c1"), ("name", "Ada")]);
    trial.load(&first, &customer, "first").await.unwrap();
    trial.check_references(&second).await;
    let payer = "SELECT customer_id || ' ' || member_status FROM shop_dw.fact_bill JOIN shop_dw.dim_customer ON customer_key = payer_key";
    assert_eq!(trial.text(payer).await, "c7 open");
}

#[tokio::test]
async fn a_version_that_tables_of_a_later_declaration_show_is_neither_loaded_nor_withdrawn_under_an_older_one() {
    let payer = "[[rules]]\nid = \"payer_known\"\ncheck = \"required\"\nfields = [\"customer_id\"]\nmessage = \"Nobody pays.\"\n\n\
                 [[dimensions]]\nname = \"dim_payer\"\nsurrogate = \"payer_key\"\nkey = [\"customer_id\"]\nnewest_by = { field = \"order_date\", as = \"paid_on\" }\n\n[fact]\n";
    let first = compile(&Bundle::from_files(shop_files()));
    let second = edited("records/order.toml", "[fact]\n", payer);
    let mut trial = Trial::new(&first).await;
    trial.ready(&second).await.unwrap();
    trial.load(&second, &order(&second, "o1"), "second").await.unwrap();
    let again = trial.load(&first, &order(&first, "o1"), "first").await.unwrap_err();
    assert_eq!(again.code, ErrorCode::SchemaMismatch);
    assert!(again.message.contains("shop_dw.dim_payer"), "{again}");
    // a file that is new to the database is read by the older declaration as by itself
    trial.load(&first, &order(&first, "o2"), "first").await.unwrap();
    assert_eq!(trial.text("SELECT string_agg(customer_id, ',') FROM shop_dw.dim_payer").await, "c1");
    trial.withdraw(&second, &order(&second, "o1"), &[]).await;
    assert_eq!(trial.text("SELECT count(*)::text FROM shop_dw.dim_payer").await, "0");
}

#[tokio::test]
async fn a_calendar_that_is_declared_later_has_the_days_of_the_rows_that_are_there() {
    let calendar = "[[calendars]]\nname = \"dim_sale_day\"\nsurrogate = \"sale_day_key\"\nday = \"sale_day\"\nfield = \"sold_on\"\n\n[fact]\n";
    let first = compile(&Bundle::from_files(shop_files()));
    let mut trial = Trial::new(&first).await;
    trial.load(&first, &line(&first, "l1"), "first").await.unwrap();
    trial.ready(&edited("records/line.toml", "[fact]\n", calendar)).await.unwrap();
    let days = "SELECT string_agg(sale_day_key::text, ',') FROM shop_dw.dim_sale_day JOIN shop_dw.fact_line USING (sale_day_key)";
    assert_eq!(trial.text(days).await, "20250103");
}

#[tokio::test]
async fn an_undo_restores_a_complete_file_that_would_close_too_much_if_it_were_new() {
    let shop = edited("records/product.toml", "closes_at_most_percent = 60", "closes_at_most_percent = 10");
    let mut trial = Trial::new(&shop).await;
    let product = |id: &str, day: i64, skus: &[&str]| {
        let rows = skus.iter().map(|sku| [("shop_id", "A"), ("sku", *sku), ("price", "1.00")]);
        let mut file = version(&shop, "product", id, &[]);
        file.rows = rows.flat_map(|values| version(&shop, "product", id, &values).rows).collect();
        file.rows.iter_mut().enumerate().for_each(|(at, row)| row.line = at as i64 + 2);
        file.order.instant = crate::support::instant(day);
        file.unread = false;
        file
    };
    let (older, newer) = (product("v1", 1, &["s1", "s2", "s3"]), product("v2", 2, &["s1"]));
    trial.load(&shop, &newer, "first").await.unwrap();
    trial.load(&shop, &older, "first").await.unwrap();
    let absent = "SELECT count(*)::text FROM shop_dw.dim_product WHERE member_status = 'absent'";
    assert_eq!(trial.text(absent).await, "2");
    trial.withdraw(&shop, &newer, &[&older]).await;
    assert_eq!(trial.text(absent).await, "0");
    trial.restore(&shop, &newer, "first", &[&older]).await;
    assert_eq!(trial.text(absent).await, "2");
}

#[tokio::test]
async fn all_statements_of_a_dataset_run_in_an_empty_database() {
    for files in [shop_files(), dataset_files("facturation")] {
        let dataset = compile(&Bundle::from_files(files));
        let database = fonderie_test_support::database(&format!("statements_{}", dataset.name)).await;
        let client = database.connect().await;
        let statements = fonderie_warehouse::statements(&dataset, None);
        client.batch_execute(&statements).await.unwrap_or_else(|error| unreachable!("{}: {error:?}", dataset.name));
        for record in &dataset.records {
            let load = fonderie_warehouse::statements(&dataset, Some(&record.name));
            client.batch_execute(&load).await.unwrap_or_else(|error| unreachable!("{}: {error:?}", record.name));
        }
    }
}
