//! What the scenarios share: one deployment, its database, its mailbox, and what is asked of them again and again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use chrono::{Timelike, Utc};
use fonderie_contract::Bundle;
use fonderie_core::stage::Failure;
use fonderie_core::{ErrorCode, ObjectVersion};
use fonderie_test_support::{Authority, OwnServer};
use fonderie_tests::invoices::{self, Invoice};
use fonderie_tests::stack::{Database, Execution, Notices, Stack};
use fonderie_tests::warehouse::Snapshot;
use fonderie_tests::{Result, ensure, ensure_eq};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// The database that the functions work with.
const WAREHOUSE: &str = "warehouse";
/// What it was after the deployment.
const PREPARED: &str = "prepared";
/// Who deploys: may make roles, and is no superuser.
const MASTER: &str = "maitre";

/// One deployment.
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) postgres: OwnServer,
    pub(crate) notices: Notices,
    pub(crate) authority: Authority,
    /// The one-machine binary; the functions' lie beside it.
    pub(crate) fonderie: PathBuf,
    /// Words of the files that may stand nowhere but in buckets and database.
    pub(crate) personal: BTreeSet<String>,
}

impl World {
    pub(crate) async fn start(packages: &Path, fonderie: PathBuf) -> Result<Self> {
        let authority = Authority::new("Fonderie's tests");
        let postgres = OwnServer::start_secure(&authority);
        let password = "n'est pas le secret";
        let quoted = password.replace('\'', "''");
        postgres.execute(&format!("CREATE ROLE {MASTER} LOGIN CREATEROLE CREATEDB PASSWORD '{quoted}'")).await;
        let database = format!("CREATE DATABASE {WAREHOUSE} OWNER {MASTER} TEMPLATE template0 ENCODING 'UTF8'");
        postgres.execute(&database).await;
        let place = postgres.place(WAREHOUSE);
        let database = Database {
            host: place.host,
            port: place.port,
            name: place.dbname,
            master: MASTER.to_owned(),
            password: password.to_owned(),
            root_pem: authority.root_pem(),
        };
        let stack = Stack::start(packages, &database).await?;
        let notices = stack.notices().await?;
        let personal = invoices::PATIENT.map(str::to_owned).into();
        let world = Self { stack, postgres, notices, authority, fonderie, personal };
        world.copy(WAREHOUSE, PREPARED).await;
        wait_out_midnight().await?;
        Ok(world)
    }

    /// Makes the warehouse what it was after the deployment.
    pub(crate) async fn reset(&self) {
        self.restore(PREPARED).await;
    }

    /// Keeps the warehouse as it is under another name.
    pub(crate) async fn keep(&self, name: &str) {
        self.postgres.execute(&format!("DROP DATABASE IF EXISTS {name}")).await;
        self.copy(WAREHOUSE, name).await;
    }

    /// Makes the warehouse what was kept.
    pub(crate) async fn restore(&self, name: &str) {
        self.postgres.execute(&format!("DROP DATABASE {WAREHOUSE} WITH (FORCE)")).await;
        self.copy(name, WAREHOUSE).await;
        // Rights on a database are none of its content.
        self.postgres.execute(&format!("REVOKE ALL ON DATABASE {WAREHOUSE} FROM PUBLIC")).await;
        self.postgres.execute(&format!("GRANT CONNECT, TEMPORARY ON DATABASE {WAREHOUSE} TO pipeline")).await;
    }

    async fn copy(&self, from: &str, to: &str) {
        self.postgres.execute(&format!("CREATE DATABASE {to} OWNER {MASTER} TEMPLATE {from}")).await;
    }

    /// The superuser in the warehouse.
    pub(crate) async fn client(&self) -> Client {
        self.postgres.superuser(WAREHOUSE).await
    }

    /// A number that the warehouse answers with.
    pub(crate) async fn number(&self, query: &str) -> Result<i64> {
        Ok(self.client().await.query_one(query, &[]).await?.try_get(0)?)
    }

    pub(crate) async fn natural(&self) -> Result<Snapshot> {
        Snapshot::natural(&self.client().await).await
    }

    pub(crate) async fn exactly(&self) -> Result<Snapshot> {
        Snapshot::exact(&self.client().await).await
    }

    pub(crate) async fn unchanged_since(&self, before: &Snapshot) -> Result<()> {
        same("the warehouse changed (first: now, second: before)", &self.exactly().await?, before)
    }

