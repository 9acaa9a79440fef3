//! Splits a file into records before cells are interpreted: finds the header, skips blank lines, repeated headers, totals,
//! footers and rows that the contract leaves out, and numbers each record. Every line (row of a sheet) is counted.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use fonderie_contract::{FileFormat, Format, Header, Record, Source, fold_name, fold_space};
use fonderie_core::units::{UnitKind, Units};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::cell::Cell;
use crate::csv::CsvInput;
use crate::decode::Shows;
use crate::found::Found;
use crate::header_error::Surroundings;
use crate::layout::{FileColumn, Layout, Skip, lay_out, positions};
use crate::limits::Limits;
use crate::merged::{Merged, SheetCells};
use crate::problem::Problem;
use crate::text::clean;
use crate::workbook::{Merge, WorkbookInput};

/// What stands for a value that must not get out of the file.
const HIDDEN: &str = "…";

/// A cell as it can stand between `;`.
fn quoted(cell: String) -> String {
    if cell.contains([';', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

/// What comes next in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record: see [`Rows::cell`] and its siblings.
    Record,
    /// More bytes are needed, or the word that there are none.
    Pending,
    /// The file has ended.
    End,
}

/// What a line is that is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Skipped {
    Preamble,
    Header,
    Blank,
    RepeatedHeader,
    Totals,
    Footer,
    Filtered,
}

impl Skipped {
    const fn name(self) -> &'static str {
        match self {
            Self::Preamble => "preamble_lines",
            Self::Header => "header_lines",
            Self::Blank => "blank_lines",
            Self::RepeatedHeader => "repeated_headers",
            Self::Totals => "totals_lines",
            Self::Footer => "footer_lines",
            Self::Filtered => "filtered_rows",
        }
    }
}

/// The kind of a last line that holds nothing but marks of the file's end.
const END_MARKS: &str = "end_marks";

/// Lines looked through for a header that is known by a pattern, and lines remembered for the message on a header that is
/// not where it should be, with the bytes kept of each.
const MOST_PREAMBLE: u64 = 1_000;
const REMEMBERED: usize = 20;
const REMEMBERED_BYTES: usize = 2_000;

/// What a row's line is multiplied by for the sheets of a format that reads several: row 3 of sheet 2 is 20,000,003.
pub const SHEET_LINES: u64 = 10_000_000;

/// The records of a file.
pub struct Rows<'a> {
    contract: Option<(&'a Record, &'a Source)>,
    format: &'a FileFormat,
    input: Input,
    /// The header of the file, or of the sheet at hand.
    layout: Option<Layout>,
    /// Whether the record at hand is the first one of this layout.
    first_of_layout: bool,
    /// Whether the sheet at hand has a filled row.
    filled_in_sheet: bool,
    records_before_layout: u64,
    /// Lines before the header, for a message.
    before: Vec<(u64, String)>,
    preamble: u64,
    records: u64,
    record_units: u64,
    skipped: BTreeMap<Skipped, u64>,
    /// Lines taken for totals or footers that have all that identifies a record: how many, and the first.
    doubtful: Option<(u64, u64)>,
    /// The rows of the sheet at hand.
    cells: Option<SheetCells>,
    merged: Option<Merged>,
    hidden_by_merges: Option<Merged>,
}

enum Input {
    Csv(Box<CsvInput>),
    Workbook(Box<WorkbookInput>),
}

impl<'a> Rows<'a> {
    /// The records of one file of a source, in one of its formats.
    pub fn new(record: &'a Record, source: &'a Source, format: &'a FileFormat, limits: &Limits) -> Self {
        Self::with(Some((record, source)), format, limits)
    }

    /// The records of a file of which only the format is known: its columns are whatever the header names, and fill no field.
    pub fn without_contract(format: &'a FileFormat, limits: &Limits) -> Self {
        Self::with(None, format, limits)
    }

    fn with(contract: Option<(&'a Record, &'a Source)>, format: &'a FileFormat, limits: &Limits) -> Self {
        let input = match &format.format {
            Format::Csv(csv) => Input::Csv(Box::new(CsvInput::new(csv, limits.max_record))),
            Format::Workbook(workbook) => Input::Workbook(Box::new(WorkbookInput::new(workbook, limits))),
        };
        let mut rows = Self {
            contract,
            format,
            input,
            layout: None,
            first_of_layout: false,
            filled_in_sheet: false,
            records_before_layout: 0,
            before: Vec::new(),
            preamble: 0,
            records: 0,
            record_units: 0,
            skipped: BTreeMap::new(),
            doubtful: None,
            cells: None,
            merged: None,
            hidden_by_merges: None,
        };
        rows.skip_preamble();
        rows
    }

