//! Columns that a later declaration added to the tables, for a run under an older one: its statements must know the whole state of a row, or
//! they would leave behind what another version showed, and lose it where a state moves to the history.

use fonderie_core::Result;
use fonderie_tables::{Column, Dataset, Later, REFERS_TO, SqlType};
use tokio_postgres::GenericClient;

use crate::error::Doing;

/// Columns that a table's rows and its history have in common, the engine's own excepted.
const COLUMNS: &str = "SELECT t.name, a.attname::text, format_type(a.atttypid, a.atttypmod), \
       col_description(c.oid, a.attnum) \
     FROM unnest($2::text[]) AS t (name) \
     JOIN pg_class c ON c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relname = t.name || '_rows' \
     JOIN pg_class h ON h.relnamespace = c.relnamespace AND h.relname = t.name || '_history' \
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated = '' AND NOT a.attisdropped \
     JOIN pg_attribute b ON b.attrelid = h.oid AND b.attname = a.attname AND NOT b.attisdropped \
     WHERE a.attname NOT IN ('row_key', 'row_newest', 'valid_from', 'object_version_key', 'source_line') ORDER BY t.name, a.attnum";

/// The tables with the columns that the database has from later declarations.
///
/// # Errors
/// The database's.
pub(crate) async fn with_later_columns(client: &impl GenericClient, dataset: &Dataset) -> Result<Dataset> {
    let mut dataset = dataset.clone();
    let names: Vec<&str> = dataset.tables().map(|table| table.name.as_str()).collect();
    let found = client
        .query(COLUMNS, &[&dataset.warehouse, &names])
        .await
        .doing("looking for columns of later declarations")?;
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
    Ok(dataset)
}
