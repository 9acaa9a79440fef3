//! The deployed pipeline, end to end: real S3 events, real `bootstrap` binaries, a real PostgreSQL.
//!
//! `cargo test --release -p fonderie-tests --test localstack [part of a scenario's name]…` runs it; scenarios build on the
//! warehouse that earlier ones leave, and each can be run alone.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use aws_sdk_sfn::types::ExecutionStatus;
use fonderie_core::stage::Failure;
use fonderie_core::{Disposition, ErrorCode, ObjectVersion};
use fonderie_tests::postgres::Postgres;
use fonderie_tests::scenarios::{Outcome, Scenarios};
use fonderie_tests::stack::{Database, Execution, Stack, run_id};
use fonderie_tests::warehouse::{self, Snapshot};
use fonderie_tests::{
    Result, ensure, ensure_eq, in_ci, localstack, packages, python, run, samples, terraform, workspace,
};
use serde_json::json;

/// The header of facility B, and a row of it: an invoice of 120.50 €, paid in part.
const HEADER: &str = "invoice_id,patient_id,last_name,first_name,age,facility_id,facility_name,facility_type,city,service_code,\
                      service_name,service_category,invoice_date,payment_date,billed_amount,paid_amount,status\n";

fn row(invoice: &str, billed: &str) -> String {
    format!(
        "{invoice},P-1,Roux,Léa,41,ETAB_B,Clinique Saint-Cœur,Clinique privée,Béziers,CONS,Consultation générale,\
             Ambulatoire,2026-03-02,2026-03-20,{billed},20.50,PARTIAL\n"
    )
}

const NAMES: [&str; 10] = [
    "three files: the warehouse of one machine",
    "an accented key, a header alone",
    "one row, and its event twice more",
    "the same version again, from the console",
    "a file that no contract knows",
    "an empty file",
    "a missing column",
    "an input that is no request",
    "a halted file",
    "PostgreSQL away, and back",
];

struct World {
    stack: Stack,
    postgres: Postgres,
    cloud: Database,
    machine: Database,
    fonderie: PathBuf,
}

