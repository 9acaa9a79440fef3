//! Delimited text to batches of the canonical record, by a compiled contract.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use fonderie_contract::{Csv, Format, Kind, Origin, Record, Source};
use fonderie_core::tally::Amount;
use fonderie_core::{ErrorCode, Result, StageError, Tally};

use crate::coerce::{self, Unreadable};
use crate::column::{Column, Value};
use crate::decode::Decoding;
use crate::reject::{Reject, RejectBuffer};
use crate::schema::{data_type, record_schema};
use crate::split::{Fault, Next, Splitter};
use crate::tally::tally_batch;

/// Sizes that keep memory bounded whatever the file.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest record, in bytes.
    pub max_record: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Bytes of text of a batch, and of a batch of rejects.
    pub batch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_record: 1 << 20, batch_rows: 8192, batch_bytes: 16 << 20 }
    }
}

/// What was read, kept and rejected: `read` = `kept` + `rejected`.
#[derive(Debug)]
pub struct ReadSummary {
    /// Records of the file, the header excepted.
    pub read: Tally,
    /// Records given out in batches, counted from the batches.
    pub kept: Tally,
    /// Records rejected.
    pub rejected: Tally,
    /// Per rule, how many rejected records broke it.
    pub rules: BTreeMap<String, u64>,
    /// Lines that are no records and are passed over, by kind.
    pub skipped: BTreeMap<String, u64>,
}

enum State {
    Preamble { lines: u64 },
    Header,
    Rows,
}

/// What a column of the file is for.
struct FileColumn {
    header: String,
    field: Option<usize>,
}

/// Reads one file.
pub struct CsvReader<'a> {
    record: &'a Record,
    source: &'a Source,
    limits: Limits,
    schema: SchemaRef,
    decoding: Decoding,
    splitter: Splitter,
    state: State,
    layout: Vec<FileColumn>,
    columns: Vec<Column>,
    values: Vec<HashMap<&'a str, &'a str>>,
    lines: Vec<i64>,
    numbers: Vec<i64>,
    batches: VecDeque<RecordBatch>,
    rejects: RejectBuffer,
    reject_bytes: usize,
    records: u64,
    blank: u64,
    /// Per field of the record; those that are no money stay zero.
    read: Vec<Amount>,
    rejected: Vec<Amount>,
    /// The amounts of the row at hand, by field.
    row_amounts: Vec<(usize, Amount)>,
    rejected_rows: u64,
    kept: Tally,
    rules: BTreeMap<String, u64>,
}

impl<'a> CsvReader<'a> {
    /// A reader of one file of a source.
    pub fn new(record: &'a Record, source: &'a Source, limits: Limits) -> Self {
        let Format::Csv(Csv { encoding, delimiter, quote, header_line }) = &source.format;
        let value_map = |origin: &'a Origin| match origin {
            Origin::Column { values, .. } => values.iter().map(|(raw, to)| (raw.as_str(), to.as_str())).collect(),
            _ => HashMap::new(),
        };
        Self {
            record,
            source,
            limits,
            schema: record_schema(record),
            decoding: Decoding::new(encoding),
            splitter: Splitter::new(*delimiter, *quote, limits.max_record),
            state: State::Preamble { lines: header_line - 1 },
            layout: Vec::new(),
            columns: record.fields.iter().map(|field| Column::new(field.kind)).collect(),
            values: source.columns.iter().map(value_map).collect(),
            lines: Vec::new(),
            numbers: Vec::new(),
            batches: VecDeque::new(),
            rejects: RejectBuffer::default(),
            reject_bytes: 0,
            records: 0,
            blank: 0,
            read: vec![Amount::default(); record.fields.len()],
            rejected: vec![Amount::default(); record.fields.len()],
            row_amounts: Vec::new(),
            rejected_rows: 0,
            kept: Tally::new(record.money()),
            rules: BTreeMap::new(),
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Takes the next bytes of the file in.
    ///
    /// # Errors
    /// What stops the whole file: its encoding, its header, a limit.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.decoding.append(bytes, false, self.splitter.refill())?;
        self.advance(false)
    }

