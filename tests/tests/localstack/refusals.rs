//! Files that come to no good end: the right code, one record, one notice, and the warehouse as it was.

use std::io::{Cursor, Write};

use aws_sdk_sfn::types::ExecutionStatus;
use fonderie_core::{Disposition, ErrorCode};
use fonderie_tests::invoices::{self, Invoice, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::stack::run_id;
use fonderie_tests::{Result, ensure, ensure_eq};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::world::World;

pub(crate) async fn unknown_source(world: &mut World) -> Result<Outcome> {
    let before = world.exactly().await?;
    let upload = world.stack.upload("facturation/lisez moi.txt", b"Bonjour".into()).await?;
    let name = run_id(&upload);
    let record = world.failure_of(&name).await?;
    ensure_eq!(record.code, ErrorCode::SourceUnknown.name(), "the code in the record");
    ensure_eq!(record.disposition, Disposition::Data, "who must act");
    ensure_eq!(record.key.as_deref(), Some(upload.key.as_str()), "the key in the record");
    world.told_of(&record).await?;
    ensure!(!world.stack.executions().await?.contains(&name), "an execution was started");
    let copy = format!("unknown/{name}/lisez moi.txt");
    ensure_eq!(world.stack.keys("quarantine", &format!("unknown/{name}/")).await?, [copy.as_str()], "in quarantine");
    ensure_eq!(world.stack.read("quarantine", &copy).await?, b"Bonjour", "the copy");

    // Deleted before `ingest` hears of it: the record alone, and no event that comes again and again.
    let untold = [("facturation/retire.txt".to_owned(), b"Au revoir".into())];
    let gone = world.stack.upload_untold(&untold).await?.remove(0);
    world.stack.delete(&gone).await?;
    world.stack.send_event(&gone).await?;
    let gone = world.failure_of(&run_id(&gone)).await?;
    world.told_of(&gone).await?;
    ensure_eq!(gone.code, ErrorCode::SourceUnknown.name(), "the code in the record");
    ensure!(
        world.stack.keys("quarantine", &format!("unknown/{}/", gone.run_id)).await?.is_empty(),
        "a copy of nothing"
    );
    world.stack.wait_until_drained().await?;
    ensure_eq!(world.stack.dead_letters().await?, 0, "dead letters");
    world.unchanged_since(&before).await?;
    Ok(Outcome::Passed(record.cause))
}

/// A file that is refused before the warehouse: FAILED with the code, recorded, told, nothing written.
async fn refused(world: &mut World, name: &str, content: Vec<u8>, code: ErrorCode) -> Result<String> {
    let before = world.exactly().await?;
    let upload = world.stack.upload(&format!("facturation/{name}"), content).await?;
    let execution = world.stack.run_of(&upload).await?;
    let record = world.failed(&execution, code).await?;
    ensure_eq!(record.disposition, code.disposition(), "who must act");
    ensure_eq!(record.key.as_deref(), Some(upload.key.as_str()), "the key in the record");
    world.unchanged_since(&before).await?;
    Ok(record.cause)
}

pub(crate) async fn empty_file(world: &mut World) -> Result<Outcome> {
    refused(world, "etablissement_B_vide.csv", Vec::new(), ErrorCode::FileEmpty).await.map(Outcome::Passed)
}

pub(crate) async fn missing_column(world: &mut World) -> Result<Outcome> {
    let content = invoices::HEADER.replace(",billed_amount", "").into();
    let cause = refused(world, "etablissement_B_colonne.csv", content, ErrorCode::ColumnMissing).await?;
    ensure!(cause.contains("billed_amount"), "the cause does not name the column: {cause}");
    Ok(Outcome::Passed(cause))
}

pub(crate) async fn halted_file(world: &mut World) -> Result<Outcome> {
    let before = world.number("SELECT count(*) FROM dw.fact_facturation").await?;
    // More was paid than billed, everywhere.
    let invoices: Vec<_> = (0..100).map(|n| Invoice { paid: 20_000, ..unpaid(93_000 + n) }).collect();
    let upload = world.upload("etablissement_B_halte.csv", &invoices).await?;
    let execution = world.stack.run_of(&upload).await?;
    ensure_eq!(execution.status, ExecutionStatus::Succeeded, "the end");
    let validated = &execution.output["validate"];
    ensure!(validated["verdict"] == "halted", "the verdict: {validated}");
    let because = validated["halted_because"].as_str().unwrap_or_default().to_owned();
    ensure!(because.contains("coherence_montants"), "the output does not say why: {because}");
    let prefix = format!("facturation/etablissement_b/{}/", execution.name);
    let place = format!("s3://{}/{prefix}", world.stack.bucket("quarantine")?);
    let quarantined = world.stack.keys("quarantine", &prefix).await?;
    let csv = quarantined.iter().find(|key| key.ends_with(".csv"));
    let csv = csv.ok_or_else(|| format!("no CSV for the facility among {quarantined:?}"))?;
    let csv = String::from_utf8(world.stack.read("quarantine", csv).await?)?;
    ensure!(csv.contains("FB-93099"), "the facility's CSV does not give its last line back: {csv}");
    let facts = world.number("SELECT count(*) FROM dw.fact_facturation").await?;
    ensure_eq!(facts, before, "facts");
    let client = world.client().await;
    let ledger = client.query_one("SELECT status FROM audit.run WHERE run_id = $1", &[&execution.name]).await?;
    ensure_eq!(ledger.try_get::<_, String>(0)?, "halted", "the ledger's status");
    let notice = world.notices.about(&execution.name).await?;
    ensure!(notice.message.contains(&place), "the notice does not name {place}: {}", notice.message);
    Ok(Outcome::Passed(because))
}

pub(crate) async fn poison_workbooks(world: &mut World) -> Result<Outcome> {
    let damaged = b"PK\x03\x04 cut off in the middle".to_vec();
    refused(world, "etablissement_E_coupe.xlsx", damaged, ErrorCode::WorkbookUnreadable).await?;
    let bomb = bomb()?;
    let size = bomb.len() >> 10;
    let cause = refused(world, "etablissement_D_bombe.xlsx", bomb, ErrorCode::LimitExceeded).await?;
    Ok(Outcome::Passed(format!("of {size} KiB: {cause}")))
}

/// A workbook whose texts unpack to more than a function's memory takes.
fn bomb() -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for part in ["[Content_Types].xml", "xl/workbook.xml", "xl/sharedStrings.xml"] {
        zip.start_file(part, SimpleFileOptions::default())?;
    }
    let zeros = vec![0; 1 << 20];
    for _ in 0..1200 {
        zip.write_all(&zeros)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The object is there when the run is admitted, and is not when `transform` asks for it.
pub(crate) async fn deleted_object(world: &mut World) -> Result<Outcome> {
    let before = world.exactly().await?;
    let (processes, function) = (world.stack.processes(), world.stack.function("transform")?.to_owned());
    processes.let_sleep_at(&function, "before a stage's work", 2_000)?;
    let upload = world.upload("etablissement_B_supprimee.csv", &[unpaid(93_200)]).await?;
    processes.held(&function).await?;
    world.stack.delete(&upload).await?;
    let execution = world.stack.run_of(&upload).await?;
    let record = world.failed(&execution, ErrorCode::ObjectMissing).await?;
    ensure_eq!(record.stage.as_deref(), Some("transform"), "the stage in the record");
    world.unchanged_since(&before).await?;
    Ok(Outcome::Passed(record.cause))
}
