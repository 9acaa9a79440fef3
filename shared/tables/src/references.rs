//! References between tables. The load writes only surrogates that it has read from the table itself, and under the dataset's lock it removes a
//! member only if nothing holds it, so that each reference has its member by construction. A foreign key would look up each row again,
//! which takes more than half of the time of a load; the query that proves it for all rows takes seconds.

use crate::description::Dataset;
use crate::names::{name, quote};

/// What the comment of a column that holds members of a dimension begins with; the dimension's name follows.
pub const REFERS_TO: &str = "refers to ";

/// The query of references without a member: a row of the base table's name, the column's and the number of rows, for each column that
/// has some. `None` for a dataset in which nothing refers to anything.
pub fn broken_references(dataset: &Dataset) -> Option<String> {
    let schema = &dataset.warehouse;
    let mut counts = Vec::new();
    let mut count = |from: String, column: &str, to: &str| {
        counts.push(format!(
            "SELECT '{}' AS table_name, '{}' AS column_name, count(*) AS rows FROM {} o LEFT JOIN {} m ON m.row_key = o.{} WHERE o.{} IS NOT NULL AND m.row_key IS NULL",
            from.replace('\'', "''"),
            column.replace('\'', "''"),
            name(schema, &from, ""),
            name(schema, to, "_rows"),
            quote(column),
            quote(column),
        ));
    };
    for table in dataset.tables() {
        let (rows, history) = (format!("{}_rows", table.name), format!("{}_history", table.name));
        for reference in &table.references {
            count(rows.clone(), &reference.name, &reference.table);
            count(history.clone(), &reference.name, &reference.table);
        }
        count(history, "row_key", &table.name);
    }
    let all = counts.join("\nUNION ALL\n");
    (!all.is_empty()).then(|| {
        format!("SELECT table_name, column_name, rows FROM (\n{all}\n) AS reference WHERE rows > 0 ORDER BY 1, 2")
    })
}