    /// Takes the file's end in.
    ///
    /// # Errors
    /// As [`Self::feed`]; and `HeaderUnreadable` where the file ended before its header.
    pub fn finish(&mut self) -> Result<ReadSummary> {
        self.decoding.append(&[], true, self.splitter.refill())?;
        self.advance(true)?;
        if !matches!(self.state, State::Rows) {
            let Format::Csv(Csv { header_line, .. }) = &self.source.format;
            let message = format!("the file has no header: its contract expects one on line {header_line}");
            return Err(StageError::new(ErrorCode::HeaderUnreadable, message));
        }
        self.flush()?;
        let tally = |rows, amounts: &[Amount]| {
            let mut tally = Tally::new(self.record.money());
            tally.rows = rows;
            for (field, amount) in self.record.fields.iter().zip(amounts).filter(|(field, _)| field.money) {
                tally.amounts.insert(field.name.clone(), *amount);
            }
            tally
        };
        let blank = (self.blank > 0).then(|| ("blank_lines".to_owned(), self.blank));
        Ok(ReadSummary {
            read: tally(self.records, &self.read),
            kept: self.kept.clone(),
            rejected: tally(self.rejected_rows, &self.rejected),
            rules: std::mem::take(&mut self.rules),
            skipped: blank.into_iter().collect(),
        })
    }

    /// The next full batch of records (after [`Self::finish`]: the last one too).
    pub fn batch(&mut self) -> Option<RecordBatch> {
        self.batches.pop_front()
    }

    /// The rejects so far, once they are worth a batch, or in any case with `all`.
    ///
    /// # Errors
    /// When Arrow refuses them.
    pub fn rejects(&mut self, all: bool) -> Result<Option<RecordBatch>> {
        let worth = self.rejects.len() >= self.limits.batch_rows || self.reject_bytes >= self.limits.batch_bytes;
        if self.rejects.is_empty() || !(worth || all) {
            return Ok(None);
        }
        self.reject_bytes = 0;
        self.rejects.take().map(Some).map_err(arrow_error)
    }

    fn advance(&mut self, ended: bool) -> Result<()> {
        loop {
            let next = match &mut self.state {
                State::Preamble { lines: 0 } => {
                    self.state = State::Header;
                    continue;
                }
                State::Preamble { lines } => {
                    let next = self.splitter.skip_line(ended);
                    if next == Next::Record {
                        *lines -= 1;
                        continue;
                    }
                    next
                }
                State::Header | State::Rows => self.splitter.next(ended),
            };
            match (next, &self.state) {
                (Next::Record, State::Rows) => self.row()?,
                (Next::Record, _) => self.header()?,
                (Next::Blank, State::Rows) => self.blank += 1,
                (Next::Blank, _) => {
                    let message = format!("line {} is blank where the header should be", self.splitter.line());
                    return Err(StageError::new(ErrorCode::HeaderUnreadable, message));
                }
                (Next::NeedMore | Next::End, _) => return Ok(()),
                (Next::TooLong, _) => {
                    let (line, most) = (self.splitter.line(), self.limits.max_record);
                    let message = format!("line {line} is longer than {most} bytes: it is no line of this format");
                    return Err(StageError::new(ErrorCode::LimitExceeded, message));
                }
            }
        }
    }

    fn header(&mut self) -> Result<()> {
        let line = self.splitter.line();
        let unreadable =
            |what: &str| StageError::new(ErrorCode::HeaderUnreadable, format!("the header on line {line} {what}"));
        if self.splitter.fault().is_some() {
            return Err(unreadable("has a quote that is not closed properly"));
        }
        let mut names: Vec<String> = Vec::with_capacity(self.splitter.len());
        for index in 0..self.splitter.len() {
            let bytes = self.splitter.field(index);
            let Some(name) = self.decoding.cell(&bytes) else {
                let Format::Csv(Csv { encoding, .. }) = &self.source.format;
                return Err(unreadable(&format!("is not in {}, which the contract declares", encoding.name())));
            };
            names.push(name.trim().to_owned());
        }
        self.layout = self.lay_out(names)?;
        self.state = State::Rows;
        Ok(())
    }

