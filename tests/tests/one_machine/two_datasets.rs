//! Two businesses in one state folder and one database: each has its own schemas, and the tables that it has alone.

mod page;
mod values;

use std::ops::Deref;
use std::path::Path;

use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::shop::{self, CUSTOMERS, LINES, MARCH, ORDERS};
use fonderie_tests::warehouse::{Snapshot, connect};
use fonderie_tests::{copy_folder, invoices};
use tokio_postgres::Client;

const PRODUCTS: &str =
    "SELECT shop_id AS a, sku AS b, price AS c, member_status AS d FROM shop_dw.dim_product ORDER BY 1, 2";

/// The rows of a query, as [`shop::rows`] gives them.
async fn rows(client: &Client, query: &str) -> Vec<String> {
    shop::rows(client, query).await.unwrap()
}

/// The datasets `facturation` and `shop`, to be changed.
struct Datasets(Machine);

impl Deref for Datasets {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.0
    }
}

impl Datasets {
    async fn new(name: &str) -> Self {
        let machine = Machine::new(name).await.with_own_datasets();
        copy_folder(&fonderie_test_support::shop(), &machine.path("datasets/shop")).unwrap();
        Self(machine)
    }

    /// Runs the program on a dataset.
    fn call_on(&self, dataset: &str, command: &str, arguments: &[&str]) -> Ended {
        self.call(&[&[command, "--dataset", dataset], arguments].concat())
    }

    fn run_file(&self, dataset: &str, path: &Path) -> Ended {
        Ended::of(self.run_command(&[path]).args(["--dataset", dataset]))
    }

    fn shop(&self, name: &str, text: &str) -> Ended {
        self.run_file("shop", &self.write(name, text))
    }
}

#[tokio::test]
async fn each_has_its_own_tables_whatever_comes_between() {
    let bill = vec![invoices::unpaid(1), invoices::unpaid(2)];
    let mut billing: Option<Snapshot> = None;
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let machine = Datasets::new("two_datasets").await;
        let invoices = machine.file("etablissement_B_2026-03-31.csv", &bill);
        let [lines, orders, catalogues @ .., customers] = shop::FILES;
        // lines and orders come before what they refer to
        machine.shop(lines.0, lines.1).expect(0, &[]);
        machine.shop(orders.0, orders.1).expect(0, &[]);
        machine.run_file("facturation", &invoices).expect(0, &[]);
        for index in order {
            machine.shop(catalogues[index].0, catalogues[index].1).expect(0, &[]);
        }
        machine.shop(customers.0, customers.1).expect(0, &[]);
        let client = connect(&machine.url).await.unwrap();
        assert_eq!(shop::tables(&client).await.unwrap(), shop::EXPECTED, "{order:?}");
        let tables = Snapshot::natural(&client).await.unwrap().without("audit.");
        assert_eq!(tables.count("dw.fact_facturation"), 2);
        assert_eq!(billing.get_or_insert_with(|| tables.clone()).difference(&tables), None);
        let staged = "SELECT (SELECT count(*) FROM shop_staging.\"order\") AS a, (SELECT count(*) FROM shop_staging.line) AS b, \
                      (SELECT count(*) FROM staging.facturation) AS c";
        assert_eq!(rows(&client, staged).await, ["2|4|2"]);
        machine.call_on("shop", "query", &["unpaid", "--format", "csv"]).expect(0, &["A,1"]);
    }
}

#[tokio::test]
async fn a_complete_file_that_lacks_much_closes_nothing() {
    let machine = Datasets::new("complete_files").await;
    machine.shop("products_2026-03-01.csv", MARCH).expect(0, &[]);
    let client = connect(&machine.url).await.unwrap();
    let before = rows(&client, PRODUCTS).await;
    for (name, text, word) in [
        ("products_2026-04-01.csv", "shop;sku;label;price\n", "has no rows"),
        ("products_2026-04-02.csv", "shop;sku;label;price\nA;s9;glue;3.00\n", "lacks 2 of the 2 keys"),
    ] {
        machine.shop(name, text).expect(3, &["SnapshotImplausible", word]);
    }
    // a row that is refused was there, by a rule or because its price cannot be read
    for (name, text) in [
        ("products_2026-05-01.csv", "shop;sku;label;price\nA;s1;pen;1.00\nA;s2;ink;-2.00\n"),
        ("products_2026-05-02.csv", "shop;sku;label;price\nA;s1;pen;1.00\nA;s2;ink;two\n"),
    ] {
        machine.shop(name, text).expect(0, &[]);
        let after = rows(&client, PRODUCTS).await;
        assert_eq!(after, before, "{name}");
    }
    // and one that is not there is closed
    machine.shop("products_2026-05-03.csv", "shop;sku;label;price\nA;s1;pen;1.00\n").expect(0, &[]);
    let absent = "SELECT shop_id, sku FROM shop_dw.dim_product WHERE member_status = 'absent'";
    assert_eq!(rows(&client, absent).await, ["s2|A"]);
}

