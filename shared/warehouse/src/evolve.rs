//! Tables that are there, and a declaration that has grown: what is missing is added, and nothing else is changed.
//!
//! What the declaration wants is made as temporary tables first, and read back from the catalogue, so that PostgreSQL itself compares types,
//! expressions and conditions. What the database has beyond the declaration stays: a later declaration wanted it.

use std::collections::BTreeMap;

use fonderie_contract::Layout;
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_tables::{Base, Dataset, REFERS_TO, View, bases, function, name, quote, views};
use tokio_postgres::{GenericClient, Transaction};

use crate::declare::make;
use crate::error::Doing;
use crate::sql::grants;
use crate::tables::Made;

const COMPARING: &str = "comparing the tables with the declaration";
const CHANGING: &str = "bringing the tables to the declaration";

/// A column as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    sql_type: String,
    /// With its keyword, if it is not the type's own.
    collation: String,
    /// What it is computed from.
    computed: Option<String>,
    /// It wants a value of each row, and has none by itself.
    needed: bool,
    /// The dimension whose members it holds, if it is a reference.
    refers_to: Option<String>,
}

/// A table as the catalogue has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    columns: BTreeMap<String, Column>,
    /// Keys and conditions, each with its name.
    constraints: BTreeMap<String, String>,
    /// What follows the names in the definitions of its indexes.
    indexes: Vec<String>,
    /// By what its rows are spread over partitions, if they are.
    spread: Option<String>,
    /// The partitioned table, and which rows of it are here, if it is a partition.
    part: Option<(String, String)>,
}

impl Found {
    /// The columns that take values.
    fn stored(&self) -> Vec<&str> {
        let stored = self.columns.iter().filter(|(_, column)| column.computed.is_none());
        stored.map(|(name, _)| name.as_str()).collect()
    }
}

/// What is to be done.
#[derive(Debug, Default)]
struct Steps {
    /// Tables whose views stand in the way, since a column gets wider.
    widened: Vec<String>,
    statements: Vec<String>,
    /// What only a person can decide.
    refused: Vec<Refused>,
}

/// A contradiction between the declaration and the tables.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    sentence: String,
    way_out: WayOut,
}

/// What a person can do about a contradiction.
#[derive(Debug, PartialEq, Eq)]
enum WayOut {
    /// A statement of SQL.
    Statement(String),
    /// A statement that the views of the tables do not let through: they go first, and the next run makes them again.
    WithoutViews(String),
    /// No statement leaves the rows right: the tables are made again.
    Rebuild,
}

impl Steps {
    fn refuse(&mut self, sentence: String, way_out: WayOut) {
        let refused = Refused { sentence, way_out };
        // one may be in the way of several
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }
}

