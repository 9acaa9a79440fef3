//! The report of one object version.

use fonderie_core::money::format_cents;
use fonderie_core::stage::{DatasetRun, LoadWarning, ObjectRun, RunReport, Scored, Summary, Verdict};
use fonderie_core::{ErrorCode, Notice, Result, Run, StageError, Tally};
use fonderie_warehouse::{LedgerEntry, RunStatus, Warehouse};

use crate::Context;
use crate::report::{Summarized, checks, told, write};

pub(crate) async fn summarize(context: &Context, warehouse: &mut Warehouse, said: ObjectRun) -> Result<Summarized> {
    let entry = ledger(context, warehouse, &said).await?;
    let ObjectRun { run, transform, validate, load, score, .. } = &said;
    let outcomes = load.as_ref().map(|load| load.outcomes);
    let removed = load.as_ref().map(|load| load.removed.clone()).unwrap_or_default();
    let alike = entry.read == transform.read
        && entry.accepted == validate.accepted
        && entry.outcomes == outcomes
        && entry.removed == removed
        && entry.units == transform.units;
    if !alike {
        let message = format!("the ledger of run {} does not say what its stages said", run.run_id);
        return Err(StageError::new(ErrorCode::NotConserved, message));
    }
    let place = run.output(&context.reports_bucket, Run::REPORT);
    let warnings = load.as_ref().map_or(&[][..], |load| &load.warnings);
    let sentence = sentence(&entry, run.object.file_name(), warnings, score.as_ref()) + &told(said.publish.as_ref());
    let verdict = validate.verdict;
    let of_file = match verdict {
        Verdict::Halted => Some(halted(&said, &sentence)),
        _ if !removed.is_empty() => Some(rows_removed(&said, &sentence)),
        _ => None,
    };
    let (of_run, publish) = (DatasetRun::from(run), said.publish.as_ref());
    let notices = of_file.into_iter().chain(publish.and_then(|publish| checks(&of_run, publish))).collect();
    let is_blocked = publish.is_some_and(|publish| !publish.blocked.is_empty());
    let report = RunReport {
        sentence: sentence.clone(),
        status: if is_blocked { RunReport::BLOCKED } else { entry.status.name() }.to_owned(),
        same_bytes_as: entry.same_bytes_as,
        said,
    };
    write(context, &place, &report).await?;
    Ok((Summary { report: place, verdict: Some(verdict), sentence, freshness: Vec::new() }, notices))
}

async fn ledger(context: &Context, warehouse: &mut Warehouse, said: &ObjectRun) -> Result<LedgerEntry> {
    let ObjectRun { run, transform, validate, .. } = said;
    if validate.verdict == Verdict::Halted {
        let dataset = context.bundles.pinned(&run.bundle).await?;
        warehouse.ready(&dataset.layout).await?;
        warehouse.record_halted(run, transform, validate).await?;
    }
    warehouse.ledger(&run.run_id).await?.ok_or_else(|| {
        let message = format!("the ledger does not know run {}: run `load` again", run.run_id);
        StageError::new(ErrorCode::NotConserved, message)
    })
}

fn halted(said: &ObjectRun, sentence: &str) -> Notice {
    let ObjectRun { run, validate, .. } = said;
    let rejects = run.output(&validate.rejects.bucket, "");
    let body = format!(
        "{sentence}\n\nNothing of this file is in the warehouse. Have it corrected and sent again.\n\n\
         File:    s3://{}/{}\nRun:     {}\nRefused: {rejects}\n",
        run.object.bucket, run.object.key, run.run_id,
    );
    Notice::new(&format!("Fonderie: a file of {} was halted", run.source), body)
}

/// Rows leave the warehouse only where a version is run again: somebody may not have meant it.
fn rows_removed(said: &ObjectRun, sentence: &str) -> Notice {
    let run = &said.run;
    let body = format!(
        "{sentence}\n\nThe rows that were removed are those that this version of the file showed before, and that its contract or the \
         as-of date {} refuses now. If that is not meant, run the file again as before.\n\nFile:    s3://{}/{}\nRun:     {}\n",
        run.as_of, run.object.bucket, run.object.key, run.run_id,
    );
    Notice::new(&format!("Fonderie: a rerun of {} removed rows", run.source), body)
}

/// Rows and amounts in, out and refused, and what the models found, in one sentence.
fn sentence(entry: &LedgerEntry, file_name: &str, warnings: &[LoadWarning], score: Option<&Scored>) -> String {
    let amounts = |tally: &Tally| {
        let parts = tally.amounts.iter().map(|(name, amount)| format!("{name} {}", format_cents(amount.sum)));
        parts.collect::<Vec<_>>().join(", ")
    };
    let told = |tally: &Tally| match amounts(tally) {
        amounts if amounts.is_empty() || tally.rows == 0 => tally.rows.to_string(),
        amounts => format!("{} ({amounts})", tally.rows),
    };
    let became = match (&entry.outcomes, &entry.halted_because) {
        (Some(_), _) if entry.status == RunStatus::Unchanged && !entry.already_loaded => {
            "this version is withdrawn: nothing was loaded".to_owned()
        }
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
    let removed = match &entry.removed {
        removed if removed.is_empty() => String::new(),
        removed => format!("; REMOVED {} that this file showed before", told(removed)),
    };
    let warned: String = warnings
        .iter()
        .map(|LoadWarning { rule, rows, message }| format!("; WARNING {rule}: {rows} ({message})"))
        .collect();
    let same = entry.same_bytes_as.as_ref().map(|key| format!("; the same bytes as {key}")).unwrap_or_default();
    let left_out = left_out(entry);
    let alone = entry.read.rows == 0 && entry.outcomes.is_some() && left_out.is_empty();
    let header_alone = if alone { "; header alone: no record" } else { "" };
    let (read, accepted, rejected) = (told(&entry.read), told(&entry.accepted), told(&entry.rejected));
    let scored: String = score.iter().flat_map(|score| &score.models).map(|model| format!("; {model}")).collect();
    format!(
        "{file_name}: {read} rows read, {accepted} accepted, {rejected} rejected{left_out}; {became}{removed}{warned}{header_alone}{same}{scored}"
    )
}

/// The lines that were left out although something stands in them.
fn left_out(entry: &LedgerEntry) -> String {
    let kinds = [("totals_lines", "`totals`"), ("footer_lines", "`footer`"), ("filtered_rows", "`skip_rows`")];
    let lines = kinds.iter().filter_map(|(kind, key)| Some(format!("{} by {key}", entry.units.other.get(*kind)?)));
    let lines = lines.collect::<Vec<_>>().join(", ");
    if lines.is_empty() { lines } else { format!(", left out: {lines}") }
}
