//! Publishing: the dataset's preparation views and marts, refreshed under their readers.
//!
//! The as-of date that the definitions read (`audit.as_of`) is set in the transaction that refreshes, so that a mart and its
//! "today" change together. A mart whose definition is another, or that of a view below it, is made beside the old one and takes its name
//! in the same transaction ([`Layers`]): a reader sees the old one, waits for the moment of the exchange, then sees the new one, never none.

use std::time::Instant;

use fonderie_contract::{Layout, Mart, MartKind, Schemas};
use fonderie_core::Result;
use fonderie_core::failpoint::step;
use fonderie_core::stage::{DatasetRun, ExportWritten, MartPublished, Published};
use fonderie_tables::name;
use tokio_postgres::Transaction;

use crate::connect::Warehouse;
use crate::error::{Doing, wrong_sql};
use crate::follow::stands_on;
use crate::followers::{self, CHECKS};
use crate::layers::{Layers, label, sha256};
use crate::ledger::{signed, unsigned};
use crate::load::WORK_MEM;
use crate::lock::dataset_lock;
use crate::score::{loads_until, newer_load};

const RECORDING: &str = "writing what was published";
const KEEPING: &str = "keeping what is published";

impl Warehouse {
    /// Makes or refreshes a dataset's views and marts, all or none, under the dataset's lock. A run that sees a load newer than its own leaves
    /// this to that load's run, which comes here after its scores: a mart between a load and its scores would be short of
    /// its abnormal rows. A mart that does not exist yet is not left to it: whoever ran a file finds it there, even if the other
    /// run is slow or fails. `blocked` are marts that stay as they were, unless they are not there or are defined otherwise.
    ///
    /// # Errors
    /// `ContractInvalid` if a definition is no SELECT that PostgreSQL takes, lacks what it reads or stands on itself, `SchemaMismatch` if
    /// objects of others depend on one that must be made anew, `DatabaseBusy`, the database's; the schema must be migrated.
    pub async fn publish(
        &mut self,
        run: &DatasetRun,
        layout: &Layout,
        marts: &[Mart],
        blocked: &[&str],
    ) -> Result<Published> {
        let schemas = &layout.schemas;
        let started = Instant::now();
        let millis = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let transaction = self.client.transaction().await.doing("beginning to publish")?;
        dataset_lock(&transaction, &run.bundle.dataset).await?;
        let until = loads_until(&transaction, run).await?;
        let layers = Layers::read(&transaction, &run.bundle.dataset, schemas, marts).await?;
        if newer_load(&transaction, run, until).await? && layers.are_there() {
            return Ok(Published { left_to_newer: true, millis: millis(), ..Published::default() });
        }
        transaction
            .execute(
                "INSERT INTO audit.as_of AS a (dataset, as_of, run_id, published_at) VALUES ($1, $2, $3, now()) \
                     ON CONFLICT (dataset) DO UPDATE SET as_of = greatest(a.as_of, excluded.as_of), run_id = excluded.run_id, published_at = excluded.published_at",
                &[&run.bundle.dataset, &run.as_of, &run.run_id],
            )
            .await
            .doing("writing the marts' as-of date")?;
        let published = bring(&transaction, run, layout, marts, blocked, &layers).await?;
        let has_kept = keep(&transaction, run, schemas, marts).await?;
        followers::forget_others(&transaction, &run.bundle.dataset, &declared_followers(layout, marts)).await?;
        step("before the marts were committed");
        transaction.commit().await.doing("committing the marts")?;
        step("after the marts were committed");
        if has_kept {
            // Without statistics the next comparison would be planned for a table of one row. Its lock is not for a long transaction.
            self.client.batch_execute("ANALYZE audit.published_row").await.doing(KEEPING)?;
        }
        Ok(Published { marts: published, millis: millis(), ..Published::default() })
    }

