//! When each source's newest file came.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fonderie_core::Result;

use crate::connect::Warehouse;
use crate::error::Doing;

/// When the newest of some versions came: an aggregate over rows of `audit.object_version`. A date in a file's name may lie in the
/// future by mistake; the time of its upload does not.
pub const NEWEST_ARRIVAL: &str = "max(least(order_instant, order_modified))";

impl Warehouse {
    /// The day of each source's newest file, in a time zone, halted files included: they came, and what became of them is told
    /// by itself. A withdrawn file was none of those that were expected. A source of which none came is absent.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn newest_arrivals(&self, dataset: &str, time_zone: &str) -> Result<BTreeMap<String, NaiveDate>> {
        let sql = format!(
            "SELECT source, ({NEWEST_ARRIVAL} AT TIME ZONE $2)::date \
             FROM audit.object_version WHERE dataset = $1 AND withdrawn_run_id IS NULL GROUP BY source"
        );
        let rows = self.client.query(&sql, &[&dataset, &time_zone]).await.doing("reading when files came")?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}
