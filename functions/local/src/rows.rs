//! A query's rows on standard output, as they arrive.

use std::ops::ControlFlow;

use comfy_table::{Table as Screen, presets};
use fonderie_quality::push_spreadsheet_cell;
use fonderie_warehouse::Part;
use serde_json::{Map, Value};

use crate::cli::Format;
use crate::out;
use crate::print::in_table;

/// A table's columns are as wide as their widest cell, so that its rows are held: no more than these.
const HELD_ROWS: usize = 5_000;
/// And no more text than this, in bytes.
const HELD_BYTES: usize = 4 << 20;

/// Writes bytes; breaks if nobody reads them.
pub(crate) type Print = fn(&[u8]) -> ControlFlow<()>;

/// Writes the parts of an answer in a format.
pub(crate) struct Rows<W> {
    format: Format,
    spreadsheet: bool,
    write: W,
    columns: Vec<String>,
    held: Vec<Vec<String>>,
    held_bytes: usize,
    /// Rows of this statement.
    count: u64,
    /// Rows of the statement before, if there is one.
    ended: Option<u64>,
}

impl Rows<Print> {
    /// On standard output.
    pub(crate) fn printed(format: Format, spreadsheet: bool) -> Self {
        Self::new(format, spreadsheet, out::write)
    }
}

impl<W: FnMut(&[u8]) -> ControlFlow<()>> Rows<W> {
    fn new(format: Format, spreadsheet: bool, write: W) -> Self {
        Self { format, spreadsheet, write, columns: Vec::new(), held: Vec::new(), held_bytes: 0, count: 0, ended: None }
    }

    /// Rows of the last statement that has ended; `None` if none has.
    pub(crate) fn ended(&self) -> Option<u64> {
        self.ended
    }

    /// Writes a part, or holds it; breaks if nobody reads what is written.
    pub(crate) fn part(&mut self, part: Part<'_>) -> ControlFlow<()> {
        match part {
            Part::Columns(names) => {
                self.columns = names.iter().map(|&name| name.to_owned()).collect();
                match self.format {
                    Format::Table => ControlFlow::Continue(()),
                    Format::Csv => self.csv(names.into_iter()),
                    Format::Json => (self.write)(b"["),
                }
            }
            Part::Row(row) => self.row(&row),
            Part::End(rows) => self.end(rows),
        }
    }

    fn row(&mut self, row: &[Option<&str>]) -> ControlFlow<()> {
        let first = self.count == 0;
        self.count += 1;
        match self.format {
            Format::Table => {
                if self.held.len() < HELD_ROWS && self.held_bytes < HELD_BYTES {
                    let row: Vec<_> = row.iter().map(|value| in_table(value.unwrap_or_default())).collect();
                    self.held_bytes += row.iter().map(String::len).sum::<usize>();
                    self.held.push(row);
                }
                ControlFlow::Continue(())
            }
            Format::Csv => self.csv(row.iter().map(|value| value.unwrap_or_default())),
            Format::Json => {
                let value = |value: &Option<&str>| value.map_or(Value::Null, Value::from);
                let object: Map<_, _> = self.columns.iter().cloned().zip(row.iter().map(value)).collect();
                let comma = if first { "" } else { ",\n" };
                (self.write)(format!("{comma}{}", Value::Object(object)).as_bytes())
            }
        }
    }

    /// Ends a statement, of which the next one has nothing.
    fn end(&mut self, rows: u64) -> ControlFlow<()> {
        let (columns, held) = (std::mem::take(&mut self.columns), std::mem::take(&mut self.held));
        let count = std::mem::take(&mut self.count);
        self.ended = Some(count);
        self.held_bytes = 0;
        let unit = |rows: u64| if rows == 1 { "row" } else { "rows" };
        match self.format {
            Format::Csv => ControlFlow::Continue(()),
            Format::Json if columns.is_empty() => ControlFlow::Continue(()),
            Format::Json => (self.write)(b"]\n"),
            Format::Table if columns.is_empty() => (self.write)(format!("{rows} {}\n", unit(rows)).as_bytes()),
            Format::Table => {
                let mut screen = Screen::new();
                screen.load_style(presets::UTF8_BORDERS_ONLY).set_header(&columns);
                let more = count - held.len() as u64;
                held.into_iter().for_each(|row| {
                    screen.add_row(row);
                });
                let hidden = if more == 0 {
                    String::new()
                } else {
                    format!(", {more} of them not shown (--format csv prints all)")
                };
                (self.write)(format!("{screen}\n{count} {}{hidden}\n", unit(count)).as_bytes())
            }
        }
    }