/// Sku and status of a shop's products.
async fn products(client: &Client, shop: &str) -> String {
    let query = format!("SELECT sku, member_status FROM shop_dw.dim_product WHERE shop_id = '{shop}' ORDER BY 1");
    rows(client, &query).await.join(" ")
}

#[tokio::test]
async fn a_row_that_cannot_be_read_was_there_if_its_key_can_be_read() {
    let machine = Datasets::new("refused_keys").await;
    let all = "shop;sku;label;price\nA;s1;pen;1.00\nA;s2;ink;2.00\nA;s3;cap;3.00\n";
    machine.shop("products_2026-03-01.csv", all).expect(0, &[]);
    let client = connect(&machine.url).await.unwrap();
    // s2 has a price that nobody can read, and a label that is too long: it stays; s1 is not there
    let label = "ink".repeat(30);
    let april = format!("shop;sku;label;price\nA;s3;cap;3.00\nA;s2;{label};two\n");
    let text = machine.shop("products_2026-04-01.csv", &april).expect(0, &[]).text();
    assert!(!text.contains("whose key cannot be read"), "{text}");
    assert_eq!(products(&client, "A").await, "s1|absent s2|current s3|current");
    // of a sku that is too long, of a value too many, of a row that is too short, nobody knows which product it was: nothing is closed
    let unknown = [
        ("products_2026-05-01.csv", "A;s3-and-much-more-than-a-number;cap;3.00"),
        ("products_2026-05-02.csv", "A;;cap;two"),
        ("products_2026-05-03.csv", "A;s3;cap"),
    ];
    for (name, row) in unknown {
        machine
            .shop(name, &format!("shop;sku;label;price\nA;s2;ink;2.00\n{row}\n"))
            .expect(0, &["1 row was refused whose key cannot be read"]);
        assert_eq!(products(&client, "A").await, "s1|absent s2|current s3|current", "{name}");
    }
    let notices = "SELECT count(*) FROM audit.run, unnest(notices) AS n WHERE n LIKE '%whose key cannot be read%'";
    assert_eq!(rows(&client, notices).await, ["3"]);
    // the same from the runs' silver
    let before = rows(&client, PRODUCTS).await;
    machine.call_on("shop", "rebuild", &[]).expect(0, &[]);
    assert_eq!(rows(&client, PRODUCTS).await, before);
}

#[tokio::test]
async fn a_file_is_complete_of_no_scope_that_its_source_may_not_send() {
    let machine = Datasets::new("foreign_scope").await;
    let all = "shop;sku;label;price\nA;s1;pen;1.00\nB;s1;pen;1.10\nB;s2;ink;2.10\n";
    machine.shop("products_2026-03-01.csv", all).expect(0, &[]);
    machine.edit("../shop/sources/products.toml", "owns = \"*\"", "owns = [\"A\"]");
    let april = "shop;sku;label;price\nA;s1;pen;1.00\nB;s1;pen;1.10\n";
    machine.shop("products_2026-04-01.csv", april).expect(0, &[]);
    let client = connect(&machine.url).await.unwrap();
    assert_eq!(products(&client, "B").await, "s1|current s2|current");
}

#[tokio::test]
async fn a_rebuild_of_one_leaves_the_other_as_it_is() {
    let machine = Datasets::new("rebuild_one").await;
    let bill = machine.file("etablissement_B_2026-03-31.csv", &[invoices::unpaid(1)]);
    machine.run_file("facturation", &bill).expect(0, &[]);
    for (name, text) in
        [("lines_2026-04-30.csv", LINES), ("products_2026-03-01.csv", MARCH), ("orders_2026-04-10.csv", ORDERS)]
    {
        machine.shop(name, text).expect(0, &[]);
    }
    let client = connect(&machine.url).await.unwrap();
    let (expected, billing) =
        (shop::tables(&client).await.unwrap(), Snapshot::exact(&client).await.unwrap().without("audit."));
    client.batch_execute("DROP SCHEMA shop_dw CASCADE; DROP SCHEMA shop_staging CASCADE").await.unwrap();
    machine.shop("customers_2026-04-01.csv", CUSTOMERS).expect(3, &["fonderie rebuild --dataset shop"]);
    machine.call_on("shop", "rebuild", &[]).expect(0, &[]);
    assert_eq!(shop::tables(&client).await.unwrap(), expected);
    assert_eq!(Snapshot::exact(&client).await.unwrap().without("audit.").difference(&billing), None);
}
