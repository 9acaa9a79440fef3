//! A file version that is withdrawn: its rows leave the dataset's tables, and stay out until that is undone.
//!
//! A withdrawal is a load of nothing: the statements of [`fonderie_tables::load`] with an empty `incoming` and `loading.withdrawn` remove what the
//! version observed, and the tables are what they would be without it. `audit.object_version.withdrawn_run_id` keeps every later run of
//! the version from loading it ([`Warehouse::load`]). Undoing it merges the accepted records of the run that had loaded it once more.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use chrono::{DateTime, Utc};
use fonderie_contract::{Layout, Record};
use fonderie_core::failpoint::step;
use fonderie_core::stage::Outcomes;
use fonderie_core::withdrawal::{RecordWithdrawal, WithdrawalRecord, WithdrawalStatus};
use fonderie_core::{DatasetRun, ErrorCode, ObjectVersion, Result, StageError, Tally};
use fonderie_tables::name;
use futures::Stream;
use tokio_postgres::{GenericClient, Transaction};

use crate::complete::{self, Judged};
use crate::connect::Warehouse;
use crate::error::Doing;
use crate::ledger::{self, REMOVED, RunStatus, WRITING, signed, unsigned};
use crate::load::{LoadPlan, Merged, Merging, copy_again, loaded_by_now, merge, merge_statements};
use crate::lock::dataset_lock;
use crate::sql::{create_incoming, quote};

const READING: &str = "reading which versions are loaded";
const WITHDRAWING: &str = "withdrawing a file version";
const RESTORING: &str = "restoring a withdrawn file version";

/// A record of an object version, as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownVersion {
    object_version_key: i64,
    /// The object version.
    pub object: ObjectVersion,
    /// The record that is read from it.
    pub record: String,
    /// The source that reads it.
    pub source: String,
    /// When it counts in the order of versions.
    pub order_instant: DateTime<Utc>,
    /// The run whose rows are in the tables; `None` if there are none.
    pub loaded_by: Option<String>,
    /// Its withdrawal, if it is withdrawn.
    pub withdrawn: Option<Withdrawal>,
}

/// By which run a version was withdrawn, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The run in the ledger.
    pub run_id: String,
    /// The run that had loaded the version.
    pub loaded_by: String,
    /// When, by the database's clock; `None` if the ledger lost the run.
    pub at: Option<DateTime<Utc>>,
}

impl KnownVersion {
    /// A version that no run has loaded, as a test needs it.
    #[doc(hidden)]
    pub fn of(object: ObjectVersion, record: &str, source: &str) -> Self {
        Self {
            object_version_key: 0,
            object,
            record: record.to_owned(),
            source: source.to_owned(),
            order_instant: DateTime::UNIX_EPOCH,
            loaded_by: None,
            withdrawn: None,
        }
    }

    /// The run whose rows are in the tables, or were before the withdrawal.
    pub fn loaded_or_withdrawn(&self) -> Option<&str> {
        self.withdrawn.as_ref().map(|withdrawal| withdrawal.loaded_by.as_str()).or(self.loaded_by.as_deref())
    }
}

/// A withdrawal of one record, or what undoes it.
#[derive(Clone, Copy, Debug)]
pub struct WithdrawPlan<'a> {
    /// The pinned run.
    pub run: &'a DatasetRun,
    /// Its id in the ledger: a version of several records has a row for each.
    pub run_id: &'a str,
    /// The dataset's tables.
    pub layout: &'a Layout,
    /// The version.
    pub version: &'a KnownVersion,
}

impl WithdrawPlan<'_> {
    /// What is written of a withdrawal that was done at a time.
    pub fn record(&self, done: &RecordWithdrawal, at: DateTime<Utc>) -> WithdrawalRecord {
        let run = self.run;
        WithdrawalRecord {
            run_id: self.run_id.to_owned(),
            started_at: run.started_at,
            as_of: run.as_of,
            bundle_sha256: run.bundle.sha256.clone(),
            bundle_version: run.bundle.object.version_id.clone(),
            withdrawal: done.clone(),
            at,
            undone_at: None,
        }
    }
}

/// A withdrawal that is done but not committed: dropped, it is rolled back.
pub struct UncommittedWithdrawal<'w> {
    transaction: Transaction<'w>,
    done: RecordWithdrawal,
    at: Option<DateTime<Utc>>,
}

