//! Streams the object through the reader into two Parquet objects.

use std::time::Instant;

use fonderie_core::stage::{TransformInput, Transformed};
use fonderie_core::tally::check_conserved;
use fonderie_core::{ErrorCode, Result, Run, StageError, hex};
use fonderie_storage::{ObjectReader, ParquetObjectWriter};
use fonderie_tabular::{
    Batch, Limits, Reader, record_properties, refused_key_schema, reject_properties, reject_schema,
};
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
    let record = dataset.record(source);
    let mut reader = Reader::new(record, source, format, run.object.file_name(), Limits::default());
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
    let refused_keys = record.complete.map(|_| run.output(&context.silver_bucket, Run::REFUSED_KEYS));
    let storage = &context.storage;
    let mut writers = Writers {
        silver: storage.parquet_writer(silver.clone(), reader.schema(), record_properties(record, about()))?,
        rejects: storage.parquet_writer(rejects.clone(), reject_schema(), reject_properties(about()))?,
        refused_keys: match &refused_keys {
            Some(place) => {
                Some(storage.parquet_writer(place.clone(), refused_key_schema(record), reject_properties(about()))?)
            }
            None => None,
        },
    };
    let content_sha256 = match read_all(&mut object, &mut reader, &mut writers).await {
        Ok(sha256) => sha256,
        Err(error) => {
            writers.abort().await;
            return Err(error);
        }
    };
    let summary = reader.finish();
    check_conserved("transform", &summary.read, &summary.kept, &summary.rejected)?;
    summary.units.check_conserved("transform")?;
    writers.rejects.finish().await?;
    if let Some(writer) = writers.refused_keys {
        let written = writer.finish().await?;
        if written != summary.rejected.rows {
            let rejected = summary.rejected.rows;
            let message = format!("transform rejected {rejected} rows, but the keys of {written} were written");
            return Err(StageError::new(ErrorCode::NotConserved, message));
        }
    }
    let written = writers.silver.finish().await?;
    if written != summary.kept.rows {
        let message = format!("transform kept {} rows, but {written} were written to silver", summary.kept.rows);
        return Err(StageError::new(ErrorCode::NotConserved, message));
    }
    Ok(Transformed {
        silver,
        rejects,
        refused_keys,
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

/// What the stage writes.
struct Writers {
    silver: ParquetObjectWriter,
    rejects: ParquetObjectWriter,
    refused_keys: Option<ParquetObjectWriter>,
}

impl Writers {
    async fn write(&mut self, batch: Batch) -> Result<()> {
        match (batch, &mut self.refused_keys) {
            (Batch::Records(batch), _) => self.silver.write(&batch).await,
            (Batch::Rejects(batch), _) => self.rejects.write(&batch).await,
            (Batch::RefusedKeys(batch), Some(writer)) => writer.write(&batch).await,
            (Batch::RefusedKeys(_), None) => Ok(()),
        }
    }

    /// Gives up what was uploaded so far; it was never visible.
    async fn abort(self) {
        for writer in [Some(self.silver), Some(self.rejects), self.refused_keys].into_iter().flatten() {
            let _ = writer.abort().await;
        }
    }
}

/// Reads the object to its end; gives the SHA-256 of its bytes.
async fn read_all(object: &mut ObjectReader, reader: &mut Reader<'_>, writers: &mut Writers) -> Result<String> {
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
            writers.write(batch).await?;
            // A workbook gives batch after batch without a wait: the watch on time and memory has its turn between them.
            tokio::task::yield_now().await;
        }
        if chunk.is_none() {
            return Ok(hex(hash.finalize()));
        }
    }
}
