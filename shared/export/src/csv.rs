//! CSV for spreadsheets: byte order mark, `;`, decimal comma, and nothing that would be run as a formula.

use std::borrow::Cow;

use fonderie_quality::push_spreadsheet_cell;
use fonderie_warehouse::{ColumnKind, TypedColumn};

use crate::value::{is_finite, local};

const DELIMITER: char = ';';

pub(crate) struct Csv {
    buffer: Vec<u8>,
}

impl Csv {
    pub(crate) fn new(columns: &[TypedColumn]) -> Self {
        let mut line = String::from("\u{feff}");
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                line.push(DELIMITER);
            }
            push_spreadsheet_cell(&column.name, DELIMITER, &mut line);
        }
        line.push_str("\r\n");
        Self { buffer: line.into_bytes() }
    }

    pub(crate) fn row(&mut self, columns: &[TypedColumn], values: &[Option<&str>]) {
        let mut line = String::new();
        for (index, (column, value)) in columns.iter().zip(values).enumerate() {
            if index > 0 {
                line.push(DELIMITER);
            }
            let text = value.unwrap_or_default();
            match column.kind {
                // a number is no formula, whatever its sign and exponent
                ColumnKind::Number | ColumnKind::Decimal(_) | ColumnKind::Integer if is_finite(text) => {
                    line.push_str(&text.replace('.', ","));
                }
                kind => push_spreadsheet_cell(&shown(kind, text), DELIMITER, &mut line),
            }
        }
        line.push_str("\r\n");
        self.buffer.extend_from_slice(line.as_bytes());
    }

    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
}

/// A value as a spreadsheet reads it.
fn shown(kind: ColumnKind, text: &str) -> Cow<'_, str> {
    match (kind, text) {
        (ColumnKind::Boolean, "t") => "true".into(),
        (ColumnKind::Boolean, "f") => "false".into(),
        (ColumnKind::Instant, text) => local(text).into(),
        (_, text) => text.into(),
    }
}
