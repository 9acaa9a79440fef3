//! The statements that make the tables.

use std::fmt::Write as _;

use crate::description::{Calendar, Column, Computed, Dataset, Output, Partitions, SqlType, Table};
use crate::names::{list, name, quote};
use crate::references::REFERS_TO;
use crate::{changes, staging, views};

/// A base table with the statements that make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether only the engine reads it: everybody else reads the views on it.
    pub is_internal: bool,
    /// The statements that make it, and its indexes.
    pub create: String,
    /// What it is a partition of, if it is one.
    pub part: Option<Part>,
}

/// A partition of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The partitioned table, in the same schema.
    pub of: String,
    /// The day by which its rows are spread.
    pub by: String,
    /// The days that it holds, from the first until before the last; `None` is the default partition.
    pub days: Option<(String, String)>,
}

impl Part {
    /// The statement that makes a partition of this name in a schema.
    fn create(&self, schema: &str, partition: &str) -> String {
        let days = match &self.days {
            Some((from, until)) => format!("FOR VALUES FROM ('{from}') TO ('{until}')"),
            None => "DEFAULT".to_owned(),
        };
        format!("CREATE TABLE {} PARTITION OF {} {days};\n", name(schema, partition, ""), name(schema, &self.of, ""))
    }
}

impl Base {
    /// The statements that make a partition when the default one may have rows of its days, which go into it: `columns` are those of the table that
    /// are not computed. Of any other table [`Base::create`].
    pub fn create_beside(&self, default: &str, columns: &[&str]) -> String {
        let Some(Part { of, by, days: Some((from, until)) }) = &self.part else { return self.create.clone() };
        let (of, default, columns) =
            (name(&self.schema, of, ""), name(&self.schema, default, ""), list(columns.iter().copied()));
        let days = format!("{by} >= '{from}' AND {by} < '{until}'", by = quote(by));
        format!(
            "ALTER TABLE {of} DETACH PARTITION {default};\n{}INSERT INTO {of} ({columns}) SELECT {columns} FROM {default} WHERE {days};\n\
             DELETE FROM {default} WHERE {days};\nALTER TABLE {of} ATTACH PARTITION {default} DEFAULT;\n",
            self.create
        )
    }
}

/// All statements that make the tables of a dataset, in an order in which they can be executed. The schemas are there.
pub fn create(dataset: &Dataset) -> String {
    let sql: String = bases(dataset).iter().map(|base| base.create.as_str()).collect();
    sql + &readers(dataset)
}

/// The statements of [`create`] that make what readers know, above the base tables: views and functions.
pub fn readers(dataset: &Dataset) -> String {
    let views: String = views::views(dataset).iter().map(|view| view.create(&dataset.warehouse)).collect();
    views + &views::functions(dataset)
}

/// The base tables of a dataset.
pub fn bases(dataset: &Dataset) -> Vec<Base> {
    let schema = &dataset.warehouse;
    let base = |schema: &str, name: String, create: String| Base {
        schema: schema.to_owned(),
        name,
        is_internal: true,
        create,
        part: None,
    };
    let mut bases = Vec::new();
    for record in &dataset.records {
        bases.push(base(&dataset.staging, record.name.clone(), staging::create(dataset, record)));
        bases.extend(record.calendars.iter().map(|calendar| Base {
            is_internal: false,
            ..base(schema, calendar.name.clone(), calendar_table(schema, calendar))
        }));
    }
    for table in dataset.tables() {
        let of = |ending: &str| format!("{}{ending}", table.name);
        bases.push(base(schema, of("_rows"), rows(schema, table)));
        for (name, part) in parts(table) {
            let create = part.create(schema, &name);
            bases.push(Base { part: Some(part), ..base(schema, name, create) });
        }
        bases.push(base(schema, of("_history"), history(schema, table)));
        bases.push(base(schema, of("_presence"), presence(schema, table)));
        if let Some(scope) = &table.snapshot {
            bases.push(base(schema, of("_snapshots"), snapshots(schema, table, scope)));
            bases.push(base(schema, of("_refused"), refused(schema, table)));
        }
        if !table.followed.is_empty() {
            bases.push(base(schema, of("_changes"), changes::create(schema, table)));
        }
        for output in &table.outputs {
            for (table, create) in output.tables().into_iter().zip(output_tables(schema, output)) {
                let index = match table.ends_with("_scale") {
                    true => String::new(),
                    false => format!("CREATE UNIQUE INDEX ON {} (row_key);\n", name(schema, &table, "")),
                };
                bases.push(base(schema, table, create + &index));
            }
        }
    }
    bases
}