    fn csv<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> ControlFlow<()> {
        let mut line = String::new();
        for (index, text) in cells.enumerate() {
            if index > 0 {
                line.push(',');
            }
            if self.spreadsheet {
                push_spreadsheet_cell(text, ',', &mut line);
            } else if text.contains([',', '"', '\n', '\r']) {
                line.push('"');
                line.push_str(&text.replace('"', "\"\""));
                line.push('"');
            } else {
                line.push_str(text);
            }
        }
        line.push('\n');
        (self.write)(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, spreadsheet: bool, rows: &[[Option<&str>; 2]]) -> String {
        let mut bytes = Vec::new();
        let mut out = Rows::new(format, spreadsheet, |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            ControlFlow::Continue(())
        });
        let columns = Part::Columns(vec!["nom", "total"]);
        let rows_and_end = rows.iter().map(|row| Part::Row(row.to_vec())).chain([Part::End(rows.len() as u64)]);
        for part in std::iter::once(columns).chain(rows_and_end) {
            assert!(out.part(part).is_continue());
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn rows_in_each_format() {
        let rows = [[Some("O\"Neil, Zoé"), Some("12.50")], [None, Some("0.00")]];
        assert_eq!(written(Format::Csv, false, &rows), "nom,total\n\"O\"\"Neil, Zoé\",12.50\n,0.00\n");
        let json = "[{\"nom\":\"O\\\"Neil, Zoé\",\"total\":\"12.50\"},\n{\"nom\":null,\"total\":\"0.00\"}]\n";
        assert_eq!(written(Format::Json, false, &rows), json);
        assert_eq!(written(Format::Json, false, &[]), "[]\n");
        assert!(written(Format::Table, false, &rows).ends_with("\n2 rows\n"));
        assert!(written(Format::Table, false, &rows[..1]).ends_with("\n1 row\n"));
    }

    #[test]
    fn a_table_steers_no_terminal() {
        let rows = [[Some("a\x1b[2J"), Some("1\n2")]];
        let text = written(Format::Table, false, &rows);
        assert!(text.contains("a\\u{1b}[2J") && !text.contains('\x1b'), "{text}");
        assert!(written(Format::Csv, false, &rows).contains("a\x1b[2J"), "for programs it stays as it is");
    }

    #[test]
    fn a_spreadsheet_runs_nothing() {
        let rows = [[Some("=1+1"), Some("-12.50")], [Some("a\nb"), Some("x, y")]];
        assert_eq!(written(Format::Csv, true, &rows), "nom,total\n\"'=1+1\",-12.50\na b,\"x, y\"\n");
        assert_eq!(written(Format::Csv, false, &rows), "nom,total\n=1+1,-12.50\n\"a\nb\",\"x, y\"\n");
    }

    #[test]
    fn a_table_shows_its_first_rows_and_counts_all() {
        let many = vec![[Some("a"), Some("1")]; HELD_ROWS + 7];
        let text = written(Format::Table, false, &many);
        assert_eq!(text.matches("│ a").count(), HELD_ROWS);
        assert!(text.ends_with("\n5007 rows, 7 of them not shown (--format csv prints all)\n"));
        let row = vec![Some("xxxxxxxx"); HELD_BYTES / 16];
        let mut out = Rows::new(Format::Table, false, |_: &[u8]| ControlFlow::Continue(()));
        for _ in 0..5 {
            let _ = out.part(Part::Row(row.clone()));
        }
        assert_eq!((out.held.len(), out.count), (2, 5), "wide rows are fewer");
    }

    #[test]
    fn each_statement_has_its_own_answer() {
        let mut text = String::new();
        let mut out = Rows::new(Format::Table, false, |piece: &[u8]| {
            text.push_str(std::str::from_utf8(piece).unwrap());
            ControlFlow::Continue(())
        });
        for part in [Part::End(3), Part::Columns(vec!["a"]), Part::Row(vec![Some("1")]), Part::End(1)] {
            let _ = out.part(part);
        }
        assert!(text.starts_with("3 rows\n") && text.ends_with("\n1 row\n"), "{text}");
    }
}
