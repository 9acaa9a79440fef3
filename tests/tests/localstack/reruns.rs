//! What an operator or a schedule starts.

use fonderie_core::ErrorCode;
use fonderie_tests::invoices::unpaid;
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::{Result, ensure, ensure_eq};
use serde_json::{Value, json};

use crate::world::{World, outcomes, sentence, succeeded};

pub(crate) async fn minimal_input(world: &mut World) -> Result<Outcome> {
    let upload = world.upload("etablissement_B_encore.csv", &[unpaid(92_001)]).await?;
    succeeded(&world.stack.run_of(&upload).await?)?;
    let before = world.exactly().await?;
    let input = json!({ "bucket": upload.bucket, "key": upload.key });
    let again = world.stack.wait_for(&world.stack.start_execution(&input).await?).await?;
    succeeded(&again)?;
    ensure_eq!(again.output["run"]["object"]["version_id"], upload.version_id.as_str(), "the version that was run");
    outcomes(&again, 0, 0, 1, 0)?;
    ensure!(sentence(&again).contains("1 unchanged"), "the summary does not say unchanged: {}", sentence(&again));
    world.unchanged_since(&before).await?;
    Ok(Outcome::Passed(sentence(&again)))
}

pub(crate) async fn no_request(world: &mut World) -> Result<Outcome> {
    let name = world.stack.start_execution(&json!({ "bukket": "typo" })).await?;
    let execution = world.stack.wait_for(&name).await?;
    let record = world.failed(&execution, ErrorCode::RequestInvalid).await?;
    ensure!(record.cause.contains(r#"{"bucket": …, "key": …} is enough"#), "no help in: {}", record.cause);
    for no_object in [json!([]), json!(["bucket", "key"]), json!("facturation/etablissement_B.csv"), Value::Null] {
        let name = world.stack.start_execution(&no_object).await?;
        let execution = world.stack.wait_for(&name).await?;
        let record = world.failed(&execution, ErrorCode::RequestInvalid).await?;
        ensure!(record.cause.contains("it is no JSON object"), "{no_object}: {}", record.cause);
    }
    let backfill = world.stack.backfill(&json!([])).await?;
    world.failed(&backfill, ErrorCode::RequestInvalid).await?;
    Ok(Outcome::Passed(record.cause))
}

/// A day on which facility B has sent its file, and the others have not.
pub(crate) async fn daily(world: &mut World) -> Result<Outcome> {
    world.reset().await;
    world.load("etablissement_B_du_mois.csv", &[unpaid(92_002)]).await?;
    let name = world.stack.start_execution(&json!({ "dataset": "facturation" })).await?;
    let execution = world.stack.wait_for(&name).await?;
    succeeded(&execution)?;
    let states = world.stack.states(&name).await?;
    let stages: Vec<_> = states.iter().filter(|state| !state.contains('?') && *state != "done").collect();
    ensure_eq!(stages, ["request", "admit", "score", "publish", "summarize"], "the stages of a daily run");
    let freshness = execution.output["summary"]["freshness"].as_array().cloned().unwrap_or_default();
    let missing: Vec<_> = freshness
        .iter()
        .map(|source| (source["source"].as_str().unwrap_or_default(), source["missing"].as_bool().unwrap_or_default()))
        .collect();
    let expected = [
        ("etablissement_a", true),
        ("etablissement_b", false),
        ("etablissement_c", true),
        ("etablissement_d", true),
        ("etablissement_e", true),
    ];
    ensure_eq!(missing, expected, "which facility's file is missing");
    let notice = world.notices.about(&name).await?;
    ensure_eq!(notice.subject, "Fonderie: 4 expected files of facturation are missing", "the notice's subject");
    ensure!(notice.message.contains("- etablissement_a: no file has come yet"), "the notice says: {}", notice.message);
    Ok(Outcome::Passed(sentence(&execution)))
}
