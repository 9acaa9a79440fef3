//! A dataset's database: versions are loaded, withdrawn and restored by the code that the stages call, and all tables are read as text.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use chrono::{DateTime, NaiveDate, Utc};
use fonderie_contract::{Bundle, Complete, Dataset, Field, Mart, MartKind, Origin, Owns, Record};
use fonderie_core::stage::{Checked, Loaded, Outcomes, Transformed, Validated};
use fonderie_core::withdrawal::{RecordWithdrawal, WithdrawalStatus};
use fonderie_core::{BundleRef, DatasetRun, ObjectVersion, Result, Run, Tally};
use fonderie_quality::{KeyScan, RepeatedKeys, Validator, unique_fields};
use fonderie_tables::{SqlType, Table, name, quote};
use fonderie_test_support::TestDatabase;
use fonderie_warehouse::{KnownVersion, LoadPlan, Warehouse, WithdrawPlan};
use futures::{StreamExt, stream};
use tokio_postgres::Client;

use super::model::{Row, Version};
use crate::support::{connect, instant, stages};

/// Compiles a bundle for the trial: the order of states is at stake, not what is plausible of a file, nor who may send what.
pub(crate) fn compile(bundle: &Bundle) -> Dataset {
    let mut dataset = bundle.compile().unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
    for record in &mut dataset.records {
        let complete = Complete { allow_empty: true, closes_at_most_percent: 100 };
        record.complete = record.complete.map(|_| complete);
    }
    for source in &mut dataset.sources {
        source.owns = Owns::Anything;
        source.columns.fill(Origin::Absent);
    }
    dataset
}

pub(crate) struct Trial {
    warehouse: Warehouse,
    /// For a look at the tables.
    pub(crate) client: Client,
    runs: usize,
    pub(crate) database: TestDatabase,
}

/// A version as the bundle of a run reads it.
struct Reading<'a> {
    dataset: &'a Dataset,
    record: &'a Record,
    owns: Owns,
    run: Run,
    transform: Transformed,
    validate: Validated,
    accepted: RecordBatch,
    /// What the rules had before them, if the record's files are complete.
    judged: Option<RecordBatch>,
}

impl<'a> Reading<'a> {
    /// Reads a version, whose rows have been judged.
    fn new(dataset: &'a Dataset, version: &Version, bundle: &str, run_id: &str) -> Self {
        let record = &dataset.records[version.record];
        let source = dataset.sources.iter().find(|source| source.record == version.record).unwrap();
        let read = batch(&record.fields, version.rows.iter());
        let accepted = batch(&record.fields, version.rows.iter().filter(|row| row.accepted));
        let (read_rows, accepted_rows) =
            (tally(record, version.rows.iter()), tally(record, version.rows.iter().filter(|row| row.accepted)));
        let rejected = tally(record, version.rows.iter().filter(|row| !row.accepted));
        let unread = Tally { rows: u64::from(version.unread), ..Tally::new(record.money()) };
        let (transform, validate) = stages(&version.id, &read_rows, unread, accepted_rows, rejected);
        let run = Run {
            run_id: run_id.to_owned(),
            started_at: instant(90),
            object: ObjectVersion { bucket: "bronze".into(), key: version.key.clone(), version_id: version.id.clone() },
            size: 1_000,
            order: version.order,
            as_of: NaiveDate::from_ymd_opt(2025, 12, 31).unwrap(),
            force: true,
            strict: false,
            load_only: false,
            bundle: BundleRef {
                dataset: dataset.name.clone(),
                object: ObjectVersion { bucket: "bundles".into(), key: "bundle".into(), version_id: bundle.to_owned() },
                sha256: bundle.to_owned(),
            },
            source: source.id.clone(),
            record: record.name.clone(),
        };
        let owns = version.owned.clone().map_or(Owns::Anything, Owns::Only);
        let judged = record.complete.map(|_| read);
        Self { dataset, record, owns, run, transform, validate, accepted, judged }
    }

    fn plan(&self) -> LoadPlan<'_> {
        let Self { run, transform, validate, record, owns, dataset, .. } = self;
        LoadPlan { run, transform, validate, record, owns, layout: &dataset.layout }
    }

    fn judged(&self) -> Option<fonderie_warehouse::Judged<'static>> {
        self.judged.clone().map(|batch| stream::iter([Ok(batch)]).boxed())
    }
}

