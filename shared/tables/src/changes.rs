//! What changed in a table since somebody last looked: the keys that loads wrote, for the checks that see no others.
//!
//! A load adds a list of surrogates to `<table>_changes`, of a table that is followed. Who looks takes all lists, under the dataset's lock.

use crate::description::{Dataset, Table};
use crate::names::{name, quote};

/// The name under which a check sees what changed in a table: its surrogate and its key.
pub fn changed(table: &str) -> String {
    format!("changed_{table}")
}

/// Makes the lists of a table.
pub(crate) fn create(schema: &str, table: &Table) -> String {
    format!("CREATE TABLE {} (row_keys bigint[] NOT NULL);\n", name(schema, &table.name, "_changes"))
}

/// Adds what a load wrote: `own` and `changed` are its temporary tables.
pub(crate) fn note(schema: &str, table: &Table, own: &str, changed: &str) -> String {
    format!(
        "INSERT INTO {} (row_keys)\nSELECT row_keys FROM (SELECT array_agg(row_key) AS row_keys FROM (SELECT row_key FROM {own} WHERE row_is_new UNION SELECT row_key FROM {changed}) AS w) AS l \
         WHERE row_keys IS NOT NULL;\n",
        name(schema, &table.name, "_changes")
    )
}

/// The statements after which `changed_<table>` has the keys that changed, and the lists are empty.
pub fn take_changes(dataset: &Dataset, table: &Table) -> String {
    let lists = name(&dataset.warehouse, &table.name, "_changes");
    format!(
        "CREATE TEMP TABLE {changed} ON COMMIT DROP AS\nSELECT {columns} FROM (SELECT DISTINCT unnest(row_keys) AS row_key FROM {lists}) AS c JOIN {rows} m USING (row_key);\n\
         ANALYZE {changed};\nDELETE FROM {lists};\n",
        changed = quote(&changed(&table.name)),
        columns = columns(table),
        rows = name(&dataset.warehouse, &table.name, "_rows"),
    )
}

/// The query of whether a table lost rows since somebody last looked: of members, those that no file shows any more too; or whether `any` of its
/// rows changed.
pub fn has_lost(dataset: &Dataset, table: &Table, any: bool) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM (SELECT unnest(row_keys) AS row_key FROM {lists}) AS c LEFT JOIN {rows} m USING (row_key) WHERE {any} OR m.row_status IS DISTINCT FROM 'current')",
        lists = name(&dataset.warehouse, &table.name, "_changes"),
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
