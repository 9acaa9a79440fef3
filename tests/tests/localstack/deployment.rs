//! A contract changes under a pipeline that works.

use std::fs;

use fonderie_core::ObjectVersion;
use fonderie_tests::invoices::{self, unpaid};
use fonderie_tests::processes::Held;
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::shop::rows;
use fonderie_tests::stack::Execution;
use fonderie_tests::terraform::Change;
use fonderie_tests::{Result, ensure, ensure_eq};
use serde_json::json;

use crate::world::{World, outcomes, succeeded};

/// What LocalStack never says as it was told: the type of the resource, and the argument.
const DRIFT: &[(&str, &str)] = &[
    ("aws_cloudwatch_metric_alarm", "tags_all"),
    ("aws_lambda_function", "kms_key_arn"),
    ("aws_sfn_state_machine", "tracing_configuration"),
];

/// The bundle that the database is made ready for, and the one that is published afterwards.
const NEXT: &str = "module.pipeline.module.dataset[\"facturation\"].aws_s3_object.next";
const BUNDLE: &str = "module.pipeline.aws_s3_object.bundle[\"facturation\"]";

/// The changes that are more than LocalStack's drift.
fn true_changes(changes: &[Change]) -> Vec<String> {
    let drift = |change: &&Change| {
        let kind = change.address.rsplit('.').nth(1).unwrap_or_default();
        let arguments = change.arguments();
        change.actions() == ["update"]
            && !arguments.is_empty()
            && arguments.iter().all(|argument| DRIFT.contains(&(kind, argument)))
    };
    let told = |change: &Change| format!("{} {:?} {:?}", change.address, change.actions(), change.arguments());
    changes.iter().filter(|change| !drift(change)).map(told).collect()
}

/// Uploads a file, and stops its run once it is admitted: the process that would transform it.
async fn held_before_transform(world: &World, key: &str, content: Vec<u8>) -> Result<(ObjectVersion, Held)> {
    let (processes, function) = (world.stack.processes(), world.stack.function("transform")?);
    processes.let_sleep_at(function, "before a stage's work", 1_000)?;
    let upload = world.stack.upload(key, content).await?;
    let held = processes.held(function).await?;
    held.stop();
    Ok((upload, held))
}

/// The ledger has two runs under the bundles that they pinned, which differ.
async fn under_two_bundles(world: &World, before: &Execution, after: &Execution) -> Result<()> {
    let client = world.client().await;
    let ledger = "SELECT bundle_sha256 FROM audit.run WHERE run_id = $1";
    let mut versions = Vec::new();
    for execution in [before, after] {
        let used: String = client.query_one(ledger, &[&execution.name]).await?.try_get(0)?;
        ensure_eq!(execution.output["run"]["bundle"]["sha256"], used.as_str(), "the bundle in the ledger");
        versions.push(&execution.output["run"]["bundle"]["object"]["version_id"]);
    }
    ensure!(versions[0] != versions[1], "both runs have the bundle's version {}", versions[0]);
    Ok(())
}

pub(crate) async fn changed_contract(world: &mut World) -> Result<Outcome> {
    ensure_eq!(true_changes(&world.stack.changes()?), Vec::<String>::new(), "a plan right after the apply");

    // One status that the contract does not know, in a file whose run has been admitted.
    let invoices: Vec<_> = (97_000..97_100).map(unpaid).collect();
    let content = |invoices: &[_]| invoices::text(invoices).replacen("UNPAID", "PENDING", 1).into_bytes();
    let key = "facturation/contrat/etablissement_B_avant.csv";
    let (upload, held) = held_before_transform(world, key, content(&invoices)).await?;
    let contract = world.stack.dataset_file("facturation", "sources/etablissement_b.toml");
    let text = fs::read_to_string(&contract)?;
    fs::write(&contract, text.replace("UNPAID = \"IMPAYEE\"", "UNPAID = \"IMPAYEE\"\nPENDING = \"IMPAYEE\""))?;
    let changes = true_changes(&world.stack.changes()?);
    let mut bundles: Vec<_> = changes.iter().map(|change| change.split(' ').next().unwrap_or_default()).collect();
    bundles.sort_unstable();
    ensure_eq!(bundles, [BUNDLE, NEXT], "the changes of a changed contract ({changes:?})");
    world.stack.apply(NEXT)?;
    world.stack.publish("facturation").await?;
    held.go_on();

    let before = world.stack.run_of(&upload).await?;
    succeeded(&before)?;
    ensure_eq!(before.output["validate"]["rejected"]["rows"], 1, "rows that the contract of before refuses");
    let name = "contrat/etablissement_B_apres.csv";
    let upload = world.stack.upload(&format!("facturation/{name}"), content(&invoices)).await?;
    let after = world.stack.run_of(&upload).await?;
    succeeded(&after)?;
    ensure_eq!(after.output["validate"]["rejected"]["rows"], 0, "rows that the contract of after refuses");
    under_two_bundles(world, &before, &after).await?;
    Ok(Outcome::Passed(
        "the plan changes the bundle alone; the run under way ended with the bundle of before".to_owned(),
    ))
}

