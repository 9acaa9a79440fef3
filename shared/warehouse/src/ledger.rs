//! The ledger: one row per object version and record, one per run, one per rule and per money column of a run.
//!
//! Every write is an upsert by the run's id, inside the transaction whose effect it tells of: a retry after a lost answer
//! reads the same numbers back.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use fonderie_core::failpoint::step;
use fonderie_core::stage::{LoadWarning, Loaded, Outcomes, RuleResult, Transformed, Validated, Verdict};
use fonderie_core::tally::Amount;
use fonderie_core::units::{UnitKind, Units};
use fonderie_core::{ErrorCode, ObjectVersion, Result, Run, StageError, Tally, money};
use tokio_postgres::{GenericClient, Transaction};

use crate::connect::Warehouse;
use crate::error::Doing;

const READING: &str = "reading the ledger";
pub(crate) const WRITING: &str = "writing the ledger";
/// The stage of the amounts that a version no longer shows.
pub(crate) const REMOVED: &str = "removed";

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// Its rows are in the dataset's tables.
    Loaded,
    /// The object version was there before, or is withdrawn: nothing was done.
    Unchanged,
    /// The quality rules stopped it before the warehouse.
    Halted,
    /// It failed.
    Failed,
    /// It withdrew an object version.
    Withdrawn,
    /// It undid a withdrawal.
    Restored,
}

impl RunStatus {
    const ALL: [Self; 6] = [Self::Loaded, Self::Unchanged, Self::Halted, Self::Failed, Self::Withdrawn, Self::Restored];

    /// The name in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Unchanged => "unchanged",
            Self::Halted => "halted",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::Restored => "restored",
        }
    }
}

/// What the ledger says of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The execution's name.
    pub run_id: String,
    /// The object version, where one was found.
    pub object: Option<ObjectVersion>,
    /// The dataset.
    pub dataset: String,
    /// The source.
    pub source: String,
    /// The record, where an object version was found.
    pub record: String,
    /// SHA-256 of the bundle.
    pub bundle_sha256: String,
    /// What "today" was.
    pub as_of: NaiveDate,
    /// How it ended.
    pub status: RunStatus,
    /// The quality rules' verdict.
    pub verdict: Option<Verdict>,
    /// The object version was in the warehouse before this run.
    pub already_loaded: bool,
    /// Why the file was halted.
    pub halted_because: Option<String>,
    /// Records of the file.
    pub read: Tally,
    /// Records that went to the warehouse (of a halted run: that would have).
    pub accepted: Tally,
    /// Records refused.
    pub rejected: Tally,
    /// What became of the accepted rows; absent where nothing was loaded.
    pub outcomes: Option<Outcomes>,
    /// Records that the object version showed before and no longer shows.
    pub removed: Tally,
    /// The file's physical lines or sheet rows.
    pub units: Units,
    /// What the reader reported on the run.
    pub notices: Vec<String>,
    /// The key of another object with the same bytes, which came first.
    pub same_bytes_as: Option<String>,
    /// Every rule with its count.
    pub rules: Vec<RuleResult>,
    /// When the run started.
    pub started_at: DateTime<Utc>,
    /// When the ledger was written.
    pub finished_at: DateTime<Utc>,
}

/// What a run has to say to the ledger.
pub(crate) struct Ending<'a> {
    pub(crate) run: &'a Run,
    pub(crate) transform: &'a Transformed,
    pub(crate) validate: &'a Validated,
    pub(crate) status: RunStatus,
    pub(crate) outcomes: Option<Outcomes>,
    pub(crate) removed: &'a Tally,
    pub(crate) already_loaded: bool,
    pub(crate) warnings: &'a [LoadWarning],
    pub(crate) load_millis: Option<u64>,
}

