//! Streams the object through the reader into two Parquet objects.

use std::time::Instant;

use fonderie_core::stage::{TransformInput, Transformed};
use fonderie_core::tally::check_conserved;
use fonderie_core::{ErrorCode, Result, Run, StageError, hex};
use fonderie_storage::{ObjectReader, ParquetObjectWriter};
use fonderie_tabular::{Batch, Limits, Reader, record_properties, reject_properties, reject_schema};
use sha2::{Digest, Sha256};

use crate::Context;

/// Transforms a run's object version.
///
/// # Errors
/// `FileEmpty`, what the reader says of the file's encoding and header, `NotConserved`, the store's.
pub async fn run(context: &Context, input: TransformInput) -> Result<Transformed> {
    let started = Instant::now();
    let run = input.run;
    let dataset = context.bundles.pinned(&run.bundle).await?;
    let source = dataset.source(&run.source)?;
    let mut object = context.storage.open(&run.object).await?;
    if object.size() == 0 {
        let message = format!("the file {} is empty: have it sent again", run.object.file_name());
        return Err(StageError::new(ErrorCode::FileEmpty, message));
    }
    let format = dataset.format_of_key(source, &run.object.key)?;
    let mut reader = Reader::new(dataset.record(source), source, format, run.object.file_name(), Limits::default());
    let about = || {
        [
            ("run_id", run.run_id.clone()),
            ("object", run.object.to_string()),
            ("source", run.source.clone()),
            ("contract_sha256", run.bundle.sha256.clone()),
        ]
    };
    let silver = run.output(&context.silver_bucket, Run::TRANSFORMED);
    let rejects = run.output(&context.quarantine_bucket, Run::TRANSFORM_REJECTS);
    let mut silver_writer = context.storage.parquet_writer(
        silver.clone(),
        reader.schema(),
        record_properties(dataset.record(source), about()),
    )?;
    let mut rejects_writer =
        context.storage.parquet_writer(rejects.clone(), reject_schema(), reject_properties(about()))?;
    let read = read_all(&mut object, &mut reader, &mut silver_writer, &mut rejects_writer).await;
    let content_sha256 = match read {
        Ok(sha256) => sha256,
        Err(error) => {
            // What was uploaded so far is given up; it was never visible.
            let _ = silver_writer.abort().await;
            let _ = rejects_writer.abort().await;
            return Err(error);
        }
    };
    let summary = reader.finish();
    check_conserved("transform", &summary.read, &summary.kept, &summary.rejected)?;
    summary.units.check_conserved("transform")?;
    rejects_writer.finish().await?;
    let written = silver_writer.finish().await?;
    if written != summary.kept.rows {
        let message = format!("transform kept {} rows, but {written} were written to silver", summary.kept.rows);
        return Err(StageError::new(ErrorCode::NotConserved, message));
    }
    Ok(Transformed {
        silver,
        rejects,
        content_sha256,
        read: summary.read,
        kept: summary.kept,
        rejected: summary.rejected,
        rules: summary.rules,
        warned: summary.warned,
        skipped: summary.skipped,
        units: summary.units,
        notices: summary.notices,
        halts: summary.halts,
        millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Reads the object to its end; gives the SHA-256 of its bytes.
async fn read_all(
    object: &mut ObjectReader,
    reader: &mut Reader<'_>,
    silver: &mut ParquetObjectWriter,
    rejects: &mut ParquetObjectWriter,
) -> Result<String> {
    let mut hash = Sha256::new();
    loop {
        let chunk = object.next().await?;
        match &chunk {
            Some(bytes) => {
                hash.update(bytes);
                reader.feed(bytes)?;
            }
            None => reader.end()?,
        }
        while let Some(batch) = reader.batch()? {
            match batch {
                Batch::Records(batch) => silver.write(&batch).await?,
                Batch::Rejects(batch) => rejects.write(&batch).await?,
            }
            // A workbook gives batch after batch without a wait: the watch on time and memory has its turn between them.
            tokio::task::yield_now().await;
        }
        if chunk.is_none() {
            return Ok(hex(hash.finalize()));
        }
    }
}