/// Adds what the declaration has and the database lacks.
///
/// # Errors
/// `SchemaMismatch` with the statements that a person must review, if the declaration and the tables contradict each other; the database's.
pub(crate) async fn evolve(transaction: &Transaction<'_>, layout: &Layout) -> Result<()> {
    let dataset = &layout.tables;
    let mut steps = Steps::default();
    for schema in [&dataset.staging, &dataset.warehouse] {
        let real = bases(dataset).into_iter().filter(|base| base.schema == *schema).collect::<Vec<_>>();
        let names: Vec<&str> = real.iter().map(|base| base.name.as_str()).collect();
        let mut days = Vec::new();
        let namespace = "SELECT to_regnamespace(quote_ident($1))::oid";
        let namespace: Option<u32> = transaction.query_one(namespace, &[schema]).await.doing(COMPARING)?.get(0);
        let found = read(transaction, namespace, &names).await?;
        let wanted = draft(transaction, dataset, schema, &names).await?;
        for base in &real {
            match (found.get(&base.name), wanted.get(&base.name)) {
                (Some(found), Some(wanted)) if found.spread != wanted.spread => {
                    spread_otherwise(base, found, wanted, &mut steps);
                }
                (Some(_), Some(wanted)) if base.part.is_some() => {
                    compare_parts(base, wanted, &found, &mut steps);
                }
                (Some(found), Some(wanted)) => compare(base, found, wanted, &mut steps),
                (None, Some(_)) if base.name.ends_with("_snapshots") && found.contains_key(&rows_of(&base.name)) => {
                    let sentence = format!(
                        "{schema}.{} has no complete files (`snapshot`), and is declared with them",
                        rows_of(&base.name)
                    );
                    steps.refuse(sentence, WayOut::Rebuild);
                }
                (None, Some(wanted)) if base.part.is_some() => {
                    add_part(base, wanted, &found, &mut steps);
                }
                _ => {
                    steps.statements.push(base.create.clone());
                    days.extend(days_of(dataset, &base.name, &found));
                }
            }
        }
        steps.statements.extend(days);
    }
    let mut replaced = Vec::new();
    for mut view in views(dataset) {
        let known = columns_of(transaction, &dataset.warehouse, &view.name).await?;
        let is_declared = |column: &&String| view.columns.iter().any(|(name, _)| name == *column);
        let beyond: Vec<&str> = known.iter().filter(|column| !is_declared(column)).map(String::as_str).collect();
        let has_all = view.columns.iter().all(|(name, _)| known.contains(name));
        match (beyond.is_empty(), has_all) {
            // a later declaration made it
            (false, true) => continue,
            (false, false) => {
                let place = format!("{}.{}", dataset.warehouse, view.name);
                let sentence = format!("{place} has the columns {}, which are not declared", beyond.join(", "));
                steps.refuse(sentence, WayOut::WithoutViews(String::new()));
            }
            (true, _) => {}
        }
        // a view takes further columns at its end
        let place = |name: &str| known.iter().position(|column| column == name).unwrap_or(usize::MAX);
        view.columns.sort_by_key(|(name, _)| place(name));
        replaced.push(view);
    }
    undeclared(transaction, layout, &mut steps).await?;
    if !steps.refused.is_empty() {
        let views = views_of(transaction, dataset).await?;
        return Err(refusal(&dataset.name, &steps.refused, &views));
    }
    let waiting = Waiting::drop(transaction, layout, &steps.widened).await?;
    for statement in &steps.statements {
        transaction.batch_execute(statement).await.doing(CHANGING)?;
    }
    for view in &replaced {
        transaction.batch_execute(&view.create(&dataset.warehouse)).await.doing(CHANGING)?;
    }
    renew_functions(transaction, dataset, &replaced).await?;
    waiting.make_again(transaction, &replaced).await
}

/// The statements that give a new calendar the days of the rows that are there.
fn days_of(dataset: &Dataset, calendar: &str, found: &BTreeMap<String, Found>) -> Vec<String> {
    let (mut statements, schema) = (Vec::new(), &dataset.warehouse);
    for record in &dataset.records {
        let Some(declared) = record.calendars.iter().find(|declared| declared.name == calendar) else { continue };
        let bases = record
            .tables
            .iter()
            .flat_map(|table| ["_rows", "_history"].map(|ending| format!("{}{ending}", table.name)));
        let has_field =
            |base: &String| found.get(base).is_some_and(|table| table.columns.contains_key(&declared.field));
        for base in bases.filter(has_field) {
            let (place, day, field) = (name(schema, calendar, ""), quote(&declared.day), quote(&declared.field));
            statements.push(format!(
                "INSERT INTO {place} ({day}) SELECT DISTINCT {field} FROM {} WHERE {field} IS NOT NULL ON CONFLICT DO NOTHING",
                name(schema, &base, "")
            ));
        }
    }
    statements
}

/// The base table of rows beside another base table.
fn rows_of(base: &str) -> String {
    format!("{}_rows", base.rsplit_once('_').map_or(base, |(table, _)| table))
}

/// What stands in the database and a declaration that is new to it no longer has: tables, and the time zone in which days were counted.
async fn undeclared(transaction: &Transaction<'_>, layout: &Layout, steps: &mut Steps) -> Result<()> {
    // scores and lists of changes are no part of a table's states
    let query = "SELECT t.name FROM audit.dataset_table t JOIN pg_class c ON c.oid = to_regclass(t.name) \
                 WHERE t.dataset = $1 AND t.name <> ALL ($2::text[]) AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
                   AND t.name !~ '_(scores|reasons|scale|changes)$' ORDER BY t.name";
    let declared = Made::by(layout).tables;
    for row in transaction.query(query, &[&layout.tables.name, &declared]).await.doing(COMPARING)? {
        let table: String = row.get(0);
        let own = ["_history", "_presence", "_refused"].iter().any(|ending| table.ends_with(ending));
        if !own {
            steps.refuse(format!("{table} is there, and is not declared any more"), WayOut::Rebuild);
        }
    }
    let query = "SELECT time_zone FROM audit.declaration WHERE dataset = $1 AND time_zone IS NOT NULL ORDER BY declared_at DESC LIMIT 1";
    if let Some(row) = transaction.query_opt(query, &[&layout.tables.name]).await.doing(COMPARING)? {
        let (have, want) = (row.get::<_, &str>(0), layout.tables.time_zone.as_str());
        if have != want {
            let sentence = format!("days were counted in the time zone {have}, and it is declared as {want}");
            steps.refuse(sentence, WayOut::Rebuild);
        }
    }
    Ok(())
}