impl Warehouse {
    /// Writes the ledger of a run that the quality rules halted. The same run again changes nothing but the time.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn record_halted(&mut self, run: &Run, transform: &Transformed, validate: &Validated) -> Result<()> {
        let transaction = self.client.transaction().await.doing(WRITING)?;
        if recorded(&transaction, &run.run_id).await?.is_none() {
            let key = register_version(&transaction, run, &transform.content_sha256).await?.key;
            let ending = Ending {
                run,
                transform,
                validate,
                status: RunStatus::Halted,
                outcomes: None,
                removed: &Tally::default(),
                already_loaded: false,
                warnings: &[],
                load_millis: None,
            };
            write(&transaction, key, &ending).await?;
        }
        step("before a halted file was recorded");
        transaction.commit().await.doing(WRITING)?;
        step("after a halted file was recorded");
        Ok(())
    }

    /// Reads a run's ledger back; `None` where the ledger does not know it.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn ledger(&self, run_id: &str) -> Result<Option<LedgerEntry>> {
        entry(&self.client, run_id).await
    }

    /// The runs of an execution's name that loaded or halted their file: id, dataset and source. On one machine a run's id is
    /// the execution's name, a hyphen and more. There are none before the first run makes the ledger.
    ///
    /// # Errors
    /// The database's.
    pub async fn runs_with_verdict(&self, execution: &str) -> Result<Vec<(String, String, String)>> {
        let there = self.client.query_one("SELECT to_regclass('audit.run') IS NOT NULL", &[]).await.doing(READING)?;
        if !there.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let sql = "SELECT run_id, dataset, source FROM audit.run \
                   WHERE (run_id = $1 OR starts_with(run_id, $1 || '-')) AND status <> 'failed'";
        let rows = self.client.query(sql, &[&execution]).await.doing(READING)?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }
}

/// An object version's row in the ledger.
pub(crate) struct Version {
    pub(crate) key: i64,
    /// The run that last loaded it; none either if staging lost its rows for good, for then it must be loaded again.
    pub(crate) loaded_run_id: Option<String>,
}

/// The run that put a version's rows into the tables; none either if staging lost them for good, for then the version must be loaded again.
pub(crate) const LOADED_BY: &str = "CASE WHEN staging_lost THEN NULL ELSE loaded_run_id END";

/// Finds or makes the object version's row. One whose rows are in the tables keeps its first order.
pub(crate) async fn register_version(client: &impl GenericClient, run: &Run, content_sha256: &str) -> Result<Version> {
    let object = &run.object;
    let row = client
        .query_one(
            &format!(
                "INSERT INTO audit.object_version AS v (dataset, source, bucket, key, version_id, order_instant, order_modified, \
             order_position, size, content_sha256, record) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (bucket, key, version_id, record) DO UPDATE SET \
             order_instant = CASE WHEN v.loaded_run_id IS NULL THEN excluded.order_instant ELSE v.order_instant END, \
             order_modified = CASE WHEN v.loaded_run_id IS NULL THEN excluded.order_modified ELSE v.order_modified END, \
             order_position = CASE WHEN v.loaded_run_id IS NULL THEN excluded.order_position ELSE v.order_position END \
             RETURNING object_version_key, {LOADED_BY}, content_sha256"
            ),
            &[
                &run.bundle.dataset,
                &run.source,
                &object.bucket,
                &object.key,
                &object.version_id,
                &run.order.instant,
                &run.order.modified,
                &i64::from(run.order.position),
                &signed(run.size)?,
                &content_sha256,
                &run.record,
            ],
        )
        .await
        .doing("registering the object version")?;
    if row.get::<_, &str>(2) != content_sha256 {
        return Err(StageError::new(
            ErrorCode::ObjectChanged,
            format!(
                "{object} was in the ledger with other content: an object version never changes, switch the bucket's versioning on and send the file again"
            ),
        ));
    }
    Ok(Version { key: row.get(0), loaded_run_id: row.get(1) })
}

/// What an earlier attempt of this very run loaded, and when. Its notices are those of what came after the commit, and are not given.
pub(crate) async fn recorded(client: &impl GenericClient, run_id: &str) -> Result<Option<(Loaded, DateTime<Utc>)>> {
    let row = client
        .query_opt(
            "SELECT rows_inserted, rows_updated, rows_unchanged, rows_superseded, already_loaded, load_millis, rows_removed, finished_at, status \
             FROM audit.run WHERE run_id = $1 AND status IN ('loaded', 'unchanged')",
            &[&run_id],
        )
        .await
        .doing(READING)?;
    let Some(row) = row else { return Ok(None) };
    let count = |index: usize| unsigned(row.get::<_, Option<i64>>(index).unwrap_or_default());
    let outcomes = Outcomes { inserted: count(0)?, updated: count(1)?, unchanged: count(2)?, superseded: count(3)? };
    let removed =
        Tally { rows: count(6)?, amounts: amounts(client, run_id).await?.remove(REMOVED).unwrap_or_default() };
    let warnings = client
        .query(
            "SELECT rule, rows, message FROM audit.rule_result WHERE run_id = $1 AND message IS NOT NULL ORDER BY rule COLLATE \"C\"",
            &[&run_id],
        )
        .await
        .doing(READING)?
        .iter()
        .map(|row| Ok(LoadWarning { rule: row.get(0), rows: unsigned(row.get(1))?, message: row.get(2) }))
        .collect::<Result<_>>()?;
    let (already_loaded, millis): (bool, u64) = (row.get(4), count(5)?);
    let withdrawn = !already_loaded && row.get::<_, &str>(8) == RunStatus::Unchanged.name();
    let loaded = Loaded { outcomes, removed, already_loaded, withdrawn, warnings, notices: Vec::new(), millis };
    Ok(Some((loaded, row.get(7))))
}