    /// Ties the header's names to fields; the contract's names all there, each once, and no other.
    fn lay_out(&self, names: Vec<String>) -> Result<Vec<FileColumn>> {
        let wanted: Vec<(usize, &str)> = self
            .source
            .columns
            .iter()
            .enumerate()
            .filter_map(|(index, origin)| match origin {
                Origin::Column { header, .. } => Some((index, header.as_str())),
                _ => None,
            })
            .collect();
        let quoted = |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let missing: Vec<&str> = wanted
            .iter()
            .map(|(_, header)| *header)
            .filter(|header| !names.iter().any(|name| name == header))
            .collect();
        if !missing.is_empty() {
            // The line's own words are not repeated: of a file without a header, they are a patient's data.
            let known = wanted.len() - missing.len();
            let message = format!(
                "the header lacks {}, which the contract of `{}` reads; of its {} columns the contract knows {known}: have \
                 the file sent again, or correct `columns` in the contract",
                quoted(&missing),
                self.source.id,
                names.len(),
            );
            return Err(StageError::new(ErrorCode::ColumnMissing, message));
        }
        for (index, name) in names.iter().enumerate() {
            // An unnamed column comes of delimiters at the lines' ends; its cells must be empty (see `row`).
            if !name.is_empty() && names[..index].contains(name) {
                let message = format!("the header names \"{name}\" twice, so its values cannot be told apart");
                return Err(StageError::new(ErrorCode::ColumnRepeated, message));
            }
        }
        let field = |name: &str| wanted.iter().find(|(_, header)| *header == name).map(|(index, _)| *index);
        let unknown: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty() && field(name).is_none() && !self.source.ignored.iter().any(|i| i == name))
            .collect();
        if !unknown.is_empty() {
            let message = format!(
                "the header has {}, which the contract of `{}` does not know: map it under `columns`, or name it in \
                 `ignored_columns`",
                quoted(&unknown),
                self.source.id,
            );
            return Err(StageError::new(ErrorCode::ColumnUnknown, message));
        }
        Ok(names.into_iter().map(|header| FileColumn { field: field(&header), header }).collect())
    }

    fn row(&mut self) -> Result<()> {
        let number = self.records;
        self.records += 1;
        let rows = self.lines.len();
        if let Some((rule, message)) = self.broken() {
            let value = Some(self.decoding.shown(self.splitter.raw()));
            self.reject(number, rule, None, value, message);
            let money = |index: &usize| self.record.fields[*index].money;
            for index in self.layout.iter().filter_map(|column| column.field).filter(money) {
                self.read[index].unreadable += 1;
                self.rejected[index].unreadable += 1;
            }
            self.rejected_rows += 1;
            *self.rules.entry(rule.to_owned()).or_default() += 1;
            return self.flush_if_full();
        }
        let mut broken: Vec<&'static str> = Vec::new();
        self.row_amounts.clear();
        for at in 0..self.layout.len() {
            let bytes = self.splitter.field(at);
            let problem = match self.layout[at].field {
                None if self.layout[at].header.is_empty() && !bytes.trim_ascii().is_empty() => Some(Unreadable {
                    rule: "colonne_sans_nom",
                    message: "Une valeur se trouve dans une colonne sans nom.",
                }),
                None => None,
                Some(index) => {
                    let result =
                        cell(&self.decoding, self.record.fields[index].kind, self.source, &self.values[index], &bytes);
                    if self.record.fields[index].money {
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
                        Err(problem) => Some(problem),
                    }
                }
            };
            if let Some(Unreadable { rule, message }) = problem {
                let value = Some(self.decoding.shown(&bytes));
                self.reject(number, rule, Some(at), value, message);
                if !broken.contains(&rule) {
                    broken.push(rule);
                }
            }
        }
        if broken.is_empty() {
            self.lines.push(i64::try_from(self.splitter.line()).unwrap_or(i64::MAX));
            self.numbers.push(i64::try_from(number).unwrap_or(i64::MAX));
        } else {
            self.columns.iter_mut().for_each(|column| column.truncate(rows));
            for (index, amount) in self.row_amounts.drain(..) {
                self.rejected[index].sum += amount.sum;
                self.rejected[index].unreadable += amount.unreadable;
            }
            self.rejected_rows += 1;
            for rule in broken {
                *self.rules.entry(rule.to_owned()).or_default() += 1;
            }
        }
        self.flush_if_full()
    }

    /// What is wrong with the shape of the record, so that no cell of it can be trusted.
    fn broken(&self) -> Option<(&'static str, &'static str)> {
        match self.splitter.fault() {
            Some(Fault::UnclosedQuote) => Some(("guillemets", "Un guillemet ouvert n'est jamais refermé.")),
            Some(Fault::TextAfterQuote) => Some(("guillemets", "Du texte suit un guillemet fermant.")),
            None if self.splitter.len() > self.layout.len() => {
                Some(("enregistrement_long", "La ligne a plus de champs que l'en-tête."))
            }
            None if self.splitter.len() < self.layout.len() => {
                Some(("enregistrement_court", "La ligne a moins de champs que l'en-tête."))
            }
            None => None,
        }
    }

    fn reject(&mut self, number: u64, rule: &str, at: Option<usize>, value: Option<String>, message: &str) {
        let column = at.map(|at| &self.layout[at]);
        self.reject_bytes += value.as_ref().map_or(0, String::len);
        self.rejects.push(Reject {
            line: i64::try_from(self.splitter.line()).unwrap_or(i64::MAX),
            record: i64::try_from(number).unwrap_or(i64::MAX),
            rule: rule.to_owned(),
            field: column.and_then(|column| column.field).map(|index| self.record.fields[index].name.clone()),
            column: column.map(|column| column.header.clone()),
            value,
            message: message.to_owned(),
        });
    }

    fn flush_if_full(&mut self) -> Result<()> {
        let full = self.lines.len() >= self.limits.batch_rows
            || self.columns.iter().map(Column::text_len).sum::<usize>() >= self.limits.batch_bytes;
        if full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let rows = self.lines.len();
        if rows == 0 {
            return Ok(());
        }
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
        self.batches.push_back(batch);
        Ok(())
    }
}

