//! What was refused, and why: one entry per row and broken rule, so that a sender sees all that is wrong with a row.

use std::sync::Arc;

use arrow_array::{Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use fonderie_core::sentence::{LONGEST, bounded};

/// One reason for which one row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line on which the row begins, from 1.
    pub line: i64,
    /// The row's number, from 0, the header excepted.
    pub record: i64,
    /// The rule's id.
    pub rule: String,
    /// The field of the canonical record; absent where the whole row is at fault.
    pub field: Option<String>,
    /// The column as the file names it.
    pub column: Option<String>,
    /// The value as the file has it (where the whole row is at fault: the line's text).
    pub value: Option<String>,
    /// A sentence for the sender.
    pub message: String,
}

/// The most characters of a reject's value.
const LONGEST_VALUE: usize = 1_000;

/// The schema of rejects as Parquet: the fields of [`Reject`], in its order, all nullable but line, record and rule.
pub fn reject_schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        Field::new("source_line", DataType::Int64, false),
        Field::new("source_record", DataType::Int64, false),
        text("rule", false),
        text("field", true),
        text("column", true),
        text("value", true),
        text("message", true),
    ]))
}

/// Rejects waiting to be written.
#[derive(Debug, Default)]
pub struct RejectBuffer {
    rejects: Vec<Reject>,
    bytes: usize,
}

impl RejectBuffer {
    /// Adds one; a long value or message is cut.
    pub fn push(&mut self, mut reject: Reject) {
        reject.value = reject.value.map(|value| bounded(value, LONGEST_VALUE));
        reject.message = bounded(reject.message, LONGEST);
        self.bytes += reject.value.as_ref().map_or(0, String::len) + reject.message.len();
        self.rejects.push(reject);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.rejects.len()
    }

    /// Bytes of the values and messages that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.rejects.is_empty()
    }

    /// All that wait, as one batch; none wait afterwards.
    ///
    /// # Errors
    /// When Arrow refuses the columns (more than 2 GiB of text).
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let rejects = std::mem::take(&mut self.rejects);
        self.bytes = 0;
        let number = |read: fn(&Reject) -> i64| Arc::new(Int64Array::from_iter_values(rejects.iter().map(read)));
        let text = |read: fn(&Reject) -> Option<&str>| Arc::new(rejects.iter().map(read).collect::<StringArray>());
        RecordBatch::try_new(
            reject_schema(),
            vec![
                number(|reject| reject.line),
                number(|reject| reject.record),
                text(|reject| Some(&reject.rule)),
                text(|reject| reject.field.as_deref()),
                text(|reject| reject.column.as_deref()),
                text(|reject| reject.value.as_deref()),
                text(|reject| Some(&reject.message)),
            ],
        )
    }
}

/// The rejects of a batch of [`reject_schema`]'s shape.
///
/// # Errors
/// When the batch has another shape.
pub fn reject_rows(batch: &RecordBatch) -> Result<Vec<Reject>, ArrowError> {
    let shape = || ArrowError::SchemaError("rejects have another schema".to_owned());
    let numbers = |index: usize| batch.columns().get(index)?.as_any().downcast_ref::<Int64Array>();
    let texts = |index: usize| batch.columns().get(index)?.as_any().downcast_ref::<StringArray>();
    let (lines, records) = (numbers(0).ok_or_else(shape)?, numbers(1).ok_or_else(shape)?);
    let columns: Vec<&StringArray> = (2..7).map(texts).collect::<Option<_>>().ok_or_else(shape)?;
    let rows = (0..batch.num_rows()).map(|row| {
        let text = |column: usize| {
            let array = columns[column];
            array.is_valid(row).then(|| array.value(row).to_owned())
        };
        Reject {
            line: lines.value(row),
            record: records.value(row),
            rule: text(0).unwrap_or_default(),
            field: text(1),
            column: text(2),
            value: text(3),
            message: text(4).unwrap_or_default(),
        }
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_survive_the_way_through_arrow() {
        let whole = Reject {
            line: 7,
            record: 5,
            rule: "short_record".into(),
            field: None,
            column: None,
            value: Some("a;b".into()),
            message: "…".into(),
        };
        let cell = Reject { field: Some("nom".into()), column: Some("Nom".into()), value: None, ..whole.clone() };
        let mut buffer = RejectBuffer::default();
        buffer.push(whole.clone());
        buffer.push(cell.clone());
        assert_eq!(reject_rows(&buffer.take().unwrap()).unwrap(), [whole, cell]);
        assert!(buffer.is_empty());
    }
}