/// The statements after which no view of the dataset's tables is in the way, and the next run makes them again.
async fn views_of(transaction: &Transaction<'_>, dataset: &Dataset) -> Result<String> {
    let query = "SELECT format('%I.%I', n.nspname, c.relname), t.name FROM audit.dataset_table t JOIN pg_class c ON c.oid = to_regclass(t.name) \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.dataset = $1 AND c.relkind = 'v' ORDER BY t.name";
    let rows = transaction.query(query, &[&dataset.name]).await.doing(COMPARING)?;
    let views: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    let names: Vec<String> =
        rows.iter().map(|row| format!("'{}'", row.get::<_, &str>(1).replace('\'', "''"))).collect();
    Ok(format!(
        "DROP VIEW {} CASCADE; DELETE FROM audit.dataset_table WHERE dataset = '{}' AND name IN ({})",
        views.join(", "),
        dataset.name,
        names.join(", ")
    ))
}

fn refusal(dataset: &str, refused: &[Refused], views: &str) -> StageError {
    // a history has what its table has
    let (history, table): (Vec<&str>, Vec<&str>) =
        refused.iter().map(|refused| refused.sentence.as_str()).partition(|sentence| sentence.contains("_history"));
    let found = if table.is_empty() { history } else { table }.join("; ");
    let mut statements: Vec<&str> = Vec::new();
    for Refused { way_out, .. } in refused {
        match way_out {
            WayOut::Statement(sql) => statements.push(sql),
            WayOut::WithoutViews(sql) => {
                if !statements.contains(&views) {
                    statements.insert(0, views);
                }
                statements.push(sql);
            }
            WayOut::Rebuild => {}
        }
    }
    // with one that no statement mends, the others are of no use
    if refused.iter().any(|refused| refused.way_out == WayOut::Rebuild) {
        statements.clear();
    }
    statements.retain(|statement| !statement.is_empty());
    let statements = statements.join("; ");
    let review = match statements.as_str() {
        "" => String::new(),
        statements => format!(", or review and run as the tables' owner: {statements}"),
    };
    let message = format!(
        "the declaration of `{dataset}` and its tables contradict each other: {found}. Nothing was written: take the declaration back, or make the \
         tables again (`fonderie rebuild --dataset {dataset}`){review}"
    );
    // statements that are cut could not be executed
    StageError { code: ErrorCode::SchemaMismatch, message, source: None }
}

/// The tables of a schema as the declaration wants them.
async fn draft(
    transaction: &Transaction<'_>,
    dataset: &Dataset,
    schema: &str,
    names: &[&str],
) -> Result<BTreeMap<String, Found>> {
    let temporary = "pg_temp".to_owned();
    let draft = Dataset { staging: temporary.clone(), warehouse: temporary, ..dataset.clone() };
    let of_schema = bases(dataset).into_iter().zip(bases(&draft)).filter(|(real, _)| real.schema == schema);
    let drafts: Vec<Base> = of_schema.map(|(_, draft)| draft).collect();
    transaction.batch_execute("SAVEPOINT draft").await.doing(COMPARING)?;
    for base in &drafts {
        // a temporary table is never logged
        let create = base.create.replace("CREATE UNLOGGED TABLE", "CREATE TABLE");
        make(transaction, dataset, base, &create).await?;
    }
    let namespace: u32 = transaction.query_one("SELECT pg_my_temp_schema()", &[]).await.doing(COMPARING)?.get(0);
    let wanted = read(transaction, Some(namespace), names).await?;
    transaction.batch_execute("ROLLBACK TO SAVEPOINT draft; RELEASE SAVEPOINT draft").await.doing(COMPARING)?;
    Ok(wanted)
}

