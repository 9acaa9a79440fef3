//! Marts that follow the tables: stored as tables, of which a publication writes only the rows that differ.
//!
//! `incremental_by` names a surrogate. The definition stands in a view beside the mart (`<mart>__def`), so that PostgreSQL knows what it reads.
//! A publication asks it for the keys that loads touched since the mart last looked ([`crate::followers`]), and for all if anything else
//! changed: the as-of date, the models in force, rows of a table that has no such key, or if it reads what nobody follows.

use std::pin::pin;

use bytes::Bytes;
use fonderie_contract::Layout;
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_tables::{ROW_KEY, Table, changed_keys, name, quote};
use futures::{SinkExt, TryStreamExt};
use tokio_postgres::Transaction;

use crate::declare::close_tables;
use crate::error::Doing;
use crate::followers;
use crate::layers::index;

/// The comment by which a mart's table is known for one, whatever the ledger knows.
pub(crate) const FOLLOWS: &str = "A mart of Fonderie, of which a publication writes the rows that differ";
/// More keys than these are not fewer than all.
const KEYS: usize = 300_000;
/// Pages of 8 KiB that are copied at a time.
const PAGES: i64 = 512;
const FOLLOWING: &str = "looking for what changed below a mart";

/// A mart that follows its tables, as it stands.
pub(crate) struct Following<'a> {
    pub(crate) schema: &'a str,
    pub(crate) mart: &'a str,
    pub(crate) key: &'a [String],
    pub(crate) by: &'a str,
    pub(crate) path: String,
}

/// The name of the view that has a mart's definition.
pub(crate) fn definition_of(mart: &str) -> String {
    format!("{mart}__def")
}

/// What the rows of marts depend on besides the tables' rows: the as-of date, and the models in force.
pub(crate) async fn stands_on(transaction: &Transaction<'_>, dataset: &str) -> Result<String> {
    let query = "SELECT concat_ws(' ', (SELECT as_of FROM audit.as_of WHERE dataset = $1), \
                 (SELECT string_agg(concat_ws(':', model, run_id, scored_run_id), ' ' ORDER BY model) FROM audit.model_in_force WHERE dataset = $1))";
    Ok(transaction.query_one(query, &[&dataset]).await.doing(FOLLOWING)?.get(0))
}

/// The declared tables that a view reads, by itself or through others; `None` if it reads anything whose changes nobody notes.
pub(crate) async fn tables_below<'l>(
    transaction: &Transaction<'_>,
    layout: &'l Layout,
    view: &str,
) -> Result<Option<Vec<&'l Table>>> {
    let query = "WITH RECURSIVE below (class, oid) AS ( \
                   SELECT 'pg_class'::regclass::oid, to_regclass($1)::oid \
                   UNION SELECT d.refclassid, d.refobjid FROM below b JOIN pg_rewrite r ON b.class = 'pg_class'::regclass AND r.ev_class = b.oid \
                     JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
                   WHERE d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)) \
                 SELECT n.nspname::text, c.relname::text FROM below JOIN pg_class c ON class = 'pg_class'::regclass AND c.oid = below.oid \
                   JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind <> 'v' \
                 UNION ALL SELECT n.nspname::text, p.proname::text || '()' FROM below JOIN pg_proc p ON class = 'pg_proc'::regclass AND p.oid = below.oid \
                   JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> 'pg_catalog'";
    let dataset = &layout.tables;
    let mut tables: Vec<&Table> = Vec::new();
    for row in transaction.query(query, &[&view]).await.doing(FOLLOWING)? {
        let (schema, relation): (&str, &str) = (row.get(0), row.get(1));
        // the as-of date is compared by itself, and a version's place in the order never changes
        if schema == "audit" && ["as_of", "object_version"].contains(&relation) {
            continue;
        }
        let is_of = |table: &&Table| {
            let bases = ["_rows", "_history"].iter().any(|ending| relation == format!("{}{ending}", table.name));
            bases || table.outputs.iter().any(|output| output.tables().iter().any(|output| output == relation))
        };
        match dataset.tables().find(is_of).filter(|_| schema == dataset.warehouse) {
            Some(table) if tables.iter().any(|known| known.name == table.name) => {}
            Some(table) => tables.push(table),
            None => return Ok(None),
        }
    }
    Ok(Some(tables))
}

