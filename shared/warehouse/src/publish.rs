//! Publishing: the dataset's marts, materialized views that are refreshed under their readers.
//!
//! The as-of date that the definitions read (`audit.as_of`) is set in the transaction that refreshes, so that a mart and its
//! "today" change together. A mart whose definition is another is made beside the old one and takes its name in the same
//! transaction: a reader sees the old one, waits for the moment of the exchange, then sees the new one, never none.

use std::time::Instant;

use fonderie_contract::Mart;
use fonderie_core::failpoint::step;
use fonderie_core::stage::{DatasetRun, MartPublished, Published};
use fonderie_core::{Disposition, ErrorCode, Result, StageError, digest, hex};
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::connect::Warehouse;
use crate::error::{Doing, database_error};
use crate::ledger::{signed, unsigned};
use crate::load::WORK_MEM;
use crate::lock::dataset_lock;
use crate::score::{loads_until, newer_load};
use crate::sql::{grants, quote};
use fonderie_tables::name;

impl Warehouse {
    /// Makes or refreshes the marts of a schema, all or none, under the dataset's lock. A run that sees a load newer than its own leaves
    /// this to that load's run, which comes here after its scores: a mart between a load and its scores would be short of
    /// its abnormal rows. A mart that does not exist yet is not left to it: whoever ran a file finds it there, even if the other
    /// run is slow or fails.
    ///
    /// # Errors
    /// `ContractInvalid` if the definition is no SELECT that PostgreSQL takes, `SchemaMismatch` where other objects depend on a mart
    /// that must be made anew, `DatabaseBusy`, the database's; the schema must be migrated.
    pub async fn publish(&mut self, run: &DatasetRun, schema: &str, marts: &[Mart]) -> Result<Published> {
        let started = Instant::now();
        let millis = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let transaction = self.client.transaction().await.doing("beginning to publish")?;
        dataset_lock(&transaction, &run.bundle.dataset).await?;
        let until = loads_until(&transaction, run).await?;
        if newer_load(&transaction, run, until).await? && all_exist(&transaction, schema, marts).await? {
            return Ok(Published { marts: Vec::new(), left_to_newer: true, millis: millis() });
        }
        let memory = format!("SET LOCAL work_mem = '{WORK_MEM}'");
        transaction.batch_execute(&memory).await.doing("beginning to publish")?;
        transaction
            .execute(
                "INSERT INTO audit.as_of AS a (dataset, as_of, run_id, published_at) VALUES ($1, $2, $3, now()) \
                 ON CONFLICT (dataset) DO UPDATE SET as_of = greatest(a.as_of, excluded.as_of), run_id = excluded.run_id, published_at = excluded.published_at",
                &[&run.bundle.dataset, &run.as_of, &run.run_id],
            )
            .await
            .doing("writing the marts' as-of date")?;
        let mut published = Vec::with_capacity(marts.len());
        for mart in marts {
            published.push(one(&transaction, run, schema, mart).await.map_err(|error| of_mart(mart, error))?);
        }
        step("before the marts were committed");
        transaction.commit().await.doing("committing the marts")?;
        step("after the marts were committed");
        Ok(Published { marts: published, left_to_newer: false, millis: millis() })
    }
}

async fn all_exist(transaction: &Transaction<'_>, schema: &str, marts: &[Mart]) -> Result<bool> {
    let places: Vec<String> = marts.iter().map(|mart| name(schema, &mart.name, "")).collect();
    let row = transaction
        .query_one(
            "SELECT coalesce(bool_and(to_regclass(place) IS NOT NULL), true) FROM unnest($1::text[]) place",
            &[&places],
        )
        .await
        .doing("looking for the marts")?;
    Ok(row.get(0))
}

/// What is wrong with a mart is wrong with the dataset's SQL, and the load before it stays.
fn of_mart(mart: &Mart, error: StageError) -> StageError {
    if matches!(error.disposition(), Disposition::Transient | Disposition::Busy) {
        return error;
    }
    let code = if error.code == ErrorCode::Internal { ErrorCode::ContractInvalid } else { error.code };
    let reason = error.message.split(": nothing was written").next().unwrap_or_default();
    let message = format!(
        "{reason}; the rows are loaded, and the marts are as they were: correct marts/{}.sql or what it depends on, and run again",
        mart.name
    );
    StageError { code, message, source: error.source }
}

