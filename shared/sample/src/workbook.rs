//! A workbook: one sheet of native cells, some of them typed in as text.

use std::io::Write;

use fonderie_contract::{DateFormat, Sheet};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use crate::notation::serial;
use crate::value::{Value, unit};

/// Rows of a sheet.
pub(crate) const MOST_ROWS: u32 = 1_048_576;

/// How a workbook's cells hold a day.
enum WrittenDate {
    /// As a number with a date's format.
    Formatted(Format),
    /// As a plain serial number.
    Serial { epoch1904: bool },
}

/// A workbook under way. Rows leave memory as they end; the library keeps them in a temporary file.
pub(crate) struct WorkbookOutput<'a> {
    workbook: Workbook,
    sheet: Worksheet,
    position: usize,
    sink: &'a mut (dyn Write + Send),
    row: u32,
    column: u16,
    date: WrittenDate,
}

impl<'a> WorkbookOutput<'a> {
    /// Begins a workbook whose first filled row is the header's.
    ///
    /// # Errors
    /// A sheet's name that no workbook can have.
    pub(crate) fn new(
        sheet: Option<&Sheet>,
        name: &str,
        header_line: u64,
        date: Option<&DateFormat>,
        sink: &'a mut (dyn Write + Send),
    ) -> Result<Self, XlsxError> {
        let mut workbook = Workbook::new();
        // The day on which a workbook is made must not change its bytes.
        workbook.set_properties(&DocProperties::new().set_creation_datetime(&ExcelDateTime::from_ymd(2026, 1, 1)?));
        let (name, position) = match sheet {
            Some(Sheet::Name(name)) => (name.clone(), 1),
            Some(Sheet::Pattern(pattern)) => (pattern.texts().concat().replace('*', ""), 1),
            Some(Sheet::Position(position)) => (name.chars().take(31).collect(), *position),
            None => (name.chars().take(31).collect(), 1),
        };
        let mut sheet = workbook.new_worksheet_with_constant_memory()?;
        sheet.set_name(name)?;
        let row = u32::try_from(header_line.saturating_sub(1)).unwrap_or(0);
        let date = match date {
            Some(DateFormat::Pattern(pattern)) => WrittenDate::Formatted(Format::new().set_num_format(&pattern.text)),
            None => WrittenDate::Formatted(Format::new().set_num_format("yyyy-mm-dd")),
            Some(DateFormat::Serial { epoch1904 }) => WrittenDate::Serial { epoch1904: *epoch1904 },
        };
        Ok(Self { workbook, sheet, position, sink, row, column: 0, date })
    }

    /// The row's next cell, as text; an empty one is no cell.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), XlsxError> {
        if !text.is_empty() {
            self.sheet.write_string(self.row, self.column, text)?;
        }
        self.column += 1;
        Ok(())
    }

    /// The row's next cell, of the value's own type. `scale` is that of a decimal.
    pub(crate) fn value(&mut self, value: &Value, scale: i8) -> Result<(), XlsxError> {
        let (row, column) = (self.row, self.column);
        match value {
            Value::Empty => {}
            Value::Text(text) => return self.text(text),
            Value::Integer(number) => {
                self.sheet.write_number(row, column, *number as f64)?;
            }
            Value::Date(day) => match &self.date {
                WrittenDate::Formatted(format) => {
                    self.sheet.write_number_with_format(row, column, f64::from(serial(*day, false)), format)?;
                }
                WrittenDate::Serial { epoch1904 } => {
                    self.sheet.write_number(row, column, f64::from(serial(*day, *epoch1904)))?;
                }
            },
            // The double nearest to a decimal of up to fifteen digits has it as its shortest form, which readers take.
            Value::Decimal(units) => {
                self.sheet.write_number(row, column, *units as f64 / unit(scale) as f64)?;
            }
        }
        self.column += 1;
        Ok(())
    }

    /// Ends the row.
    pub(crate) fn end_row(&mut self) {
        self.row += 1;
        self.column = 0;
    }

    /// Ends the workbook and writes it.
    ///
    /// # Errors
    /// Those of the sink, and a temporary file that cannot be read.
    pub(crate) fn finish(mut self) -> Result<(), XlsxError> {
        for _ in 1..self.position {
            self.workbook.add_worksheet();
        }
        self.workbook.push_worksheet(self.sheet);
        self.workbook.save_to_writer(self.sink)
    }
}