/// The partitions of a table's rows, with their names; the default one is the last.
fn parts(table: &Table) -> Vec<(String, Part)> {
    let Some(Partitions { by, ranges }) = &table.partitions else { return Vec::new() };
    let part = |name: &str, days| {
        let rows = format!("{}_rows", table.name);
        (format!("{rows}_{name}"), Part { of: rows, by: by.clone(), days })
    };
    let ranges = ranges.iter().map(|range| part(&range.name, Some((range.from.clone(), range.until.clone()))));
    ranges.chain([part("default", None)]).collect()
}

/// The names of all that [`create`] makes, each with its schema: base tables, and the views that readers know.
pub fn names(dataset: &Dataset) -> Vec<String> {
    let bases = bases(dataset).into_iter().map(|base| format!("{}.{}", base.schema, base.name));
    let views = views::views(dataset).into_iter().map(|view| format!("{}.{}", dataset.warehouse, view.name));
    bases.chain(views).collect()
}

fn calendar_table(schema: &str, calendar: &Calendar) -> String {
    let day = quote(&calendar.day);
    let number = Calendar::number(&calendar.key, &calendar.day);
    format!(
        "CREATE TABLE {} (\n{}  {day} date PRIMARY KEY,\n{}  UNIQUE ({})\n);\n",
        name(schema, &calendar.name, ""),
        computed(std::slice::from_ref(&number)),
        computed(&calendar.columns),
        quote(&calendar.key),
    )
}

fn columns(columns: &[Column], ending: &str) -> String {
    columns.iter().fold(String::new(), |mut sql, column| {
        let _ = writeln!(sql, "  {} {}{ending},", quote(&column.name), column.sql_type);
        sql
    })
}

/// Stored columns, each with its comma.
fn computed(columns: &[Computed]) -> String {
    columns.iter().fold(String::new(), |mut sql, Computed { column, expression }| {
        let _ =
            writeln!(sql, "  {} {} GENERATED ALWAYS AS ({expression}) STORED,", quote(&column.name), column.sql_type);
        sql
    })
}

fn checks(table: &Table) -> String {
    table.checks.iter().map(|check| format!(",\n  CHECK ({check})")).collect()
}

/// The column of the order, with its comma, if the table has one.
fn newest(table: &Table) -> String {
    table.newest_by.as_ref().map(|newest| format!("  row_newest {},\n", newest.field.sql_type)).unwrap_or_default()
}

/// A row per member, with its current state. A unique key of a partitioned table has the column by which it is partitioned, which is part of
/// the natural key; that no two rows have one `row_key` follows from its sequence.
fn rows(schema: &str, table: &Table) -> String {
    let of = |ending: &str| name(schema, &table.name, ending);
    let (rows, sequence) = (of("_rows"), of("_row_key_seq"));
    let (primary, also_primary, spread) = match &table.partitions {
        None => (" PRIMARY KEY", String::new(), String::new()),
        Some(Partitions { by, .. }) => {
            ("", format!("  PRIMARY KEY (row_key, {}),\n", quote(by)), format!(" PARTITION BY RANGE ({})", quote(by)))
        }
    };
    let mut sql = format!(
        "CREATE SEQUENCE {sequence};\nCREATE TABLE {rows} (\n  row_key bigint{primary} DEFAULT nextval('{text}'),\n{key}{state}{computed}  row_status text NOT NULL CHECK \
         (row_status IN ('open', 'current', 'absent')),\n{newest}  valid_from timestamptz,\n  object_version_key bigint,\n  source_line bigint,\n{also_primary}  UNIQUE ({unique}),\n  \
         CHECK ((row_status = 'open') = (object_version_key IS NULL)){checks}\n){spread};\nALTER SEQUENCE {sequence} OWNED BY {rows}.row_key;\nCREATE INDEX ON {rows} (row_key) WHERE \
         row_status = 'open';\n",
        text = sequence.replace('\'', "''"),
        key = columns(&table.key, " NOT NULL"),
        state = columns(&table.state_columns(), ""),
        computed = computed(&table.computed),
        newest = newest(table),
        unique = table.key_list(),
        checks = checks(table),
    );
    for reference in &table.references {
        let column = quote(&reference.name);
        let _ = writeln!(
            sql,
            "CREATE INDEX ON {rows} ({column});\nCOMMENT ON COLUMN {rows}.{column} IS '{REFERS_TO}{}';",
            reference.table
        );
    }
    for index in &table.indexes {
        let condition = index.condition.as_ref().map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        let columns = list(index.columns.iter().map(String::as_str));
        let _ = writeln!(sql, "CREATE INDEX ON {rows} ({columns}){condition};");
    }
    if let Some(scope) = table.snapshot.as_ref().filter(|scope| !scope.is_empty()) {
        let _ = writeln!(sql, "CREATE INDEX ON {rows} ({});", list(scope.iter().map(String::as_str)));
    }
    sql
}

