//! A contract changes under a pipeline that works.

use std::fs;

use fonderie_tests::invoices::{self, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::terraform::Change;
use fonderie_tests::{Result, ensure_eq};

use crate::world::{World, succeeded};

/// What LocalStack never says as it was told: the type of the resource, and the argument.
const DRIFT: &[(&str, &str)] = &[
    ("aws_cloudwatch_metric_alarm", "tags_all"),
    ("aws_lambda_function", "kms_key_arn"),
    ("aws_sfn_state_machine", "tracing_configuration"),
];

const BUNDLE: &str = "module.pipeline.module.dataset[\"facturation\"].aws_s3_object.this";

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

pub(crate) async fn changed_contract(world: &mut World) -> Result<Outcome> {
    ensure_eq!(true_changes(&world.stack.changes()?), Vec::<String>::new(), "a plan right after the apply");

    // One status that the contract does not know, in a file whose run has been admitted.
    let invoices: Vec<_> = (97_000..97_100).map(unpaid).collect();
    let content = |invoices: &[_]| invoices::text(invoices).replacen("UNPAID", "PENDING", 1).into_bytes();
    let (processes, function) = (world.stack.processes(), world.stack.function("transform")?.to_owned());
    processes.let_sleep_at(&function, "before a stage's work", 1_000)?;
    let upload = world.stack.upload("facturation/contrat/etablissement_B_avant.csv", content(&invoices)).await?;
    let held = processes.held(&function).await?;
    held.stop();

    let contract = world.stack.dataset_file("sources/etablissement_b.toml");
    let text = fs::read_to_string(&contract)?;
    fs::write(&contract, text.replace("UNPAID = \"IMPAYEE\"", "UNPAID = \"IMPAYEE\"\nPENDING = \"IMPAYEE\""))?;
    let changes = true_changes(&world.stack.changes()?);
    let bundle = changes.iter().map(|change| change.split(' ').next().unwrap_or_default()).collect::<Vec<_>>();
    ensure_eq!(bundle, [BUNDLE], "the changes of a changed contract ({changes:?})");
    // Of the plan, the true change alone: LocalStack ends a function's processes where its drift is applied too.
    world.stack.apply(BUNDLE)?;
    held.go_on();

    let before = world.stack.run_of(&upload).await?;
    succeeded(&before)?;
    ensure_eq!(before.output["validate"]["rejected"]["rows"], 1, "rows that the contract of before refuses");
    let name = "contrat/etablissement_B_apres.csv";
    let upload = world.stack.upload(&format!("facturation/{name}"), content(&invoices)).await?;
    let after = world.stack.run_of(&upload).await?;
    succeeded(&after)?;
    ensure_eq!(after.output["validate"]["rejected"]["rows"], 0, "rows that the contract of after refuses");
    let client = world.client().await?;
    let ledger = "SELECT bundle_sha256 FROM audit.run WHERE run_id = $1";
    let mut versions = Vec::new();
    for execution in [&before, &after] {
        let used: String = client.query_one(ledger, &[&execution.name]).await?.try_get(0)?;
        ensure_eq!(execution.output["run"]["bundle"]["sha256"], used.as_str(), "the bundle in the ledger");
        versions.push(execution.output["run"]["bundle"]["object"]["version_id"].clone());
    }
    if versions[0] == versions[1] {
        return Err(format!("both runs have the bundle's version {}", versions[0]).into());
    }
    Ok(Outcome::Passed(
        "the plan changes the bundle alone; the run under way ended with the bundle of before".to_owned(),
    ))
}
