//! Two businesses in one state folder and one database: each has its own schemas, and the tables that it has alone.

mod page;
mod values;

use std::path::{Path, PathBuf};
use std::process::Command;

use fonderie_tests::shop::{self, CUSTOMERS, LINES, MARCH, ORDERS};
use fonderie_tests::warehouse::{Snapshot, connect};
use fonderie_tests::{copy_folder, invoices, packages, workspace};
use tokio_postgres::Client;

const PRODUCTS: &str =
    "SELECT shop_id AS a, sku AS b, price AS c, member_status AS d FROM shop_dw.dim_product ORDER BY 1, 2";

/// The rows of a query, as [`shop::rows`] gives them.
async fn rows(client: &Client, query: &str) -> Vec<String> {
    shop::rows(client, query).await.unwrap()
}

struct Machine {
    fonderie: PathBuf,
    folder: tempfile::TempDir,
    database: fonderie_test_support::TestDatabase,
}

impl Machine {
    async fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let datasets = folder.path().join("datasets");
        copy_folder(&workspace().join("datasets/facturation"), &datasets.join("facturation")).unwrap();
        copy_folder(&fonderie_test_support::shop(), &datasets.join("shop")).unwrap();
        Self { fonderie: packages::build().unwrap().1, folder, database: fonderie_test_support::database(name).await }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program on a dataset; returns its exit code and all that it says.
    fn call(&self, dataset: &str, command: &str, arguments: &[&str]) -> (i32, String) {
        let mut call = Command::new(&self.fonderie);
        call.arg(command).args(arguments).args(["--dataset", dataset, "--database-url", &self.database.url]);
        call.arg("--datasets").arg(self.path("datasets")).arg("--state").arg(self.path("state"));
        let output = call.env_remove("DATABASE_URL").output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(!text.contains("panicked"), "{text}");
        (output.status.code().unwrap_or(-1), text)
    }

    fn file(&self, dataset: &str, path: &Path) -> (i32, String) {
        self.call(dataset, "run", &[path.to_str().unwrap(), "--as-of", "2026-06-30"])
    }

    fn shop(&self, name: &str, text: &str) -> (i32, String) {
        std::fs::write(self.path(name), text).unwrap();
        self.file("shop", &self.path(name))
    }
}

#[tokio::test]
async fn each_has_its_own_tables_whatever_comes_between() {
    let bill = vec![invoices::unpaid(1), invoices::unpaid(2)];
    let mut billing: Option<Snapshot> = None;
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let machine = Machine::new("two_datasets").await;
        let invoices = invoices::write(&machine.path("etablissement_B_2026-03-31.csv"), &bill).unwrap();
        let [lines, orders, catalogues @ .., customers] = shop::FILES;
        let ok = |(code, text): (i32, String)| assert_eq!(code, 0, "{text}");
        // lines and orders come before what they refer to
        ok(machine.shop(lines.0, lines.1));
        ok(machine.shop(orders.0, orders.1));
        ok(machine.file("facturation", &invoices));
        for index in order {
            ok(machine.shop(catalogues[index].0, catalogues[index].1));
        }
        ok(machine.shop(customers.0, customers.1));
        let client = connect(&machine.database.url).await.unwrap();
        assert_eq!(shop::tables(&client).await.unwrap(), shop::EXPECTED, "{order:?}");
        let tables = Snapshot::natural(&client).await.unwrap().without("audit.");
        assert_eq!(tables.count("dw.fact_facturation"), 2);
        assert_eq!(billing.get_or_insert_with(|| tables.clone()).difference(&tables), None);
        let staged = "SELECT (SELECT count(*) FROM shop_staging.\"order\") AS a, (SELECT count(*) FROM shop_staging.line) AS b, \
                      (SELECT count(*) FROM staging.facturation) AS c";
        assert_eq!(rows(&client, staged).await, ["2|4|2"]);
        let (code, text) = machine.call("shop", "query", &["unpaid", "--format", "csv"]);
        assert!(code == 0 && text.contains("A,1"), "{text}");
    }
}

