//! Up to which list of changes each follower of a table has looked: see [`fonderie_tables::lists`].

use fonderie_core::Result;
use fonderie_tables::{Dataset, ROW_KEY, Table, lists, name, quote, shown};
use tokio_postgres::Transaction;

use crate::error::Doing;

const LOOKING: &str = "looking for what changed";

/// The follower that the checks are together.
pub(crate) const CHECKS: &str = "checks";

/// The follower that a model is.
pub(crate) fn of_model(model: &str) -> String {
    format!("model/{model}")
}

/// The follower that a mart is.
pub(crate) fn of_mart(mart: &str) -> String {
    format!("mart/{mart}")
}

/// The number of the list up to which a follower has looked; `None` if it is to look at all rows.
pub(crate) async fn seen(
    transaction: &Transaction<'_>,
    dataset: &Dataset,
    table: &Table,
    follower: &str,
) -> Result<Option<i64>> {
    let query = "SELECT seen FROM audit.follower WHERE table_name = $1 AND follower = $2";
    let row = transaction.query_opt(query, &[&shown(&dataset.warehouse, table), &follower]).await.doing(LOOKING)?;
    Ok(row.map(|row| row.get(0)))
}

/// Whether loads wrote anything into a table after a list's number.
pub(crate) async fn has_changed(
    transaction: &Transaction<'_>,
    dataset: &Dataset,
    table: &Table,
    seen: i64,
) -> Result<bool> {
    let any = format!("SELECT EXISTS (SELECT FROM {} WHERE change > {seen})", lists(dataset, table));
    Ok(transaction.query_one(&any, &[]).await.doing(LOOKING)?.get(0))
}

/// Notes that a follower has looked at all lists of all tables.
pub(crate) async fn look_at_all(transaction: &Transaction<'_>, dataset: &Dataset, follower: &str) -> Result<()> {
    for table in dataset.tables().filter(|table| !table.followed.is_empty()) {
        look(transaction, dataset, table, follower).await?;
    }
    Ok(())
}

/// Notes that a follower has looked at all lists of a table, and removes those at which all have. Under the dataset's lock.
pub(crate) async fn look(
    transaction: &Transaction<'_>,
    dataset: &Dataset,
    table: &Table,
    follower: &str,
) -> Result<()> {
    let (lists, shown) = (lists(dataset, table), shown(&dataset.warehouse, table));
    let note = format!(
        "INSERT INTO audit.follower AS f (dataset, table_name, follower, seen) SELECT $1, $2, $3, coalesce(max(change), 0) FROM {lists} \
         ON CONFLICT (table_name, follower) DO UPDATE SET seen = greatest(f.seen, excluded.seen)"
    );
    transaction.execute(&note, &[&dataset.name, &shown, &follower]).await.doing(LOOKING)?;
    let remove =
        format!("DELETE FROM {lists} WHERE change <= (SELECT min(seen) FROM audit.follower WHERE table_name = $1)");
    transaction.execute(&remove, &[&shown]).await.doing(LOOKING)?;
    Ok(())
}

/// Notes rows, by their surrogates in a table, as changed once more, if a mart has looked beyond what their model had seen: it has seen them without
/// their scores.
pub(crate) async fn note_again(
    transaction: &Transaction<'_>,
    dataset: &Dataset,
    table: &Table,
    rows: &str,
    seen: i64,
) -> Result<()> {
    let base = name(&dataset.warehouse, &table.name, "_rows");
    for column in &table.followed {
        let keys = if column == ROW_KEY {
            format!("SELECT key FROM {rows}")
        } else {
            format!("SELECT DISTINCT b.{} AS key FROM {rows} r JOIN {base} b ON b.row_key = r.key", quote(column))
        };
        let note = format!(
            "INSERT INTO {} (of_column, keys) SELECT '{column}', array_agg(key) FROM ({keys}) AS k WHERE key IS NOT NULL AND EXISTS (\
             SELECT FROM audit.follower WHERE table_name = $1 AND follower LIKE 'mart/%' AND seen > $2) HAVING count(*) > 0",
            lists(dataset, table)
        );
        transaction.execute(&note, &[&shown(&dataset.warehouse, table), &seen]).await.doing(LOOKING)?;
    }
    Ok(())
}

/// Forgets the followers of a dataset that are not declared: no list is kept for them, and one that comes back looks at all rows.
pub(crate) async fn forget_others(transaction: &Transaction<'_>, dataset: &str, declared: &[String]) -> Result<()> {
    let delete = "DELETE FROM audit.follower WHERE dataset = $1 AND follower <> ALL ($2)";
    transaction.execute(delete, &[&dataset, &declared]).await.doing(LOOKING)?;
    Ok(())
}

/// Forgets that a follower has looked at any table: it looks at all rows next.
pub(crate) async fn forget(transaction: &Transaction<'_>, dataset: &str, follower: &str) -> Result<()> {
    let delete = "DELETE FROM audit.follower WHERE dataset = $1 AND follower = $2";
    transaction.execute(delete, &[&dataset, &follower]).await.doing(LOOKING)?;
    Ok(())
}
