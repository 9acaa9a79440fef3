//! A workbook of one sheet: typed cells, a bold header that stays in sight, filters.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom};

use chrono::{Datelike, NaiveDate, Timelike};
use fonderie_core::{Result, StageError};
use fonderie_warehouse::{ColumnKind, TypedColumn};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use crate::file::{invalid, temporary, unfit};
use crate::value::{date, is_finite, local, significant, timestamp};

/// Rows of a sheet, its header among them.
const MOST_ROWS: u64 = 1_048_576;
const MOST_COLUMNS: usize = 16_384;
/// Characters of a cell, as Excel counts them.
const MOST_CHARACTERS: usize = 32_767;
/// A cell's number is a double, which keeps so many digits of any decimal.
const EXACT_DIGITS: usize = 15;
/// Rows that a column's width is taken from.
const MEASURED: u64 = 1_000;

pub(crate) struct Sheet {
    workbook: Workbook,
    sheet: Worksheet,
    date: Format,
    timestamp: Format,
    /// By the number of decimals.
    decimals: BTreeMap<usize, Format>,
    widths: Vec<usize>,
}

impl Sheet {
    pub(crate) fn new(title: &str, columns: &[TypedColumn]) -> Result<Self> {
        if columns.len() > MOST_COLUMNS {
            return Err(invalid(format!(
                "a sheet has at most {MOST_COLUMNS} columns, and the query {}",
                columns.len()
            )));
        }
        let mut workbook = Workbook::new();
        // the day on which a workbook is made must not change its bytes
        let created = ExcelDateTime::from_ymd(2026, 1, 1).map_err(failed)?;
        workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
        let mut sheet = workbook.new_worksheet_with_constant_memory().map_err(failed)?;
        sheet.set_name(title).map_err(failed)?;
        sheet.set_freeze_panes(1, 0).map_err(failed)?;
        let bold = Format::new().set_bold();
        for (at, column) in (0..).zip(columns) {
            sheet.write_string_with_format(0, at, &column.name, &bold).map_err(failed)?;
        }
        Ok(Self {
            workbook,
            sheet,
            date: Format::new().set_num_format("yyyy-mm-dd"),
            timestamp: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            decimals: BTreeMap::new(),
            // room for the filter's arrow
            widths: columns.iter().map(|column| column.name.chars().count() + 3).collect(),
        })
    }

    pub(crate) fn row(&mut self, columns: &[TypedColumn], values: &[Option<&str>], row: u64) -> Result<()> {
        if row >= MOST_ROWS {
            return Err(invalid(format!(
                "a sheet has at most {MOST_ROWS} rows, its header among them: let the query return fewer, or export CSV or Parquet"
            )));
        }
        let at = u32::try_from(row).unwrap_or(u32::MAX);
        for (index, (column, value)) in columns.iter().zip(values).enumerate() {
            let Some(text) = value else { continue };
            if text.encode_utf16().count() > MOST_CHARACTERS {
                return Err(unfit(column, row, "a text of more than 32,767 characters fits in no cell"));
            }
            if row <= MEASURED {
                self.widths[index] = self.widths[index].max(text.chars().count() + 1);
            }
            self.cell(at, u16::try_from(index).unwrap_or(u16::MAX), column.kind, text).map_err(failed)?;
        }
        Ok(())
    }

    /// A cell of the value's type; what a cell of that type would alter becomes a text, which is never a formula.
    fn cell(&mut self, row: u32, column: u16, kind: ColumnKind, text: &str) -> Result<(), XlsxError> {
        let sheet = &mut self.sheet;
        match kind {
            ColumnKind::Boolean => {
                sheet.write_boolean(row, column, text == "t")?;
                return Ok(());
            }
            ColumnKind::Integer | ColumnKind::Decimal(_) if significant(text) <= EXACT_DIGITS && is_finite(text) => {
                if let Ok(number) = text.parse::<f64>() {
                    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                    let format = self.decimals.entry(decimals).or_insert_with(|| decimal_format(decimals));
                    sheet.write_number_with_format(row, column, number, format)?;
                    return Ok(());
                }
            }
            ColumnKind::Number if is_finite(text) => {
                if let Ok(number) = text.parse::<f64>() {
                    sheet.write_number(row, column, number)?;
                    return Ok(());
                }
            }
            ColumnKind::Date => {
                if let Some(day) = date(text).and_then(excel_day) {
                    sheet.write_datetime_with_format(row, column, &day, &self.date)?;
                    return Ok(());
                }
            }
            ColumnKind::Timestamp | ColumnKind::Instant => {
                if let Some(time) = timestamp(local(text))
                    && let Some(day) = excel_day(time.date())
                {
                    let seconds = f64::from(time.second()) + f64::from(time.nanosecond() / 1_000_000) / 1_000.0;
                    let hour = u16::try_from(time.hour()).unwrap_or_default();
                    let day = day.and_hms(hour, u8::try_from(time.minute()).unwrap_or_default(), seconds)?;
                    sheet.write_datetime_with_format(row, column, &day, &self.timestamp)?;
                    return Ok(());
                }
            }
            _ => {}
        }
        sheet.write_string(row, column, text)?;
        Ok(())
    }

    /// Ends the workbook, in a temporary file that is gone when it is closed.
    pub(crate) fn finish(mut self, columns: &[TypedColumn], rows: u64) -> Result<File> {
        if let Some(last) = columns.len().checked_sub(1) {
            let last = u16::try_from(last).unwrap_or(u16::MAX);
            let rows = u32::try_from(rows).unwrap_or(u32::MAX);
            self.sheet.autofilter(0, 0, rows, last).map_err(failed)?;
        }
        for (at, width) in (0..).zip(&self.widths) {
            let width = u8::try_from((*width).clamp(8, 60)).unwrap_or(60);
            self.sheet.set_column_width(at, width).map_err(failed)?;
        }
        self.workbook.push_worksheet(self.sheet);
        let file = tempfile::tempfile().map_err(|error| temporary(&error))?;
        let mut written = BufWriter::new(file);
        self.workbook.save_to_writer(&mut written).map_err(failed)?;
        let mut file = written.into_inner().map_err(|error| temporary(&error))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| temporary(&error))?;
        Ok(file)
    }
}

/// A day that a workbook has: from 1900 to 9999.
fn excel_day(day: NaiveDate) -> Option<ExcelDateTime> {
    let year = u16::try_from(day.year()).ok().filter(|year| (1900..=9999).contains(year))?;
    ExcelDateTime::from_ymd(year, u8::try_from(day.month()).ok()?, u8::try_from(day.day()).ok()?).ok()
}

fn decimal_format(decimals: usize) -> Format {
    let shown = if decimals == 0 { "0".to_owned() } else { format!("#,##0.{}", "0".repeat(decimals)) };
    Format::new().set_num_format(shown)
}

fn failed(error: XlsxError) -> StageError {
    match error {
        XlsxError::IoError(error) => temporary(&error),
        error => invalid(format!("the workbook cannot be written: {error}")),
    }
}