/// The earlier intervals.
fn history(schema: &str, table: &Table) -> String {
    let history = name(schema, &table.name, "_history");
    let mut sql = format!(
        "CREATE TABLE {history} (\n  row_key bigint NOT NULL,\n{state}{computed}  row_absent boolean NOT NULL,\n{newest}  valid_from timestamptz NOT NULL,\n  \
         valid_to timestamptz NOT NULL,\n  object_version_key bigint NOT NULL,\n  source_line bigint,\n  closing_version_key bigint NOT NULL,\n  PRIMARY KEY (row_key, \
         object_version_key){checks}\n);\n",
        state = columns(&table.state_columns(), ""),
        computed = computed(&table.computed),
        newest = newest(table),
        checks = checks(table),
    );
    for reference in &table.references {
        let _ = writeln!(sql, "CREATE INDEX ON {history} ({});", quote(&reference.name));
    }
    sql
}

/// Which members each version showed.
fn presence(schema: &str, table: &Table) -> String {
    let newest = table.newest_by.as_ref().map(|newest| newest.field.sql_type);
    format!(
        "CREATE TABLE {} (\n  object_version_key bigint PRIMARY KEY,\n  row_keys bigint[] NOT NULL,\n  source_lines bigint[] NOT NULL{}\n);\n",
        name(schema, &table.name, "_presence"),
        newest
            .map(|kind| format!(",\n  row_newest {} NOT NULL,\n  newest_most {kind}", kind.list()))
            .unwrap_or_default(),
    )
}

/// What each complete file was complete of.
fn snapshots(schema: &str, table: &Table, scope: &[String]) -> String {
    let scoped: Vec<Column> = table.key.iter().filter(|column| scope.contains(&column.name)).cloned().collect();
    format!(
        "CREATE TABLE {} (\n  object_version_key bigint NOT NULL,\n{}  row_blind boolean NOT NULL,\n  PRIMARY KEY ({})\n);\n",
        name(schema, &table.name, "_snapshots"),
        columns(&scoped, " NOT NULL"),
        list(["object_version_key"].into_iter().chain(scope.iter().map(String::as_str))),
    )
}

/// The keys of the rows of complete files that were refused.
fn refused(schema: &str, table: &Table) -> String {
    format!(
        "CREATE TABLE {} (\n  object_version_key bigint NOT NULL,\n{}  PRIMARY KEY (object_version_key, {})\n);\n",
        name(schema, &table.name, "_refused"),
        columns(&table.key, " NOT NULL"),
        table.key_list(),
    )
}

/// The statements that make a model's tables, in the order of [`Output::tables`], without the indexes of their rows: the scores are written first.
pub fn output_tables(schema: &str, output: &Output) -> [String; 3] {
    let [scores, reasons, scale] = output.tables().map(|table| name(schema, &table, ""));
    [
        format!("CREATE TABLE {scores} (\n  row_key bigint NOT NULL,\n  raw double precision NOT NULL\n);\n"),
        format!(
            "CREATE TABLE {reasons} (\n  row_key bigint NOT NULL,\n  reason {} NOT NULL\n);\n",
            SqlType::Text(100_000)
        ),
        format!("CREATE TABLE {scale} (\n  centre double precision NOT NULL,\n  unit double precision\n);\n"),
    ]
}