    /// Uploads invoices of facility B to `facturation/<name>`.
    pub(crate) async fn upload(&self, name: &str, invoices: &[Invoice]) -> Result<ObjectVersion> {
        self.stack.upload(&format!("facturation/{name}"), invoices::text(invoices).into()).await
    }

    /// Uploads invoices of facility B, and waits until they are in the warehouse.
    pub(crate) async fn load(&self, name: &str, invoices: &[Invoice]) -> Result<Execution> {
        let upload = self.upload(name, invoices).await?;
        let execution = self.stack.run_of(&upload).await?;
        succeeded(&execution)?;
        Ok(execution)
    }

    /// Runs an object version again, as an operator does.
    pub(crate) async fn rerun(&self, object: &ObjectVersion) -> Result<Execution> {
        let input = json!({ "bucket": object.bucket, "key": object.key, "version_id": object.version_id });
        let name = self.stack.start_execution(&input).await?;
        self.stack.wait_for(&name).await
    }

    /// The record of a failure, as soon as it is there: `ingest` tells nobody when it is done.
    pub(crate) async fn failure_of(&self, run_id: &str) -> Result<Failure> {
        for _ in 0..300 {
            if let Some(record) = self.stack.failure(run_id).await? {
                return Ok(record);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("there is no record of {run_id}").into())
    }

    /// An execution that failed with a code, and said so in all places alike: once each.
    pub(crate) async fn failed(&mut self, execution: &Execution, code: ErrorCode) -> Result<Failure> {
        let cause = execution.cause.clone().unwrap_or_default();
        ensure_eq!(execution.status, ExecutionStatus::Failed, "the end of {}", execution.name);
        ensure_eq!(execution.error.as_deref(), Some(code.name()), "the error (cause: {cause})");
        let record = self.failure_of(&execution.name).await?;
        ensure_eq!(record.code, code.name(), "the code in the record");
        ensure_eq!(record.cause, cause, "the cause in the record");
        self.told_of(&record).await?;
        Ok(record)
    }

    /// The operators were told of a failure, once.
    pub(crate) async fn told_of(&mut self, record: &Failure) -> Result<()> {
        let notice = self.notices.about(&record.run_id).await?;
        let subject = format!("Fonderie: {} in {}", record.code, record.stage.as_deref().unwrap_or_default());
        ensure_eq!(notice.subject, subject, "the notice's subject");
        ensure!(notice.message.starts_with(&record.cause), "the notice does not give the cause: {}", notice.message);
        Ok(())
    }
}

/// Waits until the dataset's midnight is over, where the suite would run into it: the as-of date would change between
/// tables that are compared.
async fn wait_out_midnight() -> Result<()> {
    const SUITE: u32 = 10 * 60;
    let bundle = Bundle::from_files(fonderie_test_support::dataset_files("facturation"));
    let zone = bundle.compile().map_err(|mistakes| mistakes.to_string())?.time_zone;
    let left = (24 * 60 * 60_u32).saturating_sub(Utc::now().with_timezone(&zone).num_seconds_from_midnight());
    if left < SUITE {
        eprintln!("it is nearly midnight there ({zone}): waiting for the new day, {left} s");
        tokio::time::sleep(Duration::from_secs(u64::from(left) + 1)).await;
    }
    Ok(())
}

pub(crate) fn succeeded(execution: &Execution) -> Result<()> {
    let Execution { name, status, error, cause, .. } = execution;
    ensure!(*status == ExecutionStatus::Succeeded, "{name} ended {status} and not SUCCEEDED: {error:?}, {cause:?}");
    Ok(())
}

/// What became of a run's rows.
pub(crate) fn outcomes(
    execution: &Execution,
    inserted: u64,
    updated: u64,
    unchanged: u64,
    superseded: u64,
) -> Result<()> {
    let expected: Value =
        json!({ "inserted": inserted, "updated": updated, "unchanged": unchanged, "superseded": superseded });
    ensure_eq!(execution.output["load"]["outcomes"], expected, "the outcomes of {}", execution.name);
    Ok(())
}

pub(crate) fn same(what: &str, left: &Snapshot, right: &Snapshot) -> Result<()> {
    left.difference(right).map_or(Ok(()), |difference| Err(format!("{what}\n{difference}").into()))
}

pub(crate) fn sentence(execution: &Execution) -> String {
    execution.output["summary"]["sentence"].as_str().unwrap_or_default().to_owned()
}