impl UncommittedWithdrawal<'_> {
    /// What was done.
    pub fn done(&self) -> &RecordWithdrawal {
        &self.done
    }

    /// When, by the database's clock; `None` if nothing was changed.
    pub fn at(&self) -> Option<DateTime<Utc>> {
        self.at
    }

    /// Commits it.
    ///
    /// # Errors
    /// The database's.
    pub async fn commit(self) -> Result<RecordWithdrawal> {
        step("before the withdrawal was committed");
        self.transaction.commit().await.doing("committing the withdrawal")?;
        step("after the withdrawal was committed");
        Ok(self.done)
    }
}

/// The rows of a dataset's versions, newest first; `$2` and `$3` are the bucket and the key, or NULL for all of them.
const VERSIONS: &str = "SELECT v.object_version_key, v.bucket, v.key, v.version_id, v.record, coalesce(r.source, v.source), v.order_instant, v.loaded_run_id, \
     v.withdrawn_run_id, v.withdrawn_of_run_id, w.finished_at \
     FROM audit.object_version v JOIN audit.version_order o USING (object_version_key) \
     LEFT JOIN audit.run r ON r.run_id = coalesce(v.loaded_run_id, v.withdrawn_of_run_id) LEFT JOIN audit.run w ON w.run_id = v.withdrawn_run_id \
     WHERE v.dataset = $1 AND ($2::text IS NULL OR (v.bucket = $2 AND v.key = $3)) ORDER BY o.rank DESC";

impl Warehouse {
    /// The versions of one object of a dataset, newest first; of several records of a version the last one by name comes first.
    ///
    /// # Errors
    /// The database's.
    pub async fn versions_of(&self, dataset: &str, bucket: &str, key: &str) -> Result<Vec<KnownVersion>> {
        self.versions(dataset, Some(bucket), Some(key)).await
    }

    /// All versions of a dataset, newest first; none if there is no ledger.
    ///
    /// # Errors
    /// The database's.
    pub async fn all_versions(&self, dataset: &str) -> Result<Vec<KnownVersion>> {
        if !self.has_ledger().await? {
            return Ok(Vec::new());
        }
        self.versions(dataset, None, None).await
    }

    async fn versions(&self, dataset: &str, bucket: Option<&str>, key: Option<&str>) -> Result<Vec<KnownVersion>> {
        let rows = self.client.query(VERSIONS, &[&dataset, &bucket, &key]).await.doing(READING)?;
        Ok(rows
            .iter()
            .map(|row| KnownVersion {
                object_version_key: row.get(0),
                object: ObjectVersion { bucket: row.get(1), key: row.get(2), version_id: row.get(3) },
                record: row.get(4),
                source: row.get(5),
                order_instant: row.get(6),
                loaded_by: row.get(7),
                withdrawn: row.get::<_, Option<String>>(8).map(|run_id| Withdrawal {
                    run_id,
                    loaded_by: row.get::<_, Option<String>>(9).unwrap_or_default(),
                    at: row.get(10),
                }),
            })
            .collect())
    }

    /// The object version of a run in the ledger: of its own id, or of those of its records.
    ///
    /// # Errors
    /// The database's.
    pub async fn version_of_run(&self, run_id: &str) -> Result<Option<ObjectVersion>> {
        let query = "SELECT v.bucket, v.key, v.version_id FROM audit.run r JOIN audit.object_version v USING (object_version_key) \
                     WHERE r.run_id = $1 OR starts_with(r.run_id, $1 || '.') LIMIT 1";
        let row = self.client.query_opt(query, &[&run_id]).await.doing(READING)?;
        Ok(row.map(|row| ObjectVersion { bucket: row.get(0), key: row.get(1), version_id: row.get(2) }))
    }

