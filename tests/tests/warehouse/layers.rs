//! Preparation views and marts that stand on each other: their order, changes of their definitions, and what readers see meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{NaiveDate, Utc};
use fonderie_contract::{Bundle, Dataset};
use fonderie_core::stage::{DatasetRun, Published};
use fonderie_core::{BundleRef, ErrorCode, ObjectVersion, Result};
use fonderie_test_support::shop_files;
use fonderie_warehouse::Warehouse;

use crate::history::{Trial, compile, one_row};
use crate::support::{connect, rows};

/// Declared in an order in which none of them can be made: `top` reads `months`, which reads `by_month`, which reads `sold`.
const MARTS: &str = "
[[marts]]
name = \"top\"
key = [\"most\"]

[[marts]]
name = \"best\"
view = true

[[marts]]
name = \"months\"
key = [\"month\"]
";

const FILES: [(&str, &str); 5] = [
    (
        "preparation/by_month.sql",
        "SELECT date_trunc('month', day)::date AS month, sum(pieces) AS pieces FROM shop_prep.sold GROUP BY 1;",
    ),
    ("preparation/sold.sql", "SELECT line_id, sold_on AS day, quantity AS pieces FROM shop_staging.line"),
    ("marts/top.sql", "SELECT max(pieces) AS most FROM shop.months"),
    ("marts/best.sql", "SELECT month FROM shop.months ORDER BY pieces DESC LIMIT 1"),
    ("marts/months.sql", "SELECT month, pieces FROM shop_prep.by_month"),
];

/// The shop with the layers, some of whose files are others.
fn shop(marts: &str, changes: &[(&str, &str)]) -> Dataset {
    let own = |path: &str| path != "marts/revenue.sql";
    let mut files: BTreeMap<_, _> = shop_files().into_iter().filter(|(path, _)| own(path)).collect();
    let dataset = files.get_mut("dataset.toml").unwrap();
    dataset.truncate(dataset.find("[[marts]]").unwrap());
    dataset.push_str(marts);
    for (path, text) in FILES.iter().chain(changes) {
        files.insert((*path).to_owned(), (*text).to_owned());
    }
    files.retain(|_, text| !text.is_empty());
    compile(&Bundle::from_files(files))
}

/// Files that are others, and the words of the sentence.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

struct Layered {
    trial: Trial,
    warehouse: Warehouse,
}

impl Layered {
    async fn new() -> Self {
        let shop = shop(MARTS, &[]);
        let trial = Trial::new(&shop).await;
        let warehouse = connect(&trial.database.url).await;
        let mut layered = Self { trial, warehouse };
        for line in [("l0", "5", "2025-01-31"), ("l1", "7", "2025-02-01"), ("l2", "4", "2025-02-28")] {
            layered.load(&shop, line).await;
        }
        layered
    }

    async fn load(&mut self, shop: &Dataset, (id, quantity, day): (&str, &str, &str)) {
        let record = shop.records.iter().position(|record| record.name == "line").unwrap();
        let values = [("line_id", id), ("sku", "s1"), ("quantity", quantity), ("sold_on", day)];
        let mut version = one_row(record, id, &values);
        // each is complete of the same whole, so that none of them may close the others
        version.unread = true;
        self.trial.load(shop, &version, "bundle").await.unwrap();
    }

    async fn publish(&mut self, shop: &Dataset) -> Result<Published> {
        self.trial.evolve(shop).await;
        let object = ObjectVersion { bucket: "b".into(), key: "shop.json".into(), version_id: "v".into() };
        let bundle = BundleRef { dataset: "shop".into(), object, sha256: "0".into() };
        let as_of = NaiveDate::from_ymd_opt(2025, 12, 31).unwrap();
        let run = DatasetRun::new("daily".into(), Utc::now(), as_of, true, bundle);
        let run = self.warehouse.with_loads_known(&run).await?;
        self.warehouse.publish(&run, &shop.layout, &shop.marts, &[]).await
    }

    /// Publishes, and returns which marts were made anew.
    async fn rebuilt(&mut self, shop: &Dataset) -> Vec<String> {
        let published = self.publish(shop).await.unwrap();
        published.marts.into_iter().filter(|mart| mart.rebuilt).map(|mart| mart.mart).collect()
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.warehouse, sql).await
    }

    /// The rows of all marts.
    async fn shown(&self) -> Vec<String> {
        let mut shown = self.rows("SELECT month, pieces FROM shop.months ORDER BY 1").await;
        shown.extend(self.rows("SELECT 'top', most FROM shop.top").await);
        shown.extend(self.rows("SELECT 'best', month FROM shop.best").await);
        shown
    }

    async fn oids(&self) -> Vec<String> {
        self.rows(
            "SELECT oid::regclass, oid FROM pg_class WHERE relnamespace IN ('shop'::regnamespace, 'shop_prep'::regnamespace) \
             AND relkind IN ('v', 'm', 'i') ORDER BY oid::regclass::text COLLATE \"C\"",
        )
        .await
    }

    async fn execute(&self, sql: &str) {
        self.trial.client.batch_execute(sql).await.unwrap();
    }
}

#[tokio::test]
async fn layers_are_made_and_refreshed_in_an_order_that_nobody_declares() {
    let (mut layered, shop) = (Layered::new().await, shop(MARTS, &[]));
    let published = layered.publish(&shop).await.unwrap();
    let rows: Vec<_> = published.marts.iter().map(|mart| (mart.mart.as_str(), mart.rows, mart.rebuilt)).collect();
    assert_eq!(rows, [("top", Some(1), true), ("best", None, true), ("months", Some(2), true)]);
    assert_eq!(layered.shown().await, ["2025-01-01|5", "2025-02-01|11", "top|11", "best|2025-02-01"]);
    let ledger = "SELECT mart, rows FROM audit.mart ORDER BY mart COLLATE \"C\"";
    assert_eq!(layered.rows(ledger).await, ["best|∅", "months|2", "shop_prep.by_month|∅", "shop_prep.sold|∅", "top|1"]);

    // rows travel up all layers in one run, and nothing is made again
    let before = layered.oids().await;
    layered.load(&shop, ("l3", "20", "2025-01-02")).await;
    assert!(layered.rebuilt(&shop).await.is_empty());
    assert_eq!(layered.shown().await, ["2025-01-01|25", "2025-02-01|11", "top|25", "best|2025-01-01"]);
    assert_eq!(layered.oids().await, before);
}

#[tokio::test]
async fn what_stands_on_a_changed_view_is_made_again_with_its_rights() {
    let mut layered = Layered::new().await;
    layered.publish(&shop(MARTS, &[])).await.unwrap();
    let reader = format!("layers_reader_{}", std::process::id());
    layered
        .execute(&format!(
            "CREATE ROLE {reader}; GRANT SELECT ON shop.months, shop.best, shop_prep.by_month, shop_prep.sold TO {reader}"
        ))
        .await;
    let before = layered.oids().await;
    let doubled = FILES[0].1.replace("sum(pieces)", "2 * sum(pieces)");
    let shop_doubled = shop(MARTS, &[("preparation/by_month.sql", &doubled)]);
    assert_eq!(layered.rebuilt(&shop_doubled).await, ["top", "best", "months"]);
    assert_eq!(layered.shown().await, ["2025-01-01|10", "2025-02-01|22", "top|22", "best|2025-02-01"]);
    let after = layered.oids().await;
    let kept: Vec<&str> =
        before.iter().filter(|line| after.contains(line)).map(|line| line.split('|').next().unwrap()).collect();
    assert_eq!(kept, ["shop_prep.sold"], "what stands below it stays, and no name changes");
    let names =
        |lines: &[String]| lines.iter().map(|line| line.split('|').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    let rights = format!(
        "SELECT name FROM unnest(ARRAY['shop.months', 'shop.top', 'shop.best', 'shop_prep.by_month', 'shop_prep.sold']) AS name \
         WHERE has_table_privilege('{reader}', name, 'SELECT')"
    );
    assert_eq!(layered.rows(&rights).await, ["shop.months", "shop.best", "shop_prep.by_month", "shop_prep.sold"]);
    layered.execute(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}")).await;

    // the views of others on a plain view stay if its columns do; if not, they are named
    layered.execute("CREATE SCHEMA desk; CREATE VIEW desk.mine AS SELECT month FROM shop.best").await;
    let worst = FILES[3].1.replace("DESC", "ASC");
    let replaced = shop(MARTS, &[("preparation/by_month.sql", &doubled), ("marts/best.sql", &worst)]);
    assert_eq!(layered.rebuilt(&replaced).await, ["best"]);
    assert_eq!(layered.rows("SELECT * FROM desk.mine").await, ["2025-01-01"]);
    assert_eq!(layered.oids().await, after);
    let renamed = worst.replace("SELECT month", "SELECT month AS the_month");
    let renamed = shop(MARTS, &[("preparation/by_month.sql", &doubled), ("marts/best.sql", &renamed)]);
    let error = layered.publish(&renamed).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SchemaMismatch);
    assert!(
        error.message.contains("shop.best") && error.message.contains("desk.mine depend on the old one"),
        "{error}"
    );
    // so are those that stand on it through another one's
    let error = layered.publish(&shop(MARTS, &[("marts/best.sql", &worst)])).await.unwrap_err();
    assert!(error.message.contains("desk.mine depend on the old one"), "{error}");
    assert_eq!(layered.rows("SELECT * FROM desk.mine").await, ["2025-01-01"]);
    layered.execute("DROP VIEW desk.mine").await;
    assert_eq!(layered.rebuilt(&renamed).await, ["best"]);
    assert_eq!(layered.rows("SELECT the_month FROM shop.best").await, ["2025-01-01"]);
}

#[tokio::test]
async fn what_a_definition_lacks_is_named_with_its_file() {
    let mut layered = Layered::new().await;
    let first = shop(MARTS, &[]);
    layered.publish(&first).await.unwrap();
    let before = (layered.shown().await, layered.oids().await);
    let cycle = "SELECT 'l0'::text AS line_id, month AS day, pieces FROM shop_prep.by_month";
    let cases: [Case<'_>; 6] = [
        (
            &[("preparation/sold.sql", cycle)],
            &[
                "stand on each other in a cycle: preparation/sold.sql reads preparation/by_month.sql reads preparation/sold.sql (",
                "marts/top.sql: relation \"shop.months\" does not exist",
            ],
        ),
        (
            &[("marts/months.sql", "SELECT month, pieces FROM shop_prep.by_year")],
            &["definitions lack what they read: ", "marts/months.sql: relation \"shop_prep.by_year\" does not exist"],
        ),
        (
            &[(
                "preparation/by_month.sql",
                "SELECT date_trunc('month', day)::date AS month FROM shop_prep.sold GROUP BY 1",
            )],
            &["definitions lack what they read: ", "marts/months.sql: column \"pieces\" does not exist"],
        ),
        (
            &[("preparation/sold.sql", "")],
            &[
                "definitions lack what they read: ",
                "preparation/by_month.sql: relation \"shop_prep.sold\" does not exist",
            ],
        ),
        (
            &[(
                "preparation/sold.sql",
                "SELECT line_id, sold_on AS day, quantity AS pieces FROM shop_staging.line; DROP TABLE shop_staging.line",
            )],
            &["publishing shop_prep.sold", "correct preparation/sold.sql"],
        ),
        (&[("preparation/sold.sql", "SELECT 1 +")], &["publishing shop_prep.sold", "correct preparation/sold.sql"]),
    ];
    for (changes, words) in cases {
        let error = layered.publish(&shop(MARTS, changes)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ContractInvalid, "{error}");
        for word in words.iter().chain(&["the rows are loaded, and marts that are defined as before keep their rows"]) {
            assert!(error.message.contains(word), "{word}: {error}");
        }
        assert_eq!((layered.shown().await, layered.oids().await), before);
    }
    // a table of somebody under the name of one
    layered.execute("CREATE TABLE shop.mine (a integer)").await;
    let mine = format!("{MARTS}\n[[marts]]\nname = \"mine\"\nview = true\n");
    let error = layered.publish(&shop(&mine, &[("marts/mine.sql", "SELECT 1 AS a")])).await.unwrap_err();
    assert!(error.code == ErrorCode::SchemaMismatch && error.message.contains("marts/mine.sql"), "{error}");

    // what is no longer declared goes, and a name may come back as another kind
    let fewer = MARTS.replace("name = \"top\"\nkey = [\"most\"]", "name = \"top\"\nview = true");
    let fewer = fewer.replace("[[marts]]\nname = \"best\"\nview = true\n", "");
    let fewer = shop(&fewer, &[("marts/best.sql", "")]);
    assert_eq!(layered.rebuilt(&fewer).await, ["top"]);
    let kinds = "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'shop'::regnamespace AND relkind IN ('v', 'm') ORDER BY 1";
    assert_eq!(layered.rows(kinds).await, ["months|m", "top|v"]);
    assert_eq!(layered.rows("SELECT count(*) FROM audit.mart WHERE mart = 'best'").await, ["0"]);
    assert_eq!(layered.rebuilt(&first).await, ["top", "best"]);
    assert_eq!(layered.shown().await, before.0);
}

#[tokio::test]
async fn a_wider_column_keeps_all_layers() {
    let mut layered = Layered::new().await;
    let ids = "SELECT string_agg(line_id, ' ' ORDER BY line_id) AS ids FROM shop_prep.sold";
    let top = "SELECT ids AS most FROM shop.months";
    let changes =
        [("marts/months.sql", ids), ("marts/top.sql", top), ("marts/best.sql", "SELECT line_id FROM shop_prep.sold")];
    let marts = MARTS.replace("key = [\"month\"]", "key = [\"ids\"]");
    let narrow = shop(&marts, &changes);
    layered.publish(&narrow).await.unwrap();
    let line = shop_files().into_iter().find(|(path, _)| path == "records/line.toml").unwrap().1;
    let wide = line.replace(
        "name = \"line_id\", type = \"text\", max_length = 20",
        "name = \"line_id\", type = \"text\", max_length = 30",
    );
    let wide = shop(&marts, &[changes.as_slice(), &[("records/line.toml", &wide)]].concat());
    layered.trial.evolve(&wide).await;
    // before anything is published, too
    assert_eq!(layered.rows("SELECT most FROM shop.top").await, ["l0 l1 l2"]);
    let types = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid IN ('shop.best'::regclass, 'shop_prep.sold'::regclass) AND attname = 'line_id'";
    assert_eq!(layered.rows(types).await, ["character varying(30)", "character varying(30)"]);
    layered.load(&wide, ("l34567890123456789012345", "1", "2025-03-01")).await;
    assert!(layered.rebuilt(&wide).await.is_empty());
    assert_eq!(layered.rows("SELECT most FROM shop.top").await, ["l0 l1 l2 l34567890123456789012345"]);
}

#[tokio::test]
async fn readers_see_every_layer_at_every_moment() {
    let mut layered = Layered::new().await;
    let changed = |n: u32| {
        let by_month = FILES[0].1.replace("sum(pieces)", &format!("{n} * sum(pieces)"));
        shop(MARTS, &[("preparation/by_month.sql", &by_month)])
    };
    layered.publish(&changed(1)).await.unwrap();
    let old = layered.trial.database.connect().await;
    old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM audit.run").await.unwrap();
    let (done, url) = (Arc::new(AtomicBool::new(false)), layered.trial.database.url.clone());
    let stop = Arc::clone(&done);
    let reader = tokio::spawn(async move {
        let warehouse = connect(&url).await;
        let mut seen = 0;
        while !stop.load(Ordering::Relaxed) {
            for relation in ["shop_prep.by_month", "shop.months"] {
                let relation = format!("SELECT count(*), sum(pieces) % 16 FROM {relation}");
                assert_eq!(rows(&warehouse, &relation).await, ["2|0"]);
            }
            // through a view: the exchange takes the one that stands on the other first
            assert_eq!(rows(&warehouse, "SELECT month FROM shop.best").await, ["2025-02-01"]);
            seen += 1;
        }
        warehouse.close().await;
        seen
    });
    for n in 2..=20 {
        assert_eq!(layered.rebuilt(&changed(n)).await, ["top", "best", "months"]);
    }
    done.store(true, Ordering::Relaxed);
    let seen: i32 = reader.await.unwrap();
    assert!(seen > 19, "only {seen} reads");
    let most = old.query_one("SELECT most::bigint FROM shop.top", &[]).await.unwrap();
    assert_eq!(most.get::<_, i64>(0), 11 * 20);
    old.batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn what_each_publication_showed_is_kept() {
    let kept = MARTS.replace("name = \"months\"", "name = \"months\"\npublications = true");
    let (mut layered, before) = (Layered::new().await, shop(&kept, &[]));
    let shown =
        "SELECT month, pieces, publication_from, publication_until FROM shop.months_publications ORDER BY 3, 1, 4";
    layered.publish(&before).await.unwrap();
    let first = ["2025-01-01|5|1|∅", "2025-02-01|11|1|∅"];
    assert_eq!(layered.rows(shown).await, first);
    // a publication that shows the same adds no row
    layered.publish(&before).await.unwrap();
    assert_eq!(layered.rows(shown).await, first);
    layered.load(&before, ("l3", "1", "2025-02-03")).await;
    layered.publish(&before).await.unwrap();
    let third = ["2025-01-01|5|1|∅", "2025-02-01|11|1|3", "2025-02-01|12|3|∅"];
    assert_eq!(layered.rows(shown).await, third);
    // another column: earlier rows have none, the ones that are shown are others
    let months = "SELECT month, pieces, pieces * 2 AS twice FROM shop_prep.by_month WHERE month > '2025-01-31'";
    let after = shop(&kept, &[("marts/months.sql", months)]);
    layered.publish(&after).await.unwrap();
    let wider = "SELECT month, pieces, twice, publication_from, publication_until FROM shop.months_publications ORDER BY 4, 1, 5";
    let fourth = ["2025-01-01|5|∅|1|4", "2025-02-01|11|∅|1|3", "2025-02-01|12|∅|3|4", "2025-02-01|12|24|4|∅"];
    assert_eq!(layered.rows(wider).await, fourth);
    // back again: what was shown before is shown once more, as a row of its own
    layered.publish(&before).await.unwrap();
    let fifth = [
        "2025-01-01|5|1|4",
        "2025-02-01|11|1|3",
        "2025-02-01|12|3|4",
        "2025-02-01|12|4|5",
        "2025-01-01|5|5|∅",
        "2025-02-01|12|5|∅",
    ];
    assert_eq!(layered.rows(shown).await, fifth);
    let publications = "SELECT publication, run_id, as_of FROM audit.publication ORDER BY 1";
    assert_eq!(layered.rows(publications).await.len(), 5);
    assert_eq!(layered.rows(publications).await[0], "1|daily|2025-12-31");
    // no longer declared: the view goes, what was kept stays
    layered.publish(&shop(MARTS, &[])).await.unwrap();
    assert_eq!(layered.rows("SELECT to_regclass('shop.months_publications') IS NULL").await, ["t"]);
    assert_eq!(layered.rows("SELECT count(*) FROM audit.published_row").await, ["6"]);
}

/// A reader that asks for a lower view and then, in the same transaction, for one above it.
#[tokio::test]
async fn no_reader_is_broken_off_by_an_exchange() {
    let (mut layered, before) = (Layered::new().await, shop(MARTS, &[]));
    layered.publish(&before).await.unwrap();
    let reader = connect(&layered.trial.database.url).await;
    let began = Arc::new(tokio::sync::Notify::new());
    let told = began.clone();
    let reading = tokio::spawn(async move {
        rows(&reader, "BEGIN").await;
        let mut seen = rows(&reader, "SELECT sum(pieces) FROM shop.months").await;
        told.notify_one();
        // longer than PostgreSQL waits before it looks for a deadlock
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        seen.extend(rows(&reader, "SELECT most FROM shop.top").await);
        rows(&reader, "COMMIT").await;
        seen
    });
    began.notified().await;
    let after = shop(MARTS, &[("marts/months.sql", "SELECT month, pieces + 1 AS pieces FROM shop_prep.by_month")]);
    assert_eq!(layered.rebuilt(&after).await.len(), 3);
    assert_eq!(reading.await.unwrap(), ["16", "11"]);
    assert_eq!(layered.rows("SELECT most FROM shop.top").await, ["12"]);
    assert_eq!(layered.rows("SELECT current_setting('lock_timeout')").await, ["1min"]);
}

/// What is never more than one statement, and what a view of all columns of another one has.
#[tokio::test]
async fn plain_views_are_replaced_by_one_statement_each_and_follow_those_below() {
    let declared = "[[marts]]\nname = \"all\"\nview = true\n";
    let of = |sold: &str| {
        let files = [
            ("preparation/by_month.sql", ""),
            ("preparation/sold.sql", sold),
            ("marts/top.sql", ""),
            ("marts/best.sql", ""),
            ("marts/months.sql", ""),
            ("marts/all.sql", "SELECT * FROM shop_prep.sold"),
        ];
        shop(declared, &files)
    };
    let mut layered = Layered::new().await;
    layered.publish(&of("SELECT line_id FROM shop_staging.line")).await.unwrap();
    let two = of("SELECT line_id FROM shop_staging.line; DELETE FROM shop_staging.line");
    let error = layered.publish(&two).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ContractInvalid, "{error}");
    assert_eq!(layered.rows("SELECT count(*) FROM shop_staging.line").await, ["3"]);
    layered.publish(&of("SELECT line_id, quantity FROM shop_staging.line")).await.unwrap();
    assert_eq!(layered.rows("SELECT line_id, quantity FROM shop.all ORDER BY 1 LIMIT 1").await, ["l0|5"]);
}

#[tokio::test]
async fn a_column_of_another_type_leaves_earlier_publications_readable() {
    let kept = MARTS.replace("name = \"months\"", "name = \"months\"\npublications = true");
    let mut layered = Layered::new().await;
    layered.publish(&shop(&kept, &[])).await.unwrap();
    let months = "SELECT month, 'some' || pieces AS pieces FROM shop_prep.by_month";
    layered
        .publish(&shop(
            &kept,
            &[("marts/months.sql", months), ("marts/best.sql", "SELECT 1 AS a"), ("marts/top.sql", "SELECT 1 AS most")],
        ))
        .await
        .unwrap();
    let months = "SELECT month, pieces FROM shop_prep.by_month";
    let error = layered.publish(&shop(&kept, &[("marts/months.sql", months)])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ContractInvalid);
    assert!(error.message.contains("a column has another type than then"), "{error}");
    assert_eq!(layered.rows("SELECT count(*) FROM shop.months_publications").await, ["4"]);
    // a mart that is away for a publication was not shown by it
    let other =
        kept.replace("publications = true\n", "").replace("name = \"top\"", "name = \"top\"\npublications = true");
    layered.publish(&shop(&other, &[])).await.unwrap();
    layered
        .publish(&shop(
            &kept,
            &[
                ("marts/months.sql", "SELECT month, pieces::text AS pieces FROM shop_prep.by_month"),
                ("marts/best.sql", "SELECT 1 AS a"),
                ("marts/top.sql", "SELECT 1 AS most"),
            ],
        ))
        .await
        .unwrap();
    let shown = "SELECT publication_from, publication_until FROM shop.months_publications WHERE month = '2025-01-01' ORDER BY 1";
    assert_eq!(layered.rows(shown).await, ["1|2", "2|3", "4|∅"]);
}