/// Reads these tables of a schema, and all partitions of them.
async fn read(client: &impl GenericClient, namespace: Option<u32>, names: &[&str]) -> Result<BTreeMap<String, Found>> {
    let mut tables: BTreeMap<String, Found> = BTreeMap::new();
    let Some(namespace) = namespace else { return Ok(tables) };
    let columns = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), \
                     CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %I', l.collname) ELSE '' END, \
                     CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END, a.attnotnull AND d.oid IS NULL, \
                     col_description(c.oid, a.attnum) \
                   FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                   JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation \
                   LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
                   WHERE c.relnamespace = $1 AND c.relname = ANY ($2) AND c.relkind IN ('r', 'p')";
    let parts = "SELECT c.relname::text, pg_get_partkeydef(c.oid), p.relname::text, pg_get_expr(c.relpartbound, c.oid) \
                 FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent \
                 WHERE c.relnamespace = $1 AND (c.relkind = 'p' AND c.relname = ANY ($2) OR c.relkind = 'r' AND p.relname = ANY ($2))";
    for row in client.query(parts, &[&namespace, &names]).await.doing(COMPARING)? {
        let table = tables.entry(row.get(0)).or_default();
        table.spread = row.get(1);
        table.part = row.get::<_, Option<String>>(2).zip(row.get(3));
    }
    for row in client.query(columns, &[&namespace, &names]).await.doing(COMPARING)? {
        let comment: Option<String> = row.get(6);
        let column = Column {
            sql_type: row.get(2),
            collation: row.get(3),
            computed: row.get(4),
            needed: row.get(5),
            refers_to: comment.and_then(|comment| comment.strip_prefix(REFERS_TO).map(str::to_owned)),
        };
        tables.entry(row.get(0)).or_default().columns.insert(row.get(1), column);
    }
    let others = "SELECT c.relname::text, o.conname::text, pg_get_constraintdef(o.oid) FROM pg_class c JOIN pg_constraint o ON o.conrelid = c.oid \
                  WHERE c.relnamespace = $1 AND c.relname = ANY ($2) AND o.contype IN ('c', 'u', 'p') \
                  UNION ALL SELECT c.relname::text, NULL, substring(pg_get_indexdef(i.indexrelid) FROM ' (USING .*)$') \
                  FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid \
                  WHERE c.relnamespace = $1 AND c.relname = ANY ($2) AND NOT i.indisunique";
    for row in client.query(others, &[&namespace, &names]).await.doing(COMPARING)? {
        let table = tables.entry(row.get(0)).or_default();
        match row.get(1) {
            Some(name) => drop(table.constraints.insert(row.get(2), name)),
            None => table.indexes.push(row.get(2)),
        }
    }
    Ok(tables)
}

/// A table is partitioned, or is not, or by another column: PostgreSQL changes none of that in place. The table that is there can become the
/// default partition of a new one, out of which the next run takes the rows of the partitions that are declared.
fn spread_otherwise(base: &Base, found: &Found, wanted: &Found, steps: &mut Steps) {
    let shown = |table: &Found| match &table.spread {
        Some(by) => format!("partitioned by {by}"),
        None => "one table without partitions".to_owned(),
    };
    let (have, want) = (shown(found), shown(wanted));
    let sentence = format!("{}.{} is {have}, and is declared as {want}", base.schema, base.name);
    let (None, Some(by)) = (&found.spread, &wanted.spread) else {
        steps.refuse(sentence, WayOut::Rebuild);
        return;
    };
    let (place, default) = (name(&base.schema, &base.name, ""), name(&base.schema, &base.name, "_default"));
    let keys: String = wanted
        .constraints
        .keys()
        .filter(|constraint| constraint.starts_with("PRIMARY KEY") || constraint.starts_with("UNIQUE"))
        .map(|constraint| format!(", {constraint}"))
        .collect();
    let sequence = name(&base.schema, base.name.strip_suffix("_rows").unwrap_or(&base.name), "_row_key_seq");
    let statements = format!(
        "ALTER TABLE {place} RENAME TO {default_name}; ALTER TABLE {default} DROP CONSTRAINT {primary} CASCADE; CREATE TABLE {place} (LIKE {default} INCLUDING DEFAULTS \
         INCLUDING GENERATED INCLUDING CONSTRAINTS INCLUDING COMMENTS{keys}) PARTITION BY {by}; ALTER TABLE {place} ATTACH PARTITION {default} DEFAULT; ALTER SEQUENCE {sequence} OWNED BY \
         {place}.row_key; DELETE FROM audit.dataset_table WHERE name = '{}.{}'",
        base.schema,
        base.name,
        default_name = quote(&format!("{}_default", base.name)),
        primary = quote(&format!("{}_pkey", base.name)),
    );
    steps.refuse(sentence, WayOut::Statement(statements));
}

