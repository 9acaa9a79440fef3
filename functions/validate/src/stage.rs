//! Reads silver twice, keys first, and writes what is accepted and what is not.

use std::time::Instant;

use bytes::Bytes;
use fonderie_contract::{Dataset, Source};
use fonderie_core::sentence::{LONGEST, bounded};
use fonderie_core::stage::{ValidateInput, Validated};
use fonderie_core::tally::check_conserved;
use fonderie_core::{BesideSilver, ErrorCode, ObjectRef, Result, Run, RunRecord, StageError};
use fonderie_quality::{KeyScan, Reading, RepeatedKeys, Validator, inputs, judge, passes, unique_fields};
use fonderie_storage::{ParquetObjectWriter, parquet_error};
use fonderie_tabular::{record_properties, record_schema, reject_properties, reject_schema};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;

use crate::Context;
use crate::rejects_csv;

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
    let repeated = repeated_keys(context, &dataset, source, &transform.silver).await?;
    let mut validator = Validator::new(dataset.record(source), source, run.as_of, repeated);
    let about = || {
        [
            ("run_id", run.run_id.clone()),
            ("object", run.object.to_string()),
            ("source", run.source.clone()),
            ("contract_sha256", run.bundle.sha256.clone()),
            ("as_of", run.as_of.to_string()),
        ]
    };
    let accepted_records = run.output(&context.silver_bucket, Run::ACCEPTED);
    let rejects = run.output(&context.quarantine_bucket, Run::VALIDATE_REJECTS);
    let mut accepted_writer = context.storage.parquet_writer(
        accepted_records.clone(),
        record_schema(dataset.record(source)),
        record_properties(dataset.record(source), about()),
    )?;
    let mut rejects_writer =
        context.storage.parquet_writer(rejects.clone(), reject_schema(), reject_properties(about()))?;
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
    let csv = run.output(&context.quarantine_bucket, dataset.messages.rejects_file());
    if refused > 0 {
        rejects_csv::write(&context.storage, &dataset, &input, &rejects, csv.clone()).await?;
    }
    let reading = Reading {
        rows: transform.read.rows,
        refused: transform.rejected.rows,
        rejected: &transform.rules,
        warned: &transform.warned,
        halts: &transform.halts,
    };
    let judgement = judge(dataset.record(source), reading, &validation, run.strict);
    let validated = Validated {
        verdict: judgement.verdict,
        accepted_records,
        rejects,
        rejects_csv: (refused > 0).then_some(csv),
        read: validation.read,
        accepted: validation.accepted,
        rejected: validation.rejected,
        rules: judgement.rules,
        halted_because: judgement.halted_because.map(|because| bounded(because, LONGEST)),
        millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let place = run.output(&context.silver_bucket, RunRecord::NAME);
    let ValidateInput { run, transform } = input;
    let record = RunRecord { run, transform, validate: validated.clone() };
    context.storage.put(&place, Bytes::from(record.to_json()?), "application/json").await?;
    Ok(validated)
}

/// Of each rule that forbids repeats, the keys that occur more than once: from their columns and those that they are derived
/// of.
async fn repeated_keys(
    context: &Context,
    dataset: &Dataset,
    source: &Source,
    silver: &ObjectRef,
) -> Result<Vec<RepeatedKeys>> {
    let record = dataset.record(source);
    let mut all = Vec::new();
    for fields in unique_fields(record) {
        let mut repeated = RepeatedKeys::default();
        let mut pass = 0;
        loop {
            let builder = context.storage.parquet_reader(silver).await?;
            let rows = builder.metadata().file_metadata().num_rows();
            let passes = passes(u64::try_from(rows).unwrap_or(0));
            let names =
                fields.iter().copied().chain(inputs(source, fields)).map(|index| record.fields[index].name.as_str());
            let mask = ProjectionMask::columns(builder.parquet_schema(), names);
            let mut stream = builder.with_projection(mask).build().map_err(|error| parquet_error(silver, error))?;
            let mut scan = KeyScan::new(record, source, fields, pass, passes);
            while let Some(batch) = stream.try_next().await.map_err(|error| parquet_error(silver, error))? {
                scan.add(&batch);
            }
            scan.finish(&mut repeated);
            pass += 1;
            if pass >= passes {
                break;
            }
        }
        all.push(repeated);
    }
    Ok(all)
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
