//! Files arrive: five at once, twice, twenty at once, under unusual names.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use fonderie_tests::invoices::{self, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::{Result, ensure, ensure_eq, run, samples, warehouse, workspace};
use futures::future::try_join_all;

use crate::world::{World, outcomes, same, sentence, succeeded};

/// One of each facility: three as delimited text, two as workbooks.
const FIVE: [&str; 5] = [
    "etablissement_A.csv",
    "etablissement_B.csv",
    "etablissement_C.tsv",
    "etablissement_D.xlsx",
    "etablissement_E.xlsx",
];

pub(crate) async fn five_files(world: &mut World) -> Result<Outcome> {
    let Some(generator) = samples::generator()? else {
        return Ok(Outcome::Skipped("../shared/bench is not beside this checkout".to_owned()));
    };
    let folder = tempfile::tempdir()?;
    let files = folder.path().join("files");
    samples::generate(&generator, 2_000, &files)?;
    world.personal.extend(patients(&std::fs::read_to_string(files.join("etablissement_B.csv"))?)?);
    let files = FIVE.map(|name| files.join(name));
    world.reset().await;

    let started = Instant::now();
    // In one order, here and on one machine: of two files that show a service on the same day last, the later one names it.
    let mut uploads = Vec::with_capacity(FIVE.len());
    for (file, name) in files.iter().zip(FIVE) {
        uploads.push(world.stack.upload(&format!("facturation/{name}"), std::fs::read(file)?).await?);
    }
    let mut as_of = BTreeSet::new();
    for upload in &uploads {
        let execution = world.stack.run_of(upload).await?;
        succeeded(&execution)?;
        as_of.insert(execution.output["run"]["as_of"].as_str().unwrap_or_default().to_owned());
    }
    let seconds = started.elapsed().as_secs_f64();
    ensure_eq!(as_of.len(), 1, "as-of dates ({as_of:?})");

    let machine = fonderie_test_support::database("machine").await;
    run(Command::new(&world.fonderie)
        .current_dir(workspace())
        .arg("run")
        .args(&files)
        .args(["--database-url", &machine.url, "--as-of"])
        .args(as_of)
        .arg("--state")
        .arg(folder.path().join("state")))?;
    let cloud = world.natural().await?;
    let machine = warehouse::Snapshot::natural(&warehouse::connect(&machine.url).await?).await?;
    same("the warehouses differ (first: cloud, second: one machine)", &cloud, &machine)?;
    let facts = cloud.count("dw.fact_facturation");
    ensure!(facts > 9_000, "only {facts} of some 10,000 invoices are there");
    // Equal scores in both: whichever upload came last trained on all rows, in whatever order they had come.
    let flagged = world.number("SELECT count(*) FROM dw.fact_facturation WHERE anomaly_score < 0").await?;
    let twentieth = facts / 21..=facts / 19;
    ensure!(twentieth.contains(&usize::try_from(flagged)?), "{flagged} of {facts} are abnormal, not {twentieth:?}");
    Ok(Outcome::Passed(format!("{facts} facts equal; five uploads to SUCCEEDED in {seconds:.1} s")))
}

/// The last names and the patients' numbers of facility B's file.
fn patients(file: &str) -> Result<BTreeSet<String>> {
    let columns = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut lines = file.lines().map(columns);
    let header = lines.next().ok_or("an empty file")?;
    let place = |name: &str| header.iter().position(|column| column == name).ok_or(format!("no column {name}"));
    let places = [place("last_name")?, place("patient_id")?];
    let found: BTreeSet<_> = lines
        .flat_map(|line| places.map(|at| line.get(at).cloned().unwrap_or_default()))
        .filter(|word| word.len() > 3)
        .collect();
    Ok(found)
}

pub(crate) async fn event_repeated(world: &mut World) -> Result<Outcome> {
    let upload = world.upload("etablissement_B_une.csv", &[unpaid(90_001)]).await?;
    let execution = world.stack.run_of(&upload).await?;
    succeeded(&execution)?;
    let (executions, before) = (world.stack.executions().await?, world.exactly().await?);
    world.stack.send_event(&upload).await?;
    world.stack.send_event(&upload).await?;
    world.stack.wait_until_drained().await?;
    ensure_eq!(world.stack.executions().await?.len(), executions.len(), "executions after two more events");
    world.unchanged_since(&before).await?;
    Ok(Outcome::Passed(sentence(&execution)))
}