    /// Takes the next bytes of the file in.
    ///
    /// # Errors
    /// `EncodingMismatch`; `LimitExceeded` for a workbook that is too large; `WorkbookUnreadable` for delimited text that is
    /// something else.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.input {
            Input::Csv(csv) => csv.feed(bytes),
            Input::Workbook(workbook) => workbook.feed(bytes),
        }
    }

    /// Takes the file's end in.
    ///
    /// # Errors
    /// `EncodingMismatch`, and what is wrong with a workbook as a whole.
    pub fn end(&mut self) -> Result<()> {
        match &mut self.input {
            Input::Csv(csv) => csv.end(),
            Input::Workbook(workbook) => workbook.end(),
        }
    }

    /// Moves on to the next record.
    ///
    /// # Errors
    /// What stops the whole file: its header, a limit, a workbook that breaks off.
    pub fn advance(&mut self) -> Result<Step> {
        loop {
            let found = match &mut self.input {
                Input::Csv(csv) => csv.next(),
                Input::Workbook(workbook) => workbook.next(),
            }?;
            match found {
                Found::Pending => return Ok(Step::Pending),
                Found::End if self.layout.is_some() || self.sheet_is_empty() => return Ok(Step::End),
                Found::End => return Err(self.no_header()),
                Found::Sheet => {
                    if self.layout.is_none() && self.filled_in_sheet {
                        return Err(self.no_header());
                    }
                    self.filled_in_sheet = false;
                    self.layout = None;
                    self.cells = None;
                    self.before.clear();
                    self.preamble = 0;
                }
                Found::Merges => self.note_merges(),
                Found::Row | Found::Blank if self.layout.is_none() => {
                    self.filled_in_sheet |= found == Found::Row;
                    if self.look_for_header(found == Found::Row)? {
                        return Ok(self.record_found());
                    }
                }
                Found::Blank => self.skip(Skipped::Blank),
                Found::Row => match self.kind() {
                    Some(kind) => self.skip(kind),
                    None => return Ok(self.record_found()),
                },
            }
        }
    }

    /// The columns of the file, or of the sheet at hand, once the header has been read: before the first record in any case.
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// The columns, unless the last record had the same: of the file's first record, or a sheet's.
    pub(crate) fn new_layout(&self) -> Option<&Layout> {
        self.layout.as_ref().filter(|_| self.first_of_layout)
    }

    /// Whether a workbook whose dates were converted in part is halted.
    pub(crate) fn mixed_dates_halt(&self) -> bool {
        matches!(&self.format.format, Format::Workbook(workbook) if workbook.mixed_dates_halt)
    }

    /// The line on which the record begins, or the row of the sheet, from 1; of a format that reads several sheets,
    /// [`SHEET_LINES`] times the sheet's position more.
    pub fn line(&self) -> u64 {
        match &self.input {
            Input::Csv(csv) => csv.line(),
            Input::Workbook(workbook) if workbook.several_sheets() => {
                u64::try_from(workbook.sheet().1).unwrap_or(0) * SHEET_LINES + workbook.line()
            }
            Input::Workbook(workbook) => workbook.line(),
        }
    }

    /// The record's number, from 0.
    pub fn number(&self) -> u64 {
        self.records.saturating_sub(1)
    }

    /// The sheet at hand with its position from 1, of a workbook.
    pub fn sheet(&self) -> Option<(&str, usize)> {
        match &self.input {
            Input::Csv(_) => None,
            Input::Workbook(workbook) => Some(workbook.sheet()),
        }
    }

    /// A cell of the record; empty beyond its last one. It counts as evidence of the file's encoding, so it is read once.
    pub fn cell(&self, index: usize) -> Cell<'_> {
        let (cell, shows) = self.read(index);
        self.count(shows);
        cell
    }

    /// A cell of the record, and what it shows of the file's encoding, not counted.
    #[inline]
    pub(crate) fn read(&self, index: usize) -> (Cell<'_>, Shows) {
        match &self.input {
            Input::Csv(csv) if index < csv.len() => csv.read(index),
            Input::Csv(_) => (Cell::Empty, Shows::default()),
            Input::Workbook(workbook) => (workbook.cell(index), Shows::default()),
        }
    }

    /// Counts what a cell shows of the file's encoding.
    pub(crate) fn count(&self, shows: Shows) {
        if let Input::Csv(csv) = &self.input {
            csv.count(shows);
        }
    }

    /// A cell's bytes of delimited text, if they stand in it as they are.
    #[inline]
    pub(crate) fn plain_bytes(&self, index: usize) -> Option<&[u8]> {
        match &self.input {
            Input::Csv(csv) if index < csv.len() => match csv.bytes(index) {
                Cow::Borrowed(bytes) => Some(bytes),
                Cow::Owned(_) => None,
            },
            _ => None,
        }
    }

    /// A cell that is not counted as evidence of the file's encoding, for what is no cell of a record.
    pub(crate) fn peek(&self, index: usize) -> Cell<'_> {
        match &self.input {
            Input::Csv(csv) if index < csv.len() => csv.peek(index),
            Input::Csv(_) => Cell::Empty,
            Input::Workbook(workbook) => workbook.cell(index),
        }
    }

    /// The filled cells of the row, with their columns.
    fn filled(&self) -> Box<dyn Iterator<Item = (usize, Cell<'_>)> + '_> {
        match &self.input {
            Input::Csv(csv) => {
                Box::new((0..csv.len()).map(|at| (at, csv.peek(at))).filter(|(_, cell)| !cell.is_blank()))
            }
            Input::Workbook(workbook) => Box::new(workbook.filled().filter(|(_, cell)| !cell.is_blank())),
        }
    }

    /// Whether a value stands in a column without a name, so that nobody knows in which column each value of the row stands.
    pub(crate) fn is_shifted(&self) -> bool {
        let is_filled = |(at, column): (usize, &FileColumn)| {
            column.header.is_empty() && column.fields.is_empty() && !self.peek(at).is_blank()
        };
        self.layout.as_ref().is_some_and(|layout| layout.columns.iter().enumerate().any(is_filled))
    }

    /// The record as one text: the line as it stands, or a sheet's cells with `;` between them. If a column's values must not get out
    /// of the file, it is the cells with `;` between them and `…` in place of those; all of it is hidden if nobody knows in which
    /// column each value stands.
    pub fn shown(&self) -> String {
        let Some(layout) = self.layout.as_ref().filter(|layout| layout.refuses) else {
            return match &self.input {
                Input::Csv(csv) => csv.raw(),
                Input::Workbook(workbook) => workbook.raw(),
            };
        };
        if self.broken().is_some() || self.is_shifted() {
            return HIDDEN.to_owned();
        }
        let named = layout.columns.len() - layout.unnamed;
        let cells = layout.columns[..named].iter().enumerate();
        let cells =
            cells.map(|(at, column)| if column.refused { HIDDEN.to_owned() } else { quoted(self.peek(at).shown()) });
        cells.collect::<Vec<_>>().join(";")
    }

    /// All lines of the file (rows of its sheets), by what they were.
    pub fn units(&self) -> Units {
        let (kind, total) = match &self.input {
            Input::Csv(csv) => (UnitKind::Lines, csv.physical_lines()),
            Input::Workbook(workbook) => (UnitKind::Rows, workbook.rows_read()),
        };
        let mut other: BTreeMap<String, u64> =
            self.skipped.iter().map(|(kind, lines)| (kind.name().to_owned(), *lines)).collect();
        if let Input::Csv(csv) = &self.input {
            for (kind, lines) in [(Skipped::Preamble.name(), csv.passed_over()), (END_MARKS, csv.end_marks())] {
                if lines > 0 {
                    *other.entry(kind.to_owned()).or_default() += lines;
                }
            }
        }
        Units { kind, total, records: self.record_units, other }
    }

    /// Lines that were no records, by kind: `blank_lines`, `repeated_headers`, `totals_lines`, `footer_lines`,
    /// `filtered_rows`, `end_marks`.
    pub fn skipped(&self) -> BTreeMap<String, u64> {
        let of_interest = |kind: &Skipped| !matches!(kind, Skipped::Header | Skipped::Preamble);
        let skipped = self.skipped.iter().filter(|(kind, _)| of_interest(kind));
        let skipped = skipped.map(|(kind, lines)| (kind.name().to_owned(), *lines));
        skipped.chain(self.end_marks().map(|lines| (END_MARKS.to_owned(), lines))).collect()
    }

    /// Lines at the file's end that hold nothing but marks of it.
    pub(crate) fn end_marks(&self) -> Option<u64> {
        match &self.input {
            Input::Csv(csv) => Some(csv.end_marks()).filter(|lines| *lines > 0),
            Input::Workbook(_) => None,
        }
    }

    /// Lines left out as totals or footers that have all that identifies a record: how many, and the first.
    pub(crate) fn doubtful(&self) -> Option<(u64, u64)> {
        self.doubtful
    }

    /// How many of some folded names the row has as cells, in whatever order.
    pub(crate) fn names_in(&self, names: &HashSet<String>) -> usize {
        // A text that is ten times as long as any of the names is none of them.
        let most = names.iter().map(String::len).max().unwrap_or(0) * 10;
        let short = |(_, cell): (usize, Cell<'_>)| cell.text().filter(|text| text.trim().len() <= most).map(fold_name);
        let cells = self.filled().filter_map(short);
        cells.filter(|name| names.contains(name)).collect::<HashSet<_>>().len()
    }

    /// Cells that look like UTF-8 in another encoding, and cells that show the contrary.
    pub(crate) fn double_encoding(&self) -> (u64, u64) {
        match &self.input {
            Input::Csv(csv) => csv.double_encoding(),
            Input::Workbook(_) => (0, 0),
        }
    }

    /// Cells that look as if they were in another single-byte encoding than the declared one, and cells that show the contrary.
    pub(crate) fn foreign_encoding(&self) -> (u64, u64) {
        match &self.input {
            Input::Csv(csv) => csv.foreign_encoding(),
            Input::Workbook(_) => (0, 0),
        }
    }

    /// Whether the workbook asks to be recalculated and has formulas.
    pub fn recalculates(&self) -> bool {
        matches!(&self.input, Input::Workbook(workbook) if workbook.recalculates())
    }

    /// Whether a workbook counts its days from 1904, once it was read; `None` for delimited text.
    pub(crate) fn counts_from_1904(&self) -> Option<bool> {
        match &self.input {
            Input::Csv(_) => None,
            Input::Workbook(workbook) => Some(workbook.counts_from_1904()),
        }
    }

    /// What is wrong with the record's shape, so that no cell of it can be trusted.
    #[inline]
    pub(crate) fn broken(&self) -> Option<Problem> {
        let (width, least) =
            self.layout.as_ref().map_or((0, 0), |layout| (layout.columns.len(), layout.columns.len() - layout.unnamed));
        match &self.input {
            Input::Csv(csv) => {
                let found = csv.len();
                if let Some(problem) = csv.fault() {
                    Some(problem.clone())
                } else if found > width
                    && !(csv.trailing_delimiters && found == width + 1 && csv.peek(width).is_blank())
                {
                    Some(Problem::LongRecord { found, expected: width })
                } else if found < least {
                    Some(Problem::ShortRecord { found, expected: width })
                } else {
                    None
                }
            }
            Input::Workbook(workbook) => {
                let beyond =
                    workbook.len() > width && workbook.filled().any(|(at, cell)| at >= width && !cell.is_blank());
                beyond.then_some(Problem::BeyondHeader)
            }
        }
    }

    /// Whether the last sheet of several has no filled row, which spreadsheets leave behind: nothing is lost in it.
    fn sheet_is_empty(&self) -> bool {
        !self.filled_in_sheet && self.skipped.contains_key(&Skipped::Header)
    }

    fn record_found(&mut self) -> Step {
        self.first_of_layout = self.records == self.records_before_layout;
        self.record_units += self.units_of_row();
        self.records += 1;
        self.keep_cells(true);
        Step::Record
    }

    /// Keeps which cells of a sheet's row are filled, from the header on.
    fn keep_cells(&mut self, record: bool) {
        if let (Input::Workbook(workbook), Some(cells)) = (&self.input, &mut self.cells) {
            let filled = workbook.filled().filter(|(_, cell)| !cell.is_blank()).map(|(column, _)| column);
            cells.add(workbook.line(), record, filled);
        }
    }

    /// Looks for merged cells that leave a record without their value, or hide a value of it.
    fn note_merges(&mut self) {
        let Input::Workbook(workbook) = &mut self.input else { return };
        let merges = workbook.take_merges();
        let (Some(cells), Some(layout)) = (&self.cells, &self.layout) else { return };
        let sheet = workbook.several_sheets().then(|| workbook.sheet().0);
        let lacking = cells.lacking(&merges, layout);
        for (noted, found) in [(&mut self.merged, lacking), (&mut self.hidden_by_merges, cells.hiding(&merges, layout))]
        {
            let Some((merge, column, count)) = found else { continue };
            match noted {
                Some(merged) => merged.others += count,
                None => {
                    *noted = Some(Merged {
                        range: merge.to_string(),
                        sheet: sheet.map(str::to_owned),
                        column: column.shown.clone(),
                        others: count - 1,
                    });
                }
            }
        }
    }

    /// Merged cells that leave records without their values, of the first sheet that has some.
    pub(crate) fn merged(&self) -> Option<&Merged> {
        self.merged.as_ref()
    }

    /// Merged cells that cover cells of records with values, of the first sheet that has some.
    pub(crate) fn hidden_by_merges(&self) -> Option<&Merged> {
        self.hidden_by_merges.as_ref()
    }

    fn units_of_row(&self) -> u64 {
        match &self.input {
            Input::Csv(csv) => csv.lines(),
            Input::Workbook(_) => 1,
        }
    }

    fn len(&self) -> usize {
        match &self.input {
            Input::Csv(csv) => csv.len(),
            Input::Workbook(workbook) => workbook.len(),
        }
    }

    fn skip(&mut self, kind: Skipped) {
        if matches!(kind, Skipped::Totals | Skipped::Footer) && self.may_be_record() {
            let (lines, first) = self.doubtful.unwrap_or((0, self.line()));
            self.doubtful = Some((lines + 1, first));
        }
        self.keep_cells(false);
        *self.skipped.entry(kind).or_default() += self.units_of_row();
    }

    // ---------------------------------------------------------------------------------------------------- the header

    /// Lets delimited text pass over the lines before a header that is known by its line, quotes disregarded.
    fn skip_preamble(&mut self) {
        if let (Header::Line(line), Input::Csv(csv)) = (&self.format.header, &mut self.input) {
            csv.pass_over_lines(line - 1);
        }
    }

    /// Takes a line in before the header is known. Returns whether it is a record already, of a file without a header.
    fn look_for_header(&mut self, filled: bool) -> Result<bool> {
        if filled && self.is_separator_line() && !matches!(self.format.header, Header::Line(2..)) {
            self.skip(Skipped::Preamble);
            return Ok(false);
        }
        match &self.format.header {
            Header::Absent if filled => {
                let names = match self.contract {
                    Some((_, source)) => positions(source),
                    None => (1..=self.len()).map(|position| format!("#{position}")).collect(),
                };
                self.layout = Some(self.lay_out(&names)?);
                self.set_widths();
                match self.kind() {
                    Some(kind) => self.skip(kind),
                    None => return Ok(true),
                }
            }
            Header::Absent => self.skip(Skipped::Blank),
            Header::Line(line) => {
                let at = self.sheet_line();
                if at < *line {
                    self.remember();
                    self.skip(Skipped::Preamble);
                } else if !filled || matches!(self.input, Input::Workbook(_)) && at > *line {
                    return Err(self.blank_header(*line));
                } else {
                    self.read_header()?;
                }
            }
            Header::Pattern(patterns) => {
                let fits = filled
                    && patterns.iter().all(|pattern| {
                        self.filled().any(|(_, cell)| cell.text().is_some_and(|text| pattern.fit(text)))
                    });
                if fits {
                    self.read_header()?;
                } else {
                    self.preamble += 1;
                    if self.preamble >= MOST_PREAMBLE {
                        return Err(self.no_header());
                    }
                    self.skip(Skipped::Preamble);
                }
            }
        }
        Ok(false)
    }

    fn sheet_line(&self) -> u64 {
        match &self.input {
            Input::Csv(csv) => csv.line(),
            Input::Workbook(workbook) => workbook.line(),
        }
    }

    /// Whether the line is a spreadsheet's `sep=;` with the declared delimiter.
    fn is_separator_line(&self) -> bool {
        match &self.input {
            Input::Csv(csv) if csv.line() == 1 => {
                let raw = csv.raw();
                let delimiter = raw.trim_end().strip_prefix("sep=").or_else(|| raw.trim_end().strip_prefix("SEP="));
                // A tab as delimiter is trimmed away.
                let declared = char::from(csv.delimiter()).to_string();
                delimiter.is_some_and(|found| found == declared || (found.is_empty() && declared == "\t"))
            }
            _ => false,
        }
    }

    fn remember(&mut self) {
        if self.before.len() < REMEMBERED {
            let text = self.line_text();
            self.before.push((self.sheet_line(), text));
        }
    }

    /// The line, its cells of a sheet with U+001F between them, cut to what a message needs.
    fn line_text(&self) -> String {
        let mut text = match &self.input {
            Input::Csv(csv) => csv.raw(),
            Input::Workbook(workbook) => {
                workbook.filled().take(200).map(|(_, cell)| cell.shown()).collect::<Vec<_>>().join("\u{1f}")
            }
        };
        let end = (0..=REMEMBERED_BYTES.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or(0));
        text
    }

    fn read_header(&mut self) -> Result<()> {
        let names = self.header_names()?;
        self.skip(Skipped::Header);
        match self.lay_out(&names) {
            Ok(layout) => {
                self.layout = Some(layout);
                self.set_widths();
                Ok(())
            }
            Err(error) if error.code == ErrorCode::ColumnMissing => {
                // The header may stand further down: the next lines say so.
                let (line, raw) = (self.sheet_line(), self.line_text());
                let sheet = self.sheet_of_several().map(str::to_owned);
                let mut others = std::mem::take(&mut self.before);
                let last = self.next_lines(&mut others);
                let merged = self.merged_names(&names, line, last).map(|merge| merge.to_string());
                let (sheet, merged) = (sheet.as_deref(), merged.as_deref());
                let at = Surroundings { line, sheet, raw: &raw, others: &others, merged, ..Surroundings::default() };
                Err(self.lay_out_at(&names, at).err().unwrap_or(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Adds the lines after the one at hand, as far as they have arrived. Returns what follows them, if that was found.
    fn next_lines(&mut self, lines: &mut Vec<(u64, String)>) -> Option<Found> {
        for _ in 0..REMEMBERED {
            let found = match &mut self.input {
                Input::Csv(csv) => csv.next(),
                Input::Workbook(workbook) => workbook.next(),
            };
            match found {
                Ok(Found::Row | Found::Blank) => lines.push((self.sheet_line(), self.line_text())),
                other => return Some(other.unwrap_or(Found::End)),
            }
        }
        None
    }

    /// Merged cells that cover a cell of the header without a name. Reads on to the sheet's end, where its ranges are named, from what
    /// was found last.
    fn merged_names(&mut self, names: &[String], line: u64, mut last: Option<Found>) -> Option<Merge> {
        let Input::Workbook(workbook) = &mut self.input else { return None };
        while matches!(last, None | Some(Found::Row | Found::Blank)) {
            last = workbook.next().ok();
            last?;
        }
        let merges = if last == Some(Found::Merges) { workbook.take_merges() } else { Vec::new() };
        let line = u32::try_from(line).ok()?;
        let most = u32::try_from(names.len()).unwrap_or(u32::MAX);
        merges.into_iter().find(|Merge { rows, columns }| {
            let is_unnamed = |column: &u32| {
                let at = usize::try_from(*column).unwrap_or(usize::MAX);
                (line, *column) != (rows.0, columns.0) && names.get(at).is_none_or(String::is_empty)
            };
            // What begins right of the names covers none.
            let mut covered = columns.0..=columns.1.min(most);
            (rows.0..=rows.1).contains(&line) && covered.any(|column| is_unnamed(&column))
        })
    }

    /// The name of the sheet at hand, of a format that reads several.
    fn sheet_of_several(&self) -> Option<&str> {
        match &self.input {
            Input::Csv(_) => None,
            Input::Workbook(workbook) => workbook.several_sheets().then(|| workbook.sheet().0),
        }
    }

    fn lay_out(&self, names: &[String]) -> Result<Layout> {
        let (line, sheet, raw) = (self.sheet_line(), self.sheet_of_several(), self.line_text());
        let at = Surroundings { line, sheet, raw: &raw, others: &self.before, ..Surroundings::default() };
        self.lay_out_at(names, at)
    }

    /// Lays names out that were read at a place, of which the rest is added.
    fn lay_out_at(&self, names: &[String], at: Surroundings<'_>) -> Result<Layout> {
        let delimiter = match &self.input {
            Input::Csv(csv) => Some(csv.delimiter()),
            Input::Workbook(_) => None,
        };
        let key = match &self.format.header {
            Header::Pattern(_) => "format.header_pattern",
            Header::Line(_) | Header::Absent => "format.header_line",
        };
        let surroundings = Surroundings { key, delimiter, ..at };
        match self.contract {
            Some((record, source)) => lay_out(record, source, names, &surroundings),
            None => Ok(Layout::of_names(names)),
        }
    }

    fn set_widths(&mut self) {
        self.records_before_layout = self.records;
        if let (Input::Workbook(workbook), Some(layout)) = (&self.input, &self.layout) {
            self.cells = Some(SheetCells::new(workbook.line(), layout.columns.len()));
            if !matches!(self.format.header, Header::Absent) {
                self.keep_cells(false);
            }
        }
        if let (Input::Csv(csv), Some(layout)) = (&mut self.input, &self.layout) {
            let trailing = csv.trailing_delimiters;
            csv.set_width(layout.widths(trailing));
        }
    }

    fn header_names(&self) -> Result<Vec<String>> {
        let unreadable = |what: String| {
            let message = format!("the header on line {} {what}", self.sheet_line());
            StageError::new(ErrorCode::HeaderUnreadable, message)
        };
        let encoding = if let Input::Csv(csv) = &self.input { csv.encoding() } else { "UTF-8" };
        if let Input::Csv(csv) = &self.input
            && csv.fault().is_some()
        {
            return Err(unreadable("has a quote that is not closed properly: have the file sent again".to_owned()));
        }
        let mut names = Vec::with_capacity(self.len());
        for index in 0..self.len() {
            match self.peek(index) {
                Cell::Text(text) => names.push(fold_space(&text).into_owned()),
                Cell::Undecodable(_) => {
                    return Err(unreadable(format!(
                        "is not in {encoding}, which the contract declares: correct `format.encoding` in the contract, or the \
                         file's export"
                    )));
                }
                other => names.push(fold_space(&other.shown()).into_owned()),
            }
        }
        if let Input::Workbook(_) = &self.input {
            while names.last().is_some_and(String::is_empty) {
                names.pop();
            }
        }
        Ok(names)
    }

    fn blank_header(&self, line: u64) -> StageError {
        let message = format!(
            "line {line} is blank where the header should be: correct `header_line` in the contract, or the file"
        );
        StageError::new(ErrorCode::HeaderUnreadable, message)
    }

    fn no_header(&self) -> StageError {
        let message = match &self.format.header {
            Header::Line(line) => format!("the file has no header: its contract expects one on line {line}"),
            Header::Pattern(patterns) => format!(
                "the file has no header: no line of its first {MOST_PREAMBLE} has cells that fit {}, the contract's \
                 `header_pattern`",
                patterns
                    .iter()
                    .flat_map(|pattern| pattern.texts())
                    .map(|text| format!("\"{text}\""))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            Header::Absent => "the file has no record, and its contract declares no header".to_owned(),
        };
        StageError::new(ErrorCode::HeaderUnreadable, message)
    }

    // ------------------------------------------------------------------------------------------------ what a row is

    /// What the row is, if it is no record.
    #[inline]
    fn kind(&self) -> Option<Skipped> {
        let layout = self.layout.as_ref()?;
        if let Input::Csv(csv) = &self.input
            && csv.fault().is_some()
        {
            return None;
        }
        // The first cell tells most records apart from all that is none.
        let first_blank = match &self.input {
            Input::Csv(csv) => match csv.bytes(0).first() {
                None => true,
                Some(byte) => !byte.is_ascii_graphic() && csv.peek(0).is_blank(),
            },
            Input::Workbook(workbook) => workbook.cell(0).is_blank(),
        };
        if first_blank && self.filled().next().is_none() {
            return Some(Skipped::Blank);
        }
        if self.repeats(layout) {
            return Some(Skipped::RepeatedHeader);
        }
        if self.is_total(layout) {
            return Some(Skipped::Totals);
        }
        if !self.format.footer.is_empty()
            && self.first_filled().and_then(|cell| cell.text().map(|text| self.format.footer.fit(text))) == Some(true)
        {
            return Some(Skipped::Footer);
        }
        (!layout.skips.is_empty() && self.broken().is_none() && self.is_filtered(layout)).then_some(Skipped::Filtered)
    }

    /// Whether each column that identifies a record is filled.
    fn may_be_record(&self) -> bool {
        let (Some((record, _)), Some(layout)) = (self.contract, &self.layout) else { return false };
        let mut identifying = layout
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.fields.iter().any(|&index| record.identifies(index)))
            .peekable();
        identifying.peek().is_some() && identifying.all(|(at, _)| !self.peek(at).is_blank())
    }

    fn first_filled(&self) -> Option<Cell<'_>> {
        self.filled().map(|(_, cell)| cell).next()
    }

    /// Whether the row is the header over again, as if files were put together or a report was printed by pages.
    fn repeats(&self, layout: &Layout) -> bool {
        if matches!(self.format.header, Header::Absent) {
            return false;
        }
        // No record has all names of a header of several; a record of one column may have its name as a value.
        let folded = self.contract.is_some_and(|(_, source)| source.fold_header)
            || layout.columns.iter().filter(|column| !column.header.is_empty()).nth(1).is_some();
        let same = |at: usize, name: &str| {
            self.peek(at).text().is_some_and(|text| {
                let may_fold = folded && text.len() <= 2 * name.len() && may_begin_alike(text, name);
                fold_space(text) == name || may_fold && fold_name(text) == fold_name(name)
            })
        };
        // The first column's bytes tell most records apart from a header, undecoded.
        let may_repeat = match (&self.input, layout.columns.first()) {
            (Input::Csv(csv), Some(column)) if csv.len() > 0 => {
                let bytes: Cow<'_, [u8]> = csv.bytes(0);
                let bytes = bytes.trim_ascii();
                bytes.eq_ignore_ascii_case(column.header.as_bytes())
                    || (!bytes.is_ascii()
                        || !column.header.is_ascii()
                        || bytes.iter().any(|byte| byte.is_ascii_whitespace()))
                        && same(0, &column.header)
            }
            (_, Some(column)) => same(0, &column.header) || column.header.is_empty(),
            (_, None) => false,
        };
        may_repeat
            && layout
                .columns
                .iter()
                .enumerate()
                .all(|(at, column)| same(at, &column.header) || column.header.is_empty() && self.peek(at).is_blank())
    }

    /// Whether the row is a total, by the contract's patterns or because only amounts are filled.
    fn is_total(&self, layout: &Layout) -> bool {
        let totals = &self.format.totals;
        if !totals.first.is_empty()
            && self.first_filled().and_then(|cell| cell.text().map(|text| totals.first.fit(text))) == Some(true)
        {
            return true;
        }
        if !totals.any.is_empty() && self.filled().any(|(_, cell)| cell.text().is_some_and(|text| totals.any.fit(text)))
        {
            return true;
        }
        totals.amounts_only && self.filled().all(|(at, _)| layout.columns.get(at).is_some_and(|column| column.amount))
    }

    /// Whether the contract leaves the row out.
    fn is_filtered(&self, layout: &Layout) -> bool {
        let fits = |skip: &Skip| {
            let cell = self.peek(skip.column);
            let shown = cell.text().map_or_else(|| Cow::Owned(cell.shown()), Cow::Borrowed);
            let shown = clean(&shown, false).map_or(Cow::Borrowed(shown.trim()), |cleaned| cleaned.text);
            let inner = crate::spreadsheet::inner(&shown).filter(|_| self.format.spreadsheet_text);
            skip.values.iter().any(|value| *value == shown || inner == Some(value))
        };
        layout.skips.iter().any(|group| group.iter().all(fits))
    }
}

/// Whether two names may be the same once they are folded, by their first letters.
fn may_begin_alike(left: &str, right: &str) -> bool {
    match (left.trim_start().chars().next(), right.chars().next()) {
        (Some(left), Some(right)) if left.is_ascii() && right.is_ascii() => left.eq_ignore_ascii_case(&right),
        _ => true,
    }
}
