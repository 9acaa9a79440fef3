//! Rejects as a CSV that a facility opens in its spreadsheet: UTF-8 with a byte order mark, `;`, CRLF.

use fonderie_tabular::Reject;

/// The byte order mark and the header line.
pub const HEADER: &str = "\u{feff}ligne;règle;colonne;valeur;explication;enregistrement\r\n";

/// Appends one reject as a line, with the record as the file has it.
pub fn write_row(reject: &Reject, record: &str, csv: &mut String) {
    csv.push_str(&reject.line.to_string());
    let column = reject.column.as_deref().or(reject.field.as_deref());
    for text in [Some(reject.rule.as_str()), column, reject.value.as_deref(), Some(&reject.message), Some(record)] {
        csv.push(';');
        write_cell(text.unwrap_or_default(), csv);
    }
    csv.push_str("\r\n");
}

/// Quotes what needs it, and takes a formula's effect away: a spreadsheet would run `=…`, `+…`, `@…` and `-…`.
fn write_cell(text: &str, csv: &mut String) {
    let number =
        |text: &str| text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | ',' | ' ' | '\u{a0}'));
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number(text);
    let quoted = formula || text.contains([';', '"', '\n', '\r']);
    if !quoted {
        csv.push_str(text);
        return;
    }
    csv.push('"');
    if formula {
        csv.push('\'');
    }
    csv.push_str(&text.replace('"', "\"\""));
    csv.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_disarmed() {
        let cell = |text: &str| {
            let mut csv = String::new();
            write_cell(text, &mut csv);
            csv
        };
        assert_eq!(cell("Noël"), "Noël");
        assert_eq!(cell("a;\"b\"\n"), "\"a;\"\"b\"\"\n\"");
        assert_eq!(cell("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(cell("-12,00"), "-12,00");
        assert_eq!(cell("-1+cmd"), "\"'-1+cmd\"");
    }
}