/// Lets the rules of the record decide which of a version's rows are accepted.
pub(crate) fn judge(dataset: &Dataset, version: &mut Version) {
    let record = &dataset.records[version.record];
    let source = dataset.sources.iter().find(|source| source.record == version.record).unwrap();
    let read = batch(&record.fields, version.rows.iter());
    let keys = unique_fields(record).into_iter().map(|fields| {
        let (mut scan, mut keys) = (KeyScan::new(record, source, fields, 0, 1), RepeatedKeys::default());
        scan.add(&read);
        scan.finish(&mut keys);
        keys
    });
    let as_of = NaiveDate::from_ymd_opt(2025, 12, 31).unwrap();
    let accepted = Validator::new(record, source, as_of, keys.collect()).check(&read).unwrap();
    let lines = accepted.column_by_name("source_line").unwrap().as_primitive::<Int64Type>();
    for row in &mut version.rows {
        row.accepted = lines.values().contains(&row.line);
    }
}

/// Rows of a file as `validate` and `load` have them.
fn batch<'r>(fields: &[Field], rows: impl Iterator<Item = &'r Row> + Clone) -> RecordBatch {
    let lines = |less: i64| Arc::new(rows.clone().map(|row| row.line - less).collect::<Int64Array>()) as ArrayRef;
    let columns = fields.iter().map(|field| {
        let values = rows.clone().map(|row| row.values.get(&field.name).map(String::as_str));
        (field.name.as_str(), column(field, values), true)
    });
    let places = [("source_line", lines(0), false), ("source_record", lines(2), false)];
    RecordBatch::try_from_iter_with_nullable(columns.chain(places)).unwrap()
}

fn column<'r>(field: &Field, values: impl Iterator<Item = Option<&'r str>>) -> ArrayRef {
    match field.kind.sql_type() {
        SqlType::Text(_) => Arc::new(values.collect::<StringArray>()),
        SqlType::Long => Arc::new(values.map(|value| value.map(|text| text.parse().unwrap())).collect::<Int64Array>()),
        SqlType::Number => {
            Arc::new(values.map(|value| value.map(|text| text.parse().unwrap())).collect::<Float64Array>())
        }
        SqlType::Timestamp => {
            let instant = |text: &str| text.replace("+00", "Z").parse::<DateTime<Utc>>().unwrap().timestamp_micros();
            let instants = values.map(|value| value.map(instant)).collect::<TimestampMicrosecondArray>();
            Arc::new(instants.with_timezone("UTC"))
        }
        SqlType::Boolean => Arc::new(values.map(|value| value.map(|text| text == "true")).collect::<BooleanArray>()),
        SqlType::Date => {
            let days = values.map(|value| value.map(|text| text.parse::<NaiveDate>().unwrap().to_epoch_days()));
            Arc::new(days.collect::<Date32Array>())
        }
        SqlType::Decimal(precision, scale) => {
            let values = values.map(|value| value.map(unscaled)).collect::<Decimal128Array>();
            Arc::new(values.with_precision_and_scale(precision, i8::try_from(scale).unwrap()).unwrap())
        }
        other => unreachable!("no batches of {other} are made: add them here"),
    }
}

/// A decimal without its mark.
fn unscaled(text: &str) -> i128 {
    text.replace('.', "").parse().unwrap()
}

fn tally<'r>(record: &Record, rows: impl Iterator<Item = &'r Row>) -> Tally {
    let mut tally = Tally::new(record.money());
    for row in rows {
        tally.rows += 1;
        for (name, amount) in &mut tally.amounts {
            amount.sum += row.values.get(name).map_or(0, |text| unscaled(text));
        }
    }
    tally
}

fn columns(batch: &RecordBatch) -> HashSet<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

impl Trial {
    /// A database that is brought to a bundle.
    pub(crate) async fn new(dataset: &Dataset) -> Self {
        let database = fonderie_test_support::database(&format!("history_{}", dataset.name)).await;
        let client = database.connect().await;
        // the query of all lines is short, and its compilation would take longer than the rest of the test
        client.batch_execute("SET jit = off").await.unwrap();
        let mut trial = Self { warehouse: connect(&database.url).await, client, runs: 0, database };
        trial.evolve(dataset).await;
        trial
    }

    /// Brings the tables to a declaration.
    pub(crate) async fn ready(&mut self, dataset: &Dataset) -> Result<()> {
        self.warehouse.ready(&dataset.layout).await
    }

    pub(crate) async fn evolve(&mut self, dataset: &Dataset) {
        self.ready(dataset).await.unwrap();
    }