/// Adds notices to those of a run that is recorded; one that is there is not repeated.
pub(crate) async fn add_notices(client: &impl GenericClient, run_id: &str, notices: &[String]) -> Result<()> {
    client
        .execute(
            "UPDATE audit.run SET notices = notices || ARRAY(SELECT n FROM unnest($2::text[]) AS n WHERE n <> ALL (notices)) WHERE run_id = $1",
            &[&run_id, &notices],
        )
        .await
        .doing(WRITING)?;
    Ok(())
}

/// Whether the version's rows are in the tables just as this run would put them: the same bundle, the same accepted rows and
/// cents (another as-of date may accept other rows).
pub(crate) async fn loaded_alike(
    client: &impl GenericClient,
    loaded_run_id: &str,
    run: &Run,
    accepted: &Tally,
) -> Result<bool> {
    let Some(loaded) = entry(client, loaded_run_id).await? else { return Ok(false) };
    Ok(loaded.bundle_sha256 == run.bundle.sha256 && loaded.source == run.source && loaded.accepted == *accepted)
}

/// Writes a run's rows, in place of those that an earlier attempt wrote; returns the time that the ledger gives the run.
pub(crate) async fn write(transaction: &Transaction<'_>, version: i64, ending: &Ending<'_>) -> Result<DateTime<Utc>> {
    let Ending { run, transform, validate, outcomes, removed, .. } = ending;
    let units = &transform.units;
    let other = serde_json::to_string(&units.other).unwrap_or_else(|_| "{}".to_owned());
    let rejected = transform.rejected.plus(&validate.rejected);
    let count = |pick: fn(&Outcomes) -> u64| outcomes.as_ref().map(|outcomes| signed(pick(outcomes))).transpose();
    transaction.execute("DELETE FROM audit.run WHERE run_id = $1", &[&run.run_id]).await.doing(WRITING)?;
    let row = transaction
        .query_one(
            "INSERT INTO audit.run (run_id, object_version_key, dataset, source, bundle_sha256, bundle_version, as_of, status, verdict, \
             already_loaded, halted_because, rows_read, rows_accepted, rows_rejected, rows_inserted, rows_updated, rows_unchanged, \
             rows_superseded, transform_millis, validate_millis, load_millis, started_at, load_only, rows_removed, units_kind, \
             units_total, units_records, units_passed_over, units_other, notices, halts, finished_at) VALUES ($1, $2, $3, $4, $5, $6, \
             $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, \
             $29::text::jsonb, $30, $31, clock_timestamp()) RETURNING finished_at",
            &[
                &run.run_id,
                &version,
                &run.bundle.dataset,
                &run.source,
                &run.bundle.sha256,
                &run.bundle.object.version_id,
                &run.as_of,
                &ending.status.name(),
                &verdict_name(validate.verdict),
                &ending.already_loaded,
                &validate.halted_because,
                &signed(transform.read.rows)?,
                &signed(validate.accepted.rows)?,
                &signed(rejected.rows)?,
                &count(|outcomes| outcomes.inserted)?,
                &count(|outcomes| outcomes.updated)?,
                &count(|outcomes| outcomes.unchanged)?,
                &count(|outcomes| outcomes.superseded)?,
                &signed(transform.millis)?,
                &signed(validate.millis)?,
                &ending.load_millis.map(signed).transpose()?,
                &run.started_at,
                &run.load_only,
                &outcomes.as_ref().map(|_| signed(removed.rows)).transpose()?,
                &units.kind.name(),
                &signed(units.total)?,
                &signed(units.records)?,
                &signed(units.passed_over())?,
                &other,
                &transform.notices,
                &transform.halts,
            ],
        )
        .await
        .doing(WRITING)?;
    note_same_bytes(transaction, version).await?;
    let nothing = Tally::default();
    let removed = if removed.is_empty() { &nothing } else { *removed };
    let tallies =
        [("read", &transform.read), ("accepted", &validate.accepted), ("rejected", &rejected), (REMOVED, removed)];
    for (stage, tally) in tallies {
        write_amounts(transaction, &run.run_id, stage, tally).await?;
    }
    for result in &validate.rules {
        transaction
            .execute(
                "INSERT INTO audit.rule_result (run_id, rule, severity, rows, budget) VALUES ($1, $2, $3, $4, $5)",
                &[
                    &run.run_id,
                    &result.rule,
                    &result.severity,
                    &signed(result.rows)?,
                    &result.budget.map(signed).transpose()?,
                ],
            )
            .await
            .doing(WRITING)?;
    }
    for LoadWarning { rule, rows, message } in ending.warnings {
        transaction
            .execute(
                "INSERT INTO audit.rule_result (run_id, rule, severity, rows, message) VALUES ($1, $2, 'warn', $3, $4)",
                &[&run.run_id, rule, &signed(*rows)?, message],
            )
            .await
            .doing(WRITING)?;
    }
    Ok(row.get(0))
}