impl Following<'_> {
    fn place(&self) -> String {
        name(self.schema, self.mart, "")
    }

    fn definition(&self) -> String {
        name(self.schema, &definition_of(self.mart), "")
    }

    /// Brings the mart's rows to what its definition gives: those of the keys that were touched, or all.
    ///
    /// # Errors
    /// `ContractInvalid` if the definition gives a row twice or one without its key, the database's.
    pub(crate) async fn refresh(&self, transaction: &Transaction<'_>, layout: &Layout) -> Result<()> {
        let doing = format!("publishing {}.{}", self.schema, self.mart);
        match self.touched(transaction, layout).await? {
            Some(keys) if keys.is_empty() => {}
            Some(keys) => self.bring(transaction, Some(&keys), &doing).await?,
            None => self.bring(transaction, None, &doing).await?,
        }
        self.look(transaction, layout).await
    }

    /// The keys whose rows may be others; `None` is all.
    async fn touched(&self, transaction: &Transaction<'_>, layout: &Layout) -> Result<Option<Vec<i64>>> {
        let dataset = &layout.tables;
        let known = "SELECT stands_on FROM audit.mart WHERE dataset = $1 AND mart = $2";
        let known = transaction.query_opt(known, &[&dataset.name, &self.mart]).await.doing(FOLLOWING)?;
        let known: Option<String> = known.and_then(|row| row.get(0));
        if known.as_deref() != Some(stands_on(transaction, &dataset.name).await?.as_str()) {
            return Ok(None);
        }
        let Some(tables) = tables_below(transaction, layout, &self.definition()).await? else { return Ok(None) };
        let mut queries = Vec::new();
        for table in tables {
            let Some(seen) = followers::seen(transaction, dataset, table, &followers::of_mart(self.mart)).await? else {
                return Ok(None);
            };
            let column = if table.surrogate == self.by { ROW_KEY } else { self.by };
            if table.followed.iter().any(|followed| followed == column) {
                queries.push(changed_keys(dataset, table, column, seen));
                continue;
            }
            if followers::has_changed(transaction, dataset, table, seen).await? {
                return Ok(None);
            }
        }
        if queries.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let all =
            format!("SELECT DISTINCT key FROM ({}) AS touched (key) LIMIT {}", queries.join(" UNION ALL "), KEYS + 1);
        let keys = transaction.query(&all, &[]).await.doing(FOLLOWING)?;
        Ok((keys.len() <= KEYS).then(|| keys.iter().map(|row| row.get(0)).collect()))
    }

    /// Notes that the mart has looked at all that changed.
    pub(crate) async fn look(&self, transaction: &Transaction<'_>, layout: &Layout) -> Result<()> {
        followers::look_at_all(transaction, &layout.tables, &followers::of_mart(self.mart)).await
    }

    /// Writes what differs, of these keys or of all.
    async fn bring(&self, transaction: &Transaction<'_>, keys: Option<&Vec<i64>>, doing: &str) -> Result<()> {
        let (place, by) = (self.place(), quote(self.by));
        // an array, for PostgreSQL takes no join into a grouping
        let only = |alias: &str| keys.map(|_| format!("{alias}.{by} = ANY ($1)"));
        let fresh = format!(
            "SELECT d.* FROM {} d{}",
            self.definition(),
            only("d").map_or(String::new(), |only| format!(" WHERE {only}"))
        );
        let same =
            self.key.iter().map(|column| format!("f.{0} = m.{0}", quote(column))).collect::<Vec<_>>().join(" AND ");
        let key = self.key.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
        let begin = format!("CREATE TEMP TABLE fresh_rows (LIKE {place}) ON COMMIT DROP");
        transaction.batch_execute(&begin).await.doing(doing)?;
        let parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            keys.iter().map(|keys| *keys as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
        transaction.execute(&format!("INSERT INTO fresh_rows {fresh}"), &parameters).await.doing(doing)?;
        transaction
            .batch_execute(&format!("CREATE UNIQUE INDEX ON fresh_rows ({key}); ANALYZE fresh_rows"))
            .await
            .doing(doing)?;
        self.check_keys(transaction, "fresh_rows").await?;
        let delete = format!(
            "DELETE FROM {place} m WHERE {} AND NOT EXISTS (SELECT FROM fresh_rows f WHERE {same} AND f.* OPERATOR(pg_catalog.*=) m.*)",
            only("m").unwrap_or("true".to_owned())
        );
        transaction.execute(&delete, &parameters).await.doing(doing)?;
        let insert = format!(
            "INSERT INTO {place} SELECT f.* FROM fresh_rows f WHERE NOT EXISTS (SELECT FROM {place} m WHERE {same})"
        );
        transaction.execute(&insert, &[]).await.doing(doing)?;
        transaction.batch_execute("DROP TABLE fresh_rows").await.doing(doing)
    }

    /// A row without its key would not be found again.
    async fn check_keys(&self, transaction: &Transaction<'_>, table: &str) -> Result<()> {
        for column in self.key.iter().map(String::as_str).chain([self.by]) {
            let query = format!("SELECT EXISTS (SELECT FROM {table} WHERE {} IS NULL)", quote(column));
            if transaction.query_one(&query, &[]).await.doing(FOLLOWING)?.get(0) {
                let message = format!(
                    "the mart {} has rows without `{column}`, by which it follows the tables: leave them out in {}, or take `incremental_by` out of \
                     dataset.toml, and run again",
                    self.mart, self.path
                );
                return Err(StageError::new(ErrorCode::ContractInvalid, message));
            }
        }
        Ok(())
    }

    /// Makes the mart under its name, with the view of its definition, which is nobody else's to read, and fills it with frozen rows: a reader whose snapshot is older than the
    /// exchange would find it empty otherwise.
    pub(crate) async fn make(&self, transaction: &Transaction<'_>, definition: &str, doing: &str) -> Result<()> {
        let (place, view) = (self.place(), self.definition());
        let rows = format!(
            "CREATE VIEW {view} AS\n{definition};\nCREATE TEMP TABLE fresh_rows ON COMMIT DROP AS SELECT * FROM {view};\nCREATE TABLE {place} (LIKE fresh_rows);\nCOMMENT ON TABLE {place} IS '{FOLLOWS}'"
        );
        transaction.batch_execute(&rows).await.doing(doing)?;
        close_tables(transaction, &[view]).await?;
        self.check_keys(transaction, "fresh_rows").await?;
        let pages = "SELECT pg_relation_size('fresh_rows') / current_setting('block_size')::bigint";
        let pages: i64 = transaction.query_one(pages, &[]).await.doing(doing)?.get(0);
        let mut page = 0;
        while page < pages {
            let end = page + PAGES;
            let out = format!(
                "COPY (SELECT * FROM fresh_rows WHERE ctid >= '({page},0)' AND ctid < '({end},0)') TO STDOUT (FORMAT binary)"
            );
            let pieces: Vec<Bytes> =
                pin!(transaction.copy_out(&out).await.doing(doing)?).try_collect().await.doing(doing)?;
            let into = format!("COPY {place} FROM STDIN (FORMAT binary, FREEZE)");
            let mut sink = pin!(transaction.copy_in::<_, Bytes>(&into).await.doing(doing)?);
            for piece in pieces {
                sink.feed(piece).await.doing(doing)?;
            }
            sink.finish().await.doing(doing)?;
            page = end;
        }
        let index = index(self.schema, self.mart, self.key, Some(self.by));
        transaction.batch_execute(&format!("DROP TABLE fresh_rows;\n{index}")).await.doing(doing)
    }
}