async fn one(transaction: &Transaction<'_>, run: &DatasetRun, schema: &str, mart: &Mart) -> Result<MartPublished> {
    let doing = format!("publishing the mart {}", mart.name);
    let place = name(schema, &mart.name, "");
    let sha256 = sha256(mart);
    let known = transaction
        .query_opt(
            "SELECT definition_sha256, to_regclass($3) IS NOT NULL FROM audit.mart WHERE dataset = $1 AND mart = $2",
            &[&run.bundle.dataset, &mart.name, &place],
        )
        .await
        .doing(&doing)?;
    let rebuilt = !known.is_some_and(|row| row.get::<_, &str>(0) == sha256 && row.get(1));
    if rebuilt {
        rebuild(transaction, schema, mart, &doing).await?;
    } else {
        transaction.batch_execute(&format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {place}")).await.doing(&doing)?;
    }
    let rows = transaction.query_one(&format!("SELECT count(*) FROM {place}"), &[]).await.doing(&doing)?;
    let rows = unsigned(rows.get(0))?;
    transaction
        .execute(
            "INSERT INTO audit.mart (mart, dataset, definition_sha256, run_id, rows, refreshed_at) VALUES ($1, $2, $3, $4, $5, now()) \
             ON CONFLICT (dataset, mart) DO UPDATE SET definition_sha256 = excluded.definition_sha256, run_id = excluded.run_id, \
             rows = excluded.rows, refreshed_at = excluded.refreshed_at",
            &[&mart.name, &run.bundle.dataset, &sha256, &run.run_id, &signed(rows)?],
        )
        .await
        .doing(&doing)?;
    Ok(MartPublished { mart: mart.name.clone(), rows, rebuilt })
}

/// The hash of all that makes a mart.
fn sha256(mart: &Mart) -> String {
    hex(digest(mart.key.iter().chain([&mart.name, &mart.definition]).map(String::as_str)))
}

/// The statements that make a mart under a name. It is filled by a refresh, whose rows are frozen: a reader whose snapshot is older than the
/// exchange would see an empty mart otherwise.
pub(crate) fn create(schema: &str, mart: &Mart, under: &str) -> String {
    let place = name(schema, under, "");
    let columns: Vec<String> = mart.key.iter().map(|column| quote(column)).collect();
    format!(
        "CREATE MATERIALIZED VIEW {place} AS\n{}\nWITH NO DATA;\nREFRESH MATERIALIZED VIEW {place};\nCREATE UNIQUE INDEX {} ON {place} ({});\nANALYZE {place}",
        mart.definition,
        quote(&format!("{under}_key")),
        columns.join(", ")
    )
}

/// Makes the mart beside the one that is there, and lets it take the name.
async fn rebuild(transaction: &Transaction<'_>, schema: &str, mart: &Mart, doing: &str) -> Result<()> {
    let (place, draft) = (name(schema, &mart.name, ""), name(schema, &mart.name, "__new"));
    let (draft_key, renamed_key) = (format!("{}__new_key", mart.name), format!("{}_key", mart.name));
    let build = create(schema, mart, &format!("{}__new", mart.name));
    transaction.batch_execute(&build).await.doing(doing)?;
    // Who may read the old one may read the new one.
    let grants =
        format!("SELECT unnest(ARRAY({})) FROM pg_class c WHERE c.oid = to_regclass($1)", grants("c", "$2::text"));
    for grant in &transaction.query(&grants, &[&place, &draft]).await.doing(doing)? {
        transaction.batch_execute(grant.get(0)).await.doing(doing)?;
    }
    let drop = format!("DROP MATERIALIZED VIEW IF EXISTS {place}");
    transaction.batch_execute(&drop).await.map_err(|error| {
        if error.code() != Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
            return database_error(doing, &error);
        }
        let message = format!(
            "the definition of the mart {} changed, and other objects depend on the old one: drop them, run again, then make them again",
            mart.name
        );
        StageError::new(ErrorCode::SchemaMismatch, message)
    })?;
    let rename = format!(
        "ALTER MATERIALIZED VIEW {draft} RENAME TO {}; ALTER INDEX {} RENAME TO {}",
        quote(&mart.name),
        name(schema, &draft_key, ""),
        quote(&renamed_key)
    );
    transaction.batch_execute(&rename).await.doing(doing)
}
