//! Reads the ledger back and writes the run report; then brings in what the ledger does not know yet.

use bytes::Bytes;
use fonderie_core::money::format_cents;
use fonderie_core::stage::{RunReport, Scored, SummarizeInput, Summary, Verdict};
use fonderie_core::{ErrorCode, Result, StageError, Tally};
use fonderie_warehouse::{ConnectOptions, LedgerEntry, Warehouse};

use crate::Context;
use crate::failures::bring_in;

/// Summarizes a run; one that was halted enters the ledger here.
///
/// # Errors
/// `NotConserved` where the ledger does not say what the stages said, the database's, the store's.
pub async fn run(context: &Context, input: SummarizeInput) -> Result<Summary> {
    let options = ConnectOptions { application_name: "fonderie summarize".to_owned(), ..ConnectOptions::default() };
    let mut warehouse = context.database.connect(&options).await?;
    let summary = summarize(context, &mut warehouse, input).await;
    if summary.is_ok() {
        bring_in(context, &warehouse).await;
    }
    warehouse.close().await;
    summary
}

async fn summarize(context: &Context, warehouse: &mut Warehouse, input: SummarizeInput) -> Result<Summary> {
    let entry = ledger(context, warehouse, &input).await?;
    let SummarizeInput { run, transform, validate, load, score, publish } = input;
    let told = load.as_ref().map(|load| load.outcomes);
    if entry.read != transform.read || entry.accepted != validate.accepted || entry.outcomes != told {
        let message = format!("the ledger of run {} does not say what its stages said", run.run_id);
        return Err(StageError::new(ErrorCode::NotConserved, message));
    }
    let report = run.output(&context.reports_bucket, "report.json");
    let sentence = sentence(&entry, run.object.file_name(), score.as_ref());
    let verdict = validate.verdict;
    let document = RunReport {
        sentence: sentence.clone(),
        status: entry.status.name().to_owned(),
        run,
        transform,
        validate,
        load,
        score,
        publish,
    };
    let json = serde_json::to_vec_pretty(&document)
        .map_err(|error| StageError::new(ErrorCode::Internal, "the run report is no JSON").caused_by(error))?;
    context.storage.put(&report, Bytes::from(json), "application/json").await?;
    Ok(Summary { report, verdict, sentence })
}

async fn ledger(context: &Context, warehouse: &mut Warehouse, input: &SummarizeInput) -> Result<LedgerEntry> {
    let SummarizeInput { run, transform, validate, .. } = input;
    if validate.verdict == Verdict::Halted {
        let dataset = context.bundles.pinned(&run.bundle).await?;
        warehouse.migrate(&dataset.name, &dataset.warehouse).await?;
        warehouse.record_halted(run, transform, validate).await?;
    }
    warehouse.ledger(&run.run_id).await?.ok_or_else(|| {
        let message = format!("the ledger does not know run {}: run `load` again", run.run_id);
        StageError::new(ErrorCode::NotConserved, message)
    })
}

/// Rows and amounts in, out and refused, and what the models found, in one sentence.
fn sentence(entry: &LedgerEntry, file_name: &str, score: Option<&Scored>) -> String {
    let amounts = |tally: &Tally| {
        let parts = tally.amounts.iter().map(|(name, amount)| format!("{name} {}", format_cents(amount.sum)));
        parts.collect::<Vec<_>>().join(", ")
    };
    let told = |tally: &Tally| match amounts(tally) {
        amounts if amounts.is_empty() || tally.rows == 0 => tally.rows.to_string(),
        amounts => format!("{} ({amounts})", tally.rows),
    };
    let became = match (&entry.outcomes, &entry.halted_because) {
        (Some(outcomes), _) => {
            let before = if entry.already_loaded { "already loaded: " } else { "" };
            format!(
                "{before}{} inserted, {} updated, {} unchanged, {} superseded",
                outcomes.inserted, outcomes.updated, outcomes.unchanged, outcomes.superseded
            )
        }
        (None, Some(because)) => because.clone(),
        (None, None) => "nothing was loaded".to_owned(),
    };
    let (read, accepted, rejected) = (told(&entry.read), told(&entry.accepted), told(&entry.rejected));
    let scored: String = score.iter().flat_map(|score| &score.models).map(|model| format!("; {model}")).collect();
    format!("{file_name}: {read} rows read, {accepted} accepted, {rejected} rejected; {became}{scored}")
}