pub(crate) async fn same_bytes_again(world: &mut World) -> Result<Outcome> {
    let name = "etablissement_B_deux_fois.csv";
    let first = world.load(name, &[unpaid(90_002), unpaid(90_003)]).await?;
    outcomes(&first, 2, 0, 0, 0)?;
    let (executions, before) = (world.stack.executions().await?.len(), world.natural().await?.without("audit."));
    let again = world.load(name, &[unpaid(90_002), unpaid(90_003)]).await?;
    ensure!(again.name != first.name, "both versions have the run {}", again.name);
    outcomes(&again, 0, 0, 2, 0)?;
    ensure_eq!(world.stack.executions().await?.len(), executions + 1, "executions after the second version");
    same("tables changed (first: now, second: before)", &world.natural().await?.without("audit."), &before)?;
    let client = world.client().await;
    let ledger = client.query_one("SELECT status FROM audit.run WHERE run_id = $1", &[&again.name]).await?;
    ensure_eq!(ledger.try_get::<_, String>(0)?, "loaded", "the ledger's status of the second version");
    Ok(Outcome::Passed(sentence(&again)))
}

pub(crate) async fn twenty_at_once(world: &mut World) -> Result<Outcome> {
    const FILES: u32 = 20;
    const ROWS: u32 = 15;
    let before = world.number("SELECT count(*) FROM dw.fact_facturation").await?;
    let files = (0..FILES).map(|file| {
        let invoices: Vec<_> = (0..ROWS).map(|row| unpaid(80_000 + file * 100 + row)).collect();
        (format!("etablissement_B_vingt_{file:02}.csv"), invoices)
    });
    let files: Vec<_> = files.collect();
    let started = Instant::now();
    let uploads = try_join_all(files.iter().map(async |(name, invoices)| world.upload(name, invoices).await)).await?;
    let mut trained = 0;
    for upload in &uploads {
        let execution = world.stack.run_of(upload).await?;
        succeeded(&execution)?;
        let scored = &execution.output["score"]["models"][0];
        trained += u32::from(scored["status"] == "trained");
        outcomes(&execution, ROWS.into(), 0, 0, 0)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let facts = world.number("SELECT count(*) FROM dw.fact_facturation").await?;
    ensure_eq!(facts - before, i64::from(FILES * ROWS), "facts of twenty files");
    // The run of the newest load scores for all that left it to it.
    let unscored = world.number("SELECT count(*) FROM dw.fact_facturation WHERE anomaly_score IS NULL").await?;
    ensure_eq!(unscored, 0, "facts without a score, of {facts}");
    Ok(Outcome::Passed(format!("{FILES} uploads to SUCCEEDED in {seconds:.1} s, with {trained} trainings")))
}

pub(crate) async fn unusual_keys(world: &mut World) -> Result<Outcome> {
    let last = "/etablissement_B_long.csv";
    let mut long = "facturation/".to_owned();
    while long.len() + 50 < 900 {
        long.push_str("été + n°1/");
    }
    long.extend(std::iter::repeat_n('x', 900 - last.len() - long.len()));
    long.push_str(last);
    ensure_eq!(long.len(), 900, "the long key's bytes");
    let keys = [
        "facturation/été 2026/etablissement_B n°1+2.csv".to_owned(),
        "facturation/a  b/etablissement_B%20+%2B.csv".to_owned(),
        "facturation/œuvre (sic) & 'fils'/etablissement_B=à;jour,ici@là.csv".to_owned(),
        long,
    ];
    for (number, key) in (91_000..).zip(&keys) {
        let upload = world.stack.upload(key, invoices::text(&[unpaid(number)]).into()).await?;
        let execution = world.stack.run_of(&upload).await.map_err(|error| format!("{key}: {error}"))?;
        succeeded(&execution)?;
        ensure_eq!(execution.output["run"]["object"]["key"], key.as_str(), "the key in the run");
        let client = world.client().await;
        let loaded = "SELECT v.key FROM dw.fact_facturation f JOIN audit.object_version v USING (object_version_key)
                      WHERE f.facture_id = $1";
        let found: String = client.query_one(loaded, &[&format!("FB-{number:05}")]).await?.try_get(0)?;
        ensure_eq!(found, *key, "the key in the warehouse");
    }
    Ok(Outcome::Passed(format!("{} keys, the longest of 900 bytes", keys.len())))
}

pub(crate) async fn header_alone(world: &mut World) -> Result<Outcome> {
    let execution = world.load("etablissement_B_entete.csv", &[]).await?;
    ensure_eq!(execution.output["validate"]["verdict"], "accepted", "the verdict");
    ensure_eq!(execution.output["transform"]["read"]["rows"], 0, "rows read");
    Ok(Outcome::Passed(sentence(&execution)))
}