    /// Removes all versions.
    pub(crate) async fn clear(&self, dataset: &Dataset) {
        let bases = fonderie_tables::bases(&dataset.layout.tables);
        let tables: String = bases.iter().map(|base| format!("{}, ", name(&base.schema, &base.name, ""))).collect();
        // the marts that follow have seen rows that go without a list
        let sql = format!(
            "TRUNCATE {tables} audit.run, audit.run_amount, audit.rule_result, audit.object_version, audit.follower"
        );
        self.client.batch_execute(&sql).await.unwrap();
    }

    fn run_id(&mut self, version: &Version) -> String {
        self.runs += 1;
        format!("{}-{}", version.id, self.runs)
    }

    /// Loads a version as a bundle reads it.
    pub(crate) async fn load(&mut self, dataset: &Dataset, version: &Version, bundle: &str) -> Result<Loaded> {
        let run_id = self.run_id(version);
        let reading = Reading::new(dataset, version, bundle, &run_id);
        let batches = stream::iter([Ok(reading.accepted.clone())]);
        self.warehouse.load(&reading.plan(), batches, reading.judged()).await?.commit().await
    }

    async fn known(&self, dataset: &Dataset, version: &Version) -> KnownVersion {
        let versions = self.warehouse.versions_of(&dataset.name, "bronze", &version.key).await.unwrap();
        versions.into_iter().find(|known| known.object.version_id == version.id).unwrap()
    }

    /// Withdraws a version.
    pub(crate) async fn withdraw(&mut self, dataset: &Dataset, version: &Version, others: &[&Version]) {
        let run_id = self.run_id(version);
        let known = self.known(dataset, version).await;
        let reading = Reading::new(dataset, version, "withdrawal", &run_id);
        let run = DatasetRun { object: None, ..DatasetRun::from(&reading.run) };
        let plan = WithdrawPlan { run: &run, run_id: &run_id, layout: &dataset.layout, version: &known };
        let withdrawn = self.warehouse.withdraw(&plan, reading.record).await.unwrap().commit().await.unwrap();
        assert_eq!(withdrawn.status, WithdrawalStatus::Withdrawn);
        self.refill(dataset, others).await;
    }

    /// Restores a withdrawn version.
    pub(crate) async fn restore(
        &mut self,
        dataset: &Dataset,
        version: &Version,
        bundle: &str,
        others: &[&Version],
    ) -> Outcomes {
        let run_id = self.run_id(version);
        let known = self.known(dataset, version).await;
        let loaded_by = known.loaded_or_withdrawn().unwrap().to_owned();
        let reading = Reading::new(dataset, version, bundle, &loaded_by);
        let run = DatasetRun { object: None, ..DatasetRun::from(&reading.run) };
        let plan = WithdrawPlan { run: &run, run_id: &run_id, layout: &dataset.layout, version: &known };
        let batches = stream::iter([Ok(reading.accepted.clone())]);
        let columns = columns(&reading.accepted);
        let restored =
            self.warehouse.restore(&plan, &reading.plan(), &columns, batches, reading.judged()).await.unwrap();
        let RecordWithdrawal { status, outcomes, .. } = restored.commit().await.unwrap();
        assert_eq!(status, WithdrawalStatus::Restored);
        self.refill(dataset, others).await;
        outcomes.unwrap()
    }

    /// Fills staging again, as the stage `load` does after each commit.
    async fn refill(&mut self, dataset: &Dataset, versions: &[&Version]) {
        for (at, record) in dataset.records.iter().enumerate() {
            for gap in self.warehouse.staging_gaps(&dataset.layout, record).await.unwrap() {
                let is_of_gap =
                    |version: &&&Version| version.record == at && gap.accepted.contains(&format!("/{}-", version.id));
                let version = versions.iter().find(is_of_gap).unwrap();
                let accepted = batch(&record.fields, version.rows.iter().filter(|row| row.accepted));
                let (columns, batches) = (columns(&accepted), stream::iter([Ok(accepted)]));
                assert!(self.warehouse.fill_staging(&dataset.layout, record, &gap, &columns, batches).await.unwrap());
            }
        }
    }

    /// The only value of a query.
    pub(crate) async fn text(&self, query: &str) -> String {
        self.client.query_one(query, &[]).await.unwrap().get(0)
    }