    /// Makes the views and marts that are not there or are defined otherwise than before, so that models and checks may read them; the others stay as
    /// they are. Returns the names of what was made.
    ///
    /// # Errors
    /// Those of [`Self::publish`].
    pub async fn make_layers(&mut self, run: &DatasetRun, layout: &Layout, marts: &[Mart]) -> Result<Vec<String>> {
        let schemas = &layout.schemas;
        let transaction = self.client.transaction().await.doing("beginning to publish")?;
        dataset_lock(&transaction, &run.bundle.dataset).await?;
        let layers = Layers::read(&transaction, &run.bundle.dataset, schemas, marts).await?;
        let until = loads_until(&transaction, run).await?;
        if layers.are_as_declared() || newer_load(&transaction, run, until).await? && layers.are_there() {
            return Ok(Vec::new());
        }
        let all: Vec<&str> = marts.iter().map(|mart| mart.name.as_str()).collect();
        // what stands there says the date that was last published
        transaction
            .execute(
                "INSERT INTO audit.as_of (dataset, as_of, run_id, published_at) VALUES ($1, $2, $3, now()) ON CONFLICT (dataset) DO NOTHING",
                &[&run.bundle.dataset, &run.as_of, &run.run_id],
            )
            .await
            .doing("writing the marts' as-of date")?;
        let made = bring(&transaction, run, layout, marts, &all, &layers).await?;
        transaction.commit().await.doing("committing the marts")?;
        Ok(made.into_iter().map(|made| made.mart).collect())
    }

    /// The marts that a run has made or refreshed so far.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn made_by(&self, run: &DatasetRun) -> Result<Vec<String>> {
        let query = "SELECT mart FROM audit.mart WHERE dataset = $1 AND run_id = $2";
        let rows = self.client.query(query, &[&run.bundle.dataset, &run.run_id]).await.doing(RECORDING)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Writes into the ledger what became of the exports.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn record_exports(&self, run: &DatasetRun, exports: &[ExportWritten]) -> Result<()> {
        for ExportWritten { export, object, rows, bytes, failure } in exports {
            self.client
                .execute(
                    "INSERT INTO audit.export (run_id, dataset, export, bucket, key, rows, bytes, failure) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                     ON CONFLICT (run_id, export) DO UPDATE SET bucket = excluded.bucket, key = excluded.key, rows = excluded.rows, \
                     bytes = excluded.bytes, failure = excluded.failure, exported_at = excluded.exported_at",
                    &[
                        &run.run_id,
                        &run.bundle.dataset,
                        export,
                        &object.bucket,
                        &object.key,
                        &signed(*rows)?,
                        &signed(*bytes)?,
                        failure,
                    ],
                )
                .await
                .doing("writing what was exported")?;
        }
        Ok(())
    }
}

/// Brings all to their definitions, and to the tables' rows those that are not blocked; records them. Returns what was made or refreshed.
async fn bring(
    transaction: &Transaction<'_>,
    run: &DatasetRun,
    layout: &Layout,
    marts: &[Mart],
    blocked: &[&str],
    layers: &Layers<'_>,
) -> Result<Vec<MartPublished>> {
    let schemas = &layout.schemas;
    let memory = format!("SET LOCAL work_mem = '{WORK_MEM}'");
    transaction.batch_execute(&memory).await.doing("beginning to publish")?;
    let made = layers.bring(transaction, layout, blocked).await?;
    let removed: Vec<&str> = layers.removed().collect();
    transaction
        .execute("DELETE FROM audit.mart WHERE dataset = $1 AND mart = ANY ($2)", &[&run.bundle.dataset, &removed])
        .await
        .doing(RECORDING)?;
    let stands_on = stands_on(transaction, &run.bundle.dataset).await?;
    let mut published = Vec::with_capacity(marts.len());
    for (mart, rebuilt) in marts.iter().zip(made) {
        if !rebuilt && blocked.contains(&mart.name.as_str()) {
            continue;
        }
        let rows = record(transaction, run, schemas, mart, &stands_on).await?;
        if mart.kind != MartKind::Preparation {
            published.push(MartPublished { mart: mart.name.clone(), rows, rebuilt });
        }
    }
    for mart in published.iter().filter(|mart| mart.rebuilt) {
        check_publications(transaction, schemas, marts, &mart.mart).await?;
    }
    Ok(published)
}

/// Those who look at what changed in a dataset's tables.
fn declared_followers(layout: &Layout, marts: &[Mart]) -> Vec<String> {
    let models =
        layout.tables.tables().flat_map(|table| &table.outputs).map(|output| followers::of_model(&output.model));
    let marts = marts.iter().map(|mart| followers::of_mart(&mart.name));
    models.chain(marts).chain([CHECKS.to_owned()]).collect()
}

