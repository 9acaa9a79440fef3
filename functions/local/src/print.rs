//! What a person reads at the end of a run.

use std::borrow::Cow;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::cli::OutputArguments;

/// How the ends of files are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For a person: a line per file, then tables.
    Text,
    /// For a program: a JSON object per file.
    Json,
    /// For a person, only what went wrong.
    Quiet,
}

impl Output {
    pub(crate) fn of(arguments: &OutputArguments) -> Self {
        match (arguments.json, arguments.quiet) {
            (true, _) => Self::Json,
            (false, true) => Self::Quiet,
            (false, false) => Self::Text,
        }
    }
}

/// Prints a line. What cannot be printed is reported when the program ends.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Prints a line on standard error, likewise.
macro_rules! remark {
    ($($text:tt)*) => { $crate::out::remark(format_args!($($text)*)) };
}
pub(crate) use remark;

/// A name, a key or a value on one line of a terminal: what would steer the terminal, break the line or turn its direction is
/// written as an escape.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// [`escaped`], of each line of a text that has several by right.
pub(crate) fn escaped_lines(text: &str) -> String {
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// The most characters of a value in a table; the formats for programs have values whole.
const CELL: usize = 300;

/// [`escaped_lines`], of a value in a table: a long one is cut, which is seen.
pub(crate) fn in_table(value: &str) -> String {
    match value.char_indices().nth(CELL) {
        Some((end, _)) => escaped_lines(&value[..end]) + "…",
        None => escaped_lines(value),
    }
}

/// [`escaped`], of a path.
pub(crate) fn path(path: &Path) -> String {
    escaped(&path.to_string_lossy()).into_owned()
}

/// Prints one JSON document over several lines.
///
/// # Errors
/// `Internal`: it is none.
pub(crate) fn document(value: &impl serde::Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| StageError::new(ErrorCode::Internal, "the answer is no JSON").caused_by(error))?;
    say!("{json}");
    Ok(())
}

/// A currency, behind what it is the unit of.
pub(crate) fn unit(currency: Option<&str>) -> String {
    currency.map(|code| format!(" ({code})")).unwrap_or_default()
}

pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header.iter().copied());
    table
}

pub(crate) fn align_right(table: &mut Table, from: usize) {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_and_not_done() {
        assert_eq!(escaped("Commande n\u{b0}1 é \\ «été».csv"), "Commande n°1 é \\ «été».csv");
        assert_eq!(escaped("a\x1b[2J\nok b.csv\r\u{9b}\u{7f}"), r"a\u{1b}[2J\nok b.csv\r\u{9b}\u{7f}");
        assert_eq!(escaped("a\u{202e}vsc.\u{2028}"), r"a\u{202e}vsc.\u{2028}");
        assert_eq!(escaped_lines("two:\n  a\x07\n  b"), "two:\n  a\\u{7}\n  b");
        assert_eq!(path(Path::new("d/a\nb")), r"d/a\nb");
        let long = "é".repeat(CELL + 1);
        assert_eq!(in_table(&long[2..]), long[2..], "as long as it may be");
        assert_eq!(in_table(&long), format!("{}…", &long[2..]));
    }
}