#[tokio::test]
async fn a_complete_file_that_lacks_much_closes_nothing() {
    let machine = Machine::new("complete_files").await;
    assert_eq!(machine.shop("products_2026-03-01.csv", MARCH).0, 0);
    let client = connect(&machine.database.url).await.unwrap();
    let before = rows(&client, PRODUCTS).await;
    for (name, text, word) in [
        ("products_2026-04-01.csv", "shop;sku;label;price\n", "has no rows"),
        ("products_2026-04-02.csv", "shop;sku;label;price\nA;s9;glue;3.00\n", "lacks 2 of the 2 keys"),
    ] {
        let (code, said) = machine.shop(name, text);
        assert!(code == 3 && said.contains("SnapshotImplausible") && said.contains(word), "{said}");
    }
    // a row that is refused was there, by a rule or because its price cannot be read
    for (name, text) in [
        ("products_2026-05-01.csv", "shop;sku;label;price\nA;s1;pen;1.00\nA;s2;ink;-2.00\n"),
        ("products_2026-05-02.csv", "shop;sku;label;price\nA;s1;pen;1.00\nA;s2;ink;two\n"),
    ] {
        assert_eq!(machine.shop(name, text).0, 0);
        let after = rows(&client, PRODUCTS).await;
        assert_eq!(after, before, "{name}");
    }
    // and one that is not there is closed
    assert_eq!(machine.shop("products_2026-05-03.csv", "shop;sku;label;price\nA;s1;pen;1.00\n").0, 0);
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
    let machine = Machine::new("refused_keys").await;
    let ok = |(code, text): (i32, String)| {
        assert_eq!(code, 0, "{text}");
        text
    };
    let all = "shop;sku;label;price\nA;s1;pen;1.00\nA;s2;ink;2.00\nA;s3;cap;3.00\n";
    ok(machine.shop("products_2026-03-01.csv", all));
    let client = connect(&machine.database.url).await.unwrap();
    // s2 has a price that nobody can read, and a label that is too long: it stays; s1 is not there
    let label = "ink".repeat(30);
    let april = format!("shop;sku;label;price\nA;s3;cap;3.00\nA;s2;{label};two\n");
    let text = ok(machine.shop("products_2026-04-01.csv", &april));
    assert!(!text.contains("whose key cannot be read"), "{text}");
    assert_eq!(products(&client, "A").await, "s1|absent s2|current s3|current");
    // of a sku that is too long, of a value too many, of a row that is too short, nobody knows which product it was: nothing is closed
    let unknown = [
        ("products_2026-05-01.csv", "A;s3-and-much-more-than-a-number;cap;3.00"),
        ("products_2026-05-02.csv", "A;;cap;two"),
        ("products_2026-05-03.csv", "A;s3;cap"),
    ];
    for (name, row) in unknown {
        let text = ok(machine.shop(name, &format!("shop;sku;label;price\nA;s2;ink;2.00\n{row}\n")));
        assert!(text.contains("1 row was refused whose key cannot be read"), "{text}");
        assert_eq!(products(&client, "A").await, "s1|absent s2|current s3|current", "{name}");
    }
    let notices = "SELECT count(*) FROM audit.run, unnest(notices) AS n WHERE n LIKE '%whose key cannot be read%'";
    assert_eq!(rows(&client, notices).await, ["3"]);
    // the same from the runs' silver
    let before = rows(&client, PRODUCTS).await;
    ok(machine.call("shop", "rebuild", &[]));
    assert_eq!(rows(&client, PRODUCTS).await, before);
}

#[tokio::test]
async fn a_file_is_complete_of_no_scope_that_its_source_may_not_send() {
    let machine = Machine::new("foreign_scope").await;
    let all = "shop;sku;label;price\nA;s1;pen;1.00\nB;s1;pen;1.10\nB;s2;ink;2.10\n";
    assert_eq!(machine.shop("products_2026-03-01.csv", all).0, 0);
    let source = machine.path("datasets/shop/sources/products.toml");
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::write(&source, text.replace("owns = \"*\"", "owns = [\"A\"]")).unwrap();
    let april = "shop;sku;label;price\nA;s1;pen;1.00\nB;s1;pen;1.10\n";
    assert_eq!(machine.shop("products_2026-04-01.csv", april).0, 0);
    let client = connect(&machine.database.url).await.unwrap();
    assert_eq!(products(&client, "B").await, "s1|current s2|current");
}

#[tokio::test]
async fn a_rebuild_of_one_leaves_the_other_as_it_is() {
    let machine = Machine::new("rebuild_one").await;
    let bill = invoices::write(&machine.path("etablissement_B_2026-03-31.csv"), &[invoices::unpaid(1)]).unwrap();
    assert_eq!(machine.file("facturation", &bill).0, 0);
    for (name, text) in
        [("lines_2026-04-30.csv", LINES), ("products_2026-03-01.csv", MARCH), ("orders_2026-04-10.csv", ORDERS)]
    {
        assert_eq!(machine.shop(name, text).0, 0);
    }
    let client = connect(&machine.database.url).await.unwrap();
    let (expected, billing) =
        (shop::tables(&client).await.unwrap(), Snapshot::exact(&client).await.unwrap().without("audit."));
    client.batch_execute("DROP SCHEMA shop_dw CASCADE; DROP SCHEMA shop_staging CASCADE").await.unwrap();
    let (code, text) = machine.shop("customers_2026-04-01.csv", CUSTOMERS);
    assert!(code == 3 && text.contains("fonderie rebuild --dataset shop"), "{text}");
    let (code, text) = machine.call("shop", "rebuild", &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(shop::tables(&client).await.unwrap(), expected);
    assert_eq!(Snapshot::exact(&client).await.unwrap().without("audit.").difference(&billing), None);
}