/// Notes which other object of the dataset has the version's bytes and came before it. Under the dataset's lock, where there
/// is one, no other load is under way.
async fn note_same_bytes(transaction: &Transaction<'_>, version: i64) -> Result<()> {
    transaction
        .execute(
            "UPDATE audit.object_version v SET same_bytes_as = o.key FROM audit.object_version o \
             WHERE v.object_version_key = $1 AND v.same_bytes_as IS NULL AND o.object_version_key = ( \
               SELECT min(other.object_version_key) FROM audit.object_version other \
               WHERE other.content_sha256 = v.content_sha256 AND other.dataset = v.dataset \
                 AND (other.bucket, other.key) <> (v.bucket, v.key) AND other.object_version_key < v.object_version_key)",
            &[&version],
        )
        .await
        .doing(WRITING)?;
    Ok(())
}

/// Writes a run's amounts of one stage.
pub(crate) async fn write_amounts(client: &impl GenericClient, run_id: &str, stage: &str, tally: &Tally) -> Result<()> {
    for (column, amount) in &tally.amounts {
        client
            .execute(
                "INSERT INTO audit.run_amount (run_id, stage, column_name, sum, unreadable) VALUES ($1, $2, $3, $4::text::numeric, $5)",
                &[&run_id, &stage, column, &money::format_cents(amount.sum), &signed(amount.unreadable)?],
            )
            .await
            .doing(WRITING)?;
    }
    Ok(())
}

/// A run's amounts, by stage and money column.
async fn amounts(client: &impl GenericClient, run_id: &str) -> Result<BTreeMap<String, BTreeMap<String, Amount>>> {
    let rows = client
        .query("SELECT stage, column_name, sum::text, unreadable FROM audit.run_amount WHERE run_id = $1", &[&run_id])
        .await
        .doing(READING)?;
    let mut stages: BTreeMap<String, BTreeMap<String, Amount>> = BTreeMap::new();
    for row in &rows {
        let sum = money::parse_cents(row.get(2)).ok_or_else(|| unreadable("a sum"))?;
        let amount = Amount { sum, unreadable: unsigned(row.get(3))? };
        stages.entry(row.get(0)).or_default().insert(row.get(1), amount);
    }
    Ok(stages)
}

