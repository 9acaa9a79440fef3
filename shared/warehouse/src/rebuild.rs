//! A dataset's tables made again from what its runs left in silver.
//!
//! What stands under the dataset's schemas is moved aside, never dropped: a person may have put something there. Then the runs
//! that the ledger knows as loaded, or those that their records in silver know if the ledger is gone too, are merged in the order in
//! which they were loaded: the tables come out as they were, history included. While it goes on, and after it was broken off, no stage works
//! on the tables ([`Warehouse::ready`]).

use std::collections::HashSet;

use arrow_array::RecordBatch;
use chrono::{DateTime, Utc};
use fonderie_contract::Layout;
use fonderie_core::failpoint::step;
use fonderie_core::stage::Verdict;
use fonderie_core::withdrawal::WithdrawalRecord;
use fonderie_core::{ErrorCode, LoadRecord, ObjectVersion, Order, Result, RunRecord, StageError};
use futures::Stream;
use tokio_postgres::Transaction;

use crate::complete::Judged;
use crate::connect::Warehouse;
use crate::declare::{moved, otherwise};
use crate::error::Doing;
use crate::ledger::{self, Ending, LedgerEntry, RunStatus, unsigned};
use crate::load::{LoadPlan, Merged, copy_again, loaded_by_now, merge};
use crate::lock::dataset_lock;
use crate::sql::quote;
use crate::tables::{Made, record};
use crate::withdraw::remember;

const BEGINNING: &str = "moving the dataset's tables aside";
const REPLAYING: &str = "loading a run again";
const ENDING: &str = "ending the rebuild";
const READING: &str = "reading which runs were loaded";

/// A run that the ledger knows as loaded.
#[derive(Clone, Debug)]
pub struct LedgerLoad {
    /// What the ledger says of it.
    pub entry: LedgerEntry,
    /// Its object version.
    pub object: ObjectVersion,
    /// The version's size in bytes.
    pub size: u64,
    /// The version's place in the order.
    pub order: Order,
    /// SHA-256 of its bytes.
    pub content_sha256: String,
    /// The version of its bundle's object.
    pub bundle_version: String,
}