/// Replaces a text in a file of billing.
fn edit(world: &World, path: &str, from: &str, to: &str) -> Result<()> {
    let path = world.stack.dataset_file("facturation", path);
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(from), "{} has no {from}", path.display());
    Ok(fs::write(&path, text.replacen(from, to, 1))?)
}

/// A field and a mart more: the database is brought to them while a run under the bundle of before waits.
pub(crate) async fn grown_declaration(world: &mut World) -> Result<Outcome> {
    let content = |ids: &[u32]| invoices::text(&ids.iter().copied().map(unpaid).collect::<Vec<_>>()).into_bytes();
    let key = "facturation/grandit/etablissement_B_2026-05-31.csv";
    let (upload, held) = held_before_transform(world, key, content(&[99_001, 99_002])).await?;

    let (record, statut) =
        ("records/facturation.toml", "    { name = \"statut\", type = \"text\", max_length = 50 },\n");
    let remarque = "    { name = \"remarque\", type = \"text\", max_length = 20 },\n";
    edit(world, record, statut, &format!("{statut}{remarque}"))?;
    edit(world, record, "\"montant_paye\", \"statut\"]", "\"montant_paye\", \"statut\", \"remarque\"]")?;
    edit(world, "sources/etablissement_b.toml", "[constants]\n", "[constants]\nremarque = \"vu\"\n")?;
    let mart = "[[marts]]\nname = \"remarques\"\nkey = [\"facture_key\"]\n\n[[marts]]\n";
    edit(world, "dataset.toml", "[[marts]]\n", mart)?;
    let select = "SELECT facture_key, facture_id, remarque FROM dw.fact_facturation WHERE remarque IS NOT NULL";
    fs::write(world.stack.dataset_file("facturation", "marts/remarques.sql"), select)?;
    world.stack.apply(NEXT)?;
    let prepared = world.stack.invoke("prepare-database", &json!({ "next": true }))?;
    ensure_eq!(prepared["migrations"], json!(["facturation tables"]), "what was done ({prepared})");
    world.stack.publish("facturation").await?;
    held.go_on();

    let before = world.stack.run_of(&upload).await?;
    succeeded(&before)?;
    outcomes(&before, 2, 0, 0, 0)?;
    let client = world.client().await;
    let facts = "SELECT facture_id AS a, montant_facture AS b, remarque AS c FROM dw.fact_facturation WHERE facture_id LIKE 'FB-9900_' ORDER BY 1";
    ensure_eq!(rows(&client, facts).await?, ["FB-99001|120.50|∅", "FB-99002|120.50|∅"], "facts of the run of before");
    let marts = |run: &Execution| run.output["publish"]["marts"].as_array().map(Vec::len);
    ensure_eq!(marts(&before), Some(1), "marts of the run of before");

    let key = "facturation/grandit/etablissement_B_2026-06-15.csv";
    let upload = world.stack.upload(key, content(&[99_002, 99_003])).await?;
    let after = world.stack.run_of(&upload).await?;
    succeeded(&after)?;
    // a new field opens a state of the row that shows it
    outcomes(&after, 1, 1, 0, 0)?;
    let expected = ["FB-99001|120.50|∅", "FB-99002|120.50|vu", "FB-99003|120.50|vu"];
    ensure_eq!(rows(&client, facts).await?, expected, "facts of both runs");
    let history = "SELECT facture_id AS a, remarque AS b FROM dw.hist_facturation WHERE facture_id LIKE 'FB-9900_'";
    ensure_eq!(rows(&client, history).await?, ["FB-99002|∅"], "the history");
    client.batch_execute("SET ROLE analyst").await?;
    let remarks = "SELECT facture_id AS a, remarque AS b FROM datamart.remarques ORDER BY 1";
    ensure_eq!(rows(&client, remarks).await?, ["FB-99002|vu", "FB-99003|vu"], "the new mart, as an analyst sees it");
    under_two_bundles(world, &before, &after).await?;
    Ok(Outcome::Passed(
        "the run under way ended with the bundle of before, the next one filled the new column".to_owned(),
    ))
}