pub(crate) async fn entry(client: &impl GenericClient, run_id: &str) -> Result<Option<LedgerEntry>> {
    let row = client
        .query_opt(
            "SELECT r.run_id, v.bucket, v.key, v.version_id, coalesce(r.dataset, ''), coalesce(r.source, ''), \
             coalesce(r.bundle_sha256, ''), coalesce(r.as_of, r.started_at::date), r.status, r.verdict, \
             r.already_loaded, r.halted_because, r.rows_read, r.rows_accepted, r.rows_rejected, r.rows_inserted, r.rows_updated, \
             r.rows_unchanged, r.rows_superseded, r.started_at, r.finished_at, r.rows_removed, r.units_kind, r.units_total, \
             r.units_records, r.units_other::text, r.notices, v.same_bytes_as, coalesce(v.record, '') \
             FROM audit.run r LEFT JOIN audit.object_version v USING (object_version_key) WHERE r.run_id = $1",
            &[&run_id],
        )
        .await
        .doing(READING)?;
    let Some(row) = row else { return Ok(None) };
    let mut amounts = amounts(client, run_id).await?;
    let mut tally = |stage: &str, index: usize| -> Result<Tally> {
        let rows = unsigned(row.get::<_, Option<i64>>(index).unwrap_or_default())?;
        Ok(Tally { rows, amounts: amounts.remove(stage).unwrap_or_default() })
    };
    let (read, accepted, rejected) = (tally("read", 12)?, tally("accepted", 13)?, tally("rejected", 14)?);
    let removed = tally(REMOVED, 21)?;
    let rules = client
        .query(
            "SELECT rule, severity, rows, budget FROM audit.rule_result WHERE run_id = $1 ORDER BY rule COLLATE \"C\", severity",
            &[&run_id],
        )
        .await
        .doing(READING)?
        .iter()
        .map(|rule| {
            let budget = rule.get::<_, Option<i64>>(3).map(unsigned).transpose()?;
            Ok(RuleResult { rule: rule.get(0), severity: rule.get(1), rows: unsigned(rule.get(2))?, budget })
        })
        .collect::<Result<Vec<_>>>()?;
    let count = |index: usize| row.get::<_, Option<i64>>(index).map(unsigned).transpose();
    let outcomes = match (count(15)?, count(16)?, count(17)?, count(18)?) {
        (Some(inserted), Some(updated), Some(unchanged), Some(superseded)) => {
            Some(Outcomes { inserted, updated, unchanged, superseded })
        }
        _ => None,
    };
    let object = match (row.get(1), row.get(2), row.get(3)) {
        (Some(bucket), Some(key), Some(version_id)) => Some(ObjectVersion { bucket, key, version_id }),
        _ => None,
    };
    let status = RunStatus::ALL
        .into_iter()
        .find(|status| status.name() == row.get::<_, &str>(8))
        .ok_or_else(|| unreadable("a status"))?;
    let verdict = row
        .get::<_, Option<&str>>(9)
        .map(|name| verdict_named(name).ok_or_else(|| unreadable("a verdict")))
        .transpose()?;
    let units = Units {
        kind: if row.get::<_, Option<&str>>(22) == Some(UnitKind::Rows.name()) {
            UnitKind::Rows
        } else {
            UnitKind::Lines
        },
        total: count(23)?.unwrap_or_default(),
        records: count(24)?.unwrap_or_default(),
        other: match row.get::<_, Option<&str>>(25) {
            Some(json) => serde_json::from_str(json).map_err(|_| unreadable("the file's units"))?,
            None => BTreeMap::new(),
        },
    };
    Ok(Some(LedgerEntry {
        run_id: row.get(0),
        object,
        dataset: row.get(4),
        source: row.get(5),
        record: row.get(28),
        bundle_sha256: row.get(6),
        as_of: row.get(7),
        status,
        verdict,
        already_loaded: row.get(10),
        halted_because: row.get(11),
        read,
        accepted,
        rejected,
        outcomes,
        removed,
        units,
        notices: row.get(26),
        same_bytes_as: row.get(27),
        rules,
        started_at: row.get(19),
        finished_at: row.get(20),
    }))
}

const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::AcceptedWithRejects => "accepted_with_rejects",
        Verdict::Halted => "halted",
    }
}

fn verdict_named(name: &str) -> Option<Verdict> {
    [Verdict::Accepted, Verdict::AcceptedWithRejects, Verdict::Halted]
        .into_iter()
        .find(|verdict| verdict_name(*verdict) == name)
}

/// A count as PostgreSQL's bigint.
pub(crate) fn signed(count: u64) -> Result<i64> {
    i64::try_from(count).map_err(|_| {
        StageError::new(
            ErrorCode::Internal,
            "a count is beyond the ledger's range: this is a defect of Fonderie, report it",
        )
    })
}

/// A count from PostgreSQL's bigint.
pub(crate) fn unsigned(count: i64) -> Result<u64> {
    u64::try_from(count).map_err(|_| unreadable("a count"))
}

fn unreadable(what: &str) -> StageError {
    StageError::new(
        ErrorCode::Internal,
        format!(
            "{what} in the ledger cannot be read: the schema audit was changed from outside, or this is a defect of Fonderie"
        ),
    )
}
