//! Columns that a later declaration added to the tables, for a run under an older one: its statements must know the whole state of a row, or
//! they would leave behind what another version showed, and lose it where a state moves to the history.

use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_tables::{Column, Dataset, Holder, Later, REFERS_TO, SqlType, name};
use tokio_postgres::{GenericClient, Row};

use crate::error::Doing;

const LOOKING: &str = "looking for what later declarations added";

/// Columns that a table's rows and its history have in common, the engine's own excepted.
const COLUMNS: &str = "SELECT t.name, a.attname::text, format_type(a.atttypid, a.atttypmod), \
       col_description(c.oid, a.attnum) \
     FROM unnest($2::text[]) AS t (name) \
     JOIN pg_class c ON c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relname = t.name || '_rows' \
     JOIN pg_class h ON h.relnamespace = c.relnamespace AND h.relname = t.name || '_history' \
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated = '' AND NOT a.attisdropped \
     JOIN pg_attribute b ON b.attrelid = h.oid AND b.attname = a.attname AND NOT b.attisdropped \
     WHERE a.attname NOT IN ('row_key', 'row_newest', 'valid_from', 'object_version_key', 'source_line') ORDER BY t.name, a.attnum";

/// References of tables that are not among those that are declared.
const HOLDERS: &str = "SELECT left(c.relname::text, -5), a.attname::text, substr(col_description(c.oid, a.attnum), length($3) + 1) \
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname LIKE '%\\_rows' \
       AND left(c.relname::text, -5) <> ALL ($2::text[]) AND starts_with(col_description(c.oid, a.attnum), $3) ORDER BY 1, 2";

/// The tables that are not among those that are declared, and keep what each version showed.
const BEYOND: &str = "SELECT left(c.relname::text, -9) FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind = 'r' \
     AND c.relname LIKE '%\\_presence' AND left(c.relname::text, -9) <> ALL ($2::text[]) ORDER BY 1";

/// Refuses to load or withdraw a version that tables of a later declaration show: under this one nobody could take it out of them.
///
/// # Errors
/// `SchemaMismatch` with the tables, the database's.
pub(crate) async fn check_shown_beyond(client: &impl GenericClient, dataset: &Dataset, version: i64) -> Result<()> {
    let names: Vec<&str> = dataset.tables().map(|table| table.name.as_str()).collect();
    let mut shown = Vec::new();
    for row in client.query(BEYOND, &[&dataset.warehouse, &names]).await.doing(LOOKING)? {
        let table: String = row.get(0);
        let presence = name(&dataset.warehouse, &table, "_presence");
        let query = format!("SELECT EXISTS (SELECT FROM {presence} WHERE object_version_key = $1)");
        if client.query_one(&query, &[&version]).await.doing(LOOKING)?.get(0) {
            shown.push(format!("{}.{table}", dataset.warehouse));
        }
    }
    if shown.is_empty() {
        return Ok(());
    }
    let message = format!(
        "this version of the file was loaded under a later declaration of `{}`, which has {} as well, and this one would leave it there; nothing was \
         written: use the later declaration",
        dataset.name,
        shown.join(", ")
    );
    Err(StageError::new(ErrorCode::SchemaMismatch, message))
}

/// The tables with the columns that the database has from later declarations, and the references of the tables that they have beside.
///
/// # Errors
/// The database's.
pub(crate) async fn with_later_columns(client: &impl GenericClient, dataset: &Dataset) -> Result<Dataset> {
    let mut dataset = dataset.clone();
    let names: Vec<String> = dataset.tables().map(|table| table.name.clone()).collect();
    let found = client.query(COLUMNS, &[&dataset.warehouse, &names]).await.doing(LOOKING)?;
    for table in dataset.records.iter_mut().flat_map(|record| &mut record.tables) {
        let known = table.state_columns();
        let is_known = |name: &str| table.key.iter().chain(&known).any(|column| column.name == name);
        let of_table = found.iter().filter(|row| row.get::<_, &str>(0) == table.name && !is_known(row.get(1)));
        let later = of_table.filter_map(|row| {
            let column = Column::new(row.get(1), SqlType::of_catalogue(row.get(2))?);
            let refers_to =
                row.get::<_, Option<&str>>(3).and_then(|comment| comment.strip_prefix(REFERS_TO)).map(str::to_owned);
            Some(Later { column, refers_to })
        });
        table.later = later.collect();
    }
    let holders = client.query(HOLDERS, &[&dataset.warehouse, &names, &REFERS_TO]).await.doing(LOOKING)?;
    let holder = |row: &Row| Holder { table: row.get(0), column: row.get(1), dimension: row.get(2) };
    let holders = holders.iter().map(holder).collect();
    dataset.holders = holders;
    Ok(dataset)
}
