//! Rejects as a CSV that a sender opens in a spreadsheet: UTF-8 with a byte order mark, `;`, CRLF.

use std::borrow::Cow;

use fonderie_contract::Messages;
use fonderie_core::sentence::{LONGEST, bounded};
use fonderie_tabular::Reject;

use crate::spreadsheet::push_spreadsheet_cell;

/// The byte order mark and the header line, in the dataset's words.
pub fn header(messages: &Messages) -> String {
    let mut csv = String::from('\u{feff}');
    for (at, name) in messages.rejects_header().into_iter().enumerate() {
        if at > 0 {
            csv.push(';');
        }
        push_spreadsheet_cell(name, ';', &mut csv);
    }
    csv + "\r\n"
}

/// The most characters of a value, and of a record.
const VALUE: usize = 1_000;

/// Appends one reject as a line, with the record as the file has it; long texts are cut.
pub fn write(reject: &Reject, record: &str, csv: &mut String) {
    csv.push_str(&reject.line.to_string());
    let column = reject.column.as_deref().or(reject.field.as_deref());
    let cells = [
        (reject.rule.as_str(), VALUE),
        (column.unwrap_or_default(), VALUE),
        (reject.value.as_deref().unwrap_or_default(), VALUE),
        (reject.message.as_str(), LONGEST),
        (record, VALUE),
    ];
    for (text, most) in cells {
        csv.push(';');
        push_spreadsheet_cell(&cut(text, most), ';', csv);
    }
    csv.push_str("\r\n");
}

fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        // One character more than is kept, so that the whole of a long record is not copied.
        Some((at, next)) => Cow::Owned(bounded(text[..at + next.len_utf8()].to_owned(), most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_and_a_line_stays_a_line() {
        let reject = Reject {
            line: 7,
            record: 6,
            rule: "unreadable_amount".into(),
            field: Some("amount".into()),
            column: None,
            value: Some("é".repeat(100_000)),
            message: "x".repeat(501),
        };
        let mut csv = String::new();
        write(&reject, &format!("a;\"b\nc\"{}", "z".repeat(1 << 20)), &mut csv);
        let line = csv.strip_suffix("\r\n").unwrap();
        assert!(!line.contains(char::is_control), "{line}");
        let cells: Vec<&str> = line.splitn(6, ';').collect();
        assert_eq!((cells[0], cells[2]), ("7", "amount"));
        assert_eq!((cells[3].chars().count(), cells[3].chars().last()), (1_000, Some('…')));
        assert_eq!(cells[4].chars().count(), 500);
        assert!(cells[5].starts_with("\"a;\"\"b c\"\"zz") && cells[5].ends_with("z…\""), "{}", &cells[5][..20]);
        // the quotes around it, and those doubled
        assert_eq!(cells[5].chars().count(), 1_000 + 4);
    }
}
