//! What changed in a table: the keys that loads wrote, for those who look at no others (checks, models, marts).
//!
//! A load adds lists to `<table>_changes`, of a table that is followed: the surrogates of the rows that it wrote, and the members that these rows
//! refer to or referred to before. Each list has a number, which ascends in the order of the loads. Each follower remembers the number up to
//! which it has looked (`audit.follower`), under the dataset's lock. A load writes no list while nobody follows: who looks for the first time
//! looks at all rows.

use std::fmt::Write as _;

use crate::description::{Dataset, ROW_KEY, Table};
use crate::names::{name, quote};

/// The name under which a check sees what changed in a table: its surrogate and its key.
pub fn changed(table: &str) -> String {
    format!("changed_{table}")
}

/// The table of a table's lists.
pub fn lists(dataset: &Dataset, table: &Table) -> String {
    name(&dataset.warehouse, &table.name, "_changes")
}

/// Makes the lists of a table.
pub(crate) fn create(schema: &str, table: &Table) -> String {
    format!(
        "CREATE TABLE {} (\n  change bigint NOT NULL DEFAULT nextval('audit.change'),\n  of_column text NOT NULL,\n  keys bigint[] NOT NULL\n);\n",
        name(schema, &table.name, "_changes")
    )
}

/// Adds what a load wrote; `temp` gives the names of its temporary tables by their endings.
pub(crate) fn note(schema: &str, table: &Table, temp: impl Fn(&str) -> String) -> String {
    let (own, changed, before, after) = (temp("own"), temp("changed"), temp("before"), temp("after"));
    let mut sql = String::new();
    for column in &table.followed {
        let keys = if column == ROW_KEY {
            format!("SELECT row_key AS key FROM {own} WHERE row_is_new UNION SELECT row_key FROM {changed}")
        } else {
            let column = quote(column);
            let of = |states: &str| format!("UNION SELECT s.{column} FROM {states} s JOIN {changed} USING (row_key)");
            format!("SELECT {column} AS key FROM {own} WHERE row_is_new {} {}", of(&before), of(&after))
        };
        let _ = writeln!(
            sql,
            "INSERT INTO {lists} (of_column, keys)\nSELECT '{column}', keys FROM (SELECT array_agg(key) AS keys FROM ({keys}) AS w WHERE key IS NOT NULL) AS l\nWHERE \
             keys IS NOT NULL AND EXISTS (SELECT FROM audit.follower f WHERE f.table_name = '{shown}');",
            lists = name(schema, &table.name, "_changes"),
            shown = shown(schema, table),
        );
    }
    sql
}

/// A table's name in `audit.follower`.
pub fn shown(schema: &str, table: &Table) -> String {
    format!("{schema}.{}", table.name)
}

/// The query of the different keys in the lists of a column, of those after a number.
pub fn changed_keys(dataset: &Dataset, table: &Table, column: &str, after: i64) -> String {
    let lists = lists(dataset, table);
    format!("SELECT DISTINCT unnest(keys) AS key FROM {lists} WHERE of_column = '{column}' AND change > {after}")
}

/// The statements after which `changed_<table>` has the keys that changed after a list's number.
pub fn take_changes(dataset: &Dataset, table: &Table, after: i64) -> String {
    format!(
        "CREATE TEMP TABLE {changed} ON COMMIT DROP AS\nSELECT {columns} FROM ({keys}) AS c JOIN {rows} m ON m.row_key = c.key;\nANALYZE {changed};\n",
        changed = quote(&changed(&table.name)),
        columns = columns(table),
        keys = changed_keys(dataset, table, ROW_KEY, after),
        rows = name(&dataset.warehouse, &table.name, "_rows"),
    )
}

/// The query of whether a table lost rows after a list's number: of members, those that no file shows any more too; or whether `any` of its rows
/// changed.
pub fn has_lost(dataset: &Dataset, table: &Table, after: i64, any: bool) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM ({keys}) AS c LEFT JOIN {rows} m ON m.row_key = c.key WHERE {any} OR m.row_status IS DISTINCT FROM 'current')",
        keys = changed_keys(dataset, table, ROW_KEY, after),
        rows = name(&dataset.warehouse, &table.name, "_rows"),
    )
}

/// The statement after which `changed_<table>` has all keys of a table, instead of those that changed.
pub fn take_all(dataset: &Dataset, table: &Table) -> String {
    format!(
        "DROP TABLE {changed};\nCREATE TEMP VIEW {changed} AS SELECT {columns} FROM {rows} m WHERE m.row_status = 'current';\n",
        changed = quote(&changed(&table.name)),
        columns = columns(table),
        rows = name(&dataset.warehouse, &table.name, "_rows"),
    )
}

/// The statement that removes what [`take_all`] made: a view is not dropped at the transaction's end by itself.
pub fn drop_all(table: &Table) -> String {
    format!("DROP VIEW {};\n", quote(&changed(&table.name)))
}

fn columns(table: &Table) -> String {
    let key = table.key.iter().map(|column| format!(", m.{}", quote(&column.name))).collect::<String>();
    format!("m.row_key AS {}{key}", quote(&table.surrogate))
}
