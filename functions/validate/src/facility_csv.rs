//! Both stages' rejects, in the order of the file's lines, as one CSV for the facility.

use std::collections::VecDeque;

use bytes::Bytes;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use fonderie_quality::{FACILITY_CSV_HEADER, write_facility_row};
use fonderie_storage::{ObjectRanges, Storage, parquet_error};
use fonderie_tabular::{Reject, reject_rows};
use futures::TryStreamExt;
use parquet::arrow::async_reader::ParquetRecordBatchStream;

/// Text gathered before it is passed to the store.
const PIECE: usize = 1 << 20;

/// Merges rejects, each object's in the order of its records, into a CSV object.
pub(crate) async fn write(storage: &Storage, from: &[ObjectRef], to: ObjectRef) -> Result<()> {
    let mut inputs = Vec::new();
    for object in from {
        inputs.push(Input::open(storage, object).await?);
    }
    let mut writer = storage.writer(to, "text/csv; charset=utf-8");
    match merge(&mut inputs, &mut writer).await {
        Ok(()) => writer.finish().await.map(drop),
        Err(error) => {
            let _ = writer.abort().await;
            Err(error)
        }
    }
}

async fn merge(inputs: &mut [Input], writer: &mut fonderie_storage::ObjectWriter) -> Result<()> {
    let mut csv = String::from(FACILITY_CSV_HEADER);
    loop {
        let mut first: Option<(usize, i64)> = None;
        for (index, input) in inputs.iter_mut().enumerate() {
            if let Some(record) = input.peek().await?
                && first.is_none_or(|(_, least)| record < least)
            {
                first = Some((index, record));
            }
        }
        let Some((index, _)) = first else { break };
        if let Some(reject) = inputs[index].rows.pop_front() {
            write_facility_row(&reject, &mut csv);
        }
        if csv.len() >= PIECE {
            writer.write(Bytes::from(std::mem::take(&mut csv))).await?;
        }
    }
    writer.write(Bytes::from(csv)).await
}

struct Input {
    object: ObjectRef,
    stream: ParquetRecordBatchStream<ObjectRanges>,
    rows: VecDeque<Reject>,
}

impl Input {
    async fn open(storage: &Storage, object: &ObjectRef) -> Result<Self> {
        let builder = storage.parquet_reader(object).await?;
        let stream = builder.build().map_err(|error| parquet_error(object, error))?;
        Ok(Self { object: object.clone(), stream, rows: VecDeque::new() })
    }

    /// The record number of the next reject.
    async fn peek(&mut self) -> Result<Option<i64>> {
        while self.rows.is_empty() {
            let batch = self.stream.try_next().await.map_err(|error| parquet_error(&self.object, error))?;
            let Some(batch) = batch else { return Ok(None) };
            let shape = |error| {
                StageError::new(ErrorCode::Internal, format!("{} holds no rejects", self.object)).caused_by(error)
            };
            self.rows.extend(reject_rows(&batch).map_err(shape)?);
        }
        Ok(self.rows.front().map(|reject| reject.record))
    }
}