/// Keeps what this publication shows, of the marts that declare it: the rows that the one before did not show, and until when it showed
/// others. A mart that stays as it was shows what it showed. Returns whether anything is kept.
async fn keep(transaction: &Transaction<'_>, run: &DatasetRun, schemas: &Schemas, marts: &[Mart]) -> Result<bool> {
    let dataset = &run.bundle.dataset;
    let kept: Vec<&str> = marts.iter().filter(|mart| mart.publications).map(|mart| mart.name.as_str()).collect();
    let is_open = "SELECT EXISTS (SELECT FROM audit.published_row WHERE dataset = $1 AND publication_until IS NULL)";
    if kept.is_empty() && !transaction.query_one(is_open, &[dataset]).await.doing(KEEPING)?.get::<_, bool>(0) {
        return Ok(false);
    }
    let next = "INSERT INTO audit.publication (dataset, publication, run_id, as_of) \
                SELECT $1, coalesce(max(publication), 0) + 1, $2, (SELECT as_of FROM audit.as_of WHERE dataset = $1) \
                FROM audit.publication WHERE dataset = $1 RETURNING publication";
    let publication: i64 = transaction.query_one(next, &[dataset, &run.run_id]).await.doing(KEEPING)?.get(0);
    let close_others = "UPDATE audit.published_row SET publication_until = $2 WHERE dataset = $1 AND publication_until IS NULL AND mart <> ALL ($3)";
    transaction.execute(close_others, &[dataset, &publication, &kept]).await.doing(KEEPING)?;
    for mart in marts.iter().filter(|mart| mart.publications) {
        let shown = format!(
            "CREATE TEMP TABLE shown ON COMMIT DROP AS SELECT to_jsonb(m.*) AS shown FROM {} m; ANALYZE shown",
            name(mart.schema(schemas), &mart.name, "")
        );
        transaction.batch_execute(&shown).await.doing(KEEPING)?;
        let close = "UPDATE audit.published_row kept SET publication_until = $3 WHERE dataset = $1 AND mart = $2 AND publication_until IS NULL \
                     AND NOT EXISTS (SELECT FROM shown WHERE shown.shown = kept.shown)";
        transaction.execute(close, &[dataset, &mart.name, &publication]).await.doing(KEEPING)?;
        let open = "INSERT INTO audit.published_row (dataset, mart, shown, publication_from) SELECT $1, $2, shown.shown, $3 FROM shown \
                    WHERE NOT EXISTS (SELECT FROM audit.published_row kept WHERE kept.dataset = $1 AND kept.mart = $2 \
                    AND kept.publication_until IS NULL AND kept.shown = shown.shown)";
        transaction.execute(open, &[dataset, &mart.name, &publication]).await.doing(KEEPING)?;
        transaction.batch_execute("DROP TABLE shown").await.doing(KEEPING)?;
    }
    Ok(true)
}

/// Sees that what earlier publications of a mart showed can be read with the types that its columns have now.
///
/// # Errors
/// `ContractInvalid`; the database's.
async fn check_publications(
    transaction: &Transaction<'_>,
    schemas: &Schemas,
    marts: &[Mart],
    mart: &str,
) -> Result<()> {
    let Some(mart) = marts.iter().find(|known| known.name == mart && known.kind == MartKind::Publications) else {
        return Ok(());
    };
    let view = name(mart.schema(schemas), &mart.name, "");
    let read = transaction.query_one(&format!("SELECT count(v) FROM {view} v"), &[]).await;
    let doing = format!("reading what earlier publications showed, in {}", view.replace('"', ""));
    let advice = "a column has another type than then: give it another name in the mart's SQL, and run again";
    read.doing(&doing).map_err(|error| wrong_sql(error, advice)).map(drop)
}

/// Writes a mart into the ledger. Returns its rows, which are counted if they are stored.
async fn record(
    transaction: &Transaction<'_>,
    run: &DatasetRun,
    schemas: &Schemas,
    mart: &Mart,
    stands_on: &str,
) -> Result<Option<u64>> {
    let mut rows = None;
    if let MartKind::Materialized { .. } = mart.kind {
        let count = format!("SELECT count(*) FROM {}", name(mart.schema(schemas), &mart.name, ""));
        rows = Some(unsigned(transaction.query_one(&count, &[]).await.doing(RECORDING)?.get(0))?);
    }
    transaction
        .execute(
            "INSERT INTO audit.mart (mart, dataset, definition_sha256, run_id, rows, stands_on, refreshed_at) VALUES ($1, $2, $3, $4, $5, $6, now()) \
             ON CONFLICT (dataset, mart) DO UPDATE SET definition_sha256 = excluded.definition_sha256, run_id = excluded.run_id, \
             rows = excluded.rows, stands_on = excluded.stands_on, refreshed_at = excluded.refreshed_at",
            &[
                &label(mart, schemas),
                &run.bundle.dataset,
                &sha256(mart),
                &run.run_id,
                &rows.map(signed).transpose()?,
                &stands_on,
            ],
        )
        .await
        .doing(RECORDING)?;
    Ok(rows)
}