/// A cell that was read, its text owned where it had to be decoded.
enum Parsed<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(i32),
    Decimal(i128),
}

impl Parsed<'_> {
    fn value(&self) -> Value<'_> {
        match self {
            Parsed::Null => Value::Null,
            Parsed::Text(text) => Value::Text(text),
            Parsed::Number(number) => Value::Number(*number),
            Parsed::Decimal(number) => Value::Decimal(*number),
        }
    }
}

fn cell<'b>(
    decoding: &Decoding,
    kind: Kind,
    source: &Source,
    values: &HashMap<&'b str, &'b str>,
    bytes: &'b [u8],
) -> Result<Parsed<'b>, Unreadable> {
    const ENCODING: Unreadable =
        Unreadable { rule: "encodage", message: "La cellule contient des octets étrangers à l'encodage convenu." };
    const CONTROL: Unreadable =
        Unreadable { rule: "caractere_interdit", message: "La cellule contient un caractère de contrôle." };
    const TOO_LONG: Unreadable =
        Unreadable { rule: "texte_trop_long", message: "Le texte est plus long que le champ ne l'admet." };
    let text = decoding.cell(bytes).ok_or(ENCODING)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(Parsed::Null);
    }
    match kind {
        Kind::Integer { min, max } => coerce::integer(trimmed, min, max).map(Parsed::Number),
        Kind::Date => coerce::date(trimmed, &source.date).map(Parsed::Number),
        Kind::Decimal { precision, scale } => {
            coerce::amount(trimmed, &source.number, precision, scale).map(Parsed::Decimal)
        }
        Kind::Text { max_length } => {
            if let Some(&mapped) = values.get(trimmed) {
                return Ok(Parsed::Text(Cow::Borrowed(mapped)));
            }
            if trimmed.bytes().any(|b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r')) {
                return Err(CONTROL);
            }
            if trimmed.len() > max_length && trimmed.chars().count() > max_length {
                return Err(TOO_LONG);
            }
            Ok(Parsed::Text(match &text {
                Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
                Cow::Owned(_) => Cow::Owned(trimmed.to_owned()),
            }))
        }
    }
}

fn arrow_error(error: ArrowError) -> StageError {
    StageError::new(ErrorCode::Internal, "a batch of records could not be built").caused_by(error)
}
