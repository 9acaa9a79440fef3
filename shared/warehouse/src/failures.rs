//! Failures that were recorded in the store while the ledger could not be written, brought into it by a later run.

use chrono::NaiveDate;
use fonderie_core::Result;
use fonderie_core::stage::Failure;

use crate::connect::Warehouse;
use crate::error::Doing;

const RECORDING: &str = "bringing failures into the ledger";

impl Warehouse {
    /// Those of the runs that the ledger does not know.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn unknown_runs(&self, run_ids: &[String]) -> Result<Vec<String>> {
        let rows = self
            .client
            .query(
                "SELECT u.run_id FROM unnest($1::text[]) WITH ORDINALITY AS u (run_id, place) \
                 WHERE NOT EXISTS (SELECT FROM audit.run r WHERE r.run_id = u.run_id) ORDER BY u.place",
                &[&run_ids],
            )
            .await
            .doing(RECORDING)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Writes a failed run into the ledger, unless the ledger knows the run: what was loaded stays loaded.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn record_failed(&self, failure: &Failure) -> Result<()> {
        let Failure { run_id, started_at, stage, code, cause, bucket, key, version_id, dataset, source, .. } = failure;
        self.client
            .execute(
                "INSERT INTO audit.run (run_id, object_version_key, dataset, source, as_of, status, started_at, failed_stage, \
                 failure_code, failure_cause) \
                 VALUES ($1, (SELECT object_version_key FROM audit.object_version WHERE bucket = $2 AND key = $3 AND version_id = $4 \
                          AND ($6::text IS NULL OR source = $6) ORDER BY 1 LIMIT 1), \
                 $5, $6, $7, 'failed', $8, $9, $10, $11) ON CONFLICT (run_id) DO NOTHING",
                &[
                    run_id,
                    bucket,
                    key,
                    version_id,
                    dataset,
                    source,
                    &None::<NaiveDate>,
                    started_at,
                    stage,
                    code,
                    cause,
                ],
            )
            .await
            .doing(RECORDING)?;
        Ok(())
    }
}