/// A partition that is there holds the days that are declared.
fn compare_parts(base: &Base, wanted: &Found, found: &BTreeMap<String, Found>, steps: &mut Steps) {
    let Some(have) = found.get(&base.name).filter(|have| have.part != wanted.part) else { return };
    let shown = |part: &Option<(String, String)>| match part {
        Some((of, days)) => format!("the partition of {of} {days}"),
        None => "no partition".to_owned(),
    };
    let (have, want) = (shown(&have.part), shown(&wanted.part));
    let sentence = format!("{}.{} is {have}, and is declared as {want}", base.schema, base.name);
    steps.refuse(sentence, WayOut::Statement(dissolve(base, &base.name, found)));
}

/// A partition that is not there yet: no other one may have some of its days, but the default one may have rows of them.
fn add_part(base: &Base, wanted: &Found, found: &BTreeMap<String, Found>, steps: &mut Steps) {
    let Some((of, days)) = &wanted.part else { return };
    let others = found.iter().filter_map(|(other, table)| {
        let (other_of, days) = table.part.as_ref()?;
        (other_of == of).then_some((other, table, days.as_str()))
    });
    let mut default = None;
    for (other, table, other_days) in others {
        if other_days == "DEFAULT" {
            default = Some((other, table));
        } else if overlap(other_days, days) {
            let sentence =
                format!("{}.{other} is the partition of {of} {other_days}, which is not declared", base.schema);
            steps.refuse(sentence, WayOut::Statement(dissolve(base, other, found)));
        }
    }
    steps.statements.push(match default {
        Some((default, table)) => base.create_beside(default, &table.stored()),
        None => base.create.clone(),
    });
}

/// The statements that bring the rows of a partition into the others, so that the next run finds none of its name or days.
fn dissolve(base: &Base, partition: &str, found: &BTreeMap<String, Found>) -> String {
    let of = base.part.as_ref().map_or("", |part| part.of.as_str());
    let stored = found.get(of).map(Found::stored).unwrap_or_default();
    let stored = stored.into_iter().map(quote).collect::<Vec<_>>().join(", ");
    let (of, place) = (name(&base.schema, of, ""), name(&base.schema, partition, ""));
    format!(
        "ALTER TABLE {of} DETACH PARTITION {place}; INSERT INTO {of} ({stored}) SELECT {stored} FROM {place}; DROP TABLE {place}; DELETE FROM \
         audit.dataset_table WHERE name = '{}.{partition}'",
        base.schema
    )
}

/// Whether two ranges of days, as the catalogue writes them, have days in common.
fn overlap(one: &str, other: &str) -> bool {
    fn days(bounds: &str) -> Option<(&str, &str)> {
        let (from, until) = bounds.strip_prefix("FOR VALUES FROM ('")?.split_once("') TO ('")?;
        Some((from, until.strip_suffix("')")?))
    }
    days(one)
        .zip(days(other))
        .is_some_and(|((from, until), (other_from, other_until))| from < other_until && other_from < until)
}

