//! Reads silver twice, keys first, and writes what is accepted and what is not.

use std::time::Instant;

use fonderie_contract::{Check, Dataset};
use fonderie_core::stage::{ValidateInput, Validated, Verdict};
use fonderie_core::tally::check_conserved;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use fonderie_quality::{Judgement, KeyScan, Reading, RepeatedKeys, Validator, judge, passes};
use fonderie_storage::{ParquetObjectWriter, parquet_error};
use fonderie_tabular::{parquet_properties, record_schema, reject_schema};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;

use crate::Context;
use crate::facility_csv;

/// Rejects written at a time.
const REJECTS: usize = 4096;

/// Validates a run's silver.
///
/// # Errors
/// `NotConserved`, the store's. A file that breaks its budgets is no error: its verdict is `halted`.
pub async fn run(context: &Context, input: ValidateInput) -> Result<Validated> {
    let started = Instant::now();
    let ValidateInput { run, transform } = &input;
    let dataset = context.bundles.pinned(&run.bundle).await?;
    let source = dataset.source(&run.source)?;
    let repeated = repeated_keys(context, &dataset, &transform.silver).await?;
    let mut validator = Validator::new(&dataset.record, source, run.as_of, repeated);
    let about = || {
        parquet_properties([
            ("run_id", run.run_id.clone()),
            ("object", run.object.to_string()),
            ("source", run.source.clone()),
            ("contract_sha256", run.bundle.sha256.clone()),
            ("as_of", run.as_of.to_string()),
        ])
    };
    let accepted_records = run.output(&context.silver_bucket, "accepted.parquet");
    let rejects = run.output(&context.quarantine_bucket, "validate-rejects.parquet");
    let mut accepted_writer =
        context.storage.parquet_writer(accepted_records.clone(), record_schema(&dataset.record), about())?;
    let mut rejects_writer = context.storage.parquet_writer(rejects.clone(), reject_schema(), about())?;
    let checked =
        check_all(context, &transform.silver, &mut validator, &mut accepted_writer, &mut rejects_writer).await;
    if let Err(error) = checked {
        let _ = accepted_writer.abort().await;
        let _ = rejects_writer.abort().await;
        return Err(error);
    }
    let validation = validator.finish();
    if validation.read != transform.kept {
        let message = format!("transform kept {}, but validate read {}", transform.kept, validation.read);
        return Err(StageError::new(ErrorCode::NotConserved, message));
    }
    check_conserved("validate", &validation.read, &validation.accepted, &validation.rejected)?;
    accepted_writer.finish().await?;
    rejects_writer.finish().await?;
    let refused = transform.rejected.rows + validation.rejected.rows;
    let csv = run.output(&context.quarantine_bucket, "rejets.csv");
    if refused > 0 {
        facility_csv::write(&context.storage, &dataset, &input, &rejects, csv.clone()).await?;
    }
    let reading = Reading { rows: transform.read.rows, rejected: &transform.rules, emptied: &transform.warned };
    let mut judgement = judge(&dataset.record, reading, &validation, run.strict);
    halt(&mut judgement, &transform.halts);
    Ok(Validated {
        verdict: judgement.verdict,
        accepted_records,
        rejects,
        rejects_csv: (refused > 0).then_some(csv),
        read: validation.read,
        accepted: validation.accepted,
        rejected: validation.rejected,
        rules: judgement.rules,
        halted_because: judgement.halted_because,
        millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Halts the file for the reader's own reasons, beside those of the rules.
fn halt(judgement: &mut Judgement, reasons: &[String]) {
    if reasons.is_empty() {
        return;
    }
    let reasons = reasons.join("; ");
    judgement.verdict = Verdict::Halted;
    judgement.halted_because = Some(match judgement.halted_because.take() {
        Some(because) => format!("{because}; {reasons}"),
        None => format!("the file was halted: {reasons}"),
    });
}

/// The keys that occur more than once, from the key columns alone.
async fn repeated_keys(context: &Context, dataset: &Dataset, silver: &ObjectRef) -> Result<RepeatedKeys> {
    let record = &dataset.record;
    let mut repeated = RepeatedKeys::default();
    if !record.rules.iter().any(|rule| matches!(rule.check, Check::Unique { .. })) {
        return Ok(repeated);
    }
    let mut pass = 0;
    loop {
        let builder = context.storage.parquet_reader(silver).await?;
        let rows = builder.metadata().file_metadata().num_rows();
        let passes = passes(u64::try_from(rows).unwrap_or(0));
        let keys = record.key.iter().map(|&index| record.fields[index].name.as_str());
        let mask = ProjectionMask::columns(builder.parquet_schema(), keys);
        let mut stream = builder.with_projection(mask).build().map_err(|error| parquet_error(silver, error))?;
        let mut scan = KeyScan::new(record, pass, passes);
        while let Some(batch) = stream.try_next().await.map_err(|error| parquet_error(silver, error))? {
            scan.add(&batch);
        }
        scan.finish(&mut repeated);
        pass += 1;
        if pass >= passes {
            return Ok(repeated);
        }
    }
}

async fn check_all(
    context: &Context,
    silver: &ObjectRef,
    validator: &mut Validator<'_>,
    accepted: &mut ParquetObjectWriter,
    rejects: &mut ParquetObjectWriter,
) -> Result<()> {
    let builder = context.storage.parquet_reader(silver).await?.with_batch_size(8192);
    let mut stream = builder.build().map_err(|error| parquet_error(silver, error))?;
    while let Some(batch) = stream.try_next().await.map_err(|error| parquet_error(silver, error))? {
        accepted.write(&validator.check(&batch)?).await?;
        if let Some(batch) = validator.rejects(REJECTS)? {
            rejects.write(&batch).await?;
        }
    }
    if let Some(batch) = validator.rejects(1)? {
        rejects.write(&batch).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_the_reader_halts_the_file() {
        let judged = |because: Option<&str>| Judgement {
            verdict: Verdict::Accepted,
            rules: Vec::new(),
            halted_because: because.map(str::to_owned),
        };
        let mut accepted = judged(None);
        halt(&mut accepted, &[]);
        assert_eq!(accepted, judged(None));
        halt(&mut accepted, &["the dates contradict the contract".to_owned()]);
        assert_eq!(accepted.verdict, Verdict::Halted);
        assert_eq!(accepted.halted_because.as_deref(), Some("the file was halted: the dates contradict the contract"));
        let mut halted = judged(Some("the file was halted: a rule"));
        halt(&mut halted, &["x".to_owned(), "y".to_owned()]);
        assert_eq!(halted.halted_because.as_deref(), Some("the file was halted: a rule; x; y"));
    }
}