fn main() -> ExitCode {
    let mut scenarios = Scenarios::from_arguments();
    if !NAMES.iter().any(|name| scenarios.wants(name)) {
        return scenarios.finish();
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(missing) = python::interpreter().and(terraform::is_there())
        && !in_ci()
    {
        scenarios.skip("everything", &missing.to_string());
        return scenarios.finish();
    }
    runtime.block_on(async {
        let (mut built, mut world) = (None, None);
        let build = async {
            built = Some(packages::build()?);
            Ok(Outcome::Passed("the functions are those of this checkout".to_owned()))
        };
        scenarios.always("built and packaged", build).await;
        let Some((packages, fonderie)) = built else { return };
        let start = async {
            world = Some(World::start(&packages, fonderie).await?);
            Ok(Outcome::Passed("PostgreSQL and LocalStack up, terraform/environments/local applied".to_owned()))
        };
        scenarios.always("deployed", start).await;
        let Some(mut world) = world else { return };
        world.run(&mut scenarios).await;
        if scenarios.any_failed() {
            eprintln!("---- the functions' log\n{}", localstack::tail(&world.stack.localstack().function_log()));
        }
    });
    scenarios.finish()
}

impl World {
    async fn start(packages: &Path, fonderie: PathBuf) -> Result<Self> {
        let postgres = Postgres::start()?;
        let (cloud, machine) = (postgres.create("cloud").await?, postgres.create("machine").await?);
        let stack = Stack::start(packages, &cloud).await?;
        Ok(Self { stack, postgres, cloud, machine, fonderie })
    }

    async fn run(&mut self, scenarios: &mut Scenarios) {
        let [three, header, event, rerun, unknown, empty, column, request, halted, away] = NAMES;
        let without_amounts = HEADER.replace(",billed_amount", "");
        scenarios.run(three, self.three_files()).await;
        scenarios.run(header, self.header_alone()).await;
        scenarios.run(event, self.event_repeated()).await;
        scenarios.run(rerun, self.rerun()).await;
        scenarios.run(unknown, self.unknown_file()).await;
        scenarios.run(empty, self.refused("etablissement_B_vide.csv", "", ErrorCode::FileEmpty)).await;
        let refused = self.refused("etablissement_B_colonne.csv", &without_amounts, ErrorCode::ColumnMissing);
        scenarios.run(column, refused).await;
        scenarios.run(request, self.no_request()).await;
        scenarios.run(halted, self.halted_file()).await;
        scenarios.run(away, self.database_away()).await;
    }

    async fn three_files(&self) -> Result<Outcome> {
        let Some(generator) = samples::generator()? else {
            return Ok(Outcome::Skipped("../shared/bench is not beside this checkout".to_owned()));
        };
        let folder = tempfile::tempdir()?;
        let files = folder.path().join("files");
        samples::generate(&generator, 2_000, &files)?;
        let files = ["etablissement_A.csv", "etablissement_B.csv", "etablissement_C.tsv"].map(|name| files.join(name));

        let started = Instant::now();
        let mut uploads = Vec::new();
        for file in &files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            uploads.push(self.stack.upload(&format!("facturation/{name}"), std::fs::read(file)?).await?);
        }
        let mut as_of = String::new();
        for upload in &uploads {
            let execution = self.stack.run_of(upload).await?;
            succeeded(&execution)?;
            as_of = execution.output["run"]["as_of"].as_str().unwrap_or_default().to_owned();
        }
        let seconds = started.elapsed().as_secs_f64();

        run(Command::new(&self.fonderie)
            .current_dir(workspace())
            .arg("run")
            .args(&files)
            .args(["--database-url", &self.machine.url(), "--as-of", &as_of, "--state"])
            .arg(folder.path().join("state")))?;
        let cloud = Snapshot::natural(&warehouse::connect(&self.cloud.url()).await?).await?;
        let machine = Snapshot::natural(&warehouse::connect(&self.machine.url()).await?).await?;
        if let Some(difference) = cloud.difference(&machine) {
            return Err(format!("the warehouses differ (first: cloud, second: one machine)\n{difference}").into());
        }
        let facts = cloud.count("dw.fact_facturation");
        ensure!(facts > 5_000, "only {facts} of some 6,000 invoices are there");
        // Equal scores in both: whichever upload came last trained on all rows, in whatever order they had come.
        let client = warehouse::connect(&self.cloud.url()).await?;
        let flagged: i64 = client
            .query_one("SELECT count(*) FROM dw.fact_facturation WHERE anomaly_score < 0", &[])
            .await?
            .try_get(0)?;
        ensure!((facts / 21..=facts / 19).contains(&usize::try_from(flagged)?), "{flagged} of {facts} are abnormal");
        Ok(Outcome::Passed(format!("{facts} facts equal; three uploads to SUCCEEDED in {seconds:.1} s")))
    }

    async fn header_alone(&self) -> Result<Outcome> {
        let upload = self.stack.upload("facturation/été 2026/etablissement_B n°1+2.csv", HEADER.into()).await?;
        let execution = self.stack.run_of(&upload).await?;
        succeeded(&execution)?;
        ensure_eq!(execution.output["validate"]["verdict"], "accepted", "the verdict");
        ensure_eq!(execution.output["transform"]["read"]["rows"], 0, "rows read");
        Ok(Outcome::Passed(sentence(&execution)))
    }

    async fn event_repeated(&self) -> Result<Outcome> {
        let upload = self.upload_row("etablissement_B_une.csv", "E2E-1", "120.50").await?;
        let execution = self.stack.run_of(&upload).await?;
        succeeded(&execution)?;
        let (executions, before) = (self.stack.executions().await?, self.exactly().await?);
        self.stack.send_event(&upload).await?;
        self.stack.send_event(&upload).await?;
        self.stack.wait_until_drained().await?;
        ensure_eq!(self.stack.executions().await?.len(), executions.len(), "executions after two more events");
        self.unchanged_since(&before).await?;
        Ok(Outcome::Passed(sentence(&execution)))
    }

    async fn rerun(&self) -> Result<Outcome> {
        let upload = self.upload_row("etablissement_B_encore.csv", "E2E-2", "80.00").await?;
        succeeded(&self.stack.run_of(&upload).await?)?;
        let before = self.exactly().await?;
        let name = self.stack.start_execution(&json!({ "bucket": upload.bucket, "key": upload.key })).await?;
        let again = self.stack.wait_for(&name).await?;
        succeeded(&again)?;
        ensure_eq!(again.output["run"]["object"]["version_id"], upload.version_id.as_str(), "the version that was run");
        let outcomes = &again.output["load"]["outcomes"];
        ensure_eq!(*outcomes, json!({"inserted": 0, "updated": 0, "unchanged": 1, "superseded": 0}), "the outcomes");
        ensure!(sentence(&again).contains("1 unchanged"), "the summary does not say unchanged: {}", sentence(&again));
        self.unchanged_since(&before).await?;
        Ok(Outcome::Passed(sentence(&again)))
    }

    async fn unknown_file(&self) -> Result<Outcome> {
        let before = self.exactly().await?;
        let upload = self.stack.upload("facturation/lisez moi.txt", b"Bonjour".into()).await?;
        let record = self.failure_of(&run_id(&upload)).await?;
        ensure_eq!(record.code, ErrorCode::SourceUnknown.name(), "the code in the record");
        ensure_eq!(record.disposition, Disposition::Data, "who must act");
        ensure_eq!(record.key.as_deref(), Some(upload.key.as_str()), "the key in the record");
        ensure!(!self.stack.executions().await?.contains(&run_id(&upload)), "an execution was started");
        let copies = self.stack.keys("quarantine", "unknown/").await?;
        let copy = copies.iter().find(|key| key.ends_with("/lisez moi.txt")).ok_or("the file is not in quarantine")?;
        ensure_eq!(self.stack.read("quarantine", copy).await?, b"Bonjour", "the copy");
        self.unchanged_since(&before).await?;
        Ok(Outcome::Passed(record.cause))
    }

    /// A file that is refused before the warehouse: FAILED with the code, recorded, nothing written.
    async fn refused(&self, name: &str, content: &str, code: ErrorCode) -> Result<Outcome> {
        let before = self.exactly().await?;
        let upload = self.stack.upload(&format!("facturation/{name}"), content.into()).await?;
        let execution = self.stack.run_of(&upload).await?;
        let record = self.failed(&execution, code).await?;
        ensure_eq!(record.key.as_deref(), Some(upload.key.as_str()), "the key in the record");
        self.unchanged_since(&before).await?;
        Ok(Outcome::Passed(record.cause))
    }

    async fn no_request(&self) -> Result<Outcome> {
        let name = self.stack.start_execution(&json!({ "bukket": "typo" })).await?;
        let record = self.failed(&self.stack.wait_for(&name).await?, ErrorCode::RequestInvalid).await?;
        Ok(Outcome::Passed(record.cause))
    }

    async fn halted_file(&self) -> Result<Outcome> {
        let before = self.exactly().await?.count("dw.fact_facturation");
        let content: String = (0..100).map(|n| row(&format!("E2E-H{n}"), "-1.00")).collect();
        let upload =
            self.stack.upload("facturation/etablissement_B_halte.csv", format!("{HEADER}{content}").into()).await?;
        let execution = self.stack.run_of(&upload).await?;
        ensure_eq!(execution.status, ExecutionStatus::Failed, "the end");
        ensure_eq!(execution.error.as_deref(), Some(ErrorCode::FileHalted.name()), "the error");
        let cause = execution.cause.unwrap_or_default();
        let place =
            format!("s3://{}/facturation/etablissement_b/{}/", self.stack.bucket("quarantine")?, execution.name);
        ensure!(cause.contains(&place), "the cause does not name {place}: {cause}");
        let prefix = format!("facturation/etablissement_b/{}/", execution.name);
        let quarantined = self.stack.keys("quarantine", &prefix).await?;
        ensure!(quarantined.iter().any(|key| key.ends_with(".csv")), "no CSV for the facility among {quarantined:?}");
        ensure_eq!(self.exactly().await?.count("dw.fact_facturation"), before, "facts");
        let client = warehouse::connect(&self.cloud.url()).await?;
        let ledger = client.query_one("SELECT status FROM audit.run WHERE run_id = $1", &[&execution.name]).await?;
        ensure_eq!(ledger.try_get::<_, String>(0)?, "halted", "the ledger's status");
        Ok(Outcome::Passed(cause))
    }

    async fn database_away(&mut self) -> Result<Outcome> {
        let before = self.exactly().await?;
        self.postgres.take_away()?;
        let upload = self.upload_row("etablissement_B_absente.csv", "E2E-3", "60.00").await?;
        let execution = self.stack.run_of(&upload).await?;
        let record = self.failed(&execution, ErrorCode::DatabaseUnavailable).await?;
        ensure_eq!(record.disposition, Disposition::Transient, "who must act");
        ensure_eq!(record.stage.as_deref(), Some("load"), "the stage in the record");
        self.postgres.bring_back()?;
        self.unchanged_since(&before).await?;

        let input = json!({ "bucket": upload.bucket, "key": upload.key, "version_id": upload.version_id });
        let again = self.stack.wait_for(&self.stack.start_execution(&input).await?).await?;
        succeeded(&again)?;
        ensure_eq!(again.output["load"]["outcomes"]["inserted"], 1, "invoices inserted once the database was back");
        let client = warehouse::connect(&self.cloud.url()).await?;
        let ledger = client
            .query_one("SELECT status, failure_code FROM audit.run WHERE run_id = $1", &[&execution.name])
            .await?;
        ensure_eq!(ledger.try_get::<_, String>(0)?, "failed", "the ledger's status of the run that found no database");
        ensure_eq!(ledger.try_get::<_, String>(1)?, record.code, "its code in the ledger");
        Ok(Outcome::Passed(record.cause))
    }

    async fn upload_row(&self, name: &str, invoice: &str, billed: &str) -> Result<ObjectVersion> {
        self.stack.upload(&format!("facturation/{name}"), format!("{HEADER}{}", row(invoice, billed)).into()).await
    }

    /// The record of a failure, as soon as it is there: `ingest` tells nobody when it is done.
    async fn failure_of(&self, run_id: &str) -> Result<Failure> {
        for _ in 0..300 {
            if let Some(record) = self.stack.failure(run_id).await? {
                return Ok(record);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(format!("there is no record of {run_id}").into())
    }

    /// An execution that failed with a code, and said so in all places alike.
    async fn failed(&self, execution: &Execution, code: ErrorCode) -> Result<Failure> {
        let cause = execution.cause.clone().unwrap_or_default();
        ensure_eq!(execution.status, ExecutionStatus::Failed, "the end");
        ensure_eq!(execution.error.as_deref(), Some(code.name()), "the error (cause: {cause})");
        let record = self.failure_of(&execution.name).await?;
        ensure_eq!(record.code, code.name(), "the code in the record");
        ensure_eq!(record.cause, cause, "the cause in the record");
        Ok(record)
    }

    async fn exactly(&self) -> Result<Snapshot> {
        let client = warehouse::connect(&self.cloud.url()).await?;
        Snapshot::exact(&client).await
    }

    async fn unchanged_since(&self, before: &Snapshot) -> Result<()> {
        self.exactly()
            .await?
            .difference(before)
            .map_or(Ok(()), |difference| Err(format!("the warehouse changed\n{difference}").into()))
    }
}

fn succeeded(execution: &Execution) -> Result<()> {
    let Execution { name, status, error, cause, .. } = execution;
    ensure!(*status == ExecutionStatus::Succeeded, "{name} ended {status}: {error:?}, {cause:?}");
    Ok(())
}

fn sentence(execution: &Execution) -> String {
    execution.output["summary"]["sentence"].as_str().unwrap_or_default().to_owned()
}
