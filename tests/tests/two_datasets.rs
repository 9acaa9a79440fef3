//! Two businesses in one state folder and one database: each has its own schemas, and the tables that it has alone.
#![allow(clippy::unwrap_used)]

#[path = "two_datasets/page.rs"]
mod page;
#[path = "two_datasets/values.rs"]
mod values;

use std::path::{Path, PathBuf};
use std::process::Command;

use fonderie_tests::warehouse::{Snapshot, connect};
use fonderie_tests::{copy_folder, invoices, packages, workspace};
use tokio_postgres::Client;

const CUSTOMERS: &str = "customer;name;city\nc1;Ada;Lyon\nc2;Bo;\n";
const MARCH: &str = "shop;sku;label;price\nA;s1;pen;1.00\nA;s2;ink;2.00\nB;s1;pen;1.10\n";
/// The catalogue of one shop, without its ink.
const APRIL: &str = "shop;sku;label;price\nA;s1;pen;1.20\n";
const MAY: &str = "shop;sku;label;price\nA;s1;pen;1.20\nA;s2;ink;2.00\n";
const ORDERS: &str = "shop;shop name;order;customer;day;paid\nA;Quai;1;c1;2026-04-02;no\nA;Gare;2;c9;2026-04-05;yes\n";
const LINES: &str = "line;shop;sku;quantity;day\nl1;A;s1;12;2026-04-15\nl2;A;s2;3;2026-04-15\nl3;B;s1;1;2026-02-01\nl4;B;s7;2;2026-04-15\n";

const PRODUCTS: &str =
    "SELECT shop_id AS a, sku AS b, price AS c, member_status AS d FROM shop_dw.dim_product ORDER BY 1, 2";

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

/// The rows of a query, columns parted by `|`, `∅` for NULL.
async fn rows(client: &Client, query: &str) -> Vec<String> {
    let query = format!(
        "SELECT (SELECT string_agg(coalesce(value, '∅'), '|') FROM jsonb_each_text(to_jsonb(q)) WITH ORDINALITY) FROM ({query}) q"
    );
    client.query(&query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// The shop's tables by natural keys.
async fn shop(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    for query in [
        "SELECT customer_id, name AS a, city AS b, member_status AS c FROM shop_dw.dim_customer ORDER BY 1",
        "SELECT shop_id AS a, sku AS b, label AS c, price AS d, member_status AS e FROM shop_dw.dim_product ORDER BY 1, 2",
        "SELECT shop_id AS a, sku AS b, price AS c, (valid_from AT TIME ZONE 'Europe/Paris')::date AS d, (valid_to AT TIME ZONE 'Europe/Paris')::date AS e FROM shop_dw.hist_product ORDER BY 1, 2, 4",
        "SELECT shop_id AS a, shop_name AS b, named_on AS c FROM shop_dw.dim_shop",
        "SELECT s.shop_id AS a, o.order_no AS b, c.customer_id AS c, o.day_key AS d, o.paid AS e FROM shop_dw.fact_order o \
         JOIN shop_dw.dim_shop s USING (shop_key) JOIN shop_dw.dim_customer c USING (customer_key) ORDER BY 2",
        "SELECT l.line_id AS a, l.quantity AS b, l.dozens AS c, p.price AS d, p.extrapolated AS e FROM shop_dw.fact_line l \
         LEFT JOIN shop_dw.fact_line_with_dim_product p USING (fact_line_key) ORDER BY 1",
        "SELECT shop_id AS a, revenue AS b FROM shop.revenue ORDER BY 1",
    ] {
        all.extend(rows(client, query).await);
    }
    all
}

/// Pen and ink as the page on the algorithm has them: the catalogue of April comes last, or first.
const EXPECTED: &[&str] = &[
    "Ada|Lyon|current|c1",
    "Bo|∅|current|c2",
    "∅|∅|open|c9",
    "A|s1|pen|1.20|current",
    "A|s2|ink|2.00|current",
    "B|s1|pen|1.10|current",
    "B|s7|∅|∅|open",
    "A|s1|1.00|2026-03-01|2026-04-01",
    "A|s2|2.00|2026-03-01|2026-04-01",
    "A|Gare|2026-04-05",
    "A|1|c1|20260402|false",
    "A|2|c9|20260405|true",
    "l1|12|1.00|1.20|false",
    // nothing of the ink was known on that day but what it had cost before
    "l2|3|0.25|2.00|false",
    "l3|1|0.08|1.10|true",
    "l4|2|0.17|∅|∅",
    "A|20.40",
    "B|1.10",
];

#[tokio::test]
async fn each_has_its_own_tables_whatever_comes_between() {
    let bill = vec![invoices::unpaid(1), invoices::unpaid(2)];
    let mut billing: Option<Snapshot> = None;
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let machine = Machine::new("two_datasets").await;
        let invoices = invoices::write(&machine.path("etablissement_B_2026-03-31.csv"), &bill).unwrap();
        let catalogues =
            [("products_2026-03-01.csv", MARCH), ("products_2026-04-01.csv", APRIL), ("products_2026-05-01.csv", MAY)];
        let ok = |(code, text): (i32, String)| assert_eq!(code, 0, "{text}");
        // lines and orders come before what they refer to
        ok(machine.shop("lines_2026-04-30.csv", LINES));
        ok(machine.shop("orders_2026-04-10.csv", ORDERS));
        ok(machine.file("facturation", &invoices));
        for index in order {
            ok(machine.shop(catalogues[index].0, catalogues[index].1));
        }
        ok(machine.shop("customers_2026-04-01.csv", CUSTOMERS));
        let client = connect(&machine.database.url).await.unwrap();
        assert_eq!(shop(&client).await, EXPECTED, "{order:?}");
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
    let (expected, billing) = (shop(&client).await, Snapshot::exact(&client).await.unwrap().without("audit."));
    client.batch_execute("DROP SCHEMA shop_dw CASCADE; DROP SCHEMA shop_staging CASCADE").await.unwrap();
    let (code, text) = machine.shop("customers_2026-04-01.csv", CUSTOMERS);
    assert!(code == 3 && text.contains("fonderie rebuild --dataset shop"), "{text}");
    let (code, text) = machine.call("shop", "rebuild", &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(shop(&client).await, expected);
    assert_eq!(Snapshot::exact(&client).await.unwrap().without("audit.").difference(&billing), None);
}
