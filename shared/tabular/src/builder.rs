//! Records of a file to batches of the canonical record, and to rejects if they cannot be read.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow_schema::ArrowError;
use arrow_schema::SchemaRef;
use fonderie_contract::{FileFormat, Kind, OnUnreadable, Origin, ReaderRule, Record, Source, fold_name};
use fonderie_core::tally::Amount;
use fonderie_core::{ErrorCode, Result, StageError, Tally};

use crate::batch::{Batch, ReadSummary};
use crate::column::{Column, Value};
use crate::derived;
use crate::evidence::{self, Evidence};
use crate::layout::{FileColumn, Layout};
use crate::limits::Limits;
use crate::memo::Memo;
use crate::problem::Problem;
use crate::read::{DateCounts, FieldReader, Notes, Parsed};
use crate::refused::RefusedKeys;
use crate::reject::{Reject, RejectBuffer};
use crate::rows::Rows;
use crate::schema::{data_type, record_schema};
use crate::tally::tally_batch;

/// Builds the batches of one file.
pub(crate) struct Builder<'a> {
    record: &'a Record,
    source: &'a Source,
    file_name: &'a str,
    limits: Limits,
    schema: SchemaRef,
    /// The layout of the sheet at hand, and the sheet's name.
    layout: Option<(Layout, Option<String>)>,
    /// The names of its columns, folded.
    names: HashSet<String>,
    columns: Vec<Column>,
    memos: Vec<Memo>,
    readers: Vec<Option<FieldReader<'a>>>,
    /// Fields that are the same in every row of the sheet at hand: from the file's or the sheet's name.
    named: Vec<(usize, derived::Constant)>,
    /// Fields that are hashes, with their inputs.
    hashes: Vec<(usize, &'a [usize])>,
    /// Constants that a hash reads: they have no column of their own otherwise.
    hashed_constants: Vec<(usize, &'a str)>,
    scratch: String,
    dates: Vec<DateCounts>,
    lines: Vec<i64>,
    numbers: Vec<i64>,
    rejects: RejectBuffer,
    /// If the record's files are complete.
    refused_keys: Option<RefusedKeys<'a>>,
    /// Per field of the record; those that are no money stay zero.
    read: Vec<Amount>,
    rejected: Vec<Amount>,
    /// The amounts of the row at hand, by field.
    row_amounts: Vec<(usize, Amount)>,
    read_rows: u64,
    rejected_rows: u64,
    kept: Tally,
    rules: BTreeMap<ReaderRule, u64>,
    warned: BTreeMap<String, u64>,
    /// The first refused row that has most names of the header, as a second header in another order has.
    other_header: Option<u64>,
    /// The line of such a row in a file with columns whose values must not get out of it: nobody knows where they stand from there on.
    misplaced: Option<u64>,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(
        record: &'a Record,
        source: &'a Source,
        format: &FileFormat,
        file_name: &'a str,
        limits: Limits,
    ) -> Self {
        let reader = |(index, origin): (usize, &'a Origin)| match origin {
            Origin::Column { reading, .. } => Some(FieldReader::new(record, index, reading, Some(format))),
            Origin::Sheet { .. } | Origin::FileName { .. } | Origin::Hash(_) | Origin::Constant(_) | Origin::Absent => {
                None
            }
        };
        let hashes: Vec<(usize, &'a [usize])> = source
            .columns
            .iter()
            .enumerate()
            .filter_map(|(index, origin)| match origin {
                Origin::Hash(inputs) => Some((index, inputs.as_slice())),
                _ => None,
            })
            .collect();
        let hashed_constants = source.columns.iter().enumerate().filter_map(|(index, origin)| match origin {
            Origin::Constant(text) if hashes.iter().any(|(_, inputs)| inputs.contains(&index)) => {
                Some((index, text.as_str()))
            }
            _ => None,
        });
        Self {
            record,
            source,
            file_name,
            limits,
            schema: record_schema(record),
            layout: None,
            names: HashSet::new(),
            columns: record.fields.iter().map(|field| Column::new(field.kind)).collect(),
            memos: record.fields.iter().map(|field| Memo::new(matches!(field.kind, Kind::Text { .. }))).collect(),
            readers: source.columns.iter().enumerate().map(reader).collect(),
            named: Vec::new(),
            hashed_constants: hashed_constants.collect(),
            hashes,
            scratch: String::new(),
            dates: vec![DateCounts::default(); record.fields.len()],
            lines: Vec::new(),
            numbers: Vec::new(),
            rejects: RejectBuffer::default(),
            refused_keys: record.complete.map(|_| RefusedKeys::new(record, source)),
            read: vec![Amount::default(); record.fields.len()],
            rejected: vec![Amount::default(); record.fields.len()],
            row_amounts: Vec::new(),
            read_rows: 0,
            rejected_rows: 0,
            kept: Tally::new(record.money()),
            rules: BTreeMap::new(),
            warned: BTreeMap::new(),
            other_header: None,
            misplaced: None,
        }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Takes the columns of the file, or of the sheet at hand, and the values that come from names.
    ///
    /// # Errors
    /// `ColumnMissing` if a name does not fit the contract's template.
    pub(crate) fn lay_out(&mut self, layout: &Layout, sheet: Option<&str>) -> Result<()> {
        if self.layout.as_ref().is_some_and(|(_, known)| known.as_deref() == sheet) {
            return Ok(());
        }
        self.named.clear();
        for (index, origin) in self.source.columns.iter().enumerate() {
            let name = if matches!(origin, Origin::Sheet { .. }) { sheet.unwrap_or_default() } else { self.file_name };
            if let Some(constant) = derived::from_name(self.record, self.source, index, name)? {
                self.named.push((index, constant));
            }
        }
        self.names = layout.names().map(fold_name).filter(|name| !name.is_empty()).collect();
        self.layout = Some((layout.clone(), sheet.map(str::to_owned)));
        Ok(())
    }

    /// Takes the record at hand in.
    pub(crate) fn row(&mut self, rows: &Rows<'_>) {
        let Some((layout, sheet)) = self.layout.take() else { return };
        if layout.refuses && self.is_header(rows) {
            self.misplaced.get_or_insert_with(|| rows.line());
        }
        self.read_rows += 1;
        self.row_amounts.clear();
        let mut notes = Notes::default();
        let shifted = || (layout.refuses && rows.is_shifted()).then_some(Problem::UnnamedColumn);
        let broken = match rows.broken().or_else(shifted) {
            Some(problem) => {
                self.reject(rows, &problem, None, rows.shown());
                let money = |index: &&usize| self.record.fields[**index].money;
                for &index in layout.columns.iter().flat_map(|column| &column.fields).filter(money) {
                    self.read[index].unreadable += 1;
                    self.rejected[index].unreadable += 1;
                }
                let mut broken = Notes::default();
                broken.add(problem.rule());
                broken
            }
            None => self.cells(rows, &layout, &mut notes),
        };
        if broken.is_empty() {
            self.derive();
            self.lines.push(i64::try_from(rows.line()).unwrap_or(i64::MAX));
            self.numbers.push(i64::try_from(rows.number()).unwrap_or(i64::MAX));
            if !notes.is_empty() {
                for rule in notes.rules() {
                    *self.warned.entry(self.record.messages.rule(rule).to_owned()).or_default() += 1;
                }
            }
        } else {
            if self.other_header.is_none() && self.is_header(rows) {
                self.other_header = Some(rows.line());
            }
            if self.refused_keys.is_some() {
                // Of a row with a value too many, nobody knows in which column each value stands.
                let trusted = rows.broken().is_none() && !broken.has(ReaderRule::UnnamedColumn);
                if trusted {
                    self.derive();
                }
                let number = i64::try_from(rows.number()).unwrap_or(i64::MAX);
                let row = trusted.then_some(self.columns.as_slice());
                self.refused_keys.iter_mut().for_each(|keys| keys.push(row, number));
            }
            let kept = self.lines.len();
            self.columns.iter_mut().for_each(|column| column.truncate(kept));
            for (index, amount) in self.row_amounts.drain(..) {
                self.rejected[index].sum += amount.sum;
                self.rejected[index].unreadable += amount.unreadable;
            }
            self.rejected_rows += 1;
            for rule in broken.rules() {
                *self.rules.entry(rule).or_default() += 1;
            }
        }
        self.layout = Some((layout, sheet));
    }

    /// Whether a row has most names of the header.
    fn is_header(&self, rows: &Rows<'_>) -> bool {
        let found = rows.names_in(&self.names);
        found > 1 && found * 2 > self.names.len()
    }

    /// Appends the record's cells to the columns; the rules that they break.
    fn cells(&mut self, rows: &Rows<'_>, layout: &Layout, notes: &mut Notes) -> Notes {
        let mut broken = Notes::default();
        let mut emptied = Notes::default();
        for (at, column) in layout.columns.iter().enumerate() {
            if column.fields.is_empty() {
                if column.header.is_empty() && !rows.peek(at).is_blank() {
                    broken.add(ReaderRule::UnnamedColumn);
                    self.reject(rows, &Problem::UnnamedColumn, Some((column, None)), rows.peek(at).shown());
                }
                continue;
            }
            let mut bytes = None;
            if let [index] = column.fields[..] {
                bytes = rows.plain_bytes(at);
                if let Some(known) = bytes.and_then(|bytes| self.memos[index].find(bytes)) {
                    rows.count(known.shows);
                    notes.add_all(known.notes);
                    self.columns[index].push(&known.text.as_deref().map_or(Value::Null, Value::Text));
                    continue;
                }
            }
            let (cell, shows) = rows.read(at);
            rows.count(shows);
            let mut refused: Vec<Problem> = Vec::new();
            for &index in &column.fields {
                let Some(reader) = &self.readers[index] else { continue };
                let field = &self.record.fields[index];
                let mut noted = Notes::default();
                let result = reader.read(&cell, &mut noted, &mut self.dates[index]);
                notes.add_all(noted);
                match (&result, bytes) {
                    (Ok(Parsed::Text(text)), Some(bytes)) => self.memos[index].keep(bytes, Some(text), noted, shows),
                    (Ok(Parsed::Null), Some(bytes)) => self.memos[index].keep(bytes, None, noted, shows),
                    _ => {}
                }
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
                    Ok(parsed) => self.columns[index].push(&parsed.value()),
                    Err(problem) if field.unreadable == OnUnreadable::Empty => {
                        self.columns[index].push(&Value::Null);
                        emptied.add(problem.rule());
                    }
                    Err(problem) => {
                        self.columns[index].push(&Value::Null);
                        broken.add(problem.rule());
                        // a cell that several fields refuse for one reason is refused once
                        if !refused.contains(&problem) {
                            self.reject(rows, &problem, Some((column, Some(index))), cell.displayed());
                            refused.push(problem);
                        }
                    }
                }
            }
        }
        if broken.is_empty() && !emptied.is_empty() {
            for rule in emptied.rules() {
                // A name of its own: the same rule may reject rows by another field.
                *self.warned.entry(self.record.messages.emptied_rule(rule)).or_default() += 1;
            }
        }
        broken
    }

    /// Appends the values of a readable row that its cells do not have.
    fn derive(&mut self) {
        for (index, constant) in &self.named {
            self.columns[*index].push(&match constant {
                derived::Constant::Null => Value::Null,
                derived::Constant::Text(text) => Value::Text(text),
                derived::Constant::Whole(number) => Value::Whole(*number),
                derived::Constant::Number(number) => Value::Number(*number),
                derived::Constant::Decimal(number) => Value::Decimal(*number),
                derived::Constant::Truth(truth) => Value::Truth(*truth),
            });
        }
        for (index, text) in &self.hashed_constants {
            self.columns[*index].push(&Value::Text(text));
        }
        for (index, inputs) in &self.hashes {
            match derived::hash(&self.columns, inputs, &mut self.scratch) {
                Some(id) => self.columns[*index].push(&Value::Text(&id)),
                None => self.columns[*index].push(&Value::Null),
            }
        }
    }

    fn reject(
        &mut self,
        rows: &Rows<'_>,
        problem: &Problem,
        column: Option<(&FileColumn, Option<usize>)>,
        value: String,
    ) {
        self.rejects.push(Reject {
            line: i64::try_from(rows.line()).unwrap_or(i64::MAX),
            record: i64::try_from(rows.number()).unwrap_or(i64::MAX),
            rule: self.record.messages.rule(problem.rule()).to_owned(),
            field: column.and_then(|(_, index)| index).map(|index| self.record.fields[index].name.clone()),
            column: column.map(|(column, _)| column.shown.clone()),
            value: Some(value),
            message: problem.sentence(&self.record.messages),
        });
    }

    /// A batch that is full.
    pub(crate) fn take_full(&mut self) -> Result<Option<Batch>> {
        self.check_places()?;
        let text = || self.columns.iter().map(Column::text_len).sum::<usize>();
        if self.lines.len() >= self.limits.batch_rows || text() >= self.limits.batch_bytes {
            return self.take_records().map(Some);
        }
        if self.rejects.len() >= self.limits.batch_rows || self.rejects.bytes() >= self.limits.batch_bytes {
            return self.take_rejects().map(Some);
        }
        let full =
            |keys: &RefusedKeys<'_>| keys.len() >= self.limits.batch_rows || keys.text_len() >= self.limits.batch_bytes;
        if self.refused_keys.as_ref().is_some_and(full) {
            return self.take_refused_keys();
        }
        Ok(None)
    }

    /// Refuses a file of which nobody knows where the values stand that must not get out of it.
    fn check_places(&self) -> Result<()> {
        let Some(line) = self.misplaced else { return Ok(()) };
        let message = format!(
            "line {line} has names of the header once more, in another order, so that values of `refused_columns` may stand in other columns from \
             there on: have the file sent again with one order of columns, or as several files (contract of `{}`)",
            self.source.id
        );
        Err(StageError::new(ErrorCode::HeaderUnreadable, message))
    }

    /// What is left at the file's end, one batch after another.
    pub(crate) fn take_rest(&mut self) -> Result<Option<Batch>> {
        self.check_places()?;
        if !self.lines.is_empty() {
            return self.take_records().map(Some);
        }
        if !self.rejects.is_empty() {
            return self.take_rejects().map(Some);
        }
        self.take_refused_keys()
    }

    /// The keys of refused rows that wait, if any do.
    fn take_refused_keys(&mut self) -> Result<Option<Batch>> {
        let Some(keys) = self.refused_keys.as_mut().filter(|keys| keys.len() > 0) else { return Ok(None) };
        keys.take().map(|batch| Some(Batch::RefusedKeys(batch))).map_err(arrow_error)
    }

    fn take_rejects(&mut self) -> Result<Batch> {
        self.rejects.take().map(Batch::Rejects).map_err(arrow_error)
    }

    fn take_records(&mut self) -> Result<Batch> {
        let rows = self.lines.len();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for ((column, field), origin) in self.columns.iter_mut().zip(&self.record.fields).zip(&self.source.columns) {
            let own = column.take().map_err(arrow_error)?;
            arrays.push(match origin {
                Origin::Column { .. } | Origin::Sheet { .. } | Origin::FileName { .. } | Origin::Hash(_) => own,
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

    pub(crate) fn finish(self, rows: &Rows<'_>) -> ReadSummary {
        let tally = |rows, amounts: &[Amount]| {
            let mut tally = Tally::new(self.record.money());
            tally.rows = rows;
            for (field, amount) in self.record.fields.iter().zip(amounts).filter(|(field, _)| field.money) {
                tally.amounts.insert(field.name.clone(), *amount);
            }
            tally
        };
        let dates = self.record.fields.iter().zip(&self.dates).zip(&self.source.columns);
        let dates = dates.filter(|((field, _), _)| matches!(field.kind, Kind::Date | Kind::Timestamp));
        let dates: Vec<_> = dates.map(|((_, counts), origin)| (origin, counts)).collect();
        let Evidence { notices, halts } = evidence::of_file(&dates, self.other_header, rows);
        ReadSummary {
            read: tally(self.read_rows, &self.read),
            kept: self.kept,
            rejected: tally(self.rejected_rows, &self.rejected),
            rules: self
                .rules
                .into_iter()
                .map(|(rule, rows)| (self.record.messages.rule(rule).to_owned(), rows))
                .collect(),
            warned: self.warned,
            skipped: rows.skipped(),
            units: rows.units(),
            notices,
            halts,
        }
    }
}

fn arrow_error(error: ArrowError) -> StageError {
    StageError::new(ErrorCode::Internal, "a batch of records could not be built").caused_by(error)
}
