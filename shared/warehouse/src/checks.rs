//! The dataset's checks: SELECTs of violations, asked of the loaded tables before the marts are published.
//!
//! A check that names `changed_<table>` sees the keys that loads wrote since it was asked before. It sees all keys if it is new or another one,
//! if it was violated, for its count must be that of the violations that are left, and in the daily run.

use std::collections::BTreeMap;
use std::time::Instant;

use fonderie_contract::{CheckWhen, Dataset, Severity, TableCheck};
use fonderie_core::failpoint::step;
use fonderie_core::stage::{CheckStatus, Checked, DatasetRun};
use fonderie_core::{Result, digest, hex};
use fonderie_tables::{Table, drop_all, has_lost, take_all, take_changes};
use tokio_postgres::Transaction;

use crate::connect::Warehouse;
use crate::error::{Doing, wrong_sql};
use crate::followers::{self, CHECKS};
use crate::ledger::{signed, unsigned};
use crate::load::WORK_MEM;
use crate::lock::dataset_lock;
use crate::score::{loads_until, newer_load};

/// Violations that the ledger shows.
const EXAMPLES: u64 = 10;
const CHECKING: &str = "asking the dataset's checks";

/// How a check stood when it was last asked.
struct State {
    definition: String,
    status: String,
    violations: u64,
}

impl Warehouse {
    /// Asks the checks of a dataset that are due, under the dataset's lock, and writes what they found to the ledger. A run that sees a load newer
    /// than its own leaves this to that load's run, and gives nothing.
    ///
    /// # Errors
    /// `ContractInvalid` if PostgreSQL does not take a check, `DatabaseBusy`, the database's; the schema must be migrated.
    pub async fn check(&mut self, run: &DatasetRun, dataset: &Dataset) -> Result<Vec<Checked>> {
        let transaction = self.client.transaction().await.doing(CHECKING)?;
        if dataset.checks.is_empty() {
            forget(&transaction, dataset).await?;
            transaction.commit().await.doing(CHECKING)?;
            return Ok(Vec::new());
        }
        dataset_lock(&transaction, &dataset.name).await?;
        let until = loads_until(&transaction, run).await?;
        if newer_load(&transaction, run, until).await? {
            return Ok(Vec::new());
        }
        let memory = format!("SET LOCAL work_mem = '{WORK_MEM}'");
        transaction.batch_execute(&memory).await.doing(CHECKING)?;
        let states = states(&transaction, dataset).await?;
        let daily = run.is_of_all();
        let tables = &dataset.layout.tables;
        let followed: Vec<&Table> = tables.tables().filter(|table| is_followed(dataset, table)).collect();
        let (mut lost, mut seen) = (Vec::new(), BTreeMap::new());
        for table in &followed {
            seen.insert(table.name.as_str(), followers::seen(&transaction, tables, table, CHECKS).await?);
        }
        // whoever has not looked yet looks at all rows
        let has_looked = seen.values().all(Option::is_some);
        let after = |table: &Table| seen.get(table.name.as_str()).copied().flatten().unwrap_or_default();
        for table in followed.iter().filter(|table| is_looked_up(dataset, table)) {
            let any = dataset
                .checks
                .iter()
                .any(|check| check.looks_up.as_ref() == Some(&table.name) && check.looks_up_values);
            let asked = transaction.query_one(&has_lost(tables, table, after(table), any), &[]).await;
            if asked.doing(CHECKING)?.get(0) {
                lost.push(&table.name);
            }
        }
        for table in &followed {
            transaction.batch_execute(&take_changes(tables, table, after(table))).await.doing(CHECKING)?;
            followers::look(&transaction, tables, table, CHECKS).await?;
        }
        let is_known =
            |check: &TableCheck| states.get(&check.id).is_some_and(|state| state.definition == definition(check));
        let is_due = |check: &&TableCheck| daily || check.when == CheckWhen::Load || !is_known(check);
        let sees_all = |check: &&TableCheck| {
            let same = states.get(&check.id).filter(|state| state.definition == definition(check));
            let looks_up_less = check.looks_up.as_ref().is_some_and(|table| lost.contains(&table));
            daily
                || !has_looked
                || looks_up_less
                || check.follows.is_empty()
                || same.is_none_or(|state| state.status != CheckStatus::Passed.name())
        };
        let (all, some): (Vec<_>, Vec<_>) = dataset.checks.iter().filter(is_due).partition(sees_all);
        let mut checked = Vec::new();
        for check in some {
            checked.push(ask(&transaction, run, check, states.get(&check.id), false).await?);
        }
        if !all.is_empty() {
            let take: String = followed.iter().map(|table| take_all(tables, table)).collect();
            transaction.batch_execute(&take).await.doing(CHECKING)?;
            for check in all {
                checked.push(ask(&transaction, run, check, states.get(&check.id), true).await?);
            }
            let drop: String = followed.iter().map(|table| drop_all(table)).collect();
            transaction.batch_execute(&drop).await.doing(CHECKING)?;
        }
        forget(&transaction, dataset).await?;
        step("before the checks were committed");
        transaction.commit().await.doing("committing what the checks found")?;
        Ok(checked)
    }