    /// When a version's record was withdrawn, if it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn withdrawal_of(&self, object: &ObjectVersion, record: &str) -> Result<Option<DateTime<Utc>>> {
        let query = "SELECT r.finished_at FROM audit.object_version v JOIN audit.run r ON r.run_id = v.withdrawn_run_id \
                     WHERE v.bucket = $1 AND v.key = $2 AND v.version_id = $3 AND v.record = $4";
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&object.bucket, &object.key, &object.version_id, &record];
        Ok(self.client.query_opt(query, &parameters).await.doing(READING)?.map(|row| row.get(0)))
    }

    /// Takes what a version showed out of the tables, once it is committed; the ledger has its rows and amounts. A version that is withdrawn is left
    /// alone. The dataset must be ready ([`Warehouse::ready`]).
    ///
    /// # Errors
    /// [`ErrorCode::RequestInvalid`] if the version is not loaded, [`ErrorCode::DatabaseBusy`] if the dataset's lock is not had in time, the
    /// database's.
    pub async fn withdraw(&mut self, plan: &WithdrawPlan<'_>, record: &Record) -> Result<UncommittedWithdrawal<'_>> {
        let transaction = self.client.transaction().await.doing(WITHDRAWING)?;
        dataset_lock(&transaction, &plan.layout.tables.name).await?;
        if let Some((done, at)) = recorded(&transaction, plan, RunStatus::Withdrawn).await? {
            return Ok(UncommittedWithdrawal { transaction, done, at: Some(at) });
        }
        let version = plan.version.object_version_key;
        let (loaded_by, withdrawn_of) = standing(&transaction, version).await?;
        let Some(loaded_by) = loaded_by else {
            let Some(loaded_by) = withdrawn_of else {
                let message = format!(
                    "{} is not in the warehouse, so that nothing of it can be withdrawn; nothing was changed: `fonderie runs` and audit.run \
                     list what became of each file",
                    plan.version.object
                );
                return Err(StageError::new(ErrorCode::RequestInvalid, message));
            };
            return Ok(UncommittedWithdrawal { transaction, done: unchanged(plan, loaded_by), at: None });
        };
        transaction.batch_execute(&create_incoming(&record.fields)).await.doing(WITHDRAWING)?;
        let merging = Merging {
            layout: plan.layout,
            record,
            version,
            file_name: plan.version.object.file_name(),
            withdrawn: true,
            blind: false,
        };
        complete::nothing(&transaction, plan.layout, record).await?;
        let (main, rows) = merge_statements(&transaction, &merging).await?;
        let (left, reverted) = effect(&transaction, plan.layout, main).await?;
        step("after a version was withdrawn");
        let done = RecordWithdrawal {
            record: plan.version.record.clone(),
            status: WithdrawalStatus::Withdrawn,
            loaded_by,
            rows,
            left,
            reverted,
            outcomes: None,
        };
        let at = write(&transaction, plan, &done).await?;
        let statement = "UPDATE audit.object_version SET loaded_run_id = NULL, staging_lost = false, withdrawn_run_id = $2, \
                         withdrawn_of_run_id = $3 WHERE object_version_key = $1";
        transaction.execute(statement, &[&version, &plan.run_id, &done.loaded_by]).await.doing(WITHDRAWING)?;
        Ok(UncommittedWithdrawal { transaction, done, at: Some(at) })
    }

    /// Loads a withdrawn version again as the run of `load` loaded it, once it is committed. A version that is not withdrawn is left alone.
    /// `columns` are those that the batches have.
    ///
    /// # Errors
    /// Those of [`Warehouse::load`].
    pub async fn restore<S>(
        &mut self,
        plan: &WithdrawPlan<'_>,
        load: &LoadPlan<'_>,
        columns: &HashSet<String>,
        batches: S,
        judged: Option<Judged<'_>>,
    ) -> Result<UncommittedWithdrawal<'_>>
    where
        S: Stream<Item = Result<RecordBatch>>,
    {
        let transaction = self.client.transaction().await.doing(RESTORING)?;
        let version = copy_again(&transaction, load, columns, batches, judged).await?;
        dataset_lock(&transaction, &plan.layout.tables.name).await?;
        if let Some((done, at)) = recorded(&transaction, plan, RunStatus::Restored).await? {
            return Ok(UncommittedWithdrawal { transaction, done, at: Some(at) });
        }
        if standing(&transaction, version).await?.1.as_deref() != Some(load.run.run_id.as_str()) {
            let done = unchanged(plan, load.run.run_id.clone());
            return Ok(UncommittedWithdrawal { transaction, done, at: None });
        }
        let Merged { outcomes, .. } = merge(&transaction, load, version, false).await?;
        let done = RecordWithdrawal {
            record: plan.version.record.clone(),
            status: WithdrawalStatus::Restored,
            loaded_by: load.run.run_id.clone(),
            rows: load.validate.accepted.clone(),
            left: 0,
            reverted: 0,
            outcomes: Some(outcomes),
        };
        let at = write(&transaction, plan, &done).await?;
        loaded_by_now(&transaction, version, &load.run.run_id).await?;
        Ok(UncommittedWithdrawal { transaction, done, at: Some(at) })
    }

    /// Lets the next run load a withdrawn version, once it is committed: its silver is gone, so that it cannot be restored here.
    ///
    /// # Errors
    /// The database's.
    pub async fn release(&mut self, plan: &WithdrawPlan<'_>) -> Result<UncommittedWithdrawal<'_>> {
        let transaction = self.client.transaction().await.doing(RESTORING)?;
        dataset_lock(&transaction, &plan.layout.tables.name).await?;
        if let Some((done, at)) = recorded(&transaction, plan, RunStatus::Restored).await? {
            return Ok(UncommittedWithdrawal { transaction, done, at: Some(at) });
        }
        let version = plan.version.object_version_key;
        let (loaded_by, withdrawn_of) = standing(&transaction, version).await?;
        let Some(withdrawn_of) = withdrawn_of else {
            let done = unchanged(plan, loaded_by.unwrap_or_default());
            return Ok(UncommittedWithdrawal { transaction, done, at: None });
        };
        let done = RecordWithdrawal { status: WithdrawalStatus::Released, ..unchanged(plan, withdrawn_of) };
        let at = write(&transaction, plan, &done).await?;
        let statement = "UPDATE audit.object_version SET withdrawn_run_id = NULL, withdrawn_of_run_id = NULL WHERE object_version_key = $1";
        transaction.execute(statement, &[&version]).await.doing(RESTORING)?;
        Ok(UncommittedWithdrawal { transaction, done, at: Some(at) })
    }
}

/// A record that is left as it is.
fn unchanged(plan: &WithdrawPlan<'_>, loaded_by: String) -> RecordWithdrawal {
    RecordWithdrawal {
        record: plan.version.record.clone(),
        status: WithdrawalStatus::Unchanged,
        loaded_by,
        rows: Tally::default(),
        left: 0,
        reverted: 0,
        outcomes: None,
    }
}

/// The run that loaded a version, and the one whose load was withdrawn.
async fn standing(transaction: &Transaction<'_>, version: i64) -> Result<(Option<String>, Option<String>)> {
    let query = "SELECT loaded_run_id, CASE WHEN withdrawn_run_id IS NOT NULL THEN coalesce(withdrawn_of_run_id, '') END \
                 FROM audit.object_version WHERE object_version_key = $1";
    let row = transaction.query_one(query, &[&version]).await.doing(READING)?;
    Ok((row.get(0), row.get(1)))
}

/// What an earlier attempt of this run did, and when.
async fn recorded(
    transaction: &Transaction<'_>,
    plan: &WithdrawPlan<'_>,
    status: RunStatus,
) -> Result<Option<(RecordWithdrawal, DateTime<Utc>)>> {
    let Some(entry) = ledger::entry(transaction, plan.run_id).await?.filter(|entry| entry.status == status) else {
        return Ok(None);
    };
    let query = "SELECT coalesce(rows_left, 0), coalesce(rows_reverted, 0), withdrawn_of_run_id FROM audit.run WHERE run_id = $1";
    let row = transaction.query_one(query, &[&plan.run_id]).await.doing(READING)?;
    let (status, rows) = match (status, entry.outcomes) {
        (RunStatus::Withdrawn, _) => (WithdrawalStatus::Withdrawn, entry.removed),
        (_, Some(_)) => (WithdrawalStatus::Restored, entry.accepted),
        (_, None) => (WithdrawalStatus::Released, Tally::default()),
    };
    let done = RecordWithdrawal {
        record: plan.version.record.clone(),
        status,
        loaded_by: row.get::<_, Option<String>>(2).unwrap_or_default(),
        rows,
        left: unsigned(row.get(0))?,
        reverted: unsigned(row.get(1))?,
        outcomes: entry.outcomes,
    };
    Ok(Some((done, entry.finished_at)))
}

/// How many of the rows that were withdrawn are no longer in the main table, and how many are in another state.
async fn effect(transaction: &Transaction<'_>, layout: &Layout, main: &fonderie_tables::Table) -> Result<(u64, u64)> {
    let query = format!(
        "SELECT count(*) FILTER (WHERE b.row_key IS NULL OR b.row_status <> 'current'), count(*) FILTER (WHERE b.row_status = 'current') \
         FROM pg_temp.removed r JOIN pg_temp.{} c ON c.row_key = r.row_key AND c.differs LEFT JOIN {} b ON b.row_key = r.row_key",
        quote(&format!("{}_changed", main.name)),
        name(&layout.schemas.warehouse, &main.name, "_rows"),
    );
    let row = transaction.query_one(&query, &[]).await.doing("counting the rows that are withdrawn")?;
    Ok((unsigned(row.get(0))?, unsigned(row.get(1))?))
}

/// Writes the run of a withdrawal, or of what undoes it; returns the time that the ledger gives it.
async fn write(
    transaction: &Transaction<'_>,
    plan: &WithdrawPlan<'_>,
    done: &RecordWithdrawal,
) -> Result<DateTime<Utc>> {
    let run = plan.run;
    let record = plan.record(done, run.started_at);
    let (version, source) = (plan.version.object_version_key, &plan.version.source);
    let at = insert(transaction, version, &run.bundle.dataset, source, &record, None).await?;
    at.ok_or_else(|| {
        let message =
            format!("the ledger has a run {} of another kind: start the withdrawal under another name", plan.run_id);
        StageError::new(ErrorCode::RequestInvalid, message)
    })
}

/// Inserts the run of a withdrawal, at a time or now; `None` if the ledger has a run of its id.
async fn insert(
    client: &impl GenericClient,
    version: i64,
    dataset: &str,
    source: &str,
    record: &WithdrawalRecord,
    at: Option<DateTime<Utc>>,
) -> Result<Option<DateTime<Utc>>> {
    let done = &record.withdrawal;
    let (status, stage) = match done.status {
        WithdrawalStatus::Withdrawn => (RunStatus::Withdrawn, REMOVED),
        _ => (RunStatus::Restored, "accepted"),
    };
    let rows = signed(done.rows.rows)?;
    let (removed, left, reverted) = match done.status {
        WithdrawalStatus::Withdrawn => (Some(rows), Some(signed(done.left)?), Some(signed(done.reverted)?)),
        _ => (None, None, None),
    };
    let accepted = done.outcomes.map(|_| rows);
    let count = |pick: fn(&Outcomes) -> u64| done.outcomes.as_ref().map(|outcomes| signed(pick(outcomes))).transpose();
    let row = client
        .query_opt(
            "INSERT INTO audit.run (run_id, object_version_key, dataset, source, bundle_sha256, bundle_version, as_of, status, rows_accepted, \
             rows_inserted, rows_updated, rows_unchanged, rows_superseded, rows_removed, rows_left, rows_reverted, withdrawn_of_run_id, started_at, \
             finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, coalesce($19, clock_timestamp())) \
             ON CONFLICT DO NOTHING RETURNING finished_at",
            &[
                &record.run_id,
                &version,
                &dataset,
                &source,
                &record.bundle_sha256,
                &record.bundle_version,
                &record.as_of,
                &status.name(),
                &accepted,
                &count(|outcomes| outcomes.inserted)?,
                &count(|outcomes| outcomes.updated)?,
                &count(|outcomes| outcomes.unchanged)?,
                &count(|outcomes| outcomes.superseded)?,
                &removed,
                &left,
                &reverted,
                &done.loaded_by,
                &record.started_at,
                &at,
            ],
        )
        .await
        .doing(WRITING)?;
    let Some(row) = row else { return Ok(None) };
    ledger::write_amounts(client, &record.run_id, stage, &done.rows).await?;
    Ok(Some(row.get(0)))
}

/// Brings a withdrawal back into a ledger that lost it.
pub(crate) async fn remember(
    transaction: &Transaction<'_>,
    version: i64,
    dataset: &str,
    source: &str,
    record: &WithdrawalRecord,
) -> Result<()> {
    insert(transaction, version, dataset, source, record, Some(record.at)).await?;
    let statement = "UPDATE audit.object_version SET loaded_run_id = NULL, withdrawn_run_id = $2, withdrawn_of_run_id = $3 WHERE object_version_key = $1";
    transaction.execute(statement, &[&version, &record.run_id, &record.withdrawal.loaded_by]).await.doing(WRITING)?;
    Ok(())
}
