//! A file as its records, before any of their cells means anything: what is header, blank, repeated or a total is told from
//! what is a record, and each record has its line and its number.

use std::collections::BTreeMap;

use fonderie_contract::{FileFormat, Format};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::cell::Cell;
use crate::csv::CsvInput;
use crate::reader::Limits;
use crate::workbook::WorkbookInput;

/// What an input finds next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Row,
    Blank,
    Pending,
    End,
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

/// The records of a file.
pub struct Rows {
    input: Input,
    header_line: u64,
    totals: Option<String>,
    header: Option<Vec<String>>,
    records: u64,
    skipped: BTreeMap<&'static str, u64>,
}

enum Input {
    Csv(Box<CsvInput>),
    Workbook(Box<WorkbookInput>),
}

impl Rows {
    /// The records of one file of a format.
    pub fn new(format: &FileFormat, limits: &Limits) -> Self {
        let input = match &format.format {
            Format::Csv(csv) => Input::Csv(Box::new(CsvInput::new(csv, format.header_line, limits.max_record))),
            Format::Workbook(workbook) => {
                Input::Workbook(Box::new(WorkbookInput::new(workbook.sheet.clone(), format.header_line, limits)))
            }
        };
        let totals = format.totals.as_ref().map(|word| word.to_lowercase());
        Self { input, header_line: format.header_line, totals, header: None, records: 0, skipped: BTreeMap::new() }
    }

    /// Takes the next bytes of the file in.
    ///
    /// # Errors
    /// `EncodingMismatch`; `LimitExceeded` for a workbook that is too large.
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
            match (found, &self.header) {
                (Found::Pending, _) => return Ok(Step::Pending),
                (Found::End, Some(_)) => return Ok(Step::End),
                (Found::End, None) => {
                    let message =
                        format!("the file has no header: its contract expects one on line {}", self.header_line);
                    return Err(StageError::new(ErrorCode::HeaderUnreadable, message));
                }
                (Found::Blank, None) => return Err(self.blank_header()),
                // A sheet leaves blank rows out.
                (Found::Row, None) if self.line() > self.header_line => return Err(self.blank_header()),
                (Found::Blank, Some(_)) => *self.skipped.entry("blank_lines").or_default() += 1,
                (Found::Row, None) => self.header = Some(self.read_header()?),
                (Found::Row, Some(header)) => {
                    if self.repeats(header) {
                        *self.skipped.entry("repeated_headers").or_default() += 1;
                    } else if self.is_total() {
                        *self.skipped.entry("totals_lines").or_default() += 1;
                    } else {
                        self.records += 1;
                        return Ok(Step::Record);
                    }
                }
            }
        }
    }

    /// The header's names, once it has been read: before the first record in any case.
    pub fn header(&self) -> Option<&[String]> {
        self.header.as_deref()
    }

    /// The line on which the record begins (the row of the sheet), from 1.
    pub fn line(&self) -> u64 {
        match &self.input {
            Input::Csv(csv) => csv.line(),
            Input::Workbook(workbook) => workbook.line(),
        }
    }

    /// The record's number, from 0.
    pub fn number(&self) -> u64 {
        self.records.saturating_sub(1)
    }

    /// A cell of the record; empty beyond its last one.
    pub fn cell(&self, index: usize) -> Cell<'_> {
        match &self.input {
            Input::Csv(csv) if index < csv.len() => csv.cell(index),
            Input::Csv(_) => Cell::Empty,
            Input::Workbook(workbook) => workbook.cell(index),
        }
    }

    /// The record as one text: the line as it stands, or a sheet's cells with `;` between them.
    pub fn raw(&self) -> String {
        match &self.input {
            Input::Csv(csv) => csv.raw(),
            Input::Workbook(workbook) => {
                (0..workbook.len()).map(|at| workbook.cell(at).shown()).collect::<Vec<_>>().join(";")
            }
        }
    }

    /// Lines that were no records, by kind: `blank_lines`, `repeated_headers`, `totals_lines`.
    pub fn skipped(&self) -> BTreeMap<String, u64> {
        self.skipped.iter().map(|(kind, lines)| ((*kind).to_owned(), *lines)).collect()
    }

    /// What is wrong with the record's shape, so that no cell of it can be trusted: rule and sentence.
    pub(crate) fn broken(&self) -> Option<(&'static str, &'static str)> {
        let width = self.header.as_ref().map_or(0, Vec::len);
        match &self.input {
            Input::Csv(csv) => csv.fault().or_else(|| {
                let surplus = csv.trailing_delimiters && csv.len() == width + 1 && csv.cell(width).is_blank();
                if csv.len() > width && !surplus {
                    Some(("enregistrement_long", "La ligne a plus de champs que l'en-tête."))
                } else if csv.len() < width {
                    Some(("enregistrement_court", "La ligne a moins de champs que l'en-tête."))
                } else {
                    None
                }
            }),
            Input::Workbook(workbook) => (width..workbook.len())
                .any(|at| !workbook.cell(at).is_blank())
                .then_some(("enregistrement_long", "La ligne a des valeurs au-delà des colonnes de l'en-tête.")),
        }
    }

    fn blank_header(&self) -> StageError {
        let message = format!("line {} is blank where the header should be", self.header_line);
        StageError::new(ErrorCode::HeaderUnreadable, message)
    }

    fn len(&self) -> usize {
        match &self.input {
            Input::Csv(csv) => csv.len(),
            Input::Workbook(workbook) => workbook.len(),
        }
    }

    fn read_header(&self) -> Result<Vec<String>> {
        let unreadable = |what: String| {
            StageError::new(ErrorCode::HeaderUnreadable, format!("the header on line {} {what}", self.line()))
        };
        if let Input::Csv(csv) = &self.input
            && csv.fault().is_some()
        {
            return Err(unreadable("has a quote that is not closed properly".to_owned()));
        }
        let mut names = Vec::with_capacity(self.len());
        for index in 0..self.len() {
            match self.cell(index) {
                Cell::Text(text) => names.push(text.trim().to_owned()),
                Cell::Undecodable(_) => {
                    let encoding = if let Input::Csv(csv) = &self.input { csv.encoding() } else { "UTF-8" };
                    return Err(unreadable(format!("is not in {encoding}, which the contract declares")));
                }
                other => names.push(other.shown()),
            }
        }
        if let Input::Workbook(_) = &self.input {
            while names.last().is_some_and(String::is_empty) {
                names.pop();
            }
        }
        Ok(names)
    }

    /// Whether the row is the header over again, as where files were put together or a report was printed by pages.
    fn repeats(&self, header: &[String]) -> bool {
        let same = |at: usize, name: &String| self.cell(at).text().is_some_and(|text| text.trim() == name);
        // The first column's bytes tell most records apart from a header, undecoded.
        let may_repeat = match (&self.input, header.first()) {
            (Input::Csv(csv), Some(name)) if name.is_ascii() && csv.len() > 0 => {
                csv.bytes(0).trim_ascii() == name.as_bytes()
            }
            (_, Some(name)) => same(0, name),
            (_, None) => false,
        };
        may_repeat
            && header.iter().enumerate().all(|(at, name)| same(at, name) || name.is_empty() && self.cell(at).is_blank())
    }

    /// Whether the first filled cell is the contract's word for totals.
    fn is_total(&self) -> bool {
        let Some(word) = &self.totals else { return false };
        let first = (0..self.len()).map(|at| self.cell(at)).find(|cell| !cell.is_blank());
        first.as_ref().and_then(Cell::text).is_some_and(|text| text.trim().to_lowercase() == *word)
    }
}
