//! Staging after a crash: the rows that an UNLOGGED table lost, filled again from silver.
//!
//! PostgreSQL empties an UNLOGGED table when it recovers from a crash; a failover and a restore do the same. The ledger is logged and
//! knows what must be there: each file's newest loaded version with its number of accepted rows. A version of which no row is
//! there is a gap. Gaps are filled one by one, each in a transaction of its own under the dataset's lock, after the load that found
//! them has committed: the facts do not wait for staging, and what is not filled now is filled by the next load.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use chrono::{DateTime, Utc};
use fonderie_contract::{Field, Layout, Record};
use fonderie_core::run::output_key;
use fonderie_core::{ErrorCode, Result, Run, StageError};
use fonderie_tables::name;
use futures::Stream;
use tokio_postgres::GenericClient;

use crate::connect::Warehouse;
use crate::error::Doing;
use crate::ledger::{self, unsigned};
use crate::load::copy;
use crate::lock::dataset_lock;
use crate::sql::{incoming_columns, quote};

const LOOKING: &str = "looking for rows that staging lost";
const FILLING: &str = "filling staging again";

/// A version whose rows should be in staging, and are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagingGap {
    /// The version, as the ledger numbers it.
    pub object_version_key: i64,
    /// The object's key in bronze.
    pub key: String,
    /// The key of its accepted records in silver.
    pub accepted: String,
    /// How many there are.
    pub rows: u64,
    /// How many milliseconds its load took: filling takes no longer.
    pub load_millis: u64,
    /// When it was loaded.
    loaded_at: DateTime<Utc>,
}

impl StagingGap {
    /// The last part of its key.
    pub fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or(&self.key)
    }
}

impl Warehouse {
    /// The versions whose rows are missing from the record's table in staging, quick ones first.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn staging_gaps(&self, layout: &Layout, record: &Record) -> Result<Vec<StagingGap>> {
        gaps(&self.client, layout, record, None).await
    }

    /// Fills one gap with its accepted records; returns whether that was still to be done.
    ///
    /// # Errors
    /// `NotConserved` if silver holds another number of rows than was loaded, the stream's errors and the database's.
    pub async fn fill_staging<S>(
        &mut self,
        layout: &Layout,
        record: &Record,
        gap: &StagingGap,
        fields: &HashSet<String>,
        batches: S,
    ) -> Result<bool>
    where
        S: Stream<Item = Result<RecordBatch>>,
    {
        let transaction = self.client.transaction().await.doing(FILLING)?;
        // an older contract may have written fewer fields
        let fields: Vec<Field> = record.fields.iter().filter(|field| fields.contains(&field.name)).cloned().collect();
        copy(&transaction, &fields, &incoming_columns(&fields), batches).await?;
        dataset_lock(&transaction, &layout.tables.name).await?;
        if gaps(&transaction, layout, record, Some(gap.object_version_key)).await?.is_empty() {
            return Ok(false);
        }
        let source_file = gap.file_name();
        let names = fields.iter().map(|field| format!("{}, ", quote(&field.name))).collect::<String>();
        let statement = format!(
            "INSERT INTO {} ({names}source_line, source_file, load_timestamp, object_version_key) SELECT {names}source_line, $1, $2, $3 FROM incoming",
            place(layout, record)
        );
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&source_file, &gap.loaded_at, &gap.object_version_key];
        let filled = transaction.execute(&statement, &parameters).await.doing(FILLING)?;
        if filled != gap.rows {
            let message = format!(
                "{} holds {filled} rows in silver, and {} were loaded: run the file again to have its rows in staging",
                gap.key, gap.rows
            );
            return Err(StageError::new(ErrorCode::NotConserved, message));
        }
        transaction.commit().await.doing(FILLING)?;
        Ok(true)
    }

    /// Notes that a version's rows cannot be filled in again, so that no later load looks for them; a load of the version does.
    ///
    /// # Errors
    /// The database's.
    pub async fn give_up_staging(&self, gap: &StagingGap) -> Result<()> {
        let statement = "UPDATE audit.object_version SET staging_lost = true WHERE object_version_key = $1";
        self.client.execute(statement, &[&gap.object_version_key]).await.doing(FILLING)?;
        Ok(())
    }

    /// Adds to the notices of a run that the ledger knows; the same notice again changes nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn add_notices(&self, run_id: &str, notices: &[String]) -> Result<()> {
        ledger::add_notices(&self.client, run_id, notices).await
    }
}

fn place(layout: &Layout, record: &Record) -> String {
    name(&layout.schemas.staging, &record.name, "")
}

/// The gaps of a record, or of one version. Each version costs one look into the index of staging.
async fn gaps(
    client: &impl GenericClient,
    layout: &Layout,
    record: &Record,
    version: Option<i64>,
) -> Result<Vec<StagingGap>> {
    let dataset = layout.tables.name.as_str();
    let query = format!(
        "SELECT v.object_version_key, v.key, r.source, r.run_id, r.rows_accepted, coalesce(r.load_millis, 0), r.finished_at \
         FROM (SELECT DISTINCT ON (v.bucket, v.key) v.object_version_key, v.key, v.loaded_run_id, v.staging_lost \
               FROM audit.object_version v JOIN audit.version_order o USING (object_version_key) \
               WHERE v.dataset = $1 AND v.record = $3 AND v.loaded_run_id IS NOT NULL ORDER BY v.bucket, v.key, o.rank DESC) v \
         JOIN audit.run r ON r.run_id = v.loaded_run_id \
         LEFT JOIN LATERAL (SELECT true AS there FROM {} s WHERE s.object_version_key = v.object_version_key LIMIT 1) s ON true \
         WHERE r.rows_accepted > 0 AND s.there IS NULL AND NOT v.staging_lost AND ($2::bigint IS NULL OR v.object_version_key = $2) \
         ORDER BY 6, 1",
        place(layout, record)
    );
    let rows = client.query(&query, &[&dataset, &version, &record.name]).await.doing(LOOKING)?;
    rows.iter()
        .map(|row| {
            Ok(StagingGap {
                object_version_key: row.get(0),
                key: row.get(1),
                accepted: output_key(dataset, row.get(2), row.get(3), Run::ACCEPTED),
                rows: unsigned(row.get(4))?,
                load_millis: unsigned(row.get(5))?,
                loaded_at: row.get(6),
            })
        })
        .collect()
}