impl Warehouse {
    /// The loads of a dataset, in their order; none if the ledger is not there or knows none. The schema need not be migrated.
    ///
    /// # Errors
    /// The database's.
    pub async fn ledger_loads(&self, dataset: &str) -> Result<Vec<LedgerLoad>> {
        if !self.has_ledger().await? {
            return Ok(Vec::new());
        }
        let rows = self
            .client
            .query(
                "SELECT r.run_id, v.bucket, v.key, v.version_id, v.size, v.order_instant, v.order_modified, v.order_position, v.content_sha256, \
                 r.bundle_version FROM audit.run r JOIN audit.object_version v USING (object_version_key) \
                 WHERE r.dataset = $1 AND r.status = 'loaded' ORDER BY r.finished_at, r.run_id COLLATE \"C\"",
                &[&dataset],
            )
            .await
            .doing(READING)?;
        let mut loads = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(entry) = self.ledger(row.get(0)).await? else { continue };
            loads.push(LedgerLoad {
                entry,
                object: ObjectVersion { bucket: row.get(1), key: row.get(2), version_id: row.get(3) },
                size: unsigned(row.get(4))?,
                order: Order {
                    instant: row.get(5),
                    modified: row.get(6),
                    position: u32::try_from(row.get::<_, i64>(7)).unwrap_or(u32::MAX),
                },
                content_sha256: row.get(8),
                bundle_version: row.get(9),
            });
        }
        Ok(loads)
    }

    /// The object versions of a dataset that the ledger knows, whatever became of them.
    ///
    /// # Errors
    /// The database's.
    pub async fn ledger_versions(&self, dataset: &str) -> Result<Vec<ObjectVersion>> {
        if !self.has_ledger().await? {
            return Ok(Vec::new());
        }
        let query = "SELECT bucket, key, version_id FROM audit.object_version WHERE dataset = $1";
        let rows = self.client.query(query, &[&dataset]).await.doing(READING)?;
        Ok(rows
            .iter()
            .map(|row| ObjectVersion { bucket: row.get(0), key: row.get(1), version_id: row.get(2) })
            .collect())
    }

    /// Whether the ledger has an object version of a dataset, whatever became of it.
    ///
    /// # Errors
    /// The database's.
    pub async fn knows(&self, dataset: &str) -> Result<bool> {
        if !self.has_ledger().await? {
            return Ok(false);
        }
        let query = "SELECT EXISTS (SELECT FROM audit.object_version WHERE dataset = $1)";
        Ok(self.client.query_one(query, &[&dataset]).await.doing(READING)?.get(0))
    }

    pub(crate) async fn has_ledger(&self) -> Result<bool> {
        let there = "SELECT to_regclass('audit.run') IS NOT NULL AND to_regclass('audit.object_version') IS NOT NULL";
        Ok(self.client.query_one(there, &[]).await.doing(READING)?.get(0))
    }

    /// Moves what stands under the dataset's schemas aside and forgets its migrations; from here on no stage works on the dataset. Returns the
    /// names under which the schemas are found. What a rebuild that was broken off has made is dropped.
    ///
    /// # Errors
    /// `AccessDenied` if the role may not make schemas, `DatabaseBusy`, the database's.
    pub async fn begin_rebuild(&mut self, layout: &Layout) -> Result<Vec<String>> {
        let dataset = layout.tables.name.as_str();
        self.migrate_engine().await?;
        let transaction = self.client.transaction().await.doing(BEGINNING)?;
        dataset_lock(&transaction, dataset).await?;
        let fresh = transaction
            .execute("INSERT INTO audit.rebuild (dataset) VALUES ($1) ON CONFLICT DO NOTHING", &[&dataset])
            .await
            .doing(BEGINNING)?
            == 1;
        let mut aside = Vec::new();
        for (use_, have, want) in otherwise(&transaction, layout).await? {
            // those of the tables are made anew
            if use_ == "marts" || use_ == "preparation" {
                return Err(moved(dataset, &use_, &have, &want));
            }
        }
        let mut schemas = Made::by(layout).schemas;
        let recorded = "SELECT schema FROM audit.dataset_schema WHERE dataset = $1 AND use IN ('staging', 'warehouse') AND schema <> ALL ($2) ORDER BY 1";
        let recorded = transaction.query(recorded, &[&dataset, &schemas]).await.doing(BEGINNING)?;
        schemas.extend(recorded.iter().map(|row| row.get::<_, String>(0)));
        for schema in schemas {
            not_shared(&transaction, dataset, &schema).await?;
            let there = transaction
                .query_one("SELECT to_regnamespace($1) IS NOT NULL", &[&quote(&schema)])
                .await
                .doing(BEGINNING)?;
            if !there.get::<_, bool>(0) {
                continue;
            }
            if fresh {
                let name = "SELECT $1 || '_before_' || to_char(clock_timestamp(), 'YYYYMMDD_HH24MISS_US')";
                let name: String = transaction.query_one(name, &[&schema]).await.doing(BEGINNING)?.get(0);
                let rename = format!("ALTER SCHEMA {} RENAME TO {}", quote(&schema), quote(&name));
                transaction.batch_execute(&rename).await.doing(BEGINNING)?;
                aside.push(name);
            } else {
                transaction.batch_execute(&format!("DROP SCHEMA {} CASCADE", quote(&schema))).await.doing(BEGINNING)?;
            }
        }
        let forget = "DELETE FROM audit.dataset_schema WHERE dataset = $1 AND use IN ('staging', 'warehouse')";
        transaction.execute(forget, &[&dataset]).await.doing(BEGINNING)?;
        // the marts stay as they are until they are published anew
        transaction
            .execute("UPDATE audit.mart SET definition_sha256 = '' WHERE dataset = $1", &[&dataset])
            .await
            .doing(BEGINNING)?;
        transaction
            .execute("DELETE FROM audit.dataset_table WHERE dataset = $1", &[&dataset])
            .await
            .doing(BEGINNING)?;
        // no version is in the tables now; staging has nothing to be filled with either
        transaction
            .execute(
                "UPDATE audit.object_version SET loaded_run_id = NULL, staging_lost = false WHERE dataset = $1",
                &[&dataset],
            )
            .await
            .doing(BEGINNING)?;
        for forgotten in ["declaration", "follower", "model_in_force"] {
            let forget = format!("DELETE FROM audit.{forgotten} WHERE dataset = $1");
            transaction.execute(&forget, &[&dataset]).await.doing(BEGINNING)?;
        }
        let forget = format!("DROP TABLE IF EXISTS audit.{}", quote(&format!("migration_{dataset}")));
        transaction.batch_execute(&forget).await.doing(BEGINNING)?;
        step("before the tables were moved aside");
        transaction.commit().await.doing(BEGINNING)?;
        step("after the tables were moved aside");
        Ok(aside)
    }

    /// Merges a run's accepted records as its load did, whatever the ledger says; a run that the ledger does not know enters it as it was.
    /// The schema must be migrated. `columns` are those that the batches have: a field of a later contract is NULL. The same run again
    /// changes nothing. Of the runs of one version the one that was loaded last counts, in whatever order they come.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub async fn replay<S>(
        &mut self,
        plan: &LoadPlan<'_>,
        at: DateTime<Utc>,
        columns: &HashSet<String>,
        batches: S,
        judged: Option<Judged<'_>>,
    ) -> Result<()>
    where
        S: Stream<Item = Result<RecordBatch>>,
    {
        let run = plan.run;
        let transaction = self.client.transaction().await.doing(REPLAYING)?;
        let version = copy_again(&transaction, plan, columns, batches, judged).await?;
        dataset_lock(&transaction, &run.bundle.dataset).await?;
        let later = "SELECT EXISTS (SELECT FROM audit.object_version v JOIN audit.run r ON r.run_id = v.loaded_run_id \
                     WHERE v.object_version_key = $1 AND r.run_id <> $2 AND r.finished_at > $3)";
        let later = transaction.query_one(later, &[&version, &run.run_id, &at]).await.doing(REPLAYING)?;
        if later.get::<_, bool>(0) {
            return Ok(());
        }
        let Merged { outcomes, removed, warnings, notices } = merge(&transaction, plan, version, false).await?;
        if ledger::recorded(&transaction, &run.run_id).await?.is_none() {
            let ending = Ending {
                run,
                transform: plan.transform,
                validate: plan.validate,
                status: RunStatus::Loaded,
                outcomes: Some(outcomes),
                removed: &removed,
                already_loaded: false,
                warnings: &warnings,
                load_millis: None,
            };
            ledger::write(&transaction, version, &ending).await?;
            ledger::add_notices(&transaction, &run.run_id, &notices).await?;
            finished_at(&transaction, &run.run_id, at).await?;
        }
        loaded_by_now(&transaction, version, &run.run_id).await?;
        step("before a run was loaded again");
        transaction.commit().await.doing(REPLAYING)
    }

    /// Brings a run that changed no table back into the ledger: one that was halted, or whose version was loaded before. A run that was
    /// neither halted nor loaded stays unknown. Of a version that is withdrawn the ledger has that too.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn replay_ledger(
        &mut self,
        record: &RunRecord,
        load: Option<&LoadRecord>,
        withdrawn: Option<&WithdrawalRecord>,
    ) -> Result<()> {
        let RunRecord { run, transform, validate } = record;
        let known = self.ledger(&run.run_id).await?.is_some();
        if !known && load.is_none() && validate.verdict == Verdict::Halted {
            self.record_halted(run, transform, validate).await?;
        }
        let load = load.filter(|_| !known);
        if load.is_none() && withdrawn.is_none() {
            return Ok(());
        }
        let transaction = self.client.transaction().await.doing(REPLAYING)?;
        let version = ledger::register_version(&transaction, run, &transform.content_sha256).await?;
        if let Some(withdrawn) = withdrawn {
            remember(&transaction, version.key, &run.bundle.dataset, &run.source, withdrawn).await?;
        }
        let Some(LoadRecord { load, at }) = load else { return transaction.commit().await.doing(REPLAYING) };
        let ending = Ending {
            run,
            transform,
            validate,
            status: if load.is_in_tables() { RunStatus::Loaded } else { RunStatus::Unchanged },
            outcomes: Some(load.outcomes),
            removed: &load.removed,
            already_loaded: load.already_loaded,
            warnings: &load.warnings,
            load_millis: Some(load.millis),
        };
        ledger::write(&transaction, version.key, &ending).await?;
        finished_at(&transaction, &run.run_id, *at).await?;
        transaction.commit().await.doing(REPLAYING)
    }

    /// Lets the stages work on the dataset again: its tables are now its own. `lost` versions are not in them.
    ///
    /// # Errors
    /// `NotConserved` if other versions are missing that the ledger knows as loaded: the rebuild did not know of them, because a run loaded them
    /// after it was planned; the database's.
    pub async fn end_rebuild(&mut self, layout: &Layout, lost: u64) -> Result<()> {
        let dataset = layout.tables.name.as_str();
        let transaction = self.client.transaction().await.doing(ENDING)?;
        let missing = "SELECT count(*) FROM audit.object_version v WHERE dataset = $1 AND loaded_run_id IS NULL AND withdrawn_run_id IS NULL AND EXISTS \
                       (SELECT FROM audit.run r WHERE r.object_version_key = v.object_version_key AND r.status = 'loaded')";
        let missing = unsigned(transaction.query_one(missing, &[&dataset]).await.doing(ENDING)?.get(0))?;
        if missing > lost {
            let message = format!(
                "{} versions of `{dataset}` that the ledger knows as loaded are not in the tables again, because they were loaded after the \
                 rebuild was planned: start it again",
                missing - lost
            );
            return Err(StageError::new(ErrorCode::NotConserved, message));
        }
        record(&transaction, layout).await?;
        transaction.execute("DELETE FROM audit.rebuild WHERE dataset = $1", &[&dataset]).await.doing(ENDING)?;
        step("before the rebuild was ended");
        transaction.commit().await.doing(ENDING)
    }
}

/// A schema that holds another dataset's tables stays where it is.
async fn not_shared(transaction: &Transaction<'_>, dataset: &str, schema: &str) -> Result<()> {
    let query = "SELECT dataset, name FROM audit.dataset_table WHERE dataset <> $1 AND split_part(name, '.', 1) = $2 ORDER BY 1, 2 LIMIT 1";
    let Some(row) = transaction.query_opt(query, &[&dataset, &schema]).await.doing(BEGINNING)? else { return Ok(()) };
    let (other, name): (&str, &str) = (row.get(0), row.get(1));
    let message = format!(
        "the schema {schema} holds {name} of the dataset `{other}` too, and cannot be moved aside; nothing was changed: drop the tables of \
         `{dataset}` by hand, or give the dataset a schema of its own"
    );
    Err(StageError::new(ErrorCode::SchemaMismatch, message))
}

/// Gives a run the time that it had.
async fn finished_at(transaction: &Transaction<'_>, run_id: &str, at: DateTime<Utc>) -> Result<()> {
    transaction
        .execute("UPDATE audit.run SET finished_at = $2 WHERE run_id = $1", &[&run_id, &at])
        .await
        .doing(REPLAYING)?;
    Ok(())
}