    /// The marts that stay as they were, each with the checks that keep them so: those whose last answer was a violation.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn blocked(&self, dataset: &Dataset) -> Result<BTreeMap<String, Vec<String>>> {
        let halting = |check: &&TableCheck| check.severity == Severity::Halt && !check.blocks.is_empty();
        if !dataset.checks.iter().any(|check| halting(&check)) {
            return Ok(BTreeMap::new());
        }
        let rows = self
            .client
            .query(
                "SELECT check_id FROM audit.check_state WHERE dataset = $1 AND status = $2",
                &[&dataset.name, &CheckStatus::Violated.name()],
            )
            .await
            .doing(CHECKING)?;
        let violated: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let mut blocked: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for check in dataset.checks.iter().filter(halting).filter(|check| violated.contains(&check.id)) {
            for mart in &check.blocks {
                blocked.entry(mart.clone()).or_default().push(check.id.clone());
            }
        }
        Ok(blocked)
    }
}

/// Whether checks see what changed in a table.
fn is_followed(dataset: &Dataset, table: &Table) -> bool {
    dataset.checks.iter().any(|check| check.follows.contains(&table.name)) || is_looked_up(dataset, table)
}

/// Whether a check looks rows up in a table.
fn is_looked_up(dataset: &Dataset, table: &Table) -> bool {
    dataset.checks.iter().any(|check| check.looks_up.as_ref() == Some(&table.name))
}

/// The hash of all that a check asks.
fn definition(check: &TableCheck) -> String {
    let budget = check.budget.to_string();
    hex(digest([check.id.as_str(), &check.query, check.severity.name(), &budget]))
}

async fn states(transaction: &Transaction<'_>, dataset: &Dataset) -> Result<BTreeMap<String, State>> {
    let query = "SELECT check_id, definition_sha256, status, violations FROM audit.check_state WHERE dataset = $1";
    let rows = transaction.query(query, &[&dataset.name]).await.doing(CHECKING)?;
    let state = |row: &tokio_postgres::Row| {
        Ok((row.get(0), State { definition: row.get(1), status: row.get(2), violations: unsigned(row.get(3))? }))
    };
    rows.iter().map(state).collect()
}

/// Checks that are no longer declared: one that comes back looks at all rows.
async fn forget(transaction: &Transaction<'_>, dataset: &Dataset) -> Result<()> {
    let known: Vec<&str> = dataset.checks.iter().map(|check| check.id.as_str()).collect();
    let delete = "DELETE FROM audit.check_state WHERE dataset = $1 AND check_id <> ALL ($2)";
    transaction.execute(delete, &[&dataset.name, &known]).await.doing(CHECKING)?;
    Ok(())
}

/// What to do about a check that PostgreSQL does not take.
fn advice(check: &TableCheck) -> String {
    let place =
        if check.is_kind { "dataset.toml".to_owned() } else { format!("dataset.toml, checks/{}.sql", check.id) };
    format!("correct the check `{}` ({place}), and run again", check.id)
}

async fn ask(
    transaction: &Transaction<'_>,
    run: &DatasetRun,
    check: &TableCheck,
    before: Option<&State>,
    of_all: bool,
) -> Result<Checked> {
    let started = Instant::now();
    let query = format!(
        "WITH violation AS MATERIALIZED (\n{}\n) SELECT (SELECT count(*) FROM violation), (SELECT coalesce(jsonb_agg(shown.row), '[]') FROM (\n  \
         SELECT to_jsonb(violation.*) AS row FROM violation ORDER BY 1 LIMIT {EXAMPLES}) AS shown)",
        check.query
    );
    let row =
        transaction.query_one(&query, &[]).await.doing(CHECKING).map_err(|error| wrong_sql(error, &advice(check)))?;
    let violations = unsigned(row.get(0))?;
    let examples: serde_json::Value = row.get(1);
    let status = match violations {
        0 => CheckStatus::Passed,
        some if some <= check.budget => CheckStatus::WithinBudget,
        _ => CheckStatus::Violated,
    };
    let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (severity, found, budget) = (check.severity.name(), signed(violations)?, signed(check.budget)?);
    transaction
        .execute(
            "INSERT INTO audit.check_result (run_id, dataset, check_id, severity, status, violations, budget, message, of_all, examples, millis) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (run_id, check_id) DO UPDATE SET severity = excluded.severity, status = excluded.status, \
             violations = excluded.violations, budget = excluded.budget, message = excluded.message, of_all = excluded.of_all, examples = excluded.examples, \
             millis = excluded.millis, checked_at = clock_timestamp()",
            &[
                &run.run_id,
                &run.bundle.dataset,
                &check.id,
                &severity,
                &status.name(),
                &found,
                &budget,
                &check.message,
                &of_all,
                &examples,
                &signed(millis)?,
            ],
        )
        .await
        .doing(CHECKING)?;
    transaction
        .execute(
            "INSERT INTO audit.check_state (dataset, check_id, definition_sha256, run_id, status, violations) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (dataset, check_id) DO UPDATE SET definition_sha256 = excluded.definition_sha256, run_id = excluded.run_id, \
             status = excluded.status, violations = excluded.violations",
            &[&run.bundle.dataset, &check.id, &definition(check), &run.run_id, &status.name(), &found],
        )
        .await
        .doing(CHECKING)?;
    let is_news = match before {
        Some(before) => before.violations != violations || before.status != status.name(),
        None => status != CheckStatus::Passed,
    };
    let examples = examples.as_array().cloned().unwrap_or_default();
    let (id, severity, message) = (check.id.clone(), severity.to_owned(), check.message.clone());
    Ok(Checked { check: id, severity, status, violations, budget: check.budget, message, of_all, examples, is_news })
}
