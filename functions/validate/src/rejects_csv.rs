//! Both stages' rejects, in the order of the file's lines, as one CSV for the sender: with the values and the records as
//! the file has them, read from it once more.

use std::collections::VecDeque;

use bytes::Bytes;
use fonderie_contract::{Dataset, Messages};
use fonderie_core::stage::ValidateInput;
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use fonderie_quality::{rejects_header, write_reject};
use fonderie_storage::{ObjectRanges, ObjectReader, Storage, parquet_error};
use fonderie_tabular::{Limits, Reject, Rows, SHEET_LINES, Step, reject_rows};
use futures::TryStreamExt;
use parquet::arrow::async_reader::ParquetRecordBatchStream;

/// Text gathered before it is passed to the store.
const PIECE: usize = 1 << 20;

/// Merges both stages' rejects, each in the order of its records, into a CSV object.
pub(crate) async fn write(
    storage: &Storage,
    dataset: &Dataset,
    input: &ValidateInput,
    rejects: &ObjectRef,
    to: ObjectRef,
) -> Result<()> {
    let ValidateInput { run, transform } = input;
    let source = dataset.source(&run.source)?;
    let format = dataset.format_of_key(source, &run.object.key)?;
    let object = storage.open(&run.object).await?;
    let mut originals =
        Originals { object, rows: Rows::new(dataset.record(source), source, format, &Limits::default()), at: None };
    let mut inputs = Vec::new();
    for object in [&transform.rejects, rejects] {
        inputs.push(Input::open(storage, object).await?);
    }
    let mut writer = storage.writer(to, "text/csv; charset=utf-8");
    match merge(&dataset.messages, &mut inputs, &mut originals, &mut writer).await {
        Ok(()) => writer.finish().await.map(drop),
        Err(error) => {
            let _ = writer.abort().await;
            Err(error)
        }
    }
}

async fn merge(
    messages: &Messages,
    inputs: &mut [Input],
    originals: &mut Originals<'_>,
    writer: &mut fonderie_storage::ObjectWriter,
) -> Result<()> {
    let mut csv = rejects_header(messages);
    loop {
        let mut first: Option<(usize, i64)> = None;
        for (index, input) in inputs.iter_mut().enumerate() {
            if let Some(record) = input.peek().await?
                && first.is_none_or(|(_, least)| record < least)
            {
                first = Some((index, record));
            }
        }
        let Some((index, record)) = first else { break };
        if let Some(mut reject) = inputs[index].rows.pop_front() {
            originals.seek(record).await?;
            if let Some(value) = originals.value(&reject) {
                reject.value = Some(value);
            }
            originals.name_sheet(messages, &mut reject);
            write_reject(&reject, &originals.rows.shown(), &mut csv);
        }
        if csv.len() >= PIECE {
            writer.write(Bytes::from(std::mem::take(&mut csv))).await?;
        }
    }
    writer.write(Bytes::from(csv)).await
}

/// The file's records as they came.
struct Originals<'a> {
    object: ObjectReader,
    rows: Rows<'a>,
    at: Option<i64>,
}

impl Originals<'_> {
    /// Moves on to a record, which is not before the one at hand.
    async fn seek(&mut self, record: i64) -> Result<()> {
        while self.at.is_none_or(|at| at < record) {
            match self.rows.advance()? {
                Step::Record => self.at = i64::try_from(self.rows.number()).ok(),
                Step::Pending => match self.object.next().await? {
                    Some(bytes) => self.rows.feed(&bytes)?,
                    None => self.rows.end()?,
                },
                Step::End => {
                    let message = format!("record {record} was rejected, but the file has no such record");
                    return Err(StageError::new(ErrorCode::Internal, message));
                }
            }
        }
        Ok(())
    }

    /// Of a reject from one of several sheets: its row in the sheet, and the sheet's name in the sentence.
    fn name_sheet(&self, messages: &Messages, reject: &mut Reject) {
        const LINES: i64 = SHEET_LINES.cast_signed();
        if let Some((name, _)) = self.rows.sheet().filter(|_| reject.line > LINES) {
            reject.line %= LINES;
            let name: String = name.chars().take(40).collect();
            reject.message.push(' ');
            reject.message.push_str(&messages.sentence("on_sheet", &[("sheet", &name)]));
        }
    }

    /// The value of the cell that a reject names.
    fn value(&self, reject: &Reject) -> Option<String> {
        let index = self.rows.layout()?.position(reject.column.as_deref()?)?;
        Some(self.rows.cell(index).shown())
    }
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