fn compare(base: &Base, found: &Found, wanted: &Found, steps: &mut Steps) {
    let place = name(&base.schema, &base.name, "");
    let shown = format!("{}.{}", base.schema, base.name);
    let newest = |table: &Found| table.columns.get("row_newest").map(|column| column.sql_type.clone());
    if newest(found) != newest(wanted) {
        let told =
            |newest: Option<String>| newest.map_or("no order of its own".to_owned(), |kind| format!("one by a {kind}"));
        let (have, want) = (told(newest(found)), told(newest(wanted)));
        steps.refuse(format!("{shown} has {have} (`newest_by`), and is declared with {want}"), WayOut::Rebuild);
        return;
    }
    // a list of what versions showed has no rows that a statement could bring to another key
    let is_list = ["_presence", "_snapshots", "_refused"].iter().any(|ending| base.name.ends_with(ending));
    let by = |way_out: WayOut| if is_list { WayOut::Rebuild } else { way_out };
    for (column, want) in &wanted.columns {
        let quoted = quote(column);
        let computed = |want: &Column| {
            want.computed.as_ref().map(|sql| format!(" GENERATED ALWAYS AS ({sql}) STORED")).unwrap_or_default()
        };
        let Some(have) = found.columns.get(column) else {
            let add = format!(
                "ALTER TABLE {place} ADD COLUMN {quoted} {}{}{}",
                want.sql_type,
                want.collation,
                computed(want)
            );
            if want.needed {
                steps.refuse(format!("{shown} lacks {column}, which is part of its key"), by(WayOut::Statement(add)));
            } else {
                steps.statements.push(add);
                steps.statements.extend(
                    want.refers_to
                        .as_ref()
                        .map(|table| format!("COMMENT ON COLUMN {place}.{quoted} IS '{REFERS_TO}{table}'")),
                );
            }
            continue;
        };
        if have.refers_to != want.refers_to {
            let shown_target = |column: &Column| match &column.refers_to {
                Some(table) => format!("a reference to {table}"),
                None => "no reference".to_owned(),
            };
            let (have, want) = (shown_target(have), shown_target(want));
            steps.refuse(format!("{shown}.{column} is {have}, and is declared as {want}"), WayOut::Rebuild);
            continue;
        }
        if have.computed != want.computed {
            let found = have.computed.as_deref().unwrap_or("no expression");
            let drop = format!("ALTER TABLE {place} DROP COLUMN {quoted}");
            let sentence = format!("{shown}.{column} is computed as {found}, and is declared otherwise");
            steps.refuse(sentence, WayOut::WithoutViews(drop));
        } else if have.sql_type != want.sql_type {
            let alter = format!("ALTER TABLE {place} ALTER COLUMN {quoted} TYPE {}{}", want.sql_type, want.collation);
            if is_wider(&want.sql_type, &have.sql_type) {
                steps.widened.push(place.clone());
                steps.statements.push(alter);
            } else if !is_wider(&have.sql_type, &want.sql_type) {
                let sentence = format!("{shown}.{column} is {} and is declared as {}", have.sql_type, want.sql_type);
                steps.refuse(sentence, by(WayOut::WithoutViews(alter)));
            }
        }
    }
    for (column, have) in found.columns.iter().filter(|(column, _)| !wanted.columns.contains_key(*column)) {
        if have.needed {
            let sentence = format!("{shown} has {column} in its key, which is not declared");
            let drop = format!("ALTER TABLE {place} DROP COLUMN {} CASCADE", quote(column));
            steps.refuse(sentence, by(WayOut::WithoutViews(drop)));
        }
    }
    for constraint in wanted.constraints.keys().filter(|one| !found.constraints.contains_key(*one)) {
        let sentence = format!("{shown} lacks the condition {constraint}");
        steps.refuse(sentence, by(WayOut::Statement(format!("ALTER TABLE {place} ADD {constraint}"))));
    }
    for (constraint, constraint_name) in &found.constraints {
        if constraint.starts_with("CHECK") && !wanted.constraints.contains_key(constraint) {
            let sentence = format!("{shown} has the condition {constraint}, which is not declared any more");
            let drop = format!("ALTER TABLE {place} DROP CONSTRAINT {}", quote(constraint_name));
            steps.refuse(sentence, by(WayOut::Statement(drop)));
        }
    }
    for index in wanted.indexes.iter().filter(|one| !found.indexes.contains(one)) {
        steps.statements.push(format!("CREATE INDEX ON {place} {index}"));
    }
}

/// Whether a type takes all that another takes: a longer text, or a number with as many digits on both sides of the mark.
fn is_wider(wide: &str, narrow: &str) -> bool {
    fn parts(sql_type: &str) -> Option<(&str, Vec<u32>)> {
        let (name, rest) = sql_type.split_once('(')?;
        let numbers = rest.strip_suffix(')')?.split(',').map(|part| part.trim().parse().ok());
        Some((name, numbers.collect::<Option<_>>()?))
    }
    match (parts(wide), parts(narrow)) {
        (Some(("character varying", wide)), Some(("character varying", narrow))) => wide > narrow,
        (Some(("numeric", wide)), Some(("numeric", narrow))) => match (wide.as_slice(), narrow.as_slice()) {
            ([digits, scale], [less, fewer]) => {
                scale >= fewer && digits.saturating_sub(*scale) >= less.saturating_sub(*fewer) && wide != narrow
            }
            _ => false,
        },
        _ => false,
    }
}

