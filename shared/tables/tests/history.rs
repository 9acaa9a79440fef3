//! The tables of a shop after random loads, reloads and withdrawals, against a computation from scratch after each step.
#![allow(clippy::unwrap_used)]

mod model;
mod shop;
mod sql;

use std::fmt::Write as _;

use fonderie_tables::{Dataset, create, load};
use fonderie_test_support::{TestDatabase, database};
use tokio_postgres::{Client, NoTls};

use crate::model::{Version, Versions};
use crate::shop::Chance;

struct Trial {
    client: Client,
    dataset: Dataset,
    _database: TestDatabase,
}

impl Trial {
    async fn new(name: &str, dataset: Dataset) -> Self {
        let database = database(name).await;
        let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let trial = Self { client, dataset, _database: database };
        trial.client.batch_execute(
            "CREATE SCHEMA audit; CREATE SCHEMA dw; CREATE SCHEMA staging;
             CREATE TABLE audit.version_order (dataset text, object_version_key bigint PRIMARY KEY, rank bigint UNIQUE, order_instant timestamptz);
             CREATE TABLE audit.object_version (object_version_key bigint PRIMARY KEY, bucket text, key text, record text)",
        ).await.unwrap();
        trial.client.batch_execute(&create(&trial.dataset)).await.unwrap();
        trial
    }

    async fn clear(&self) {
        let tables = self.dataset.tables();
        let mut sql = String::from("TRUNCATE audit.version_order, audit.object_version, dw.dim_day");
        for table in tables {
            let endings = ["_rows", "_history", "_presence"].into_iter();
            for ending in
                endings.chain(table.snapshot.as_ref().map(|_| ["_snapshots", "_refused"]).into_iter().flatten())
            {
                let _ = write!(sql, ", dw.\"{}{ending}\"", table.name);
            }
        }
        self.client.batch_execute(&sql).await.unwrap();
    }

