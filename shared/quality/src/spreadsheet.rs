//! Text for a cell of a CSV that a spreadsheet opens: no control characters, and nothing that it would run as a formula.

/// Appends a cell to a line of a CSV with the given delimiter, quoted if need be.
///
/// A formula (`=…`, `+…`, `-…`, `@…`, their full-width forms and the minus sign, after white space too) gets an apostrophe
/// in front; a plain number such as `-12,00` stays. Line breaks and tabs become spaces, other control characters `\u{fffd}`.
pub fn push_spreadsheet_cell(text: &str, delimiter: char, csv: &mut String) {
    let text: String = text.chars().map(shown).collect();
    let formula = starts_formula(&text);
    if !formula && !text.contains([delimiter, '"']) {
        csv.push_str(&text);
        return;
    }
    csv.push('"');
    if formula {
        csv.push('\'');
    }
    csv.push_str(&text.replace('"', "\"\""));
    csv.push('"');
}

/// A character as it may stand in a cell.
fn shown(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        // Bidirectional controls show a text in another order than it has.
        c if c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            '\u{fffd}'
        }
        c => c,
    }
}

fn starts_formula(text: &str) -> bool {
    let invisible = |c: char| {
        c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{fffd}')
    };
    let text = text.trim_start_matches(invisible);
    text.starts_with([
        '=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '\u{2212}', '\u{207a}', '\u{207b}',
        '\u{208a}', '\u{208b}', '⁼', '₌', '|', '%',
    ]) && !is_number(text)
}

/// One sign at most, then digits with separators.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+', '\u{2212}', '－', '＋']).unwrap_or(text).trim();
    digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut csv = String::new();
        push_spreadsheet_cell(text, ';', &mut csv);
        csv
    }

    #[test]
    fn what_a_person_wrote_stays() {
        for plain in ["Noël", "", "-12,00", "+1 234.50", "−3", "12,00-", "a=b", "O'Brien", "a,b", "2026-06-30"] {
            assert_eq!(cell(plain), plain);
        }
        assert_eq!(cell("a;\"b\""), "\"a;\"\"b\"\"\"");
    }

    #[test]
    fn formulas_are_disarmed_wherever_they_begin() {
        for formula in [
            "=cmd|' /C calc'!A0",
            "+1+1",
            "-1+cmd",
            "-1-2",
            "--1",
            "@SUM(A1)",
            " =1",
            "\u{a0}=1",
            "\u{3000}＝1",
            "＋1+1",
            "－1-1",
            "＠x",
            "−x",
            "\t=1",
            "\r=1",
            "\n\n=1",
            "\u{0}=1",
            "\u{feff}=1",
            "\u{200b}=1",
            "\u{200f}=1",
            "-",
            "=",
        ] {
            let cell = cell(formula);
            assert!(cell.starts_with("\"'") && cell.ends_with('"'), "{formula:?}: {cell:?}");
        }
    }

    #[test]
    fn no_control_character_is_left() {
        let all: String = (0..0x2100).filter_map(char::from_u32).collect();
        let cell = cell(&all);
        assert!(!cell.contains(char::is_control) && !cell.contains(['\u{2028}', '\u{202e}', '\u{2066}']));
        assert!(cell.contains('é') && cell.contains('\u{fffd}'));
    }
}
