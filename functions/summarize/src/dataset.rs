//! The report of a dataset's run: the daily one, or the end of a backfill.

use fonderie_core::freshness::Freshness;
use fonderie_core::stage::{DatasetReport, DatasetSummaryInput, Summary};
use fonderie_core::withdrawal::Withdrawn;
use fonderie_core::{Notice, ObjectRef, ObjectVersion, Result};
use fonderie_warehouse::Warehouse;

use crate::Context;
use crate::report::{Summarized, checks, write};

pub(crate) async fn summarize(
    context: &Context,
    warehouse: &mut Warehouse,
    said: DatasetSummaryInput,
) -> Result<Summarized> {
    let dataset = context.bundles.pinned(&said.run.bundle).await?;
    let newest = warehouse.newest_arrivals(&dataset.name, dataset.time_zone.name()).await?;
    let expected = dataset.sources.iter().filter_map(|source| Some((source, source.expected?)));
    let freshness: Vec<Freshness> = expected
        .map(|(source, expected)| {
            let newest = newest.get(&source.id).copied();
            Freshness::new(source.id.clone(), expected, newest, said.run.as_of)
        })
        .collect();
    let key = format!("{}/runs/{}/report.json", dataset.name, said.run.run_id);
    let place = ObjectRef { bucket: context.reports_bucket.clone(), key };
    let sentence = sentence(&said, &freshness);
    // What is missing is reported by the daily run only.
    let of_run = match &said.withdrawal {
        Some(withdrawal) => withdrawal.changed().then(|| withdrawn(&said, withdrawal)),
        None if said.run.prefix.is_none() => missing(&said, &freshness),
        None => None,
    };
    let notices = of_run.into_iter().chain(checks(&said.run, &said.publish)).collect();
    let report = DatasetReport { sentence: sentence.clone(), freshness: freshness.clone(), said };
    write(context, &place, &report).await?;
    Ok((Summary { report: place, verdict: None, sentence, freshness }, notices))
}

fn sentence(said: &DatasetSummaryInput, freshness: &[Freshness]) -> String {
    let mut parts = Vec::new();
    if let Some(rebuild) = &said.rebuild {
        parts.push(rebuild.to_string());
    }
    if let Some(withdrawal) = &said.withdrawal {
        parts.push(withdrawal.to_string());
    }
    if let (Some(objects), Some(prefix)) = (&said.objects, &said.run.prefix) {
        let counts = objects.counts;
        parts.push(format!(
            "{} runs of files below {prefix}: {} in the warehouse, {} failed",
            counts.total, counts.succeeded, counts.failed
        ));
    }
    parts.extend(said.score.models.iter().map(ToString::to_string));
    parts.push(said.publish.to_string());
    parts.extend(said.publish.violated().map(|checked| format!("CHECK {checked}")));
    parts.extend(freshness.iter().filter(|source| source.missing).map(|source| format!("missing: {source}")));
    format!("{} as of {}: {}", said.run.bundle.dataset, said.run.as_of, parts.join("; "))
}

/// Rows left the warehouse, or came back: somebody may not have meant it.
fn withdrawn(said: &DatasetSummaryInput, withdrawal: &Withdrawn) -> Notice {
    let ObjectVersion { bucket, key, version_id } = &withdrawal.object;
    let (what, back) = match withdrawal.undo {
        false => ("was withdrawn", "To restore it, start the state machine `pipeline` with"),
        true => ("was restored", "To withdraw it again, start the state machine `pipeline` with"),
    };
    let undo = if withdrawal.undo { "" } else { ", \"undo\": true" };
    let notices: String = withdrawal.notices.iter().map(|notice| format!("{notice}\n")).collect();
    let body = format!(
        "{withdrawal}\n{notices}\n{back}\n{{\"withdraw\": {{\"bucket\": \"{bucket}\", \"key\": \"{key}\", \"version_id\": \"{version_id}\"}}{undo}}}\n\n\
         File:    s3://{bucket}/{key}\nRun:     {}\n",
        said.run.run_id,
    );
    Notice::new(&format!("Fonderie: a file of {} {what}", said.run.bundle.dataset), body)
}

fn missing(said: &DatasetSummaryInput, freshness: &[Freshness]) -> Option<Notice> {
    let missing: Vec<_> = freshness.iter().filter(|source| source.missing).collect();
    let lines: String = missing.iter().map(|source| format!("- {source}\n")).collect();
    let body = format!(
        "Files that were expected have not come as of {}:\n\n{lines}\nAsk their senders for them. A source that sends at \
         another pace says so in its contract (`expected`).\n\nRun: {}\n",
        said.run.as_of, said.run.run_id,
    );
    let subject = format!("Fonderie: {} expected files of {} are missing", missing.len(), said.run.bundle.dataset);
    (!missing.is_empty()).then(|| Notice::new(&subject, body))
}