    /// The statements that load a version, or withdraw it, up to the commit.
    fn statements(&self, key: usize, version: &Version, withdrawn: bool) -> String {
        let record = &self.dataset.records[version.record];
        let mut sql = format!(
            "BEGIN;\nINSERT INTO audit.version_order VALUES ('shop', {key}, {rank}, timestamptz '2025-01-01 00:00Z' + interval '1 day' * {rank}) ON CONFLICT DO NOTHING;\n\
             INSERT INTO audit.object_version VALUES ({key}, 'bronze', 'file {file}', '{name}') ON CONFLICT DO NOTHING;\n\
             CREATE TEMP TABLE loading ON COMMIT DROP AS SELECT 'shop'::text AS dataset, {key}::bigint AS object_version_key, 'file'::text AS source_file, {withdrawn} AS withdrawn, {blind} AS blind;\n",
            rank = version.rank,
            file = key % 2,
            name = record.name,
            blind = version.blind,
        );
        let columns: String =
            record.fields.iter().map(|field| format!("\"{}\" {}, ", field.name, field.sql_type)).collect();
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE incoming ({columns}source_line bigint, source_record bigint) ON COMMIT DROP;"
        );
        let text = |value: Option<&String>| value.map_or("NULL".to_owned(), |value| format!("'{value}'"));
        for (at, row) in version.rows.iter().enumerate().filter(|_| !withdrawn) {
            let values: String = record.fields.iter().map(|field| text(row.get(field.name.as_str())) + ", ").collect();
            let _ = writeln!(sql, "INSERT INTO incoming VALUES ({values}{}, {at});", at + 2);
        }
        for table in record.tables.iter().filter(|table| table.snapshot.is_some()) {
            let scope = table.snapshot.as_deref().unwrap();
            let of =
                |names: &[String]| names.iter().map(|name| format!("\"{name}\" text")).collect::<Vec<_>>().join(", ");
            let _ = writeln!(sql, "CREATE TEMP TABLE \"scopes_{}\" ({}) ON COMMIT DROP;", table.name, of(scope));
            for value in version.scopes.iter().filter(|_| !withdrawn) {
                let values = if scope.is_empty() { "DEFAULT VALUES".to_owned() } else { format!("VALUES ('{value}')") };
                let _ = writeln!(sql, "INSERT INTO \"scopes_{}\" {values};", table.name);
            }
            let key: Vec<String> = table.key.iter().map(|column| column.name.clone()).collect();
            let _ = writeln!(sql, "CREATE TEMP TABLE \"refused_{}\" ({}) ON COMMIT DROP;", table.name, of(&key));
            for refused in version.refused.iter().filter(|_| !withdrawn) {
                let values = refused.iter().map(|value| format!("'{value}'")).collect::<Vec<_>>().join(", ");
                let _ = writeln!(sql, "INSERT INTO \"refused_{}\" VALUES ({values});", table.name);
            }
        }
        sql.push_str(&load(&self.dataset, record));
        sql
    }

    /// Loads a version, or withdraws it. Returns of the record's main table how many keys were inserted, updated, unchanged, superseded.
    async fn load(&self, key: usize, version: &Version, withdrawn: bool) -> [i64; 4] {
        let sql = self.statements(key, version, withdrawn);
        if let Err(error) = self.client.batch_execute(&sql).await {
            unreachable!("{error:?}\n{sql}");
        }
        let row =
            self.client.query_one("SELECT inserted, updated, unchanged, superseded FROM outcome", &[]).await.unwrap();
        let outcomes = [0, 1, 2, 3].map(|at| row.get(at));
        self.client.batch_execute("COMMIT").await.unwrap();
        outcomes
    }

    /// All that the tables hold, references as natural keys.
    async fn tables(&self) -> Vec<String> {
        let mut all = Vec::new();
        for table in self.dataset.tables() {
            let key = table.key.iter().map(|column| format!("m.\"{}\"", column.name)).collect::<Vec<_>>().join(", ");
            let state = |alias: &str| {
                let references = table.references.iter().map(|reference| {
                    let columns =
                        reference.columns.iter().map(|column| format!("d.\"{column}\"")).collect::<Vec<_>>().join(", ");
                    format!(
                        "(SELECT concat_ws(',', {columns}) FROM dw.\"{}_rows\" d WHERE d.row_key = {alias}.\"{}\")",
                        reference.table, reference.name
                    )
                });
                let columns = table.state.iter().map(|column| format!("{alias}.\"{}\"::text", column.name));
                references.chain(columns).map(|value| format!("coalesce({value}, '∅')")).collect::<Vec<_>>().join(", ")
            };
            let query = format!(
                "SELECT concat_ws('|', '{name}', concat_ws(',', {key}), m.row_status, {m}, coalesce(m.object_version_key::text, '∅'), coalesce(m.source_line::text, '∅')) FROM dw.\"{name}_rows\" m\n\
                 UNION ALL SELECT concat_ws('|', '{name} history', concat_ws(',', {key}), h.row_absent, {h}, h.object_version_key, coalesce(h.source_line::text, '∅'), h.closing_version_key) \
                 FROM dw.\"{name}_history\" h JOIN dw.\"{name}_rows\" m USING (row_key)",
                name = table.name,
                m = state("m"),
                h = state("h"),
            );
            all.extend(self.client.query(&query, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
        }
        all.sort();
        all
    }

    /// What the tables say of the end of a day, by natural keys.
    async fn on(&self, day: usize) -> Vec<String> {
        let mut all = Vec::new();
        for table in self.dataset.tables().filter(|table| table.newest_by.is_none()) {
            let key = table.key.iter().map(|column| format!("r.\"{}\"", column.name)).collect::<Vec<_>>().join(", ");
            let state: String =
                table.state.iter().map(|column| format!(", coalesce(o.\"{}\"::text, '∅')", column.name)).collect();
            let query = format!(
                "SELECT concat_ws('|', '{name}', concat_ws(',', {key}){state}) FROM dw.\"{name}_on\"(date '2025-01-01' + {day}) o JOIN dw.\"{name}_rows\" r ON r.row_key = o.\"{name}_key\"",
                name = table.name
            );
            all.extend(self.client.query(&query, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
        }
        all.sort();
        all
    }
}

impl Trial {
    /// What the view of the values in force says of the lines, by natural keys.
    async fn in_force(&self) -> Vec<String> {
        let query = "SELECT concat_ws('|', r.line_id, concat_ws(',', v.shop_id, v.sku), coalesce(v.label, '∅'), coalesce(v.price::text, '∅'), v.extrapolated::text) \
                     FROM dw.fact_line_with_dim_product v JOIN dw.fact_line_rows r ON r.row_key = v.fact_line_key";
        let rows = self.client.query(query, &[]).await.unwrap();
        let mut all: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        all.sort();
        all
    }
}

#[tokio::test]
async fn the_tables_are_a_function_of_the_versions() {
    let trial = Trial::new("tables", shop::dataset()).await;
    let sequences = std::env::var("FONDERIE_SEQUENCES").map_or(100, |count| count.parse().unwrap());
    let mut seen = model::Seen::default();
    let (mut extrapolated, mut given) = (0, 0);
    for seed in 0..sequences {
        trial.clear().await;
        let mut chance = Chance::new(seed);
        let count = chance.below(6) + 2;
        let ranks = chance.distinct(count, 20);
        // few records at a time, so that their versions meet
        let focus = [chance.below(trial.dataset.records.len()), [1, 3][chance.below(2)]];
        let kinds: Vec<usize> = (0..count).map(|_| focus[chance.below(2)]).collect();
        let mut versions = Versions::new();
        for step in 0..chance.below(9) + 2 {
            let key = chance.below(count);
            let withdrawn = versions.contains_key(&key) && chance.one_in(3);
            let before = versions.clone();
            let outcomes = if withdrawn {
                let version = versions.remove(&key).unwrap();
                trial.load(key, &version, true).await
            } else {
                let version = shop::version(&mut chance, kinds[key], ranks[key]);
                let outcomes = trial.load(key, &version, false).await;
                versions.insert(key, version);
                outcomes
            };
            let expected = model::outcomes(&trial.dataset.records, &before, &versions, kinds[key], key);
            assert_eq!(outcomes, expected, "sequence {seed}, step {step}, outcomes of {key} of {versions:#?}");
            let (expected, found) = (model::tables(&trial.dataset.records, &versions), trial.tables().await);
            seen.count(&expected);
            let day = chance.below(21);
            assert_eq!(
                trial.on(day).await,
                model::on(&trial.dataset.records, &versions, day),
                "sequence {seed}, day {day} of {versions:#?}"
            );
            let prices = trial.in_force().await;
            assert_eq!(
                prices,
                model::in_force(&trial.dataset.records, &versions),
                "sequence {seed}, step {step}, in force of {versions:#?}"
            );
            extrapolated += prices.iter().filter(|line| line.ends_with("|true")).count();
            given += prices.iter().filter(|line| line.ends_with("|false")).count();
            let lacks: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
            let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
            assert!(
                expected == found,
                "sequence {seed}, step {step}, version {key}{}\nlacks {lacks:#?}\nhas {surplus:#?}\nof {versions:#?}",
                if withdrawn { " withdrawn" } else { "" }
            );
        }
    }
    seen.check();
    assert!(extrapolated > 10 && given > 10, "{extrapolated} prices began later, {given} did not");
    // of the last sequences' rows and of one that is known
    trial.clear().await;
    let mut lines = shop::version(&mut Chance::new(1), 3, 1);
    lines.rows = vec![shop::row(&[
        ("line_id", Some("l1")),
        ("sku", Some("s1")),
        ("quantity", Some("18")),
        ("sold_on", Some("2025-01-03")),
    ])];
    trial.load(1, &lines, false).await;
    let mut orders = shop::version(&mut Chance::new(1), 2, 2);
    orders.rows = vec![shop::row(&[
        ("shop_id", Some("A")),
        ("order_no", Some("1")),
        ("shop_name", Some("Quai")),
        ("order_date", Some("2025-01-03")),
    ])];
    trial.load(2, &orders, false).await;
    let text = |sql: &'static str| async { trial.client.query_one(sql, &[]).await.unwrap().get::<_, String>(0) };
    assert_eq!(text("SELECT concat_ws('|', line_id, quantity, dozens) FROM dw.fact_line").await, "l1|18|1.50");
    assert_eq!(
        text("SELECT string_agg(concat_ws('|', day, day_of_week, weekday), ',') FROM dw.dim_day").await,
        "2025-01-03|5|Fri"
    );
    // a state that a condition refuses is a mistake of the rules, and changes nothing
    lines.rows[0].insert("quantity".to_owned(), "0".to_owned());
    let refused = trial.client.batch_execute(&trial.statements(1, &lines, false)).await.unwrap_err();
    assert!(refused.to_string().contains("check") || format!("{refused:?}").contains("23514"), "{refused:?}");
    trial.client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(text("SELECT concat_ws('|', line_id, quantity, dozens) FROM dw.fact_line").await, "l1|18|1.50");
}
