//! Rows on their way from the reading thread: a few at a time, their cells one after another without empty ones, their
//! texts in one buffer or in the workbook's shared table.

use std::sync::Arc;

use super::texts::Texts;
use crate::cell::{Appearance, Cell};

/// A row's place in a sheet, from 1, and where its cells begin.
struct Row {
    line: u32,
    first: usize,
}

/// A filled cell: its column, from 0, and its value.
struct Filled {
    column: u16,
    value: Value,
}

/// A part of a block's texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

/// A cell's value; see [`Cell`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Shared(u32),
    Text(Span),
    TooLong(Span),
    Number(f64),
    Formatted(f64),
    Around(f64, Span),
    Percent(f64, Span),
    Scaled(f64),
    Hidden(f64),
    ShownAs(f64, Span),
    Day(i32),
    Moment(i32, u32),
    Time(f64),
    Truth(bool),
    Error(Span),
    Formula,
}

/// Rows of a sheet.
pub(super) struct Block {
    shared: Arc<Texts>,
    texts: String,
    cells: Vec<Filled>,
    rows: Vec<Row>,
}

impl Block {
    pub(super) const fn new(shared: Arc<Texts>) -> Self {
        Self { shared, texts: String::new(), cells: Vec::new(), rows: Vec::new() }
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The memory that it takes, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.texts.len() + self.cells.len() * size_of::<Filled>() + self.rows.len() * size_of::<Row>()
    }

    pub(super) fn begin_row(&mut self, line: u32) {
        self.rows.push(Row { line, first: self.cells.len() });
    }

    /// Adds a cell to the last row, right of its others.
    pub(super) fn push(&mut self, column: u16, value: Value) {
        self.cells.push(Filled { column, value });
    }

    /// Keeps a text.
    pub(super) fn keep(&mut self, text: &str) -> Span {
        let start = self.texts.len();
        self.texts.push_str(text);
        Span { start, end: self.texts.len() }
    }

    pub(super) fn line(&self, row: usize) -> u64 {
        self.rows.get(row).map_or(0, |row| u64::from(row.line))
    }

    fn row(&self, row: usize) -> &[Filled] {
        let first = self.rows.get(row).map_or(self.cells.len(), |row| row.first);
        let end = self.rows.get(row + 1).map_or(self.cells.len(), |row| row.first);
        self.cells.get(first..end).unwrap_or_default()
    }

    /// The number of columns up to a row's last filled cell.
    pub(super) fn len(&self, row: usize) -> usize {
        self.row(row).last().map_or(0, |cell| usize::from(cell.column) + 1)
    }

    /// A row's filled cells with their columns, from left to right.
    pub(super) fn filled(&self, row: usize) -> impl Iterator<Item = (usize, Cell<'_>)> {
        self.row(row).iter().map(|cell| (usize::from(cell.column), self.cell(cell.value)))
    }

    /// A cell of a row by its column.
    pub(super) fn at(&self, row: usize, column: usize) -> Cell<'_> {
        let cells = self.row(row);
        // Most rows have no empty cells, at least not at their beginning.
        let found = match cells.get(column) {
            Some(cell) if usize::from(cell.column) == column => Some(cell),
            _ => {
                let place = cells.binary_search_by_key(&column, |cell| usize::from(cell.column));
                place.ok().and_then(|place| cells.get(place))
            }
        };
        found.map_or(Cell::Empty, |cell| self.cell(cell.value))
    }

    fn text(&self, span: Span) -> &str {
        self.texts.get(span.start..span.end).unwrap_or_default()
    }

    fn cell(&self, value: Value) -> Cell<'_> {
        match value {
            Value::Shared(index) => self.shared.get(index).map_or(Cell::Empty, |text| Cell::Text(text.into())),
            Value::Text(span) => Cell::Text(self.text(span).into()),
            Value::TooLong(span) => Cell::TooLong(self.text(span).into()),
            Value::Number(number) => Cell::Number(number),
            Value::Formatted(number) => Cell::Formatted(number, Appearance::Other),
            Value::Around(number, span) => Cell::Formatted(number, Appearance::Around(self.text(span))),
            Value::Percent(number, span) => Cell::Formatted(number, Appearance::Percent(self.text(span))),
            Value::Scaled(number) => Cell::Formatted(number, Appearance::Scaled),
            Value::Hidden(number) => Cell::Formatted(number, Appearance::Hidden),
            Value::ShownAs(number, span) => Cell::ShownAs(number, self.text(span).into()),
            Value::Day(day) => Cell::Day(day),
            Value::Moment(day, milliseconds) => Cell::Moment { day, milliseconds },
            Value::Time(serial) => Cell::Time(serial),
            Value::Truth(truth) => Cell::Truth(truth),
            Value::Error(span) => Cell::Error(self.text(span).to_owned()),
            Value::Formula => Cell::Formula,
        }
    }
}
