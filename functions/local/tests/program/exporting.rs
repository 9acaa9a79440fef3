//! Exports: made with the marts and on request, replaced whole, and left as they are if the query is at fault.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use calamine::{Data, Reader, Xlsx};
use fonderie_test_support::{TestDatabase, shop_files};

use crate::support::{Ended, Trial, outcome};

/// The shop with three exports.
struct Exports {
    trial: Trial,
    database: TestDatabase,
}

const FILES: [(&str, &str); 5] = [
    ("exports/unpaid.toml", "query = \"unpaid\"\nformat = \"csv\"\n"),
    ("exports/orders.toml", "format = \"xlsx\"\ntitle = \"Commandes\"\nfile = \"Orders of the year.xlsx\"\n"),
    (
        "exports/orders.sql",
        "SELECT order_no, order_date, paid, 12.50::numeric(10,2) AS amount, '=' || shop_name AS shop\n\
         FROM shop_dw.fact_order JOIN shop_dw.dim_shop USING (shop_key) ORDER BY 1;\n",
    ),
    ("exports/all.toml", "format = \"parquet\"\nwhen = \"request\"\n"),
    ("exports/all.sql", "SELECT order_no, paid, current_setting('fonderie.time_zone') AS zone FROM shop_dw.fact_order"),
];

impl Exports {
    async fn new() -> Self {
        let trial = Trial::new();
        let exports = Self { trial, database: fonderie_test_support::database("exporting").await };
        for (path, text) in shop_files() {
            exports.write(&path, &text);
        }
        for (path, text) in FILES {
            exports.write(path, text);
        }
        exports
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.trial.at("datasets/shop").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn call(&self, command: &str, arguments: &[&str]) -> Ended {
        let mut call = self.trial.program(command, &self.trial.at("state"));
        call.args(arguments).args(["--database-url", &self.database.url, "--datasets"]).arg(self.trial.at("datasets"));
        outcome(&mut call)
    }

    fn run(&self, name: &str, paid: bool) -> Ended {
        let file = self.trial.order(name, paid);
        self.call("run", &[file.to_str().unwrap(), "--as-of", "2026-06-30"])
    }

    fn place(&self, file: &str) -> PathBuf {
        self.trial.at("state/s3/reports/shop/exports").join(file)
    }

    async fn ledger(&self) -> Vec<String> {
        let client = self.database.connect().await;
        let query =
            "SELECT concat_ws('|', export, key, rows, bytes > 0, failure) FROM audit.export ORDER BY exported_at";
        client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test]
async fn exports_are_made_with_the_marts_and_replaced_whole() {
    let exports = Exports::new().await;
    exports.run("orders_1.csv", false).check(0, &["export orders: 1 rows; export unpaid: 1 rows"]);
    let csv = fs::read_to_string(exports.place("unpaid.csv")).unwrap();
    assert_eq!(csv, "\u{feff}shop_id;order_no\r\nS1;O1\r\n");
    let mut book = Xlsx::new(Cursor::new(fs::read(exports.place("Orders of the year.xlsx")).unwrap())).unwrap();
    let range = book.worksheet_range("Commandes").unwrap();
    let row = range.rows().nth(1).unwrap();
    let text = |text: &str| Data::String(text.to_owned());
    assert_eq!(
        (&row[0], &row[2], &row[3], &row[4]),
        (&text("O1"), &Data::Bool(false), &Data::Float(12.5), &text("=Béziers"))
    );
    assert!(!exports.place("all.parquet").exists(), "it is made on request only");

    // the next run replaces them
    exports.run("orders_2.csv", true).check(0, &["export unpaid: 0 rows"]);
    assert_eq!(fs::read_to_string(exports.place("unpaid.csv")).unwrap(), "\u{feff}shop_id;order_no\r\n");

    // a query at fault: after its first rows, too
    let orders = fs::read(exports.place("Orders of the year.xlsx")).unwrap();
    let late = "SELECT 1 / (100000 - n) AS a, repeat('x', 100) AS b FROM generate_series(1, 100000) AS n";
    exports.write("exports/orders.sql", late);
    exports.write("exports/unpaid.toml", "format = \"csv\"\n");
    exports.write("exports/unpaid.sql", "SELECT nothing FROM shop_dw.fact_order");
    let sentence = "the export unpaid: the query is refused by PostgreSQL: column \"nothing\" does not exist (the file of before stays)";
    exports
        .run("orders_3.csv", false)
        .check(0, &["the export orders: the query is refused by PostgreSQL: division by zero", sentence]);
    assert_eq!(fs::read_to_string(exports.place("unpaid.csv")).unwrap(), "\u{feff}shop_id;order_no\r\n");
    assert_eq!(fs::read(exports.place("Orders of the year.xlsx")).unwrap(), orders);
    let ledger = exports.ledger().await;
    assert_eq!(ledger[0], "orders|shop/exports/Orders of the year.xlsx|1|t");
    assert_eq!(ledger.len(), 6);
    assert!(
        ledger[5].starts_with("unpaid|shop/exports/unpaid.csv|0|f|the export unpaid: the query is refused"),
        "{ledger:?}"
    );
}

#[tokio::test]
async fn one_export_is_written_on_request() {
    let exports = Exports::new().await;
    let list = exports.call("export", &[]);
    list.check(0, &["Orders of the year.xlsx", "on request", "after each publication"]);
    exports.run("orders_1.csv", false).check(0, &[]);
    let folder = exports.trial.at("out");
    fs::create_dir(&folder).unwrap();
    exports.call("export", &["all", "--to", folder.to_str().unwrap()]).check(0, &["all.parquet: 1 rows"]);
    let parquet = fs::read(folder.join("all.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let file = folder.join("mine.csv");
    exports.call("export", &["unpaid", "--to", file.to_str().unwrap()]).check(0, &["mine.csv: 1 rows"]);
    let csv = fs::read_to_string(&file).unwrap();
    assert_eq!(csv, "\u{feff}shop_id;order_no\r\nS1;O1\r\n");
    // a link leads to its file, which keeps its rights; what is no file is written to as it is
    let link = folder.join("link.csv");
    symlink("mine.csv", &link).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&file, "old").unwrap();
    exports.call("export", &["unpaid", "--to", link.to_str().unwrap()]).check(0, &["link.csv: 1 rows"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), csv);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    fs::remove_file(&link).unwrap();
    exports.call("export", &["unpaid", "--to", "/dev/null"]).check(0, &["/dev/null: 1 rows"]);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    // what cannot be written leaves what is there, and nothing beside it
    exports.write("queries/unpaid.sql", "DELETE FROM shop_dw.fact_order_rows RETURNING order_no");
    let refused = exports.call("export", &["unpaid", "--to", file.to_str().unwrap()]);
    refused.check(2, &["the export unpaid: ", "cannot execute DELETE in a read-only transaction"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), csv);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    exports.call("export", &["al"]).check(2, &["the dataset `shop` has no export `al`: it has all, orders, unpaid"]);
}