    /// The first column of a query's rows.
    pub(crate) async fn rows(&self, query: &str) -> Vec<String> {
        self.client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Loads a version, and asks the checks as its run does.
    pub(crate) async fn load_and_check(&mut self, dataset: &Dataset, version: &Version) -> Result<Vec<Checked>> {
        self.evolve(dataset).await;
        let run_id = self.run_id(version);
        let reading = Reading::new(dataset, version, "checked", &run_id);
        let batches = stream::iter([Ok(reading.accepted.clone())]);
        self.warehouse.load(&reading.plan(), batches, reading.judged()).await?.commit().await?;
        let run = self.warehouse.with_loads_known(&DatasetRun::from(&reading.run)).await?;
        self.warehouse.check(&run, dataset).await
    }

    /// Asks the checks as the daily run does.
    pub(crate) async fn check_all(&mut self, dataset: &Dataset) -> Result<Vec<Checked>> {
        let version = super::one_row(0, "daily", &[]);
        let run_id = self.run_id(&version);
        let run = DatasetRun {
            object: None,
            started_at: chrono::Utc::now(),
            ..DatasetRun::from(&Reading::new(dataset, &version, "daily", &run_id).run)
        };
        let run = self.warehouse.with_loads_known(&run).await?;
        self.warehouse.check(&run, dataset).await
    }

    /// Publishes the marts that follow the tables, and compares them with what their definitions give. Returns how many rows they have.
    pub(crate) async fn follow(&mut self, dataset: &Dataset) -> usize {
        let follows = |mart: &&Mart| matches!(mart.kind, MartKind::Materialized { by: Some(_), .. });
        let marts: Vec<Mart> = dataset.marts.iter().filter(follows).cloned().collect();
        if marts.is_empty() {
            return 0;
        }
        let version = super::one_row(0, "marts", &[]);
        let run_id = self.run_id(&version);
        let of_version = DatasetRun::from(&Reading::new(dataset, &version, "marts", &run_id).run);
        let run = DatasetRun { object: None, started_at: Utc::now(), ..of_version };
        let published = self.warehouse.publish(&run, &dataset.layout, &marts, &[]).await.unwrap();
        assert!(!published.left_to_newer);
        let mut rows = 0;
        for mart in &marts {
            let place = name(&dataset.layout.schemas.marts, &mart.name, "");
            let [stored, computed] = [&place, &name(&dataset.layout.schemas.marts, &mart.name, "__def")]
                .map(|relation| format!("SELECT to_jsonb(r)::text FROM {relation} r"));
            let differ = format!("({stored} EXCEPT ALL {computed}) UNION ALL ({computed} EXCEPT ALL {stored})");
            assert_eq!(self.rows(&differ).await, Vec::<String>::new(), "{place} is not what its definition gives");
            rows += self.rows(&stored).await.len();
        }
        rows
    }

    /// The marts that stay as they were, with the checks that keep them so.
    pub(crate) async fn blocked(&self, dataset: &Dataset) -> Vec<(String, Vec<String>)> {
        self.warehouse.blocked(dataset).await.unwrap().into_iter().collect()
    }

    /// Sees that each reference has its member.
    pub(crate) async fn check_references(&self, dataset: &Dataset) {
        self.warehouse.check_references(&dataset.layout).await.unwrap();
    }

    /// All that the tables hold, and what the views and functions show, sorted; references as natural keys.
    pub(crate) async fn lines(&self, dataset: &Dataset, day: NaiveDate) -> Vec<String> {
        let rows = self.client.query(&query(dataset, day), &[]).await.unwrap_or_else(|error| unreachable!("{error:?}"));
        let mut lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        lines.sort();
        lines
    }
}

/// The natural key of a row of a base table.
fn key(table: &Table, alias: &str) -> String {
    let columns = table.key.iter().map(|column| format!("{alias}.{}", quote(&column.name)));
    format!("concat_ws(',', {})", columns.collect::<Vec<_>>().join(", "))
}

fn shown(value: &str) -> String {
    format!("coalesce(({value})::text, '∅')")
}

/// Columns of a state, each as text.
fn values(table: &Table, alias: &str) -> Vec<String> {
    table.state.iter().map(|column| shown(&format!("{alias}.{}", quote(&column.name)))).collect()
}

/// All lines of all tables: see [`super::model::Model::lines`].
fn query(dataset: &Dataset, day: NaiveDate) -> String {
    let tables = &dataset.layout.tables;
    let place = |table: &Table, ending: &str| name(&tables.warehouse, &table.name, ending);
    let mut parts: Vec<String> = Vec::new();
    let mut part = |columns: &[String], from: &str| {
        parts.push(format!("SELECT concat_ws('|', {}) FROM {from}", columns.join(", ")))
    };
    let literal = |text: String| format!("'{text}'");
    let instant = |column: &str| shown(&format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI')"));
    for record in &tables.records {
        let fields = record.fields.iter().map(|field| shown(&format!("s.{}", quote(&field.name))));
        let columns: Vec<String> =
            [literal(format!("{} staging", record.name)), "v.version_id".into(), "s.source_line".into()]
                .into_iter()
                .chain(fields)
                .collect();
        let from = format!(
            "{} s JOIN audit.object_version v USING (object_version_key)",
            name(&tables.staging, &record.name, "")
        );
        part(&columns, &from);
    }
    for table in tables.tables() {
        let rows = place(table, "_rows");
        let state = |alias: &str| {
            let references = table.references.iter().map(|reference| {
                let dimension = tables.tables().find(|other| other.name == reference.table).unwrap();
                let (key, place) = (key(dimension, "d"), place(dimension, "_rows"));
                shown(&format!("SELECT {key} FROM {place} d WHERE d.row_key = {alias}.{}", quote(&reference.name)))
            });
            references.chain(values(table, alias)).collect::<Vec<_>>()
        };
        let newest = |alias: &str| match &table.newest_by {
            Some(_) => shown(&format!("{alias}.row_newest")),
            None => literal("∅".into()),
        };
        let columns = |begin: &[String], alias: &str, end: &[String]| [begin, &state(alias), end].concat();
        let begin = [literal(table.name.clone()), key(table, "m"), "m.row_status".into()];
        let end = [newest("m"), shown("v.version_id"), shown("m.source_line"), instant("m.valid_from")];
        let versions = "LEFT JOIN audit.object_version v ON v.object_version_key";
        part(&columns(&begin, "m", &end), &format!("{rows} m {versions} = m.object_version_key"));

        let begin = [literal(format!("{} history", table.name)), key(table, "m"), "h.row_absent::text".into()];
        let end = [
            newest("h"),
            shown("v.version_id"),
            shown("h.source_line"),
            instant("h.valid_from"),
            shown("c.version_id"),
            instant("h.valid_to"),
        ];
        let from = format!(
            "{} h LEFT JOIN {rows} m ON m.row_key = h.row_key {versions} = h.object_version_key LEFT JOIN audit.object_version c ON \
             c.object_version_key = h.closing_version_key",
            place(table, "_history")
        );
        part(&columns(&begin, "h", &end), &from);

        let begin =
            [literal(format!("{} presence", table.name)), "v.version_id".into(), key(table, "m"), "u.line".into()];
        let from = format!(
            "{} p JOIN audit.object_version v USING (object_version_key), unnest(p.row_keys, p.source_lines) AS u (row_key, line) LEFT JOIN {rows} m \
             ON m.row_key = u.row_key",
            place(table, "_presence")
        );
        part(&begin, &from);

        let member = format!("JOIN {rows} m ON m.row_key = p.{}", quote(&table.surrogate));
        let begin = [literal(format!("{} view", table.name)), key(table, "m")];
        part(&columns(&begin, "p", &[]), &format!("{} p {member}", place(table, "")));
        if table.newest_by.is_none() {
            let begin = [literal(format!("{} on", table.name)), key(table, "m")];
            part(&columns(&begin, "p", &[]), &format!("{}(date '{day}') p {member}", place(table, "_on")));
        }
        for reference in table.references.iter().filter(|reference| reference.as_of.is_some()) {
            let dimension = tables.tables().find(|other| other.name == reference.table).unwrap();
            let view = format!("{}_with_{}", table.name, dimension.name);
            let begin =
                [literal(format!("{} with {}", table.name, dimension.name)), key(table, "m"), key(dimension, "d")];
            let columns = [&begin[..], &values(dimension, "p"), &["p.extrapolated::text".into()]].concat();
            let from = format!(
                "{} p {member} JOIN {} d ON d.row_key = p.{}",
                name(&tables.warehouse, &view, ""),
                place(dimension, "_rows"),
                quote(&dimension.surrogate)
            );
            part(&columns, &from);
        }
    }
    let mut sql = String::new();
    for (at, part) in parts.iter().enumerate() {
        let _ = write!(sql, "{}{part}", if at == 0 { "" } else { "\nUNION ALL " });
    }
    sql
}