/// The columns of a relation in their order; none if it is not there.
async fn columns_of(client: &impl GenericClient, schema: &str, relation: &str) -> Result<Vec<String>> {
    let query = "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let rows = client.query(query, &[&name(schema, relation, "")]).await.doing(COMPARING)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The functions of a day, whose columns cannot be replaced: of the tables whose views are made.
async fn renew_functions(transaction: &Transaction<'_>, dataset: &Dataset, made: &[View]) -> Result<()> {
    for table in dataset.tables().filter(|table| made.iter().any(|view| view.name == table.name)) {
        let Some(create) = function(dataset, table) else { continue };
        let drop = format!("DROP FUNCTION IF EXISTS {}(date);\n", name(&dataset.warehouse, &table.name, "_on"));
        transaction.batch_execute(&(drop + &create)).await.doing(CHANGING)?;
    }
    Ok(())
}

/// A view that stands on a table whose column gets wider.
struct Dependent {
    schema: String,
    name: String,
    kind: &'static str,
    /// The statements that make it again, with its indexes.
    create: String,
    /// Those that give the rights back.
    grants: Vec<String>,
}

/// Views that are dropped, and made again with the rights that they had; lower ones first.
struct Waiting {
    views: Vec<Dependent>,
    schema: String,
}

impl Waiting {
    async fn drop(transaction: &Transaction<'_>, layout: &Layout, widened: &[String]) -> Result<Self> {
        let mut waiting = Self { views: Vec::new(), schema: layout.schemas.warehouse.clone() };
        if widened.is_empty() {
            return Ok(waiting);
        }
        let query = format!(
            "WITH RECURSIVE above (oid, depth) AS ( \
               SELECT r.ev_class, 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid \
               WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1::text[]::regclass[]) \
               UNION SELECT r.ev_class, a.depth + 1 FROM above a JOIN pg_depend d ON d.refobjid = a.oid JOIN pg_rewrite r ON r.oid = d.objid \
               WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND r.ev_class <> a.oid) \
             SELECT n.nspname::text, c.relname::text, c.relkind = 'm', rtrim(pg_get_viewdef(c.oid), ';'), \
               ARRAY(SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid), ARRAY({}) \
             FROM (SELECT oid, max(depth) AS depth FROM above GROUP BY oid) a JOIN pg_class c ON c.oid = a.oid \
             JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY a.depth, 1, 2",
            grants("c", "c.oid::regclass")
        );
        for row in transaction.query(&query, &[&widened]).await.doing(CHANGING)? {
            let (schema, view): (String, String) = (row.get(0), row.get(1));
            let (kind, definition): (_, &str) = (if row.get(2) { "MATERIALIZED VIEW" } else { "VIEW" }, row.get(3));
            let mut create = format!("CREATE {kind} {} AS {definition}", name(&schema, &view, ""));
            create.extend(row.get::<_, Vec<String>>(4).iter().map(|index| format!("; {index}")));
            waiting.views.push(Dependent { schema, name: view, kind, create, grants: row.get(5) });
        }
        for view in waiting.views.iter().rev() {
            let drop = format!("DROP {} {}", view.kind, name(&view.schema, &view.name, ""));
            transaction.batch_execute(&drop).await.doing(CHANGING)?;
        }
        Ok(waiting)
    }

    async fn make_again(self, transaction: &Transaction<'_>, made: &[View]) -> Result<()> {
        for view in self.views {
            let is_made = view.schema == self.schema && made.iter().any(|made| made.name == view.name);
            if !is_made {
                transaction.batch_execute(&view.create).await.doing(CHANGING)?;
            }
            for grant in view.grants {
                transaction.batch_execute(&grant).await.doing(CHANGING)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_type_takes_all_that_the_other_takes() {
        let wider = [
            ("character varying(60)", "character varying(50)", true),
            ("character varying(50)", "character varying(50)", false),
            ("numeric(12,2)", "numeric(10,2)", true),
            ("numeric(12,4)", "numeric(10,2)", true),
            ("numeric(11,4)", "numeric(10,2)", false),
            ("numeric(12,1)", "numeric(10,2)", false),
            ("bigint", "integer", false),
            ("date", "character varying(50)", false),
        ];
        for (wide, narrow, expected) in wider {
            assert_eq!(is_wider(wide, narrow), expected, "{wide} of {narrow}");
        }
    }
}
