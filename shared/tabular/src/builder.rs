//! Records of a file to batches of the canonical record, and to rejects where they cannot be read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use fonderie_contract::{OnUnreadable, Origin, Record, Source};
use fonderie_core::tally::Amount;
use fonderie_core::{ErrorCode, Result, StageError, Tally};

use crate::cell::{self, Parsed};
use crate::coerce::Unreadable;
use crate::column::{Column, Value};
use crate::layout::{FileColumn, lay_out};
use crate::reader::{Batch, Limits, ReadSummary};
use crate::reject::{Reject, RejectBuffer};
use crate::rows::Rows;
use crate::schema::{data_type, record_schema};
use crate::tally::tally_batch;

const UNNAMED: Unreadable =
    Unreadable { rule: "colonne_sans_nom", message: "Une valeur se trouve dans une colonne sans nom." };

/// Builds the batches of one file.
pub(crate) struct Builder<'a> {
    record: &'a Record,
    source: &'a Source,
    limits: Limits,
    schema: SchemaRef,
    layout: Option<Vec<FileColumn>>,
    columns: Vec<Column>,
    values: Vec<HashMap<&'a str, &'a str>>,
    lines: Vec<i64>,
    numbers: Vec<i64>,
    rejects: RejectBuffer,
    reject_bytes: usize,
    /// Per field of the record; those that are no money stay zero.
    read: Vec<Amount>,
    rejected: Vec<Amount>,
    /// The amounts of the row at hand, by field.
    row_amounts: Vec<(usize, Amount)>,
    read_rows: u64,
    rejected_rows: u64,
    kept: Tally,
    rules: BTreeMap<&'static str, u64>,
    emptied: BTreeMap<String, u64>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(record: &'a Record, source: &'a Source, limits: Limits) -> Self {
        let value_map = |origin: &'a Origin| match origin {
            Origin::Column { values, .. } => values.iter().map(|(raw, to)| (raw.as_str(), to.as_str())).collect(),
            _ => HashMap::new(),
        };
        Self {
            record,
            source,
            limits,
            schema: record_schema(record),
            layout: None,
            columns: record.fields.iter().map(|field| Column::new(field.kind)).collect(),
            values: source.columns.iter().map(value_map).collect(),
            lines: Vec::new(),
            numbers: Vec::new(),
            rejects: RejectBuffer::default(),
            reject_bytes: 0,
            read: vec![Amount::default(); record.fields.len()],
            rejected: vec![Amount::default(); record.fields.len()],
            row_amounts: Vec::new(),
            read_rows: 0,
            rejected_rows: 0,
            kept: Tally::new(record.money()),
            rules: BTreeMap::new(),
            emptied: BTreeMap::new(),
        }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Ties the header's names to fields, once.
    pub(crate) fn lay_out(&mut self, header: &[String]) -> Result<()> {
        if self.layout.is_none() {
            self.layout = Some(lay_out(self.source, header)?);
        }
        Ok(())
    }

    /// Takes the record at hand in.
    pub(crate) fn row(&mut self, rows: &Rows) {
        let layout = self.layout.take().unwrap_or_default();
        self.read_rows += 1;
        self.row_amounts.clear();
        let broken = match rows.broken() {
            Some((rule, message)) => {
                self.reject(rows, rule, None, rows.raw(), message);
                let money = |index: &usize| self.record.fields[*index].money;
                for index in layout.iter().filter_map(|column| column.field).filter(money) {
                    self.read[index].unreadable += 1;
                    self.rejected[index].unreadable += 1;
                }
                vec![rule]
            }
            None => self.cells(rows, &layout),
        };
        if broken.is_empty() {
            self.lines.push(i64::try_from(rows.line()).unwrap_or(i64::MAX));
            self.numbers.push(i64::try_from(rows.number()).unwrap_or(i64::MAX));
        } else {
            let kept = self.lines.len();
            self.columns.iter_mut().for_each(|column| column.truncate(kept));
            for (index, amount) in self.row_amounts.drain(..) {
                self.rejected[index].sum += amount.sum;
                self.rejected[index].unreadable += amount.unreadable;
            }
            self.rejected_rows += 1;
            for rule in broken {
                *self.rules.entry(rule).or_default() += 1;
            }
        }
        self.layout = Some(layout);
    }

    /// Appends the record's cells to the columns; the rules that they break, each once.
    fn cells(&mut self, rows: &Rows, layout: &[FileColumn]) -> Vec<&'static str> {
        let mut broken: Vec<&'static str> = Vec::new();
        let mut emptied: Vec<&'static str> = Vec::new();
        for (at, column) in layout.iter().enumerate() {
            let cell = rows.cell(at);
            let problem = match column.field {
                None if column.header.is_empty() && !cell.is_blank() => Some(UNNAMED),
                None => None,
                Some(index) => {
                    let field = &self.record.fields[index];
                    let result = cell::parse(&cell, field.kind, self.source, &self.values[index]);
                    if field.money {
                        let amount = match &result {
                            Ok(Parsed::Decimal(cents)) => Amount { sum: *cents, unreadable: 0 },
                            Ok(_) => Amount::default(),
                            Err(_) => Amount { sum: 0, unreadable: 1 },
                        };
                        self.read[index].sum += amount.sum;
                        self.read[index].unreadable += amount.unreadable;
                        self.row_amounts.push((index, amount));
                    }
                    match result {
                        Ok(parsed) => {
                            self.columns[index].push(&parsed.value());
                            None
                        }
                        Err(problem) if field.unreadable == OnUnreadable::Empty => {
                            self.columns[index].push(&Value::Null);
                            if !emptied.contains(&problem.rule) {
                                emptied.push(problem.rule);
                            }
                            None
                        }
                        Err(problem) => Some(problem),
                    }
                }
            };
            if let Some(Unreadable { rule, message }) = problem {
                self.reject(rows, rule, Some(column), cell.shown(), message);
                if !broken.contains(&rule) {
                    broken.push(rule);
                }
            }
        }
        if broken.is_empty() {
            for rule in emptied {
                // A name of its own: the same rule may reject rows by another field.
                *self.emptied.entry(format!("{rule}_videe")).or_default() += 1;
            }
        }
        broken
    }

    fn reject(&mut self, rows: &Rows, rule: &str, column: Option<&FileColumn>, value: String, message: &str) {
        self.reject_bytes += value.len();
        self.rejects.push(Reject {
            line: i64::try_from(rows.line()).unwrap_or(i64::MAX),
            record: i64::try_from(rows.number()).unwrap_or(i64::MAX),
            rule: rule.to_owned(),
            field: column.and_then(|column| column.field).map(|index| self.record.fields[index].name.clone()),
            column: column.map(|column| column.header.clone()),
            value: Some(value),
            message: message.to_owned(),
        });
    }

    /// A batch that is full.
    pub(crate) fn take_full(&mut self) -> Result<Option<Batch>> {
        let text = || self.columns.iter().map(Column::text_len).sum::<usize>();
        if self.lines.len() >= self.limits.batch_rows || text() >= self.limits.batch_bytes {
            return self.take_records().map(Some);
        }
        if self.rejects.len() >= self.limits.batch_rows || self.reject_bytes >= self.limits.batch_bytes {
            return self.take_rejects().map(Some);
        }
        Ok(None)
    }

    /// What is left at the file's end, one batch after another.
    pub(crate) fn take_rest(&mut self) -> Result<Option<Batch>> {
        if !self.lines.is_empty() {
            return self.take_records().map(Some);
        }
        if !self.rejects.is_empty() {
            return self.take_rejects().map(Some);
        }
        Ok(None)
    }

    fn take_rejects(&mut self) -> Result<Batch> {
        self.reject_bytes = 0;
        self.rejects.take().map(Batch::Rejects).map_err(arrow_error)
    }

    fn take_records(&mut self) -> Result<Batch> {
        let rows = self.lines.len();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for ((column, field), origin) in self.columns.iter_mut().zip(&self.record.fields).zip(&self.source.columns) {
            arrays.push(match origin {
                Origin::Column { .. } => column.take().map_err(arrow_error)?,
                Origin::Constant(text) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows))),
                Origin::Absent => new_null_array(&data_type(field.kind), rows),
            });
        }
        arrays.push(Arc::new(Int64Array::from(std::mem::take(&mut self.lines))));
        arrays.push(Arc::new(Int64Array::from(std::mem::take(&mut self.numbers))));
        let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(arrow_error)?;
        self.kept = self.kept.plus(&tally_batch(self.record, &batch));
        Ok(Batch::Records(batch))
    }

    pub(crate) fn finish(self, skipped: BTreeMap<String, u64>) -> ReadSummary {
        let tally = |rows, amounts: &[Amount]| {
            let mut tally = Tally::new(self.record.money());
            tally.rows = rows;
            for (field, amount) in self.record.fields.iter().zip(amounts).filter(|(field, _)| field.money) {
                tally.amounts.insert(field.name.clone(), *amount);
            }
            tally
        };
        ReadSummary {
            read: tally(self.read_rows, &self.read),
            kept: self.kept,
            rejected: tally(self.rejected_rows, &self.rejected),
            rules: self.rules.into_iter().map(|(rule, rows)| (rule.to_owned(), rows)).collect(),
            emptied: self.emptied,
            skipped,
        }
    }
}

fn arrow_error(error: ArrowError) -> StageError {
    StageError::new(ErrorCode::Internal, "a batch of records could not be built").caused_by(error)
}
